/** A keyring in front of another one that lets messages share data keys, within limits. */

import { encodedWrappedKey, encodeWrappedKey, type WrappedKey } from '../envelope/wrapped-key.ts';
import { isBullaError } from '../errors.ts';
import { assertKeyring, type DataKey, type Keyring, type KeyringOptions, type Unwrapped } from '../keyrings/keyring.ts';
import { type ServiceParts, servicePartsOf, setServiceParts } from '../keyrings/service-parts.ts';
import { assert } from '../lib/assert.ts';
import { bytesToKey } from '../lib/bytes.ts';
import { unavailable } from '../service/token.ts';
import type { Awaitable } from '../types.ts';
import { type DataKeyCache, DataKeyStore } from './data-key-cache.ts';
import { CacheEntry } from './entry.ts';
import type { DataKeyCacheOptions } from './options.ts';
import { Watch } from './polling.ts';

/** A keyring with a cache in front of it. */
export interface CachingKeyring extends Keyring {
  /** The cache: its counters, and `invalidate()`. */
  readonly cache: DataKeyCache;
}

/** Makes a cache that several keyrings may share; entries of different users, keys and key contexts stay apart. Throws a `TypeError` that names a wrong option. */
export function createDataKeyCache(options: DataKeyCacheOptions = {}): DataKeyCache {
  return new DataKeyStore(options);
}

const watches = new WeakMap<DataKeyStore, Watch>();
let keyrings = 0;

/**
 * A keyring that keeps data keys of another one, with a cache of its own or one that is given. Messages that it encrypts are marked SHARED: whoever may open one of them could open all that share
 * its data key. Opens that the cache serves are not in the audit log of a key service.
 *
 * It rejects with what the keyring behind it rejects with, and throws a `TypeError` that names a wrong option.
 *
 * @example
 * const keyring = cachingKeyring(serviceKeyring({ client, keyId }), { maxAge: 60_000 });
 */
export function cachingKeyring(keyring: Keyring, options: DataKeyCacheOptions | DataKeyCache = {}): CachingKeyring {
  assertKeyring(keyring, 'keyring');
  assert(!('cache' in keyring), 'keyring', 'one without a cache');
  const cache = options instanceof DataKeyStore ? options : new DataKeyStore(options as DataKeyCacheOptions);
  const parts = servicePartsOf(keyring);
  const watch = watches.get(cache) ?? new Watch(cache);
  watches.set(cache, watch);
  if (parts !== undefined) watch.add(parts.client);
  const scopeOf = scopes(parts);
  const { rewrapDataKey } = keyring;

  const caching: CachingKeyring = {
    cache,
    generateDataKey: (generateOptions) => generate({ keyring, cache, parts, watch, scopeOf }, generateOptions),
    unwrapDataKey: (wrappedKeys, unwrapOptions) =>
      unwrap({ keyring, cache, parts, watch, scopeOf }, wrappedKeys, unwrapOptions),
    wrapDataKey: (dataKey, wrapOptions) => keyring.wrapDataKey(dataKey, wrapOptions),
    unwrapDataKeyBytes: (wrappedKeys, unwrapOptions) => keyring.unwrapDataKeyBytes(wrappedKeys, unwrapOptions),
    ...(rewrapDataKey === undefined
      ? {}
      : { rewrapDataKey: (keys, from, rewrapOptions) => rewrapDataKey.call(keyring, keys, from, rewrapOptions) }),
    segmentFailed: (wrappedKey) => keyring.segmentFailed?.(wrappedKey),
    async rejectDataKey(wrappedKey) {
      // Without a token it is not known whose entry that is; there is none that could be used either.
      const scope = await Promise.resolve(scopeOf(undefined)).catch(() => undefined);
      if (scope !== undefined) cache.fail(decryptId(scope, wrappedKey));
    },
  };
  if (parts !== undefined) setServiceParts(caching, parts);
  return caching;
}

interface Cached {
  readonly keyring: Keyring;
  readonly cache: DataKeyStore;
  readonly parts: ServiceParts | undefined;
  readonly watch: Watch;
  readonly scopeOf: (signal: AbortSignal | undefined) => Awaitable<string>;
}

async function generate({ keyring, cache, parts, watch, scopeOf }: Cached, options: KeyringOptions = {}) {
  const { plaintextLength, signal } = options;
  if (plaintextLength === undefined || plaintextLength > cache.settings.maxBytes) {
    cache.bypass('encrypt', parts?.keyId);
    return keyring.generateDataKey(options);
  }
  signal?.throwIfAborted();
  const scope = await scopeOf(signal);
  const entry = await cache.use(
    `encrypt ${scope}`,
    plaintextLength,
    async (shared) => {
      const begun = cache.settings.now();
      const { random } = options;
      const { dataKey, wrappedKeys } = await keyring.generateDataKey({ signal: shared, random });
      await assertSameUser(scopeOf, scope, shared);
      const subject = { operation: 'encrypt', client: parts?.client, key: parts?.keyId } as const;
      return new CacheEntry(subject, dataKey, wrappedKeys.map(encodedWrappedKey), begun);
    },
    signal,
  );
  watch.schedule();
  return { dataKey: entry.dataKey, wrappedKeys: entry.wrappedKeys, keyUse: 'shared' } as const;
}

/** One wrapped key after the other: each has its place in the cache, whatever else stands in an envelope. */
async function unwrap(
  cached: Cached,
  wrappedKeys: readonly WrappedKey[],
  options: KeyringOptions = {},
): Promise<Unwrapped<DataKey> | null> {
  const { cache, parts, watch, scopeOf } = cached;
  options.signal?.throwIfAborted();
  const own = parts === undefined ? undefined : (await parts.own(wrappedKeys, options)).map((key) => key.wrappedKey);
  const usable = own ?? wrappedKeys.filter(({ wrapping }) => wrapping.method !== 'unknown');
  if (usable.length === 0) return null;
  const scope = await scopeOf(options.signal);
  const candidates = usable.map((wrappedKey) => ({ wrappedKey, id: decryptId(scope, wrappedKey) }));
  // What is at hand first: it needs no call.
  candidates.sort((a, b) => Number(cache.has(b.id)) - Number(cache.has(a.id)));
  let failure: unknown;
  for (const { wrappedKey, id } of candidates) {
    try {
      const entry = await fetchUnwrapped(cached, scope, id, wrappedKey, options.signal);
      watch.schedule();
      return { wrappedKey, dataKey: entry.dataKey };
    } catch (error) {
      if (error !== notMine && !(isBullaError(error) && error.code === 'ERR_DECRYPTION_FAILED')) throw error;
      if (error !== notMine) failure = error;
    }
  }
  if (failure !== undefined) throw failure;
  return null;
}

const notMine = Symbol('the wrapped key is for another keyring');

function fetchUnwrapped(
  { keyring, cache, parts, scopeOf }: Cached,
  scope: string,
  id: string,
  wrappedKey: WrappedKey,
  signal: AbortSignal | undefined,
): Awaitable<CacheEntry> {
  const fetch = async (shared: AbortSignal) => {
    const begun = cache.settings.now();
    const unwrapped = await keyring.unwrapDataKey([wrappedKey], { signal: shared });
    if (unwrapped === null) throw notMine;
    await assertSameUser(scopeOf, scope, shared);
    const subject = { operation: 'decrypt', client: parts?.client, key: parts?.keyId } as const;
    return new CacheEntry(subject, unwrapped.dataKey, [wrappedKey], begun);
  };
  return cache.use(id, 0, fetch, signal);
}

/** Whose data keys these are: service, tenant, principal, key and key context; another keyring is another scope. The principal is asked for each time, because another user may have signed in. */
function scopes(parts: ServiceParts | undefined): Cached['scopeOf'] {
  if (parts === undefined) {
    const own = `keyring ${++keyrings}`;
    return () => own;
  }
  const { client, keyId, keyContext, mode } = parts;
  const pairs = Object.entries(keyContext).sort(([a], [b]) => (a < b ? -1 : 1));
  return async (signal) => {
    const { tenant, principal } = await client.caller({ signal });
    return JSON.stringify([client.url, tenant, principal, keyId, pairs, mode]);
  };
}

/** A data key that was asked for with the token of another user, who has signed in since, is neither kept nor given to whoever waits. */
async function assertSameUser(scopeOf: Cached['scopeOf'], scope: string, signal: AbortSignal): Promise<void> {
  if ((await scopeOf(signal)) !== scope) throw unavailable('another user has signed in');
}

/** The wrapped key itself stands where the design has its hash: that is as unique, and takes no turn of the event loop in which others would miss the same flight. */
function decryptId(scope: string, wrappedKey: WrappedKey): string {
  return `decrypt ${scope} ${bytesToKey(encodeWrappedKey(wrappedKey))}`;
}
