import { describe, expect, test } from 'vitest';
import { attach, decrypt, detach, encrypt, encryptStream, inspect, rewrap } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { ecdhKeyring, generateEcdhKey } from '../../src/keyrings/ecdh.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import { generateRsaKey, rsaKeyring } from '../../src/keyrings/rsa.ts';
import { isBytes } from '../../src/lib/bytes.ts';
import { pooled } from '../../src/lib/pool.ts';
import { pattern } from '../support/data.ts';

describe('pooled memory', () => {
  test('is zero, and no piece is given out twice', () => {
    const pieces = Array.from({ length: 2_000 }, (_, i) => pooled(i % 97));
    for (const [i, piece] of pieces.entries()) {
      expect(piece.byteLength).toBe(i % 97);
      expect(piece.every((byte) => byte === 0)).toBe(true);
      piece.fill(i + 1);
    }
    for (const [i, piece] of pieces.entries()) expect(piece.every((byte) => byte === ((i + 1) & 0xff))).toBe(true);
    expect(new Set(pieces.map(({ buffer }) => buffer)).size).toBeGreaterThan(1);
  });

  test('is for small pieces', () => {
    expect(pooled(512).buffer.byteLength).toBeGreaterThan(512);
    expect(pooled(513).buffer.byteLength).toBe(513);
  });
});

/** The chunks of a stream as they are. */
async function collect(stream: ReadableStream<Uint8Array>): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  const reader = stream.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) chunks.push(part.value);
  return chunks;
}

/** Every byte string in what a call was given or gave. */
function bytesIn(value: unknown, found: Uint8Array[] = []): Uint8Array[] {
  if (isBytes(value)) found.push(value);
  else if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) bytesIn(each, found);
  return found;
}

/** A keyring of somebody else's around one of ours, that looks at all it is given and gets back. */
function watching(keyring: Keyring, seen: (value: unknown) => void): Keyring {
  return new Proxy(keyring, {
    get(target, name) {
      const method = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      return async (...given: unknown[]) => {
        const result: unknown = await Reflect.apply(method, target, given);
        seen([given, result]);
        return result;
      };
    },
  });
}

const ecdhKey = await generateEcdhKey();
const rsaKey = await generateRsaKey();

describe('what leaves this package has memory of its own', () => {
  const keyContext = { tenant: 'north' };
  test.each<[string, Keyring]>([
    ['aes', aesKeyring({ keyId: 'test', key: pattern(32), keyContext })],
    ['ecdh', ecdhKeyring({ recipients: [ecdhKey.publicKey], privateKeys: [ecdhKey], keyContext })],
    ['rsa', rsaKeyring({ recipients: [rsaKey.publicKey], privateKeys: [rsaKey.privateKey], keyContext })],
  ])('%s: messages, plaintexts, and what keyrings see', async (_, keyring) => {
    const shared = new Set([pooled(1).buffer]);
    const given: unknown[] = [];
    const options = { keyring: watching(keyring, (value) => given.push(value)), context: { record: '4711' } };
    const message = await encrypt('attack at dawn', options);
    const opened = await decrypt(message, options);
    const halves = await encrypt('attack at dawn', { ...options, detached: true });
    const stream = encryptStream(options);
    const chunks = collect(stream.readable);
    await stream.writable.close();
    const left = bytesIn([
      message,
      opened,
      halves,
      attach(halves),
      detach(message),
      inspect(message),
      await rewrap(message, { from: options.keyring, to: options.keyring, context: options.context }),
      await rewrap(halves, { from: options.keyring, to: options.keyring, context: options.context }),
      await stream.envelope,
      await chunks,
      given,
    ]);
    expect(left.length).toBeGreaterThan(10);
    // Those that were in use meanwhile: a call takes less than one.
    shared.add(pooled(1).buffer);
    for (const bytes of left) expect(shared.has(bytes.buffer as ArrayBuffer)).toBe(false);
    for (const bytes of [message, opened.plaintext, halves.envelope, halves.body]) {
      expect(bytes.buffer.byteLength).toBe(bytes.byteLength);
    }
  });
});
