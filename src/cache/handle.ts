/** A cache as its owner holds it: closures, because applications keep it in a Proxy or take it apart. */

import { type DataKeyCache, DataKeyStore } from './data-key-cache.ts';
import type { DataKeyCacheOptions } from './options.ts';

/** A function, since a Proxy gives out what it returns as it is. */
const store = Symbol('store');

interface Handle extends DataKeyCache {
  readonly [store]: () => DataKeyStore;
}

/** A new cache. Throws a `TypeError` that names a wrong option. */
export function cacheHandle(options: DataKeyCacheOptions): DataKeyCache {
  const made = new DataKeyStore(options);
  const handle: Handle = {
    get size() {
      return made.size;
    },
    get counters() {
      return made.counters;
    },
    invalidate: (keyId) => made.invalidate(keyId),
    [store]: () => made,
  };
  return handle;
}

/** Whether a cache was given, and not options for one. */
export function isCacheHandle(value: unknown): value is DataKeyCache {
  return typeof value === 'object' && value !== null && store in value;
}

/** The store behind a cache. */
export function storeOf(cache: DataKeyCache): DataKeyStore {
  return (cache as Handle)[store]();
}
