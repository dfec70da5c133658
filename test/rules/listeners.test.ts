// Applications' functions never break ours: what is told to a listener goes on whatever the listener does, and its own calls from within are calls like others.

import { describe, expect, test } from 'vitest';
import { cachingKeyring, type DataKeyCacheOptions } from '../../src/cache.ts';
import { decryptBlob, encryptBlob } from '../../src/files.ts';
import {
  decrypt,
  decryptMany,
  decryptStream,
  encrypt,
  encryptStream,
  open,
  reencrypt,
  rewrap,
} from '../../src/index.ts';
import type { Keyring } from '../../src/keyrings/custom.ts';
import { observedKeyring } from '../../src/keyrings/observed.ts';
import { KeyChanges } from '../../src/service/key-changes.ts';
import { createDecryptingHandler } from '../../src/service-worker.ts';
import { codeOf, collect, fastKeyring, flipBit, pattern, s, streamOf } from '../support/data.ts';
import { hostileListener, hostileListeners } from '../support/hostile-functions.ts';
import { segmentWorkers } from '../support/workers.ts';

const keyring = fastKeyring();
const other = fastKeyring(9);
const data = pattern(5 * s + 7);
const message = await encrypt(data, { keyring, segmentSize: s });
const changed = flipBit(message, message.byteLength * 8 - 1);
const bound = await encrypt(data, { keyring, context: { id: '1' } });

type Listener = () => void;
const bytesOf = async (blob: Blob) => new Uint8Array(await blob.arrayBuffer());
const opened = async (bytes: Uint8Array, by: Keyring = keyring) => (await decrypt(bytes, { keyring: by })).plaintext;
const segmentSize = s;

/** A scope of its own, so that it is cached. */
const cachedBy = (onEvent: Listener, more: DataKeyCacheOptions = {}) =>
  cachingKeyring(keyring, { onEvent, maxEntries: 1, ...more });

/** Whatever tells something, with what it must come to. */
const tellers: Readonly<Record<string, (listener: Listener) => Promise<unknown>>> = {
  encryptStream: async (onProgress) =>
    opened(await collect(streamOf(data, 999).pipeThrough(encryptStream({ keyring, segmentSize, onProgress })))),
  'encryptStream with workers': async (onProgress) => {
    const sealing = encryptStream({ keyring, segmentSize, workers: segmentWorkers(), onProgress });
    return opened(await collect(streamOf(data, 999).pipeThrough(sealing)));
  },
  decryptStream: async (onProgress) =>
    collect(streamOf(message, 999).pipeThrough(decryptStream({ keyring, onProgress }))),
  'reencrypt of a stream': async (onProgress) => {
    const renewed = reencrypt(streamOf(message, 999), { from: keyring, to: other, onProgress });
    return opened(await collect(renewed), other);
  },
  encryptBlob: async (onProgress) =>
    opened(await bytesOf(await encryptBlob(new Blob([data]), { keyring, segmentSize, onProgress }))),
  decryptBlob: async (onProgress) =>
    bytesOf((await decryptBlob(new Blob([message]), { keyring, onProgress })).plaintext),
  'observedKeyring, encrypting': async (onEvent) =>
    opened(await encrypt(data, { keyring: observedKeyring(keyring, onEvent) })),
  'observedKeyring, opening': async (onEvent) => opened(message, observedKeyring(keyring, onEvent)),
  'observedKeyring, opening many': async (onEvent) =>
    (await decryptMany([{ message }], { keyring: observedKeyring(keyring, onEvent) }))[0]?.plaintext,
  'observedKeyring, by ranges': async (onEvent) =>
    (await open(new Blob([message]), { keyring: observedKeyring(keyring, onEvent) })).read(),
  'cachingKeyring, encrypting': async (onEvent) => {
    const caching = cachedBy(onEvent);
    await encrypt(data, { keyring: caching });
    return opened(await encrypt(data, { keyring: caching }));
  },
  'cachingKeyring, opening and evicting': async (onEvent) => {
    const caching = cachedBy(onEvent);
    await opened(await encrypt('another', { keyring }), caching);
    return opened(message, caching);
  },
};

/** Whatever tells of a failure, with the code that it must come to. */
const failing: Readonly<Record<string, (listener: Listener) => Promise<unknown>>> = {
  'observedKeyring, a changed message': (onEvent) => codeOf(opened(changed, observedKeyring(keyring, onEvent))),
  'observedKeyring, a changed stream': (onEvent) => {
    const opening = decryptStream({ keyring: observedKeyring(keyring, onEvent) });
    return codeOf(collect(streamOf(changed, 999).pipeThrough(opening)));
  },
  'a keyring that is told of a wrong data key or segment': (told) => {
    const custom: Keyring = { ...keyring, rejectDataKey: async () => told(), segmentFailed: () => told() };
    return codeOf(opened(changed, custom));
  },
  'a keyring that is told of a data key that is another one': (told) =>
    codeOf(decrypt(bound, { keyring: { ...keyring, rejectDataKey: async () => told() }, context: { id: '2' } })),
  'the same, where it is re-wrapped': (told) => {
    const from: Keyring = { ...keyring, rejectDataKey: async () => told() };
    return codeOf(rewrap(bound, { from, to: other, context: { id: '2' } }));
  },
  'onError of createDecryptingHandler': async (onError) => {
    const handler = createDecryptingHandler({ match: () => ({ source: changed.slice(0, -s), keyring }), onError });
    return (await handler.respond(new Request('https://app.example/1')))?.headers.get('Bulla-Error');
  },
};

describe.each(hostileListeners)('a listener that %s', (_what, make) => {
  test.each(Object.entries(tellers))('changes nothing of %s', async (_, teller) => {
    const listener = hostileListener(make, () => teller(listener));
    expect(await teller(listener)).toEqual(data);
    expect(listener.told).toBeGreaterThan(0);
    expect((await listener.inner()) ?? data).toEqual(data);
  });

  test.each(Object.entries(failing))('changes nothing of %s', async (_, teller) => {
    const listener = hostileListener(make, () => teller(listener));
    expect(await teller(listener)).toBe('ERR_DECRYPTION_FAILED');
    expect(listener.told).toBeGreaterThan(0);
    expect((await listener.inner()) ?? 'ERR_DECRYPTION_FAILED').toBe('ERR_DECRYPTION_FAILED');
  });

  test('keeps no other listener from hearing of a key', async () => {
    const changes = new KeyChanges();
    const again = async () => changes.seen('key-a', news);
    const listener = hostileListener(make, again);
    const heard: unknown[] = [];
    changes.listen(listener);
    changes.listen((change) => void heard.push(change));
    await again();
    expect(listener.told).toBeGreaterThan(0);
    expect(heard).toHaveLength(listener.told);
  });
});

const news = { keyId: 'key-a', newestVersion: 2, floor: 1 };

test('a listener that subscribes again each time hears of each change once', () => {
  const changes = new KeyChanges();
  let heard = 0;
  const listen = (): (() => void) =>
    changes.listen(() => {
      // Would go on for ever.
      if (++heard > 5) throw new Error('told too often');
      stop();
      stop = listen();
    });
  let stop = listen();
  changes.seen('key-a', news);
  expect(heard).toBe(1);
  changes.seen('key-a', news);
  expect(heard).toBe(2);
});
