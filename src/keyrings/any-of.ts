/** Several keyrings as one: encrypts for all of them, decrypts with any. */

import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { assert } from '../lib/assert.ts';
import { takeOptions } from '../lib/options.ts';
import { scopeOf } from './answers.ts';
import { generateAndWrap } from './data-key.ts';
import { firstUnwrapped } from './first-unwrapped.ts';
import {
  assertKeyring,
  type CacheScope,
  type Keyring,
  type KeyringOptions,
  keyringReaders,
  type Rewrapped,
  rewrapDataKeyReaders,
} from './keyring.ts';

/**
 * A keyring whose messages any one of several keyrings opens: a data key is wrapped by each of them, and unwrapped by the first that can, in the order given.
 *
 * When encrypting, every keyring must be able to wrap (`ERR_KEYRING_CANNOT` otherwise). When decrypting, a keyring that answers `null` or fails lets the next one try;
 * where none succeeds, the first failure is thrown, and an authentication failure only where there is no other. A cache in front of it keeps data keys for those who may
 * use all of its keyrings, and nothing where one of them is not cached.
 *
 * @example
 * const keyring = anyOf(ecdhKeyring({ recipients: [alice] }), passphraseKeyring({ passphrase }));
 */
export function anyOf(...keyrings: readonly Keyring[]): Keyring {
  assert(keyrings.length > 0, 'anyOf', 'given at least one keyring');
  keyrings.forEach((keyring, i) => {
    assertKeyring(keyring, `keyring ${i + 1}`);
  });

  const wrapDataKey: Keyring['wrapDataKey'] = async (dataKey, given = {}) => {
    const options = takeOptions(given, keyringReaders);
    const wrapped = await Promise.all(keyrings.map((keyring) => keyring.wrapDataKey(dataKey, options)));
    return wrapped.flat();
  };
  // All methods, the optional ones too: a new one does not compile until it is decided here what it means for several keyrings.
  const combined: Required<Keyring> = {
    async generateDataKey(given = {}) {
      const options = takeOptions(given, keyringReaders);
      return generateAndWrap((bytes) => wrapDataKey(bytes, options), options);
    },
    wrapDataKey,
    async unwrapDataKey(keys, given = {}) {
      const options = takeOptions(given, keyringReaders);
      return firstUnwrapped(keyrings, options.signal, (keyring) => keyring.unwrapDataKey(keys, options));
    },
    async unwrapDataKeyBytes(keys, given = {}) {
      const options = takeOptions(given, keyringReaders);
      return firstUnwrapped(keyrings, options.signal, (keyring) => keyring.unwrapDataKeyBytes(keys, options));
    },
    rewrapDataKey: async (keys, from, given = {}) =>
      rewrapByAll(keyrings, keys, from, takeOptions(given, rewrapDataKeyReaders)),
    ownKeys: async (keys, service, given = {}) =>
      ownKeysInOrder(keyrings, keys, service, takeOptions(given, keyringReaders)),
    cacheScope: async (given = {}) => scopeOfAll(keyrings, takeOptions(given, keyringReaders)),
    async rejectDataKey(wrappedKey) {
      await Promise.all(keyrings.map((keyring) => keyring.rejectDataKey?.(wrappedKey)));
    },
    segmentFailed(wrappedKey) {
      for (const keyring of keyrings) keyring.segmentFailed?.(wrappedKey);
    },
  };
  return combined;
}

/** By those who hold the keys, where all of them can; otherwise the data key has to come here, and is wrapped for all. */
async function rewrapByAll(
  keyrings: readonly Keyring[],
  ...args: Parameters<NonNullable<Keyring['rewrapDataKey']>>
): Promise<Rewrapped | 'unverified' | null> {
  if (keyrings.some((keyring) => keyring.rewrapDataKey === undefined)) return null;
  const all = await Promise.all(keyrings.map(async (keyring) => (await keyring.rewrapDataKey?.(...args)) ?? null));
  if (all.includes('unverified')) return 'unverified';
  const rewrapped = all.filter((each) => each !== null && each !== 'unverified');
  const [first] = rewrapped;
  const complete = rewrapped.length === all.length;
  if (!first || !complete || rewrapped.some(({ wrappedKey }) => wrappedKey !== first.wrappedKey)) return null;
  return { wrappedKey: first.wrappedKey, wrappedKeys: rewrapped.flatMap(({ wrappedKeys }) => wrappedKeys) };
}

/**
 * Those that stand before the first wrapped key that a keyring opens by itself: the order of the keyrings decides which key opens a message, and not who could re-wrap without
 * giving out the data key (`docs/format.md` §7.5).
 */
async function ownKeysInOrder(
  keyrings: readonly Keyring[],
  wrappedKeys: readonly WrappedKey[],
  service: object,
  options: KeyringOptions,
): Promise<readonly WrappedKey[]> {
  const found = await Promise.all(
    keyrings.map(async (keyring) => (await keyring.ownKeys?.(wrappedKeys, service, options)) ?? []),
  );
  const own: WrappedKey[] = [];
  for (const [i, keyring] of keyrings.entries()) {
    const here = found[i] ?? [];
    own.push(...here);
    // A key derivation or a call costs something: nobody is asked whose answer changes nothing.
    if (found.slice(i + 1).every(({ length }) => length === 0)) break;
    const others = wrappedKeys.filter((wrappedKey) => !here.includes(wrappedKey));
    if (await opensOne(keyring, others, options)) break;
  }
  return own;
}

/** Whether a keyring opens one of the wrapped keys. One that fails lets the next one try, as always. */
async function opensOne(keyring: Keyring, wrappedKeys: readonly WrappedKey[], options: KeyringOptions) {
  const opened = await keyring.unwrapDataKey(wrappedKeys, options).catch(() => null);
  options.signal?.throwIfAborted();
  return opened !== null;
}

/** Those who have the same scope in all of the keyrings may use whatever any of them gave. */
async function scopeOfAll(keyrings: readonly Keyring[], options: KeyringOptions): Promise<CacheScope | undefined> {
  const stated = await Promise.all(
    // Where one of them cannot say (there is no token), another one may still open the message: without the cache.
    keyrings.map((keyring) => scopeOf(keyring, options)).map((scope) => scope.catch(() => undefined)),
  );
  options.signal?.throwIfAborted();
  const scopes = stated.filter((scope) => scope !== undefined);
  if (scopes.length < keyrings.length) return undefined;
  return {
    id: JSON.stringify(scopes.map(({ id }) => id)),
    user: JSON.stringify(scopes.map(({ id, user = id }) => user)),
    keys: scopes.flatMap(({ keys = [] }) => keys),
    news: scopes.flatMap(({ news = [] }) => news),
  };
}
