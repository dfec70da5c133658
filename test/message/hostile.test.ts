import { beforeAll, describe, expect, test } from 'vitest';
import { attach, decrypt, detach, encrypt, inspect } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { importDataKey } from '../../src/keyrings/custom.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import { codeOf, fastKeyring, flipBit, join, pattern, s } from '../support/data.ts';
import { generator, mutate } from '../support/mutate.ts';
import { type Target, torture } from '../support/torture.ts';

const context = { id: '4711' };
const plaintext = pattern(3 * s + 100);
const paths = ['decrypt', 'stream', 'workers', 'open', 'inspect', 'rewrap'] as const;
let target: Target;
let bodyStart: number;

beforeAll(async () => {
  const keyring = aesKeyring({ keyId: 'k', key: pattern(32, 2), keyContext: { tenant: 'a' } });
  const options = { keyring, context, segmentSize: s, contentType: 'text/plain', metadata: { a: 'b' } };
  target = { message: await encrypt(plaintext, options), plaintext, context, keyring };
  bodyStart = target.message.byteLength - 3 * (s + 16) - 116;
});

describe('a changed message', () => {
  test('§2.2 §5.5 §6.4 no flipped bit of the envelope is survived', async () => {
    for (let bit = 0; bit < bodyStart * 8; bit++) {
      const mutant = flipBit(target.message, bit);
      expect(await torture(mutant, target, 'decrypt'), `bit ${bit}`).not.toBe('opened');
    }
  });

  test('§6.4 no flipped bit of a segment is survived', async () => {
    const offsets = [0, 1, s - 1, s, s + 15, s + 16, 2 * s, 3 * (s + 16), 3 * (s + 16) + 99, 3 * (s + 16) + 115];
    for (const offset of offsets) {
      const mutant = flipBit(target.message, (bodyStart + offset) * 8 + (offset % 8));
      for (const path of ['decrypt', 'stream', 'workers'] as const) {
        expect(await torture(mutant, target, path), `${path} at ${offset}`).toBe('ERR_DECRYPTION_FAILED');
      }
    }
  });

  test('§1.3 §6.3 no cut is survived, at every byte of the envelope and around every segment boundary', async () => {
    const around = [0, 1, 2, 3].flatMap((i) =>
      [-17, -16, -15, -1, 0, 1, 15, 16, 17].map((d) => bodyStart + i * (s + 16) + d),
    );
    const lengths = [...Array(bodyStart).keys(), ...around, target.message.byteLength - 1];
    for (const length of lengths.filter((candidate) => candidate < target.message.byteLength)) {
      const mutant = target.message.slice(0, length);
      const expected =
        length < 5 ? 'ERR_NOT_A_MESSAGE' : length < bodyStart ? 'ERR_TRUNCATED' : 'ERR_DECRYPTION_FAILED';
      expect(await torture(mutant, target, 'decrypt'), `cut at ${length}`).toBe(expected);
    }
  });

  test('§1.4 nothing can be appended', async () => {
    for (const extra of [1, 15, 16, 17, s, s + 16, 2 * (s + 16)]) {
      for (const path of ['decrypt', 'stream', 'workers', 'open'] as const) {
        expect(await torture(join(target.message, pattern(extra)), target, path)).toBe('ERR_DECRYPTION_FAILED');
      }
    }
  });

  test('§6.2 segments cannot be swapped, repeated, dropped or taken from another message of the same data key', async () => {
    const dataKey = pattern(32, 5);
    const shared: Keyring = {
      ...target.keyring,
      generateDataKey: async () => ({
        dataKey: await importDataKey(dataKey),
        wrappedKeys: await target.keyring.wrapDataKey(dataKey),
        keyUse: 'shared',
      }),
    };
    const options = { keyring: shared, context, segmentSize: s };
    const one = detach(await encrypt(plaintext, options));
    const two = detach(await encrypt(pattern(3 * s + 100, 9), options));
    const cut = ({ body }: { body: Uint8Array }) =>
      [0, 1, 2, 3].map((i) => body.subarray(6 + i * (s + 16), 6 + (i + 1) * (s + 16)));
    const [a, b, c, last] = cut(one) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const [x, , , foreignLast] = cut(two) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const bodies = [
      [b, a, c, last],
      [a, a, c, last],
      [a, b, b, c, last],
      [a, c, last],
      [b, c, last],
      [a, b, c],
      [last],
      [a, b, last, c],
      [x, b, c, last],
      [a, b, c, foreignLast],
      [a, b, c, last, last],
    ];
    const preamble = one.body.subarray(0, 6);
    for (const [i, segments] of bodies.entries()) {
      const mutant = attach({ envelope: one.envelope, body: join(preamble, ...segments) });
      for (const path of ['decrypt', 'stream', 'workers'] as const) {
        expect(await torture(mutant, { ...target, plaintext }, path), `${path} ${i}`).toBe('ERR_DECRYPTION_FAILED');
      }
      const opened = await torture(mutant, target, 'open');
      expect(opened).toBe('ERR_DECRYPTION_FAILED');
    }
    expect((await decrypt(attach(one), { keyring: shared, context })).plaintext).toEqual(plaintext);
    expect(await codeOf(decrypt({ envelope: two.envelope, body: one.body }, { keyring: shared, context }))).toBe(
      'ERR_DECRYPTION_FAILED',
    );
  });

  test.each(paths)('2,000 mutants by %s: no wrong plaintext, no untyped error', async (path) => {
    const next = generator(20_261_124 + paths.indexOf(path));
    // Of another context, so that a mutant that is all of it does not open either.
    const options = { keyring: target.keyring, context: { id: '4712' }, segmentSize: s };
    const other = await encrypt(pattern(3 * s + 100, 6), options);
    const seen = new Set<string>();
    for (let i = 0; i < 2000; i++) {
      const mutant = mutate(target.message, other, next);
      seen.add(await torture(mutant, target, path));
    }
    expect(seen.size).toBeGreaterThan(4);
  });
});

describe('a hostile envelope', () => {
  const preamble = (length: number) => [
    0x62,
    0x75,
    0x6c,
    0x6c,
    0x61,
    1,
    length >>> 24,
    (length >>> 16) & 255,
    (length >>> 8) & 255,
    length & 255,
  ];
  const code = (expected: string) => expect.objectContaining({ code: expected });

  test('§1.3 lengths up to 2^32 - 1', () => {
    for (const length of [1_048_577, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]) {
      expect(() => inspect(Uint8Array.from(preamble(length)))).toThrow(code('ERR_LIMIT_EXCEEDED'));
    }
  });

  test('§2.4 a million wrapped keys', () => {
    const header = detach(target.message).envelope.subarray(10, 12 + (target.message[11] as number));
    const keys = new Uint8Array(1_000_000);
    for (let i = 0; i < keys.length; i += 4) keys.set([0x12, 2, 0x0a, 0], i);
    const inner = join(header, keys.subarray(0, 1_000_000));
    const message = join(Uint8Array.from(preamble(inner.byteLength)), inner);
    expect(() => inspect(message)).toThrow(code('ERR_LIMIT_EXCEEDED'));
  });

  test('what is no message at all', async () => {
    const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
    for (const bytes of [
      new Uint8Array(0),
      png,
      new Uint8Array(5000),
      pattern(5000),
      new TextEncoder().encode('age-encryption.org/v1\n'),
    ]) {
      expect(await codeOf(decrypt(bytes, { keyring: fastKeyring() }))).toBe('ERR_NOT_A_MESSAGE');
    }
  });
});
