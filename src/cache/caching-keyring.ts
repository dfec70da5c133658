/** A keyring in front of another one that lets messages share data keys, within limits. */

import { encodedWrappedKey, type WrappedKey, wrappedKeyText } from '../envelope/wrapped-key.ts';
import { KeyServiceError } from '../errors.ts';
import { generatedBy, rejectedBy, scopeOf, unwrappedBy } from '../keyrings/answers.ts';
import { inFrontOf } from '../keyrings/forwarding.ts';
import {
  assertKeyring,
  type CacheScope,
  type DataKey,
  type GeneratedDataKey,
  type KeyNews,
  type Keyring,
  type KeyringOptions,
  type Unwrapped,
} from '../keyrings/keyring.ts';
import { assert } from '../lib/assert.ts';
import { isPromise, whenThere } from '../lib/awaitable.ts';
import { moment } from '../lib/elapsed.ts';
import type { Awaitable } from '../types.ts';
import type { DataKeyCache, DataKeyStore } from './data-key-cache.ts';
import { CacheEntry, type EntryParts, type WatchedKey } from './entry.ts';
import { cacheHandle, isCacheHandle, storeOf } from './handle.ts';
import type { DataKeyCacheOptions } from './options.ts';

/** A keyring with a cache in front of it. */
export interface CachingKeyring extends Keyring {
  /** The cache: its counters, and `invalidate()`. */
  readonly cache: DataKeyCache;
}

/**
 * Makes a cache that several keyrings may share. Entries of different scopes (`cacheScope()` of the keyrings) stay apart. Throws a `TypeError` that names a wrong option.
 */
export function createDataKeyCache(options: DataKeyCacheOptions = {}): DataKeyCache {
  return cacheHandle(options);
}

/**
 * A keyring that keeps data keys of another one, with a cache of its own or one that is given. Messages that it encrypts are marked SHARED: a reader of one of them could
 * open all that share its data key. Opens that the cache serves are not in the audit log of a key service.
 *
 * Whom a data key is given to, the other keyring decides by its `cacheScope()`. The one of a key service names the very access token and proof key that the service
 * accepted for that data key: another user, another token and a token that nobody verified begin with an empty cache. **A keyring that states no scope is not cached**: its
 * calls pass through, and are counted as bypasses. So are calls with a `random` of their own.
 *
 * It rejects with what the keyring behind it rejects with, and throws a `TypeError` that names a wrong option.
 *
 * @example
 * const keyring = cachingKeyring(serviceKeyring({ client, keyId }), { maxAge: 60_000 });
 */
export function cachingKeyring(keyring: Keyring, options: DataKeyCacheOptions | DataKeyCache = {}): CachingKeyring {
  assertKeyring(keyring, 'keyring');
  assert(!('cache' in keyring), 'keyring', 'one without a cache');
  const handle = isCacheHandle(options) ? options : cacheHandle(options);
  const cache = storeOf(handle);
  const cached = { keyring, cache };
  const inFront = inFrontOf(keyring, {
    generateDataKey: (generateOptions) => generate(cached, generateOptions),
    unwrapDataKey: (wrappedKeys, unwrapOptions) => unwrap(cached, wrappedKeys, unwrapOptions),
    async rejectDataKey(wrappedKey) {
      const forget = async () => {
        // Where it is not known who asks (there is no token), there is no entry that could be used either.
        const scope = await scopeOf(keyring, {});
        if (scope !== undefined) cache.fail(decryptId(scope, wrappedKey));
      };
      await Promise.all([forget().catch(() => {}), rejectedBy(keyring, wrappedKey)]);
    },
  });
  return { ...inFront, cache: handle };
}

interface Cached {
  readonly keyring: Keyring;
  readonly cache: DataKeyStore;
}

function generate({ keyring, cache }: Cached, options: KeyringOptions): Awaitable<GeneratedDataKey> {
  const { plaintextLength = Number.POSITIVE_INFINITY, signal, random } = options;
  signal?.throwIfAborted();
  // A data key of somebody's own random source is for nobody else.
  const shared = plaintextLength <= cache.settings.maxBytes && random === undefined;
  const use = (scope: CacheScope | undefined) => {
    if (scope !== undefined) return generateShared({ keyring, cache }, scope, plaintextLength, options);
    cache.bypass('encrypt', undefined);
    return generatedBy(keyring, options);
  };
  return shared ? underScope(keyring, signal, use) : use(undefined);
}

/** What comes of `use` under the scope of the moment. Where that is another one afterwards, and no user is named who would be the same or not, it is used once more, as by a call that begins now. */
function underScope<Result>(
  keyring: Keyring,
  signal: AbortSignal | undefined,
  use: (scope: CacheScope | undefined) => Awaitable<Result>,
): Awaitable<Result> {
  const once = () => whenThere(scopeOf(keyring, { signal }), use);
  const result = once();
  if (!isPromise(result)) return result;
  const unlessChanged = (error: unknown) => {
    if (error !== scopeChanged) throw error;
  };
  return result.catch(async (error: unknown) => {
    unlessChanged(error);
    return Promise.resolve(once()).catch((again: unknown) => {
      unlessChanged(again);
      throw anotherUser();
    });
  });
}

function generateShared(
  { keyring, cache }: Cached,
  scope: CacheScope,
  bytes: number,
  { signal }: KeyringOptions,
): Awaitable<GeneratedDataKey> {
  const id = `encrypt ${scope.id}`;
  const fetch = fetching({ keyring, cache }, scope, async (shared) => {
    const { dataKey, wrappedKeys } = await generatedBy(keyring, { signal: shared });
    return { id, operation: 'encrypt', dataKey, wrappedKeys: wrappedKeys.map(encodedWrappedKey) };
  });
  const wanted = { ids: [id], flight: id, bytes, news: scope.news ?? [], fetch };
  return whenThere(cache.use(wanted, signal), ({ parts: { dataKey, wrappedKeys } }) => ({
    ...{ dataKey, wrappedKeys, keyUse: 'shared' },
  }));
}

/** What is at hand needs no call. For all others the keyring is asked as if there was no cache: which key comes first, and what a failure hides, is for it to decide. */
function unwrap(
  { keyring, cache }: Cached,
  wrappedKeys: readonly WrappedKey[],
  options: KeyringOptions,
): Awaitable<Unwrapped<DataKey> | null> {
  const { signal } = options;
  signal?.throwIfAborted();
  const usable = wrappedKeys.filter(({ wrapping }) => wrapping.method !== 'unknown');
  if (usable.length === 0) return null;
  return underScope(keyring, signal, (scope) => {
    if (scope !== undefined) return unwrapShared({ keyring, cache }, scope, usable, signal);
    cache.bypass('decrypt', undefined);
    return unwrappedBy(keyring, wrappedKeys, options);
  });
}

function unwrapShared(
  { keyring, cache }: Cached,
  scope: CacheScope,
  usable: readonly WrappedKey[],
  signal: AbortSignal | undefined,
): Awaitable<Unwrapped<DataKey> | null> {
  const byId = new Map<string, WrappedKey>();
  for (const wrappedKey of usable) byId.set(decryptId(scope, wrappedKey), wrappedKey);
  // Sorted: where several are at hand, the order of an envelope, which anybody can change, decides nothing (docs/format.md §7.5).
  const ids = [...byId.keys()].sort();
  const fetch = fetching({ keyring, cache }, scope, async (shared) => {
    const unwrapped = await unwrappedBy(keyring, usable, { signal: shared });
    if (unwrapped === null) throw noneIsMine;
    const { wrappedKey, dataKey } = unwrapped;
    return { id: decryptId(scope, wrappedKey), operation: 'decrypt', dataKey, wrappedKeys: [wrappedKey] };
  });
  const wanted = { ids, flight: ids.join(), bytes: 0, news: scope.news ?? [], fetch };
  // The element of the array that was given, also where another message brought it.
  const found = ({ parts: { id, dataKey } }: CacheEntry) => ({ wrappedKey: byId.get(id) as WrappedKey, dataKey });
  const entry = cache.use(wanted, signal);
  if (!isPromise(entry)) return found(entry);
  return entry.then(found, (error) => {
    if (error === noneIsMine) return null;
    throw error;
  });
}

const noneIsMine = Symbol('the wrapped keys are for other keyrings');
const scopeChanged = Symbol('the scope of a keyring that names no user is another one');

type Fetched = Pick<EntryParts, 'id' | 'operation' | 'dataKey' | 'wrappedKeys'>;

/** An entry of what is fetched, which is kept only where it was fetched for the same scope from beginning to end. */
function fetching({ keyring, cache }: Cached, scope: CacheScope, fetch: (signal: AbortSignal) => Promise<Fetched>) {
  const { settings } = cache;
  return async (signal: AbortSignal) => {
    const begun = moment(settings.now);
    const fetched = await fetch(signal);
    const after = await scopeOf(keyring, { signal });
    // A data key that was asked for with the token of another user, who has signed in since, is not given to those who wait either.
    if (after === undefined || (after.id !== scope.id && userOf(after) !== userOf(scope))) {
      const isNamed = after === undefined || (scope.user ?? after.user) !== undefined;
      throw isNamed ? anotherUser() : scopeChanged;
    }
    const watched = await watchedKeys(scope.news ?? [], fetched.wrappedKeys);
    const asked = scope.keys ?? [];
    return new CacheEntry({ ...fetched, watched, asked, begun, keep: after.id === scope.id }, settings);
  };
}

function anotherUser(): KeyServiceError {
  return new KeyServiceError('ERR_TOKEN_UNAVAILABLE', 'There is no access token: another user has signed in');
}

function userOf({ id, user = id }: CacheScope): string {
  return user;
}

/** Which of those who tell of keys is the service of a wrapped key. They are connected by now: one of them has just been asked. */
async function watchedKeys(news: readonly KeyNews[], wrappedKeys: readonly WrappedKey[]): Promise<WatchedKey[]> {
  const ofServices = wrappedKeys.filter(({ serviceId }) => serviceId !== '');
  if (ofServices.length === 0) return [];
  const known = await Promise.all(
    news.map(async (each) => ({ news: each, serviceId: (await each.connect().catch(() => undefined))?.serviceId })),
  );
  return ofServices.flatMap((wrappedKey) =>
    known.flatMap((each) => (each.serviceId === wrappedKey.serviceId ? [{ news: each.news, wrappedKey }] : [])),
  );
}

/** The wrapped key itself stands where one would expect its hash: that is as unique, and takes no turn of the event loop in which others would miss the same flight. */
function decryptId(scope: CacheScope, wrappedKey: WrappedKey): string {
  return `decrypt ${scope.id} ${wrappedKeyText(wrappedKey)}`;
}
