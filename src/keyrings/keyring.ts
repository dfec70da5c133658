/**
 * What a keyring is: an object that makes data keys with their wrapped forms, and unwraps them. This file is the contract for those that bring their own
 * (a cloud KMS, a hardware token); the others of this folder implement it.
 */

import type { SecretKey } from '../crypto/keys.ts';
import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { func, integer, optional, type ReadersOf, takeBoolean, takeSignal } from '../lib/options.ts';
import type { Bytes, KeyChange, KeyUse, RandomSource } from '../types.ts';

/** A data key as a handle: HKDF takes it, nothing exports it. Make one with {@link importDataKey}. */
export type DataKey = SecretKey;

/** What every call of a keyring may be given. */
export interface KeyringOptions {
  /** Ends the call; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Replaces the platform's random generator. For reproducible tests: a predictable source gives everything away. */
  readonly random?: RandomSource | undefined;
  /** Plaintext bytes that a generated data key is for, where that is known: what a cache counts by. */
  readonly plaintextLength?: number | undefined;
}

/** Options of {@link Keyring.rewrapDataKey}. */
export interface RewrapDataKeyOptions extends KeyringOptions {
  /**
   * Whether the caller has checked that the data key is that of the message (`docs/format.md` §7.7b). An envelope can carry the wrapped key of another
   * message: without this check its data key must not go to another key. Default: `false`.
   */
  readonly verified?: boolean | undefined;
}

/** A data key for a new message. */
export interface GeneratedDataKey {
  readonly dataKey: DataKey;
  /** At least one. */
  readonly wrappedKeys: readonly WrappedKey[];
  /** `shared` where other messages may be encrypted with the same data key. */
  readonly keyUse: KeyUse;
}

/** A wrapped key that a keyring could unwrap, as the element of the array it was given, and what was in it. */
export interface Unwrapped<Key> {
  readonly wrappedKey: WrappedKey;
  readonly dataKey: Key;
}

/** Wrapped keys that a keyring made of another one, without the data key having left where it is kept. */
export interface Rewrapped {
  /** The element of the array that was given. */
  readonly wrappedKey: WrappedKey;
  readonly wrappedKeys: readonly WrappedKey[];
}

/** What came of asking that data keys be refused for ever. */
export interface DataKeyRevocation {
  /** The URL of the key service. */
  readonly service: string;
  /** Its id there. */
  readonly id: string;
  /** `requested` until another person approves it. From then on the data keys are refused. */
  readonly state: 'requested' | 'revoked';
  /** How many data keys it is about. */
  readonly dataKeys: number;
  /** The index of its receipt in the audit log of the service, once it is approved. */
  readonly leaf: number | undefined;
}

/** Where a cache hears what becomes of keys. A client of a key service is one. */
export interface KeyNews {
  /** Which service it is. */
  readonly url: string;
  /** The id of the service in wrapped keys. */
  connect(): Promise<{ readonly serviceId: string }>;
  /** Is told of changes. Returns what ends that; what it throws is ignored. */
  onKeyChange(listener: (change: KeyChange) => void): () => void;
  /** Asks for a key now; what is found reaches the listeners. */
  keyDocument(key: string, options: { readonly fresh: true }): Promise<unknown>;
}

/** Whose data keys a keyring gives: what a cache keeps them by. */
export interface CacheScope {
  /**
   * A data key that was cached under a scope is given to everyone who states the same one, **without another question**. So it names the user by what was verified or by what
   * only that user holds, and the keys that the keyring may use. It may be a secret: it never leaves the process.
   */
  readonly id: string;
  /**
   * Who that is, where `id` changes more often, with each access token. A data key that is on its way while `id` changes is given to the same user, and to no other one. Default: nobody knows; such a data
   * key is given to nobody, and is asked for once more.
   */
  readonly user?: string | undefined;
  /** The keys as they are asked for, ids and aliases. Default: none. */
  readonly keys?: readonly string[] | undefined;
  /** Who tells that keys are rotated or disabled. Default: nobody. */
  readonly news?: readonly KeyNews[] | undefined;
}

/**
 * Produces data keys with their wrapped forms, and unwraps them.
 *
 * **Null or throw.** The unwrapping methods look at every wrapped key and compare method, key id, service id and key context with what they are
 * configured for, never the other way round (`docs/format.md` §7.6). They resolve to `null` when none is theirs. When one is theirs and does not unwrap,
 * they reject with a {@link DecryptionError} and no other word; when they should be able to and cannot (an unreachable service, an expired token), with an error
 * that says why. A keyring that cannot wrap (it holds only private keys) rejects with `ERR_KEYRING_CANNOT`.
 *
 * A keyring that stands in front of another one passes every method on, the optional ones too.
 */
export interface Keyring {
  /** Makes a data key and wraps it. */
  generateDataKey(options?: KeyringOptions): Promise<GeneratedDataKey>;

  /**
   * Wraps a data key of 32 bytes that another keyring made or opened. The caller overwrites the bytes afterwards: keep no reference. Where a data key may go to
   * newer versions of its own key alone, re-wrapping first has random bytes wrapped, to see which keys this keyring wraps under (`docs/format.md` §7.7).
   */
  wrapDataKey(dataKey: Bytes, options?: KeyringOptions): Promise<readonly WrappedKey[]>;

  /** Unwraps the first that it can, straight into a handle. */
  unwrapDataKey(wrappedKeys: readonly WrappedKey[], options?: KeyringOptions): Promise<Unwrapped<DataKey> | null>;

  /** The same, to 32 bytes that are about to be re-wrapped; the caller overwrites them. */
  unwrapDataKeyBytes(wrappedKeys: readonly WrappedKey[], options?: KeyringOptions): Promise<Unwrapped<Bytes> | null>;

  /**
   * Re-wraps what `from` could unwrap, where the holder of both keys can do that without giving out the data key: a key service. Resolves to `null` where
   * that is not so, or nothing is for `from`; the caller then unwraps and wraps. Resolves to `'unverified'`, and re-wraps nothing, where the caller has not
   * checked the data key and the result would be anything but a newer version of the same key under the same key context. Keyrings without this method
   * never re-wrap by themselves.
   */
  rewrapDataKey?(
    wrappedKeys: readonly WrappedKey[],
    from: Keyring,
    options?: RewrapDataKeyOptions,
  ): Promise<Rewrapped | 'unverified' | null>;

  /**
   * Those of the wrapped keys that this keyring would let a key service unwrap, in the order in which it would, up to the first that it opens without that service. `service` is
   * the client that asks. Keyrings without it have none.
   */
  ownKeys?(
    wrappedKeys: readonly WrappedKey[],
    service: object,
    options?: KeyringOptions,
  ): Promise<readonly WrappedKey[]>;

  /**
   * States whose data keys these are at the moment; asked again for every message, because another user may have signed in. A keyring without it, or that resolves to
   * `undefined`, is not cached.
   */
  cacheScope?(options?: KeyringOptions): Promise<CacheScope | undefined>;

  /**
   * Asks the key service behind some wrapped keys to refuse their data keys for ever, whatever wrapping of them it is shown. Asking again changes nothing, and tells what came of it. Resolves to
   * `null`, and asks nothing, where it cannot do that for every one of them. Keyrings that can answer no wrapped keys at all with an empty array; those without this method never can.
   */
  revokeDataKeys?(
    wrappedKeys: readonly WrappedKey[],
    options?: KeyringOptions,
  ): Promise<readonly DataKeyRevocation[] | null>;

  /** Is told that the data key in a wrapped key is not that of the message: a keyring that kept it forgets it. Must not reject. */
  rejectDataKey?(wrappedKey: WrappedKey): Promise<void>;

  /** Is told, once for a message, that a segment did not open although the data key is that of the message: it was changed behind its envelope. Must not throw. */
  segmentFailed?(wrappedKey: WrappedKey): void;
}

const methods = ['generateDataKey', 'wrapDataKey', 'unwrapDataKey', 'unwrapDataKeyBytes'] as const;

/** Throws a `TypeError` naming `name` unless a value has the methods of a {@link Keyring}. */
export function assertKeyring(value: unknown, name: string): asserts value is Keyring {
  const complete =
    typeof value === 'object' &&
    value !== null &&
    methods.every((method) => typeof (value as Record<string, unknown>)[method] === 'function');
  if (!complete) throw new TypeError(`${name} must be a keyring`);
}

/** The reader of a keyring, which is kept as it is. */
export const takeKeyring = (value: unknown, name: string): Keyring => {
  assertKeyring(value, name);
  return value;
};

/** The readers of {@link KeyringOptions}. */
export const keyringReaders = {
  signal: optional(takeSignal),
  random: optional(func<RandomSource>()),
  plaintextLength: optional(integer(0, Number.MAX_SAFE_INTEGER)),
} satisfies ReadersOf<KeyringOptions>;

/** The readers of {@link RewrapDataKeyOptions}. */
export const rewrapDataKeyReaders = {
  ...keyringReaders,
  verified: optional(takeBoolean, false),
} satisfies ReadersOf<RewrapDataKeyOptions>;
