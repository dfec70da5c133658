/** What keyrings have in common whose keys a provider holds, `docs/format.md` §8.8 to §8.13: binding, digest, comparison with the configuration, single flight. */

import { sha384 } from '../crypto/digest.ts';
import { type WrappedKey, wrappedKeyText } from '../envelope/wrapped-key.ts';
import { DecryptionError, isBullaError } from '../errors.ts';
import { assert } from '../lib/assert.ts';
import { concat, equalConstantTime } from '../lib/bytes.ts';
import { arrayOf, type Reader } from '../lib/options.ts';
import { dataKeyLength } from '../schedule/message-keys.ts';
import { binding } from '../schedule/wrapping-keys.ts';
import type { Awaitable, Bytes, KeyContext } from '../types.ts';
import { generateAndWrap, importDataKey, takeDataKey, useAndErase } from './data-key.ts';
import { firstAnswered } from './first-answered.ts';
import type { Keyring, KeyringOptions, Unwrapped } from './keyring.ts';
import { isFor, objectScope, takeKeyContext, takeKeyId } from './local.ts';
import { keyringOf } from './methods.ts';
import { Openings } from './openings.ts';

/** Wrapped keys of one message that a provider is asked for under one key id, §8.12. */
const mostAsked = 4;
/** Keys under one key id besides the one that encrypts, §8.12. */
const mostOthers = 8;

/** What a wrapped key is bound to. */
export interface Bound {
  readonly keyContext: KeyContext;
  /** SHA-384 over the binding, 48 bytes: §8.10. */
  readonly digest: Bytes;
}

/** Credentials, read once: what names a call is what it is made with. */
export interface Credential<Use> {
  /** Names them, as nobody can who does not hold them: what was opened with some, a caller with others is not given. */
  readonly name: string;
  /** What keys are called with. */
  readonly use: Use;
}

/** One key of a provider, by what the configuration says of it. `Use` is what its calls are given of the credentials. */
export interface ProviderKey<Use = void> {
  /** `<provider>:<name>`, §8.9. */
  readonly keyId: string;
  /** Where it is asked for. Once an address cannot be reached, a message does not wait for its other keys. Default: the same for all keys of a keyring. */
  readonly address?: string | undefined;
  /** Whether a ciphertext can be one of this provider's at all. What cannot costs no call. */
  accepts(ciphertext: Bytes): boolean;
  /** Has the provider encrypt 80 bytes, with additional data as §8.11 says. */
  encrypt(plaintext: Bytes, bound: Bound, signal: AbortSignal | undefined, use: Use): Promise<Bytes>;
  /** Has the provider decrypt, into memory of its own: the data key in it is overwritten afterwards. Rejects with a `DecryptionError` for what the provider does not open. */
  decrypt(ciphertext: Bytes, bound: Bound, signal: AbortSignal, use: Use): Promise<Bytes>;
}

/** A provider as a keyring sees it. */
export interface Provider<Use = void> {
  /** The first one encrypts; they decrypt in this order. */
  readonly keys: readonly [ProviderKey<Use>, ...ProviderKey<Use>[]];
  readonly keyContext: KeyContext;
  /** The credentials of the next call. Asked once more where they are refused: they may have been renewed meanwhile. Default: those of the keyring, which do not change. */
  readonly credential?: ((signal: AbortSignal | undefined) => Awaitable<Credential<Use>>) | undefined;
  /** Whose credentials all of them are, where they are one user's. Default: not known. */
  readonly user?: string | undefined;
}

/** The reader of a key context that providers are given: without names that begin with `bulla:`, §8.11c. */
export function takeProviderKeyContext(value: unknown, name: string): KeyContext {
  const keyContext = takeKeyContext(value, name);
  const isFree = Object.keys(keyContext).every((each) => !each.startsWith('bulla:'));
  assert(isFree, name, 'without names that begin with "bulla:"');
  return keyContext;
}

/** The reader of further keys to decrypt with, of which there are 8 at most: each may cost calls for every message, §8.12. */
export function takeOthers<Key>(read: Reader<Key>): Reader<readonly Key[]> {
  return (value, name) => {
    const others = arrayOf(read)(value, name);
    assert(others.length <= mostOthers, name, `an array of at most ${mostOthers}`);
    return others;
  };
}

/** The `key_id` of a provider's key, §8.9. Throws a `TypeError` for a name that is too long. */
export function providerKeyId(provider: string, name: string): string {
  return takeKeyId(`${provider}:${name}`, 'the name of the key, with the provider in front,');
}

/** Keys of a provider by configuration. */
interface Held<Key> {
  /** The name of `own` in messages. */
  readonly name: string;
  readonly own: Key;
  /** Further keys to decrypt with. */
  readonly others: readonly Key[];
  /** The name of a key in messages where none is configured. */
  readonly ownNameOf: (key: Key) => string;
}

/** The keys that a keyring holds: its own, then the others under the same name, then each under its own. */
export function heldKeys<Key, Use = void>(
  provider: string,
  { name, own, others, ownNameOf }: Held<Key>,
  keyOf: (keyId: string, key: Key) => ProviderKey<Use>,
): Provider<Use>['keys'] {
  const keyId = providerKeyId(provider, name);
  const under = others.map((key) => keyOf(keyId, key));
  const byTheirOwn = others.filter((key) => ownNameOf(key) !== name);
  return [keyOf(keyId, own), ...under, ...byTheirOwn.map((key) => keyOf(providerKeyId(provider, ownNameOf(key)), key))];
}

/** A keyring over a provider. */
export function providerKeyring<Use = void>({
  keys,
  keyContext,
  credential = unchanged,
  user,
}: Provider<Use>): Keyring {
  const scope = objectScope();
  const openings = new Openings();
  const boundOf = async (keyId: string): Promise<Bound> => ({
    keyContext,
    digest: await sha384(binding('kms', { keyId, version: 0, serviceId: '', keyContext })),
  });
  const wrapTaken = async (dataKey: Bytes, { signal }: KeyringOptions): Promise<readonly WrappedKey[]> => {
    const [key] = keys;
    signal?.throwIfAborted();
    const bound = await boundOf(key.keyId);
    const plaintext = concat(bound.digest, dataKey);
    const opaque = await useAndErase(plaintext, (bytes) =>
      withCredential(credential, signal, ({ use }) => key.encrypt(bytes, bound, signal, use)),
    );
    return [{ keyId: key.keyId, version: 0, serviceId: '', keyContext, wrapping: { method: 'kms', opaque } }];
  };
  /** What the provider opens for one candidate, which the caller erases. */
  const opened = async ({ key, wrappedKey, ciphertext, accepted }: Candidate<Use>, signal: AbortSignal | undefined) => {
    if (!accepted) throw new DecryptionError();
    return withCredential(credential, signal, ({ name, use }) => {
      const id = JSON.stringify([name, keys.indexOf(key), wrappedKeyText(wrappedKey)]);
      const work = async (shared: AbortSignal) => {
        const bound = await boundOf(key.keyId);
        return dataKeyIn(await key.decrypt(ciphertext, bound, shared, use), bound);
      };
      return openings.join(id, work, signal);
    });
  };
  const unwrap = async <Key>(
    wrappedKeys: readonly WrappedKey[],
    { signal }: KeyringOptions,
    keep: (dataKey: Bytes) => Awaitable<Key>,
  ): Promise<Unwrapped<Key> | null> =>
    firstAnswered(
      candidates(keys, keyContext, wrappedKeys),
      signal,
      async (candidate) => ({
        wrappedKey: candidate.wrappedKey,
        dataKey: await keep(await opened(candidate, signal)),
      }),
      ({ key }) => ({ key, address: key.address }),
    );

  return keyringOf({
    generateDataKey: (options) => generateAndWrap((bytes) => wrapTaken(bytes, options), options),
    wrapDataKey: (dataKey, options) => useAndErase(takeDataKey(dataKey), (bytes) => wrapTaken(bytes, options)),
    unwrapDataKey: (wrappedKeys, options) =>
      unwrap(wrappedKeys, options, (dataKey) => useAndErase(dataKey, importDataKey)),
    unwrapDataKeyBytes: (wrappedKeys, options) => unwrap(wrappedKeys, options, (dataKey) => dataKey),
    cacheScope: async ({ signal }) => ({
      id: JSON.stringify([scope, (await credential(signal)).name]),
      user: user === undefined ? undefined : JSON.stringify([scope, user]),
    }),
  });
}

const unchanged = <Use>(): Credential<Use> => ({ name: '', use: undefined as Use });

/** What a call resolves to. Where its credentials are refused and have been renewed, it is made once more: shared, if at all, with those who have the new ones. */
async function withCredential<Use, Result>(
  credential: NonNullable<Provider<Use>['credential']>,
  signal: AbortSignal | undefined,
  call: (credential: Credential<Use>) => Promise<Result>,
): Promise<Result> {
  const first = await credential(signal);
  try {
    return await call(first);
  } catch (error) {
    if (!isBullaError(error) || error.code !== 'ERR_TOKEN_REFUSED') throw error;
    const next = await credential(signal);
    if (next.name === first.name) throw error;
    return call(next);
  }
}

/** A wrapped key that a key may open. */
interface Candidate<Use> {
  readonly key: ProviderKey<Use>;
  readonly wrappedKey: WrappedKey;
  readonly ciphertext: Bytes;
  /** Whether the provider is asked at all. */
  readonly accepted: boolean;
}

/** §7.5, §7.6, §8.9, §8.12: one key after the other, each on the first few wrapped keys that are for it. What it does not accept is none of them, and fails without a call. */
function* candidates<Use>(
  keys: readonly ProviderKey<Use>[],
  keyContext: KeyContext,
  wrappedKeys: readonly WrappedKey[],
): Generator<Candidate<Use>> {
  for (const key of keys) {
    const identity = { keyId: key.keyId, version: 0, serviceId: '', keyContext };
    let asked = 0;
    for (const wrappedKey of wrappedKeys) {
      const { wrapping } = wrappedKey;
      if (wrapping.method !== 'kms' || !isFor(wrappedKey, identity)) continue;
      const accepted = key.accepts(wrapping.opaque);
      if (accepted && ++asked > mostAsked) break;
      yield { key, wrappedKey, ciphertext: wrapping.opaque, accepted };
    }
  }
}

/** §8.10: the data key in what a provider opened, which is overwritten where there is none. */
function dataKeyIn(plaintext: Bytes, { digest }: Bound): Bytes {
  const isWhole = plaintext.byteLength === digest.byteLength + dataKeyLength;
  if (!isWhole || !equalConstantTime(plaintext.subarray(0, digest.byteLength), digest)) {
    plaintext.fill(0);
    throw new DecryptionError();
  }
  return plaintext.subarray(digest.byteLength);
}
