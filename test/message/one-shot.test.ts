import { afterEach, describe, expect, test, vi } from 'vitest';
import { attach, type DetachedMessage, decrypt, encrypt } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import type { Bytes } from '../../src/types.ts';
import { codeOf, flipBit, pattern, rejection } from '../support/data.ts';

const segmentSize = 4096;
const lengths = [0, 1, 4095, 4096, 4097, 8192, 12_293, 70_000];
const keyringOf = () => aesKeyring({ keyId: 'test', key: pattern(32) });
/** The same message each time, by the same key. */
const fixed = { segmentSize, random: (length: number) => pattern(length, 9), now: () => 1.8e12 };

/** The memory that was filled with zeros, of a length. */
function watchErasures(length: number): () => Uint8Array[] {
  const fill = vi.spyOn(Uint8Array.prototype, 'fill');
  return () => (fill.mock.contexts as Uint8Array[]).filter(({ byteLength }) => byteLength === length);
}
afterEach(() => void vi.restoreAllMocks());

describe('one segment, around the length that is opened in one piece', () => {
  test.each([0, 1, 65_535, 65_536, 65_537])('%i bytes open into memory of their own, or not at all', async (length) => {
    const keyring = keyringOf();
    const plaintext = pattern(length, 3);
    const message = await encrypt(plaintext, { keyring });
    const { plaintext: opened } = await decrypt(message, { keyring });
    expect(opened).toEqual(plaintext);
    expect(opened.buffer.byteLength).toBe(length);
    const bodyLength = length + 16;
    for (const wrong of [
      flipBit(message, (message.byteLength - bodyLength) * 8),
      flipBit(message, message.byteLength * 8 - 1),
      message.subarray(0, -1),
      message.subarray(0, message.byteLength - bodyLength + 15),
      new Uint8Array([...message, 0]),
    ]) {
      expect(await codeOf(decrypt(wrong, { keyring }))).toBe('ERR_DECRYPTION_FAILED');
    }
  });
});

describe('a message is the same wherever its plaintext lay', () => {
  test.each(lengths)('%i bytes', async (length) => {
    const keyring = keyringOf();
    const plaintext = pattern(length, 3);
    const first = await encrypt(plaintext, { ...fixed, keyring });
    expect(first.buffer.byteLength).toBe(first.byteLength);
    // Now the length of what stands in front is known.
    expect(await encrypt(plaintext, { ...fixed, keyring })).toEqual(first);
    // And now it is another.
    const longer = await encrypt(plaintext, { ...fixed, keyring, contentType: 'text/plain' });
    expect((await decrypt(longer, { keyring })).plaintext).toEqual(plaintext);
    expect(await encrypt(plaintext, { ...fixed, keyring })).toEqual(first);
    expect(await encrypt(plaintext.slice(), { ...fixed, keyring, transfer: true })).toEqual(first);
    const halves = await encrypt(plaintext, { ...fixed, keyring, detached: true });
    expect(attach(halves)).toEqual(first);
    expect(halves.body.buffer.byteLength).toBe(halves.body.byteLength);
    const { plaintext: opened } = await decrypt(first, { keyring });
    expect(opened).toEqual(plaintext);
    expect(opened.buffer.byteLength).toBe(length);
    expect(Object.getPrototypeOf(opened)).toBe(Uint8Array.prototype);
  });

  test('many at once, of several lengths, by one keyring', async () => {
    const keyring = keyringOf();
    const messages = await Promise.all(
      lengths.map((length) =>
        encrypt(pattern(length), { keyring, segmentSize, metadata: { n: 'x'.repeat(length % 99) } }),
      ),
    );
    const opened = await Promise.all(messages.map((message) => decrypt(message, { keyring })));
    for (const [i, { plaintext }] of opened.entries()) expect(plaintext).toEqual(pattern(lengths[i] as number));
  });
});

describe('transfer', () => {
  test('detaches the buffer at once', async () => {
    const data = pattern(10_000);
    const call = encrypt(data, { keyring: keyringOf(), transfer: true });
    expect(data.byteLength).toBe(0);
    const { plaintext } = await decrypt(await call, { keyring: keyringOf() });
    expect(plaintext).toEqual(pattern(10_000));
  });

  test.each([
    ['a part of a buffer', () => pattern(100).subarray(1)],
    ['the beginning of a buffer', () => pattern(100).subarray(0, 99)],
    ['a string', () => 'text'],
    ['memory that stays where it is', () => new Uint8Array(new WebAssembly.Memory({ initial: 1 }).buffer)],
  ])('refuses %s, which stays as it is', async (_, make) => {
    const data = make();
    const error = await rejection(encrypt(data as Bytes, { keyring: keyringOf(), transfer: true }));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(/^data must be/);
    expect(data.length).toBeGreaterThan(0);
  });

  test('refuses what is no boolean, before it detaches anything', async () => {
    const data = pattern(100);
    const error = await rejection(encrypt(data, { keyring: keyringOf(), transfer: 1 as never }));
    expect(error.message).toBe('transfer must be a boolean');
    expect(data.byteLength).toBe(100);
  });
});

describe('what is of no more use is overwritten', () => {
  test('a transferred plaintext, segment by segment', async () => {
    const erased = watchErasures(4096);
    await encrypt(pattern(12_288), { keyring: keyringOf(), segmentSize, transfer: true });
    const segments = erased();
    expect(segments.length).toBeGreaterThanOrEqual(3);
    for (const segment of segments) expect(segment.every((byte) => byte === 0)).toBe(true);
  });

  test('the plaintext of a call that fails before it has a key', async () => {
    const erased = watchErasures(9999);
    const keyring = { ...keyringOf(), generateDataKey: () => Promise.reject(new Error('no key')) };
    await expect(encrypt(pattern(9999), { keyring, transfer: true })).rejects.toThrow('no key');
    expect(erased()).toHaveLength(1);
    expect(erased()[0]?.every((byte) => byte === 0)).toBe(true);
  });

  test.each([0, 1, 2])('§6.4 what was opened before segment %i failed', async (index) => {
    const keyring = keyringOf();
    const { envelope, body } = await encrypt(pattern(10_001), { keyring, segmentSize, detached: true });
    const changed = flipBit(body, (6 + index * 4112) * 8) as Bytes;
    const erased = watchErasures(10_001);
    const message: DetachedMessage = { envelope, body: changed };
    expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_DECRYPTION_FAILED');
    expect(erased()).toHaveLength(1);
    expect(erased()[0]?.every((byte) => byte === 0)).toBe(true);
  });

  test('what was opened before a call was aborted', async () => {
    const keyring = keyringOf();
    const message = await encrypt(pattern(10_001), { keyring, segmentSize });
    let checks = 0;
    const { signal } = new AbortController();
    Object.defineProperty(signal, 'throwIfAborted', { value: () => checks++, configurable: true });
    await decrypt(message, { keyring, signal });
    // At the last of them, two segments were opened.
    const last = checks;
    checks = 0;
    const throwIfAborted = () => {
      if (++checks === last) throw new Error('aborted');
    };
    Object.defineProperty(signal, 'throwIfAborted', { value: throwIfAborted });
    const erased = watchErasures(10_001);
    await expect(decrypt(message, { keyring, signal })).rejects.toThrow('aborted');
    expect(erased()).toHaveLength(1);
    expect(erased()[0]?.every((byte) => byte === 0)).toBe(true);
  });
});
