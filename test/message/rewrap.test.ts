import { describe, expect, test } from 'vitest';
import { attach, decrypt, detach, encrypt, inspect, rewrap, toText } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import { ecdhKeyring, generateEcdhKey } from '../../src/keyrings/ecdh.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import { codeOf, fastKeyring, pattern, s, seededRandom } from '../support/data.ts';

const from = fastKeyring();
const to = aesKeyring({ keyId: 'new', key: pattern(32, 3) });
const other = aesKeyring({ keyId: 'other', key: pattern(32, 4) });
const keyIds = (message: Uint8Array | string) => inspect(message).wrappedKeys.map(({ keyId }) => keyId);
const data = pattern(2 * s + 1);
const context = { id: '1' };

describe('rewrap', () => {
  test('§7.7 replaces the wrapped key that was opened and changes nothing else', async () => {
    const message = await encrypt(data, { keyring: anyOf(other, from), context });
    const rewrapped = await rewrap(message, { from, to, context });
    expect(keyIds(rewrapped)).toEqual(['other', 'new']);
    expect((await decrypt(rewrapped, { keyring: to, context })).plaintext).toEqual(data);
    expect(await codeOf(decrypt(rewrapped, { keyring: from, context }))).toBe('ERR_NO_MATCHING_KEY');
    expect(detach(rewrapped).body).toEqual(detach(message).body);
    expect(inspect(rewrapped).header).toEqual(inspect(message).header);
  });

  test('gives back the form it was given', async () => {
    const message = await encrypt('x', { keyring: from });
    const halves = detach(message);
    expect(await rewrap(toText(message), { from, to })).toMatch(/^bulla1\./);
    const text = await rewrap(toText(halves.envelope), { from, to });
    expect(text).toMatch(/^bulle1\./);
    const envelope = await rewrap(halves.envelope, { from, to });
    const both = await rewrap(halves, { from, to });
    expect(both.body).toBe(halves.body);
    for (const part of [text, envelope, both.envelope]) {
      await decrypt(attach({ envelope: part, body: halves.body }), { keyring: to });
    }
  });

  test('keep adds, drop removes', async () => {
    const message = await encrypt('x', { keyring: anyOf(from, other) });
    expect(keyIds(await rewrap(message, { from, to, keep: true }))).toEqual(['test', 'new', 'other']);
    const dropped = await rewrap(message, {
      from,
      to,
      drop: ({ keyId, method }) => keyId === 'other' && method === 'aes',
    });
    expect(keyIds(dropped)).toEqual(['new']);
    const asked: string[] = [];
    await rewrap(message, { from, to, drop: ({ keyId }) => asked.push(keyId) < 0 });
    expect(asked).toEqual(['other']);
  });

  test('§7.4 carries along what it does not know', async () => {
    const message = await encrypt('x', { keyring: from });
    const unknown = withUnknownMethod(detach(message).envelope);
    const rewrapped = await rewrap(unknown, { from, to, keep: true });
    expect(inspect(rewrapped).wrappedKeys.map(({ method }) => method)).toEqual(['aes', 'aes', 'unknown']);
    expect(String(rewrapped)).toContain(String(unknownKey));
  });

  test('the commitment is checked where the context is known', async () => {
    const message = detach(await encrypt('x', { keyring: from, context }));
    const foreign = detach(await encrypt('y', { keyring: from, context }));
    const swapped = swapKeys(message.envelope, foreign.envelope);
    expect(await codeOf(rewrap(swapped, { from, to, context }))).toBe('ERR_DECRYPTION_FAILED');
    expect(await codeOf(rewrap(message.envelope, { from, to, context: { id: '2' } }))).toBe('ERR_DECRYPTION_FAILED');
    expect(await codeOf(rewrap(message.envelope, { from, to, context: {} }))).toBe('ERR_CONTEXT_MISMATCH');
    expect(await codeOf(rewrap(message.envelope, { from, to }))).toBe('ERR_CONTEXT_MISMATCH');
    const plain = [await encrypt('x', { keyring: from }), await encrypt('y', { keyring: from })].map(
      (m) => detach(m).envelope,
    );
    expect(await codeOf(rewrap(swapKeys(plain[0] as Uint8Array, plain[1] as Uint8Array), { from, to }))).toBe(
      'ERR_DECRYPTION_FAILED',
    );
  });

  test('§3.5 §7.7d a SHARED message goes to a newer version of its key and to nobody else', async () => {
    const version = (number: number, keyContext = {}) =>
      aesKeyring({ keyId: 'k', key: pattern(32, 9), version: number, keyContext });
    const shared = (keyring: Keyring): Keyring => ({
      ...keyring,
      generateDataKey: async () => ({ ...(await keyring.generateDataKey()), keyUse: 'shared' }),
    });
    const message = await encrypt('x', { keyring: shared(version(1)) });
    expect(inspect(message).header.keyUse).toBe('shared');
    const newer = await rewrap(message, { from: version(1), to: version(2) });
    expect((await decrypt(newer, { keyring: version(2) })).header.keyUse).toBe('shared');
    for (const target of [version(1), version(0), version(2, { a: 'b' }), to, anyOf(version(2), to)]) {
      expect(await codeOf(rewrap(message, { from: version(1), to: target }))).toBe('ERR_SHARED_DATA_KEY');
    }
    expect(await codeOf(rewrap(message, { from: version(1), to: version(2), keep: true }))).toBe('ERR_SHARED_DATA_KEY');
  });

  test('several keyrings at once, and reproducibly', async () => {
    const key = await generateEcdhKey();
    const recipient = ecdhKeyring({ recipients: [key.publicKey], privateKeys: [key] });
    const message = await encrypt('x', { keyring: recipient });
    const rewrapped = await rewrap(message, { from: recipient, to: anyOf(recipient, to) });
    expect(inspect(rewrapped).wrappedKeys.map(({ method }) => method)).toEqual(['ecdh', 'aes']);
    const once = () => rewrap(message, { from: recipient, to, random: seededRandom(1) });
    expect(await once()).toEqual(await once());
  });

  test('failures and wrong options', async () => {
    const message = await encrypt('x', { keyring: from });
    expect(await codeOf(rewrap(message, { from: to, to }))).toBe('ERR_NO_MATCHING_KEY');
    expect(await codeOf(rewrap(message, { from: fastKeyring(8), to }))).toBe('ERR_DECRYPTION_FAILED');
    const full = anyOf(...new Array<Keyring>(64).fill(to));
    expect(await codeOf(rewrap(message, { from, to: full, keep: true }))).toBe('ERR_LIMIT_EXCEEDED');
    const reason = new Error('enough');
    await expect(rewrap(message, { from, to, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    for (const [options, text] of [
      [{ to }, /^from must be a keyring/],
      [{ from }, /^to must be a keyring/],
      [{ from, to, keep: 1 }, /^keep must be/],
      [{ from, to, drop: 'x' }, /^drop must be/],
      [{ from, to, add: true }, /^unknown option "add"/],
    ] as const) {
      await expect(rewrap(message, options as never)).rejects.toThrow(text);
    }
  });
});

const unknownKey = Uint8Array.of(0x0a, 1, 0x7a, 0xb2, 1, 3, 1, 2, 3);

/** The envelope of one wrapped key with another, of the method 22, behind it. */
function withUnknownMethod(envelope: Uint8Array): Uint8Array {
  const at = envelope.byteLength - 34;
  const inner = [...envelope.subarray(10, at), 0x12, unknownKey.byteLength, ...unknownKey, ...envelope.subarray(at)];
  return framed(envelope, inner);
}

/** The first envelope with the wrapped keys of the second, which has the same layout. */
function swapKeys(envelope: Uint8Array, from: Uint8Array): Uint8Array {
  const headerEnd = 10 + 2 + (envelope[11] as number);
  expect(from.byteLength).toBe(envelope.byteLength);
  const inner = [...envelope.subarray(10, headerEnd), ...from.subarray(headerEnd, -34), ...envelope.subarray(-34)];
  return framed(envelope, inner);
}

function framed(envelope: Uint8Array, inner: number[]): Uint8Array {
  return Uint8Array.from([...envelope.subarray(0, 8), inner.length >> 8, inner.length & 255, ...inner]);
}
