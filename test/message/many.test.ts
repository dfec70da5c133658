import { describe, expect, test, vi } from 'vitest';
import { cachingKeyring } from '../../src/cache.ts';
import { decrypt, decryptMany, encrypt, encryptMany, inspect } from '../../src/index.ts';
import { ecdhKeyring, generateEcdhKey } from '../../src/keyrings/ecdh.ts';
import { boundarySizes, fastKeyring, pattern } from '../support/data.ts';

const keyring = fastKeyring();
const items = boundarySizes.map((length, i) => ({ data: pattern(length, i + 1), context: { row: String(i) } }));
const counted = (inner = fastKeyring()) => ({
  ...inner,
  generateDataKey: vi.fn(inner.generateDataKey),
  unwrapDataKey: vi.fn(inner.unwrapDataKey),
});

describe('encryptMany', () => {
  test('gives messages that open one by one, in order, each under its own context', async () => {
    const messages = await encryptMany(items, { keyring, contentType: 'text/plain', segmentSize: 4096 });
    for (const [i, message] of messages.entries()) {
      const { data, context } = items[i] as (typeof items)[number];
      const { plaintext, header } = await decrypt(message, { keyring, context });
      expect(plaintext).toEqual(data);
      expect(header).toMatchObject({ keyUse: 'shared', contentType: 'text/plain', segmentSize: 4096 });
      const other = { row: String(i + 1) };
      await expect(decrypt(message, { keyring, context: other })).rejects.toMatchObject({
        code: 'ERR_DECRYPTION_FAILED',
      });
    }
  });

  test('makes one data key for all, and every message its own salt', async () => {
    const counting = counted();
    const messages = await encryptMany(
      Array.from({ length: 200 }, () => ({ data: 'same' })),
      { keyring: counting, context: { a: 'b' } },
    );
    expect(counting.generateDataKey).toHaveBeenCalledTimes(1);
    expect(new Set(messages.map((message) => message.slice(-20).join())).size).toBe(200);
    expect((await decrypt(messages[7] as never, { keyring, context: { a: 'b' } })).header.keyUse).toBe('shared');
  });

  test('after 10,000 messages another data key', async () => {
    const counting = counted();
    const many = Array.from({ length: 10_001 }, () => ({ data: '' }));
    const messages = await encryptMany(many, { keyring: counting });
    expect(messages).toHaveLength(10_001);
    expect(counting.generateDataKey).toHaveBeenCalledTimes(2);
  });

  test('one message is as one by encrypt; none is none', async () => {
    const [message] = await encryptMany([{ data: 'x' }], { keyring });
    expect(inspect(message as never).header.keyUse).toBe('single');
    expect(await encryptMany([], { keyring })).toEqual([]);
  });

  test('a cache counts each message, and its limits hold', async () => {
    const caching = cachingKeyring(fastKeyring(), { maxMessages: 10 });
    const messages = await encryptMany(
      Array.from({ length: 95 }, (_, i) => ({ data: String(i) })),
      { keyring: caching },
    );
    expect(caching.cache.counters.evictions.messages).toBeGreaterThanOrEqual(9);
    for (const [i, message] of messages.entries()) {
      const { plaintext } = await decrypt(message, { keyring });
      expect(new TextDecoder().decode(plaintext)).toBe(String(i));
    }
  });

  test('fails as encrypt does, and begins nothing more', async () => {
    const failing = counted();
    failing.generateDataKey.mockRejectedValue(new RangeError('no key'));
    const many = Array.from({ length: 1000 }, () => ({ data: 'x' }));
    await expect(encryptMany(many, { keyring: failing })).rejects.toThrow('no key');
    expect(failing.generateDataKey.mock.calls.length).toBeLessThan(100);
    await expect(encryptMany(many, { keyring, signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow('stop');
  });

  test.each([
    [[{ data: 1 }], {}, 'data must be a Uint8Array'],
    [[{ data: 'a', contxt: {} }], {}, 'unknown option "contxt"'],
    [['a'], {}, 'items[0] must be a plain object'],
    [{ data: 'a' }, {}, 'items must be an array'],
    [[{ data: 'a' }], { detached: true }, 'unknown option "detached"'],
    [[{ data: 'a' }], { keyring: {} }, 'keyring must be a keyring'],
    [[{ data: 'a', context: { a: 1 } }], {}, 'context["a"] must be a string'],
  ])('refuses %j with %j', async (wrong, options, message) => {
    await expect(encryptMany(wrong as never, { keyring, ...options } as never)).rejects.toThrow(message);
  });
});

describe('decryptMany', () => {
  test('opens all forms in order, and unwraps each wrapped key once', async () => {
    const counting = counted();
    const messages = await encryptMany(items, { keyring });
    const single = await encrypt('single', { keyring, detached: true });
    const all = [
      ...messages.map((message, i) => ({ message, context: (items[i] as (typeof items)[number]).context })),
      { message: single },
    ];
    const opened = await decryptMany(all, { keyring: counting });
    expect(opened.slice(0, -1).map(({ plaintext }) => plaintext)).toEqual(items.map(({ data }) => data));
    expect(new TextDecoder().decode(opened.at(-1)?.plaintext)).toBe('single');
    expect(counting.unwrapDataKey).toHaveBeenCalledTimes(2);
  });

  test('to a public key: one agreement for all', async () => {
    const key = await generateEcdhKey();
    const ecdh = counted(ecdhKeyring({ recipients: [key.publicKey], privateKeys: [key] }));
    const messages = await encryptMany(items, { keyring: ecdh });
    const all = messages.map((message, i) => ({ message, context: { row: String(i) } }));
    expect(await decryptMany(all, { keyring: ecdh })).toHaveLength(items.length);
    expect(ecdh.unwrapDataKey).toHaveBeenCalledTimes(1);
  });

  test('one changed byte anywhere, or one wrong context, and nothing is released', async () => {
    const messages = await encryptMany(items, { keyring });
    const all = messages.map((message, i) => ({ message, context: { row: String(i) } }));
    for (const at of [0, 5, items.length - 1]) {
      const changed = all.map((item, i) => (i === at ? { ...item, message: flippedLast(item.message) } : item));
      await expect(decryptMany(changed, { keyring })).rejects.toMatchObject({ code: 'ERR_DECRYPTION_FAILED' });
      const swapped = all.map((item, i) => (i === at ? { ...item, context: { row: 'other' } } : item));
      await expect(decryptMany(swapped, { keyring })).rejects.toMatchObject({ code: 'ERR_DECRYPTION_FAILED' });
    }
  });

  test('a keyring without the key, and a wrong option', async () => {
    const messages = await encryptMany(items, { keyring });
    const all = messages.map((message, i) => ({ message, context: { row: String(i) } }));
    await expect(decryptMany(all, { keyring: fastKeyring(8) })).rejects.toMatchObject({
      code: 'ERR_DECRYPTION_FAILED',
    });
    await expect(decryptMany(all, { keyring, contentType: 'x' } as never)).rejects.toThrow('unknown option');
    await expect(decryptMany([{ data: 'x' }] as never, { keyring })).rejects.toThrow('unknown option "data"');
    expect(await decryptMany([], { keyring })).toEqual([]);
  });
});

function flippedLast(message: Uint8Array): Uint8Array {
  const changed = message.slice();
  changed[changed.length - 1] = (changed.at(-1) as number) ^ 1;
  return changed;
}
