/** What keyrings have in common whose keys are at hand: one way to wrap, one way to unwrap, made into the four methods of a keyring. */

import { nonceLength, open, openSecret, seal } from '../crypto/aes-gcm.ts';
import type { AeadKey } from '../crypto/keys.ts';
import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { KeyError } from '../errors.ts';
import { assert } from '../lib/assert.ts';
import { maxKeyContextValueLength, maxNameLength } from '../lib/limits.ts';
import { sameMap } from '../lib/maps.ts';
import { integer, optional, optionalMap, type ReadersOf, type Taken, takeString } from '../lib/options.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import { sortPairs } from '../schedule/map.ts';
import type { KeyIdentity } from '../schedule/wrapping-keys.ts';
import type { Bytes, KeyContext } from '../types.ts';
import { generateAndWrap, takeDataKey, useAndErase } from './data-key.ts';
import { firstUnwrapped } from './first-unwrapped.ts';
import type { DataKey, Keyring, KeyringOptions, Unwrapped } from './keyring.ts';
import { keyringOf } from './methods.ts';

/** The two ways to unwrap: into a handle, or to bytes that are about to be re-wrapped. */
export interface Opener {
  asHandle(): Promise<DataKey>;
  asBytes(): Promise<Bytes>;
}

/** The opener of a wrapped key; `undefined` for one that is not for the key that is held. */
export type HeldKey = (wrappedKey: WrappedKey) => Opener | undefined;

/** What a local keyring can do. */
export interface LocalKeys {
  /** Its name in errors. */
  readonly name: string;
  /** `undefined` where it has no key for it. */
  readonly wrap: ((dataKey: Bytes, options: KeyringOptions) => Promise<readonly WrappedKey[]>) | undefined;
  /** The keys that it unwraps with, in the order in which they are tried. */
  readonly held: readonly HeldKey[];
}

// Another copy of this package counts from 1, too, and its keyrings may share a cache with these.
const copyOfPackage = Math.random();
let keyrings = 0;

/** The scope of a keyring that anyone who holds the object may use: a cache serves this object and no other. */
export function objectScope(): string {
  return `local ${copyOfPackage} ${++keyrings}`;
}

/** A keyring of local keys. */
export function localKeyring({ name, wrap, held }: LocalKeys): Keyring {
  const scope = { id: objectScope() };
  const wrapTaken = async (dataKey: Bytes, options: KeyringOptions) => {
    options.signal?.throwIfAborted();
    if (wrap === undefined) throw new KeyError('ERR_KEYRING_CANNOT', `This ${name} has no key to encrypt with`);
    return wrap(dataKey, options);
  };
  const unwrapFirst = async <Key>(
    wrappedKeys: readonly WrappedKey[],
    options: KeyringOptions,
    unwrap: (opener: Opener) => Promise<Key>,
  ): Promise<Unwrapped<Key> | null> => {
    return firstUnwrapped(openers(held, wrappedKeys), options.signal, async ({ wrappedKey, opener }) => ({
      wrappedKey,
      dataKey: await unwrap(opener),
    }));
  };

  return keyringOf({
    generateDataKey: (options) => generateAndWrap((bytes) => wrapTaken(bytes, options), options),
    wrapDataKey: (dataKey, options) => useAndErase(takeDataKey(dataKey), (bytes) => wrapTaken(bytes, options)),
    unwrapDataKey: (keys, options) => unwrapFirst(keys, options, (opener) => opener.asHandle()),
    unwrapDataKeyBytes: (keys, options) => unwrapFirst(keys, options, (opener) => opener.asBytes()),
    cacheScope: () => scope,
  });
}

/** §7.5: one key that is held after the other, each on the wrapped keys that are for it, in the order of the envelope. */
function* openers(held: readonly HeldKey[], wrappedKeys: readonly WrappedKey[]) {
  for (const openerOf of held) {
    for (const wrappedKey of wrappedKeys) {
      const opener = openerOf(wrappedKey);
      if (opener !== undefined) yield { wrappedKey, opener };
    }
  }
}

// §8: every wrapping key seals once.
const zeroNonce = new Uint8Array(nonceLength);

/** `seal(k, aad, data key)` of `docs/format.md` §8. */
export async function sealDataKey(wrappingKey: AeadKey, binding: Bytes, dataKey: Bytes): Promise<Bytes> {
  return seal(wrappingKey, zeroNonce, dataKey, binding);
}

/** The opener of a sealed data key under a wrapping key that is derived when it is needed. */
export function sealedKeyOpener(sealedKey: Bytes, binding: Bytes, derive: () => Promise<AeadKey>): Opener {
  return {
    asHandle: async () => openSecret(await derive(), zeroNonce, sealedKey, binding),
    asBytes: async () => open(await derive(), zeroNonce, sealedKey, binding),
  };
}

/** What the options of every local keyring say about its keys. */
export interface LocalKeyOptions {
  /** Bound to every wrapped key, and what a wrapped key must have to be opened. Default: empty. */
  readonly keyContext?: KeyContext | undefined;
  /** The version of the key, 0 to 2^32 - 1, bound to every wrapped key, and what a wrapped key must have to be opened. Default: 0. */
  readonly version?: number | undefined;
}

/** The readers of {@link LocalKeyOptions}. */
export const localKeyReaders = {
  keyContext: takeKeyContext,
  version: optional(integer(0, 2 ** 32 - 1), 0),
} satisfies ReadersOf<LocalKeyOptions>;

/** The reader of a key context, which is empty where none is given. Throws `ERR_LIMIT_EXCEEDED` for one that is too large. */
export function takeKeyContext(value: unknown, name: string): KeyContext {
  const keyContext = optionalMap(value, name);
  sortPairs(keyContext, name, maxKeyContextValueLength);
  return keyContext;
}

/** The reader of the id of a local key. */
export function takeKeyId(value: unknown, name: string): string {
  const keyId = takeString(value, name);
  const { byteLength } = encodeUtf8(keyId, name);
  assert(byteLength >= 1 && byteLength <= maxNameLength, name, `of 1 to ${maxNameLength} bytes`);
  return keyId;
}

/** The identity of a local key, from options that were taken. */
export function localKeyIdentity(keyId: string, { keyContext, version }: Taken<typeof localKeyReaders>): KeyIdentity {
  return { keyId, version, serviceId: '', keyContext };
}

/** Whether a wrapped key is for a key: the same id, version, service and key context (§7.6). */
export function isFor(wrappedKey: WrappedKey, { keyId, version, serviceId, keyContext }: KeyIdentity): boolean {
  return (
    wrappedKey.keyId === keyId &&
    wrappedKey.version === version &&
    wrappedKey.serviceId === serviceId &&
    sameMap(wrappedKey.keyContext, keyContext)
  );
}
