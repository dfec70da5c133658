/** What keyrings have in common whose keys are at hand: one way to wrap, one way to unwrap, made into the four methods of a keyring. */

import { nonceLength, open, openSecret, seal } from '../crypto/aes-gcm.ts';
import type { AeadKey } from '../crypto/keys.ts';
import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { type DecryptionError, isBullaError, KeyError } from '../errors.ts';
import { assert, assertInteger } from '../lib/assert.ts';
import { maxKeyContextValueLength, maxNameLength } from '../lib/limits.ts';
import { sameMap } from '../lib/maps.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import { sortPairs } from '../schedule/map.ts';
import type { KeyIdentity } from '../schedule/wrapping-keys.ts';
import type { Bytes, KeyContext } from '../types.ts';
import { generateAndWrap } from './data-key.ts';
import type { DataKey, Keyring, KeyringOptions, Unwrapped } from './keyring.ts';

/** The two ways to unwrap: into a handle, or to bytes that are about to be wrapped anew. */
export interface Opener {
  asHandle(): Promise<DataKey>;
  asBytes(): Promise<Bytes>;
}

/** What a local keyring can do, each `undefined` where it has no key for it. */
export interface LocalKeys {
  /** Its name in errors. */
  readonly name: string;
  readonly wrap: ((dataKey: Bytes, options: KeyringOptions) => Promise<readonly WrappedKey[]>) | undefined;
  /** `undefined` for a wrapped key that is not for this keyring. */
  readonly opener: (wrappedKey: WrappedKey) => Opener | undefined;
}

/** A keyring of local keys. */
export function localKeyring({ name, wrap, opener }: LocalKeys): Keyring {
  const wrapDataKey = async (dataKey: Bytes, options: KeyringOptions = {}) => {
    options.signal?.throwIfAborted();
    if (wrap === undefined) throw new KeyError('ERR_KEYRING_CANNOT', `This ${name} has no key to encrypt with`);
    return wrap(dataKey, options);
  };

  const unwrapFirst = async <Key>(
    wrappedKeys: readonly WrappedKey[],
    { signal }: KeyringOptions,
    unwrap: (opener: Opener) => Promise<Key>,
  ): Promise<Unwrapped<Key> | null> => {
    let failure: DecryptionError | undefined;
    for (const wrappedKey of wrappedKeys) {
      signal?.throwIfAborted();
      const found = opener(wrappedKey);
      if (found === undefined) continue;
      try {
        return { wrappedKey, dataKey: await unwrap(found) };
      } catch (error) {
        if (!isBullaError(error) || error.code !== 'ERR_DECRYPTION_FAILED') throw error;
        failure = error;
      }
    }
    if (failure !== undefined) throw failure;
    return null;
  };

  return {
    generateDataKey: (options = {}) => generateAndWrap((bytes) => wrapDataKey(bytes, options), options),
    wrapDataKey,
    unwrapDataKey: (keys, options = {}) => unwrapFirst(keys, options, (found) => found.asHandle()),
    unwrapDataKeyBytes: (keys, options = {}) => unwrapFirst(keys, options, (found) => found.asBytes()),
  };
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

/** The checked identity of a local key. Throws a `TypeError` that names the wrong option. */
export function localKeyIdentity(keyId: string, { keyContext = {}, version = 0 }: LocalKeyOptions): KeyIdentity {
  assert(typeof keyId === 'string', 'keyId', 'a string');
  const { byteLength } = encodeUtf8(keyId, 'keyId');
  assert(byteLength >= 1 && byteLength <= maxNameLength, 'keyId', `of 1 to ${maxNameLength} bytes`);
  assertInteger(version, 0, 2 ** 32 - 1, 'version');
  sortPairs(keyContext, 'keyContext', maxKeyContextValueLength);
  return { keyId, version, serviceId: '', keyContext: { ...keyContext } };
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
