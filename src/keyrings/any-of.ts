/** Several keyrings as one: encrypts for all of them, decrypts with any. */

import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { assert } from '../lib/assert.ts';
import type { Bytes } from '../types.ts';
import {
  rejectedBy,
  rewrappedBy,
  scopeOf,
  tellSegmentFailed,
  unwrappedBy,
  unwrappedBytesBy,
  wrappedBy,
} from './answers.ts';
import { generateAndWrap } from './data-key.ts';
import { firstUnwrapped } from './first-unwrapped.ts';
import { inFrontOf } from './forwarding.ts';
import { assertKeyring, type CacheScope, type Keyring, type KeyringOptions, type Rewrapped } from './keyring.ts';
import type { KeyringWork } from './methods.ts';

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
  const [first] = keyrings;
  assert(first !== undefined, 'anyOf', 'given at least one keyring');
  keyrings.forEach((keyring, i) => {
    assertKeyring(keyring, `keyring ${i + 1}`);
  });

  const wrapByAll = async (dataKey: Bytes, options: KeyringOptions) => {
    const wrapped = await Promise.all(keyrings.map((keyring) => wrappedBy(keyring, dataKey, options)));
    return wrapped.flat();
  };
  // All methods, the optional ones too: a new one does not compile until it is decided here what it means for several keyrings.
  // To revoke is left to the first, which can where every wrapped key is one of its own: what one service refuses, another one still opens.
  return inFrontOf(first, {
    generateDataKey: (options) => generateAndWrap((bytes) => wrapByAll(bytes, options), options),
    wrapDataKey: wrapByAll,
    unwrapDataKey: (keys, options) =>
      firstUnwrapped(keyrings, options.signal, async (keyring) => unwrappedBy(keyring, keys, options)),
    unwrapDataKeyBytes: (keys, options) =>
      firstUnwrapped(keyrings, options.signal, (keyring) => unwrappedBytesBy(keyring, keys, options)),
    rewrapDataKey: (...args) => rewrapByAll(keyrings, ...args),
    async ownKeys(keys, service, options) {
      let own: readonly WrappedKey[] = [];
      // §7.5: those before the first that a keyring opens by itself. From the last keyring on, so that none is asked to open one whose answer changes nothing.
      for (const keyring of [...keyrings].reverse()) {
        const here = (await keyring.ownKeys?.([...keys], service, options)) ?? [];
        const others = keys.filter((key) => !here.includes(key));
        // One that fails lets the next one try.
        const opens = async () => unwrappedBy(keyring, others, options);
        const opened = own.length > 0 && (await opens().catch(() => undefined));
        own = opened ? here : [...here, ...own];
      }
      return own;
    },
    cacheScope: (options) => scopeOfAll(keyrings, options),
    rejectDataKey: async (wrappedKey) =>
      void (await Promise.all(keyrings.map((keyring) => rejectedBy(keyring, wrappedKey)))),
    segmentFailed(wrappedKey) {
      for (const keyring of keyrings) tellSegmentFailed(keyring, wrappedKey);
    },
  } satisfies Required<Omit<KeyringWork, 'revokeDataKeys'>>);
}

/** By those who hold the keys, where all of them can; otherwise the data key has to come here, and is wrapped for all. */
async function rewrapByAll(
  keyrings: readonly Keyring[],
  ...[keys, from, options]: Parameters<NonNullable<KeyringWork['rewrapDataKey']>>
): Promise<Rewrapped | 'unverified' | null> {
  if (keyrings.some((keyring) => keyring.rewrapDataKey === undefined)) return null;
  const all = await Promise.all(keyrings.map((keyring) => rewrappedBy(keyring, keys, from, options)));
  if (all.includes('unverified')) return 'unverified';
  const rewrapped = all as readonly (Rewrapped | null)[];
  const [first] = rewrapped;
  if (!first || rewrapped.some((each) => each?.wrappedKey !== first.wrappedKey)) return null;
  return { wrappedKey: first.wrappedKey, wrappedKeys: rewrapped.flatMap((each) => each?.wrappedKeys ?? []) };
}

/** Those who have the same scope in all of the keyrings may use whatever any of them gave. */
async function scopeOfAll(keyrings: readonly Keyring[], options: KeyringOptions): Promise<CacheScope | undefined> {
  const stated = await Promise.all(
    // Where one of them cannot say (there is no token), another one may still open the message: without the cache.
    keyrings.map(async (keyring) => scopeOf(keyring, options)).map((scope) => scope.catch(() => undefined)),
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
