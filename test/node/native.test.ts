import { createDecipheriv, createSecretKey, type Decipheriv } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { open as openByHandle, openSecret, seal as sealByHandle, sealInto } from '../../src/crypto/aes-gcm.ts';
import { sha384 } from '../../src/crypto/digest.ts';
import { agree, exportPoint, generateKeyPair } from '../../src/crypto/ecdh.ts';
import { deriveAead, deriveBytes, importSecret } from '../../src/crypto/hkdf.ts';
import { verifyMac } from '../../src/crypto/hmac.ts';
import { nativeAeadOf, nativeSecretOf, type SecretKey, secretHandle } from '../../src/crypto/keys.ts';
import { hkdfByHmac } from '../../src/lib/hkdf-node.ts';
import { agreeByNode, nodeCrypto } from '../../src/lib/native-node.ts';
import type { Awaitable, Bytes } from '../../src/types.ts';
import { pattern, viewAtOffset } from '../support/data.ts';

const { subtle } = globalThis.crypto;
const bytes = (minLength: number, maxLength = minLength) =>
  fc.uint8Array({ minLength, maxLength }).map((value) => viewAtOffset(new Uint8Array(value)) as Bytes);
const hkdf = (salt: Bytes, info: Bytes) => ({ name: 'HKDF', hash: 'SHA-384', salt, info });
const gcm = (iv: Bytes, additionalData: Bytes) => ({ name: 'AES-GCM', iv, additionalData, tagLength: 128 });
/** Around what is done synchronously, and far beyond. */
const lengths = [
  0, 1, 15, 16, 17, 100, 4096, 65_519, 65_520, 65_535, 65_536, 65_537, 262_144, 262_160, 1_048_559, 1_048_560,
  1_048_575, 1_048_576, 1_048_577, 1_048_592, 1_048_593, 3_000_001,
];

/** The same secret in both worlds. */
async function both(secret: Bytes) {
  const key = await subtle.importKey('raw', secret, 'HKDF', false, ['deriveKey', 'deriveBits']);
  const native = await importSecret(secret);
  expect(nativeSecretOf(native)).toBeDefined();
  expect(nativeSecretOf(secretHandle(key))).toBeUndefined();
  return { key, native };
}

describe('node:crypto and WebCrypto', () => {
  test('derive the same bytes', () =>
    fc.assert(
      fc.asyncProperty(
        bytes(1, 66),
        bytes(0, 64),
        bytes(0, 200),
        fc.integer({ min: 1, max: 12_240 }),
        async (...args) => {
          const [secret, salt, info, length] = args;
          const { key, native } = await both(secret);
          const expected = new Uint8Array(await subtle.deriveBits(hkdf(salt, info), key, length * 8));
          expect(await deriveBytes(native, salt, info, length)).toEqual(expected);
          // Whichever of the two this Node uses.
          expect(hkdfByHmac(createSecretKey(secret), salt, info, length)).toEqual(expected);
          expect(await deriveBytes(secretHandle(key), salt, info, length)).toEqual(expected);
        },
      ),
    ));

  test('refuse the same lengths', async () => {
    const { key, native } = await both(pattern(32));
    for (const handle of [native, secretHandle(key)]) {
      await expect(async () => deriveBytes(handle, pattern(0), pattern(0), 12_241)).rejects.toThrow(TypeError);
    }
  });

  test('hash the same', () =>
    fc.assert(
      fc.asyncProperty(bytes(0, 300), async (data) => {
        expect(await sha384(data)).toEqual(new Uint8Array(await subtle.digest('SHA-384', data)));
      }),
    ));

  test.each([65_535, 65_536, 65_537])('hash %i bytes the same', async (length) => {
    const data = pattern(length);
    expect(await sha384(data)).toEqual(new Uint8Array(await subtle.digest('SHA-384', data)));
  });

  test('check the same MACs', () =>
    fc.assert(
      fc.asyncProperty(bytes(32), bytes(32), bytes(0, 90), bytes(0, 500), fc.nat(383), async (...args) => {
        const [secret, salt, info, data, bit] = args;
        const { key, native } = await both(secret);
        const algorithm = { name: 'HMAC', hash: 'SHA-384', length: 384 };
        const macKey = await subtle.deriveKey(hkdf(salt, info), key, algorithm, false, ['sign']);
        const mac = new Uint8Array(await subtle.sign('HMAC', macKey, data));
        for (const handle of [native, secretHandle(key)]) {
          expect(await verifyMac(handle, salt, info, mac, data)).toBe(true);
          expect(await verifyMac(handle, salt, info, flipped(mac, bit), data)).toBe(false);
          expect(await verifyMac(handle, salt, info, mac.slice(0, 47), data)).toBe(false);
          expect(await verifyMac(handle, salt, info, new Uint8Array(0), data)).toBe(false);
        }
      }),
      { numRuns: 30 },
    ));

  test.each(lengths)('seal and open %i bytes the same, and refuse the same', async (length) => {
    const { key, native } = await both(pattern(32, length));
    const [salt, info, nonce, data] = [pattern(32), pattern(70), pattern(12, 9), pattern(length % 50, 5)];
    const usages: KeyUsage[] = ['encrypt', 'decrypt'];
    const expectedKey = await subtle.deriveKey(hkdf(salt, info), key, { name: 'AES-GCM', length: 256 }, false, usages);
    const plaintext = viewAtOffset(pattern(length, 3)) as Bytes;
    const expected = new Uint8Array(await subtle.encrypt(gcm(nonce, data), expectedKey, plaintext));
    const [sealing, opening] = [
      await deriveAead(native, salt, info, 'seal'),
      await deriveAead(native, salt, info, 'open'),
    ];
    expect(nativeAeadOf(sealing)).toBeDefined();

    const sealed = await sealByHandle(sealing, nonce, plaintext, data);
    expect(Buffer.compare(sealed, expected)).toBe(0);
    expect(Object.getPrototypeOf(sealed)).toBe(Uint8Array.prototype);
    const opened = await openByHandle(opening, nonce, viewAtOffset(sealed) as Bytes, data);
    expect(Buffer.compare(opened, plaintext)).toBe(0);
    expect(Object.getPrototypeOf(opened)).toBe(Uint8Array.prototype);
    expect(opened.buffer.byteLength).toBe(length);

    const refused = { name: 'DecryptionError', code: 'ERR_DECRYPTION_FAILED' };
    const wrong = [
      [nonce, flipped(sealed, 0), data],
      [nonce, flipped(sealed, sealed.byteLength * 8 - 1), data],
      [nonce, sealed.subarray(0, -1), data],
      [nonce, sealed.subarray(0, 15), data],
      [flipped(nonce, 3), sealed, data],
      [nonce, sealed, pattern(51)],
    ] as [Bytes, Bytes, Bytes][];
    for (const args of wrong) await expect(async () => openByHandle(opening, ...args)).rejects.toMatchObject(refused);
  });

  test.each([10, 100_000])('a plaintext of %i bytes whose tag is wrong is overwritten', async (length) => {
    const secret = await importSecret(pattern(32));
    const sealing = await deriveAead(secret, pattern(32), pattern(9), 'seal');
    const opening = await deriveAead(secret, pattern(32), pattern(9), 'open');
    const sealed = await sealByHandle(sealing, pattern(12), pattern(length));
    const fill = vi.spyOn(Uint8Array.prototype, 'fill');
    try {
      await expect(async () => openByHandle(opening, pattern(12), flipped(sealed, length * 8))).rejects.toThrow();
      expect(fill.mock.contexts.map((array) => (array as Uint8Array).byteLength)).toEqual([length]);
      expect((fill.mock.contexts[0] as Uint8Array).every((byte) => byte === 0)).toBe(true);
    } finally {
      fill.mockRestore();
    }
  });

  test('a key does what it is for and nothing else', async () => {
    const secret = await importSecret(pattern(32));
    for (const length of [10, 100_000, 1_100_000]) {
      const sealing = await deriveAead(secret, pattern(32), pattern(9), 'seal');
      const sealed = await sealByHandle(sealing, pattern(12), pattern(length));
      await expect(async () => openByHandle(sealing, pattern(12), sealed)).rejects.toThrow();
      const opening = await deriveAead(secret, pattern(32), pattern(9), 'unwrap');
      await expect(async () => sealByHandle(opening, pattern(12), pattern(length))).rejects.toThrow(TypeError);
    }
  });
});

describe('the agreement of node:crypto, which Node 20 and 22 use', () => {
  const curve = (namedCurve: string, name = 'ECDH') => ({ name, namedCurve });
  const before = nodeCrypto.agree;
  const native = vi.fn(agreeByNode);
  beforeEach(() => void Object.assign(nodeCrypto, { agree: native.mockClear() }));
  afterEach(() => void Object.assign(nodeCrypto, { agree: before }));
  const fingerprint = (secret: SecretKey | undefined) =>
    deriveBytes(secret as SecretKey, pattern(32), pattern(9), 48) as Bytes;

  test('gives the same secret to both sides, and the same as WebCrypto', async () => {
    for (let i = 0; i < 20; i++) {
      const [a, b] = [await generateKeyPair(true), await generateKeyPair(true)];
      const [pointA, pointB] = [await exportPoint(a.publicKey), await exportPoint(b.publicKey)];
      const agreed = await fingerprint(await agree(a.privateKey, pointB));
      expect(await fingerprint(await agree(b.privateKey, pointA))).toEqual(agreed);
      expect(native).toHaveBeenCalledTimes(2 * (i + 1));
      const shared = await subtle.deriveBits({ name: 'ECDH', public: b.publicKey }, a.privateKey, 384);
      expect(await fingerprint(await importSecret(new Uint8Array(shared)))).toEqual(agreed);
    }
  });

  test('refuses a point that is not on the curve', async () => {
    const { privateKey, publicKey } = await generateKeyPair(true);
    const point = await exportPoint(publicKey);
    for (const wrong of [flipped(point, 775), flipped(point, 0), point.slice(0, 96), point.slice(1, 97), pattern(97)]) {
      expect(await agree(privateKey, wrong)).toBeUndefined();
    }
    expect(native).not.toHaveBeenCalled();
  });

  test('is given no key that WebCrypto would refuse', async () => {
    const point = await exportPoint((await generateKeyPair(true)).publicKey);
    const others = [
      await subtle.generateKey(curve('P-256'), true, ['deriveBits']),
      await subtle.generateKey(curve('P-384', 'ECDSA'), true, ['sign']),
    ] as CryptoKeyPair[];
    for (const { privateKey, publicKey } of others) {
      await expect(agree(privateKey, point)).rejects.toThrow();
      await expect(agree(publicKey, point)).rejects.toThrow();
      // As if its usages were right.
      const usages = ['deriveBits'];
      const disguised = new Proxy(privateKey, {
        get: (key, name) => (name === 'usages' ? usages : Reflect.get(key, name, key)),
      });
      await expect(agree(disguised, point)).rejects.toThrow();
    }
    expect(native).not.toHaveBeenCalled();
  });
});

describe('what fails beside the tag', () => {
  const prototype = Object.getPrototypeOf(createDecipheriv('aes-256-gcm', pattern(32), pattern(12))) as Decipheriv;
  afterEach(() => void vi.restoreAllMocks());

  test.each(['update', 'setAuthTag', 'setAAD'] as const)('%s: keeps its own error', async (method) => {
    const secret = await importSecret(pattern(32));
    const sealed = await sealByHandle(
      await deriveAead(secret, pattern(32), pattern(9), 'seal'),
      pattern(12),
      pattern(10),
    );
    const opening = await deriveAead(secret, pattern(32), pattern(9), 'unwrap');
    const error = new RangeError('no memory');
    vi.spyOn(prototype, method as 'update').mockImplementation(() => {
      throw error;
    });
    await expect(async () => openByHandle(opening, pattern(12), sealed, pattern(3))).rejects.toBe(error);
    await expect(async () => openSecret(opening, pattern(12), sealed, pattern(3))).rejects.toBe(error);
  });

  test('a key for the other direction is a TypeError', async () => {
    const sealing = await deriveAead(await importSecret(pattern(32)), pattern(32), pattern(9), 'seal');
    await expect(async () => openByHandle(sealing, pattern(12), pattern(40))).rejects.toThrow(TypeError);
  });
});

describe('the seam of Node', () => {
  test('inputs may be used again at once, large ones before the key is imported too', async () => {
    const secret = await importSecret(pattern(32));
    for (const length of [100, 65_536, 300_000, 1_048_592, 1_048_593, 2_000_000]) {
      const [sealing, opening] = await Promise.all(
        (['seal', 'open'] as const).map((use) => deriveAead(secret, pattern(32), pattern(9), use)),
      );
      const buffer = pattern(length);
      const sealed: Awaitable<Bytes>[] = [];
      for (let i = 0; i < 6; i++) {
        buffer.fill(i);
        sealed.push(sealByHandle(sealing as never, pattern(12, i), buffer));
      }
      for (const [i, one] of (await Promise.all(sealed)).entries()) {
        const opened = await openByHandle(opening as never, pattern(12, i), one);
        expect(Buffer.compare(opened, new Uint8Array(length).fill(i))).toBe(0);
      }
    }
  });

  test('memory that a cipher leaves behind is freed at once, also where buffers have no transfer()', async () => {
    const secret = await importSecret(pattern(32));
    const key = await deriveAead(secret, pattern(32), pattern(9), 'seal');
    const plaintext = pattern(3_000_001);
    const expected = await sealByHandle(key, pattern(12), plaintext);
    const transfer = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'transfer');
    Reflect.deleteProperty(ArrayBuffer.prototype, 'transfer');
    const send = vi.spyOn(MessagePort.prototype, 'postMessage');
    try {
      const target = new Uint8Array(plaintext.byteLength + 16) as Bytes;
      await sealInto(key, pattern(12), plaintext, target);
      expect(target).toEqual(expected);
    } finally {
      if (transfer !== undefined) Object.defineProperty(ArrayBuffer.prototype, 'transfer', transfer);
    }
    const sent = send.mock.calls.flatMap(([, buffers]) => buffers as unknown as ArrayBuffer[]);
    // Pieces of 64 KiB; only the last of a run may stay, which is short.
    expect(sent.length).toBeGreaterThanOrEqual(45);
    expect(sent.filter(({ byteLength }) => byteLength > 0)).toEqual([]);
  });

  test('a handle shows nothing of what is in it', async () => {
    const secret = await importSecret(pattern(32, 77));
    const key = await deriveAead(secret, pattern(32), pattern(9), 'seal');
    for (const handle of [secret, key]) {
      expect(Reflect.ownKeys(handle)).toEqual([]);
      expect(JSON.stringify(handle)).toBe('{}');
      expect(inspect(handle, { depth: 9, showHidden: true })).not.toMatch(/KeyObject|Buffer|Uint8Array/);
    }
  });

  test('a loop of small calls lets the event loop go on', async () => {
    const key = await deriveAead(await importSecret(pattern(32)), pattern(32), pattern(9), 'seal');
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    for (let i = 0; i < 20_000; i++) await sealByHandle(key, pattern(12, i), pattern(100));
    clearInterval(timer);
    expect(turns).toBeGreaterThan(3);
  });
});

function flipped(data: Bytes, bit: number): Bytes {
  const result = data.slice();
  result[bit >> 3] = (result[bit >> 3] as number) ^ (1 << (bit & 7));
  return result;
}
