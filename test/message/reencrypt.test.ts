import { describe, expect, test } from 'vitest';
import { decrypt, encrypt, inspect, reencrypt, toText } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { codeOf, collect, fastKeyring, flipBit, pattern, s, streamOf } from '../support/data.ts';

const from = fastKeyring();
const to = aesKeyring({ keyId: 'new', key: pattern(32, 3) });
const context = { id: '1' };
const data = pattern(3 * s + 1);
const original = () =>
  encrypt(data, { keyring: from, context, contentType: 'a/b', metadata: { n: 'v' }, segmentSize: s, now: () => 1e12 });

describe('reencrypt', () => {
  test('a new data key; content type, metadata and segment size stay', async () => {
    const message = await original();
    const renewed = await reencrypt(message, { from, to, context, now: () => 2e12 });
    const { plaintext, header } = await decrypt(renewed, { keyring: to, context });
    expect(plaintext).toEqual(data);
    expect(header).toEqual({ ...inspect(message).header, created: new Date(2e12) });
    expect(renewed.slice(-100)).not.toEqual(message.slice(-100));
    expect(await codeOf(decrypt(renewed, { keyring: from, context }))).toBe('ERR_NO_MATCHING_KEY');
  });

  test('gives back the form it was given', async () => {
    const message = await original();
    const text = await reencrypt(toText(message), { from, to, context });
    const halves = await encrypt(data, { keyring: from, context, detached: true });
    const renewed = await reencrypt(halves, { from, to, context });
    for (const form of [text, renewed]) expect((await decrypt(form, { keyring: to, context })).plaintext).toEqual(data);
    const withText = await reencrypt({ ...halves, envelope: toText(halves.envelope) }, { from, to, context });
    expect(withText.envelope).toMatch(/^bulle1\./);
  });

  test('a stream gives a stream, with progress', async () => {
    const progress: number[] = [];
    const stream = reencrypt(streamOf(await original(), 1000), {
      from,
      to,
      context,
      onProgress: (bytes) => progress.push(bytes),
    });
    const { plaintext, header } = await decrypt(await collect(stream), { keyring: to, context });
    expect(plaintext).toEqual(data);
    expect(header).toMatchObject({ contentType: 'a/b', metadata: { n: 'v' }, segmentSize: s });
    expect(progress).toEqual([s, 2 * s, 3 * s, 3 * s + 1]);
  });

  test('another context for the new message', async () => {
    const renewed = await reencrypt(await original(), { from, to, context, newContext: { row: '2' } });
    expect(await codeOf(decrypt(renewed, { keyring: to, context }))).toBe('ERR_CONTEXT_MISMATCH');
    await decrypt(renewed, { keyring: to, context: { row: '2' } });
  });

  test('what does not open is not re-encrypted', async () => {
    const message = await original();
    const bad = flipBit(message, (message.byteLength - 5) * 8);
    expect(await codeOf(reencrypt(bad, { from, to, context }))).toBe('ERR_DECRYPTION_FAILED');
    expect(await codeOf(collect(reencrypt(streamOf(bad, 999), { from, to, context })))).toBe('ERR_DECRYPTION_FAILED');
    expect(await codeOf(collect(reencrypt(streamOf(message, 999), { from, to })))).toBe('ERR_CONTEXT_MISMATCH');
    expect(await codeOf(collect(reencrypt(streamOf(message.slice(0, 50), 9), { from, to, context })))).toBe(
      'ERR_TRUNCATED',
    );
    const reason = new Error('enough');
    await expect(
      collect(reencrypt(streamOf(message, 9), { from, to, context, signal: AbortSignal.abort(reason) })),
    ).rejects.toBe(reason);
  });

  test('refuses wrong options by name', async () => {
    const message = await original();
    expect(() => reencrypt(message, { to } as never)).toThrow(/^from must be a keyring/);
    expect(() => reencrypt(message, { from } as never)).toThrow(/^to must be a keyring/);
    expect(() => reencrypt(message, { from, to, keep: true } as never)).toThrow(/^unknown option "keep"/);
    expect(() => reencrypt(message, { from, to, onProgress: 1 } as never)).toThrow(/^onProgress must be/);
  });
});
