// Rule: only a wrong tag, padding or length is a failed decryption. What else a platform throws at any open path keeps its own error.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { native, webcrypto } from '#platform';
import { open, openSecret, seal } from '../../src/crypto/aes-gcm.ts';
import { deriveAead, importSecret } from '../../src/crypto/hkdf.ts';
import { aeadHandle } from '../../src/crypto/keys.ts';
import { decryptSecret, decrypt as rsaDecrypt, encrypt as rsaEncrypt } from '../../src/crypto/rsa-oaep.ts';
import { decrypt, decryptStream, encrypt } from '../../src/index.ts';
import { rsaKeyring } from '../../src/keyrings/rsa.ts';
import type { Bytes } from '../../src/types.ts';
import { flipBit, pattern, rejection, streamOf } from '../support/data.ts';

const { subtle } = await webcrypto();
const nonce = pattern(12);
const data = pattern(7);
const label = pattern(5);
/** More than a platform does by other means than SubtleCrypto. */
const large = 2 ** 21;

const aes = await subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt', 'unwrapKey']);
const bySubtle = aeadHandle(aes);
const secret = await importSecret(pattern(32));
const [derivedSeal, derivedOpen] = [
  await deriveAead(secret, label, data, 'seal'),
  await deriveAead(secret, label, data, 'open'),
];
const rsa = await subtle.generateKey(
  { name: 'RSA-OAEP', hash: 'SHA-384', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) },
  false,
  ['encrypt', 'decrypt', 'unwrapKey'],
);
/** The same key, allowed to unwrap and nothing else: in Node it takes the way of browsers. */
const unwrapping = new Proxy(rsa.privateKey, {
  get: (key, name) => (name === 'usages' ? ['unwrapKey'] : Reflect.get(key, name, key)),
});
const forSubtle = (key: CryptoKey) => (key === unwrapping ? rsa.privateKey : key);

const sealed = await seal(bySubtle, nonce, pattern(32), data);
const derived = await seal(derivedSeal, nonce, pattern(large), data);
const encrypted = await rsaEncrypt(rsa.publicKey, pattern(32), label);

/** Every way in which a ciphertext is opened by SubtleCrypto. */
const paths: [string, (broken: (bytes: Bytes) => Bytes) => unknown][] = [
  ['AES-GCM by a CryptoKey', (broken) => open(bySubtle, nonce, broken(sealed), data)],
  ['AES-GCM by a derived key, a large input', (broken) => open(derivedOpen, nonce, broken(derived), data)],
  ['a secret sealed by AES-GCM', (broken) => openSecret(bySubtle, nonce, broken(sealed), data)],
  ['RSA-OAEP', (broken) => rsaDecrypt(rsa.privateKey, broken(encrypted), label)],
  ['a secret encrypted by RSA-OAEP', (broken) => decryptSecret(rsa.privateKey, broken(encrypted), label)],
  ['the same by unwrapping', (broken) => decryptSecret(unwrapping, broken(encrypted), label)],
];
const same = (bytes: Bytes) => bytes;
const changed = (bytes: Bytes) => flipBit(bytes, bytes.byteLength * 8 - 1);

/** A platform that fails in its own way. */
function breakPlatform(error: unknown) {
  for (const method of ['decrypt', 'unwrapKey'] as const) {
    vi.spyOn(subtle, method).mockImplementation(() => Promise.reject(error));
  }
}

/** The proxy is for this package, not for the platform. */
function unwrapByTarget() {
  const unwrapKey = subtle.unwrapKey.bind(subtle);
  vi.spyOn(subtle, 'unwrapKey').mockImplementation((format, bytes, key, ...rest) =>
    unwrapKey(format, bytes, forSubtle(key), ...rest),
  );
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe.each(paths)('%s', (_path, attempt) => {
  test('opens what is right, and refuses a changed bit and an empty ciphertext as a failed decryption', async () => {
    unwrapByTarget();
    await attempt(same);
    for (const broken of [changed, () => pattern(0), () => pattern(15), () => pattern(16), () => pattern(300)]) {
      const error = await rejection((async () => attempt(broken))());
      expect(error).toMatchObject({ code: 'ERR_DECRYPTION_FAILED' });
      expect(error.cause).toBeUndefined();
    }
  });

  test.each([
    new TypeError('the API is not there'),
    new Error('out of memory'),
    Object.assign(new Error('Decryption failed, says somebody else'), { cause: 'hardware' }),
    new DOMException('not here', 'NotSupportedError'),
    new DOMException('not with this key', 'InvalidAccessError'),
    new RangeError('Array buffer allocation failed'),
    undefined,
    'a string',
  ])('passes on %s', async (error) => {
    breakPlatform(error);
    expect(await rejection((async () => attempt(same))())).toBe(error);
  });
});

describe('RSA-OAEP', () => {
  test.each([0, 16, 24, 31, 33, 64])('a secret of %i bytes is none', async (length) => {
    unwrapByTarget();
    const ciphertext = await rsaEncrypt(rsa.publicKey, pattern(length), label);
    for (const key of [rsa.privateKey, unwrapping]) {
      expect(await rejection(decryptSecret(key, ciphertext, label))).toMatchObject({ code: 'ERR_DECRYPTION_FAILED' });
    }
  });

  test('a ciphertext that is not below the modulus, and one of another length, are refused alike', async () => {
    for (const wrong of [new Uint8Array(256).fill(255), pattern(255), pattern(257)]) {
      expect(await rejection(rsaDecrypt(rsa.privateKey, wrong, label))).toMatchObject({
        code: 'ERR_DECRYPTION_FAILED',
      });
    }
  });
});

test('a message: the platform’s error reaches who called, in memory, as a stream, and through a keyring', async () => {
  const pair = await subtle.generateKey(
    { name: 'RSA-OAEP', hash: 'SHA-384', modulusLength: 3072, publicExponent: Uint8Array.of(1, 0, 1) },
    false,
    ['encrypt', 'decrypt', 'unwrapKey'],
  );
  const keyring = rsaKeyring({
    recipients: [{ keyId: 'k', publicKey: pair.publicKey }],
    privateKeys: [{ keyId: 'k', privateKey: pair.privateKey }],
  });
  const message = await encrypt(pattern(large), { keyring, segmentSize: large });
  await decrypt(message, { keyring });
  const error = new TypeError('the API is not there');
  breakPlatform(error);
  expect(await rejection(decrypt(message, { keyring }))).toBe(error);
  const stream = streamOf(message, large).pipeThrough(decryptStream({ keyring }));
  expect(await rejection(stream.pipeTo(new WritableStream()))).toBe(error);
});

test.runIf(native === undefined && (globalThis.crypto as Crypto | undefined) !== undefined)(
  'memory that browsers refuse is no wrong tag',
  async () => {
    if (!('resizable' in ArrayBuffer.prototype)) return;
    const Resizable = ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer;
    const resizable = new Uint8Array(new Resizable(48, { maxByteLength: 64 }));
    expect(await rejection((async () => open(bySubtle, nonce, resizable, data))())).toBeInstanceOf(TypeError);
  },
);
