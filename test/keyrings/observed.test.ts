// What an observer hears of messages that do not open; with a key service: test/service/bulk.test.ts.

import { describe, expect, test } from 'vitest';
import { type BullaEvent, cachingKeyring } from '../../src/cache.ts';
import { decrypt, decryptMany, decryptStream, encrypt, open, reencrypt } from '../../src/index.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import type { Keyring } from '../../src/keyrings/custom.ts';
import { observedKeyring } from '../../src/keyrings/observed.ts';
import { codeOf, collect, fastKeyring, flipBit, pattern, s, streamOf } from '../support/data.ts';

function observed(wrap: (keyring: Keyring) => Keyring = (keyring) => keyring) {
  const events: BullaEvent[] = [];
  const keyring = wrap(observedKeyring(fastKeyring(), (event) => void events.push(event)));
  const failures = () => events.filter(({ type }) => type === 'decryption-failed');
  return { keyring, events, failures };
}

const sealed = await encrypt(pattern(5 * s), { keyring: fastKeyring(), segmentSize: s });
/** Changed in its first segments, and in its last. */
const changed = [5, 4, 1].reduce((message, i) => flipBit(message, (message.byteLength - i * s) * 8), sealed);
const lastChanged = flipBit(sealed, sealed.byteLength * 8 - 1);

const ways: [string, (message: Uint8Array, keyring: Keyring) => Promise<unknown>][] = [
  ['decrypt', (message, keyring) => decrypt(message, { keyring })],
  ['decryptMany', (message, keyring) => decryptMany([{ message }], { keyring })],
  ['decryptStream', (message, keyring) => collect(streamOf(message, 1_000).pipeThrough(decryptStream({ keyring })))],
  ['reencrypt', (message, keyring) => reencrypt(message, { from: keyring, to: fastKeyring(8) })],
  [
    'open',
    async (message, keyring) => {
      const opened = await open(new Blob([message as Uint8Array<ArrayBuffer>]), { keyring });
      // Twice, as a player that tries again: told once.
      await opened.read(0, 10).catch(() => undefined);
      return opened.read();
    },
  ],
];

describe.each(ways)('%s', (_name, way) => {
  test('tells of a segment that was changed, once', async () => {
    for (const message of [changed, lastChanged]) {
      const { keyring, failures } = observed();
      expect(await codeOf(way(message, keyring))).toBe('ERR_DECRYPTION_FAILED');
      expect(failures()).toEqual([{ type: 'decryption-failed', error: 'ERR_DECRYPTION_FAILED', keyIds: ['test'] }]);
    }
  });

  test('and of nothing where the message opens, or is cut', async () => {
    const { keyring, failures } = observed();
    await way(sealed, keyring);
    expect(await codeOf(way(sealed.subarray(0, 20), keyring))).toBe('ERR_TRUNCATED');
    expect(failures()).toEqual([]);
  });
});

test.each([
  ['a cache', (keyring: Keyring) => cachingKeyring(keyring)],
  ['anyOf', (keyring: Keyring) => anyOf(fastKeyring(9), keyring)],
  ['another observer', (keyring: Keyring) => observedKeyring(keyring, () => undefined)],
])('behind %s', async (_what, wrap) => {
  const { keyring, failures } = observed(wrap);
  expect(await codeOf(decrypt(changed, { keyring }))).toBe('ERR_DECRYPTION_FAILED');
  expect(failures()).toHaveLength(1);
});

test('an abort is no failure', async () => {
  const { keyring, failures } = observed();
  const controller = new AbortController();
  const stream = streamOf(sealed, 1_000).pipeThrough(decryptStream({ keyring, signal: controller.signal }));
  const reader = stream.getReader();
  await reader.read();
  controller.abort(new Error('enough'));
  await expect(reader.read().then(() => reader.read())).rejects.toThrow('enough');
  expect(failures()).toEqual([]);
});
