// What applications keep works in a deep Proxy, as reactive state of frameworks is, and taken apart.

import { describe, expect, test } from 'vitest';
import { cachingKeyring, createDataKeyCache } from '../../src/cache.ts';
import { decrypt, encrypt, open } from '../../src/index.ts';
import { createDecryptingHandler } from '../../src/service-worker.ts';
import { workerPool } from '../../src/workers/pool.ts';
import { collect, fastKeyring, pattern } from '../support/data.ts';

/** As the deep reactive state of a framework: objects that are read come wrapped, getters run with the Proxy as `this`. */
function reactive<Value extends object>(object: Value): Value {
  return new Proxy(object, {
    get(target, name, receiver) {
      const value = Reflect.get(target, name, receiver);
      return typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) ? reactive(value) : value;
    },
  });
}
const apart = <Value extends object>(object: Value): Value => ({ ...object });
const keyring = fastKeyring();
const data = pattern(10_000);

describe.each([
  ['in a Proxy', reactive],
  ['taken apart', apart],
] as const)('%s', (_how, keep) => {
  test('a keyring', async () => {
    const message = await encrypt(data, { keyring: keep(keyring) });
    expect((await decrypt(message, { keyring: keep(keyring) })).plaintext).toEqual(data);
  });

  test('an opened message', async () => {
    const message = keep(await open(await encrypt(data, { keyring, segmentSize: 4096 }), { keyring }));
    expect(message.size).toBe(data.byteLength);
    expect(await message.read(5, 9_000)).toEqual(data.slice(5, 9_000));
    expect(await collect(message.stream({ start: 1 }))).toEqual(data.slice(1));
  });

  test('a cache, alone and behind keyrings', async () => {
    const cache = keep(createDataKeyCache({ maxEntries: 5 }));
    const caching = keep(cachingKeyring(keyring, cache));
    await decrypt(await encrypt(data, { keyring: caching }), { keyring: caching });
    expect(cache.size).toBeTypeOf('number');
    expect(caching.cache.counters.hits).toBeTypeOf('number');
    cache.invalidate();
    caching.cache.invalidate('k');
  });

  test('a pool of workers', async () => {
    const pool = keep(
      workerPool(2, () => {
        throw new Error('none here');
      }),
    );
    expect(pool.size).toBe(2);
    await expect(pool.convert({} as never)).rejects.toMatchObject({ code: 'ERR_WORKER_FAILED' });
    pool.close();
    await expect(pool.convert({} as never)).rejects.toThrow(/closed/);
  });

  test('a decrypting handler', () => {
    const handler = keep(createDecryptingHandler({ match: () => undefined }));
    expect(handler.respond(new Request('https://page.example/'))).toBeUndefined();
  });
});
