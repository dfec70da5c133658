/** Types that several layers share. */

/** Bytes in memory of their own: what this package returns. */
export type Bytes = Uint8Array<ArrayBuffer>;

/**
 * A key of WebCrypto (Web Cryptography API §13). The platform's own type is the same; this one is here so that the
 * declarations need no DOM library.
 */
export interface CryptoKey {
  readonly type: 'public' | 'private' | 'secret';
  readonly extractable: boolean;
  readonly algorithm: { name: string };
  readonly usages: ('encrypt' | 'decrypt' | 'sign' | 'verify' | 'deriveKey' | 'deriveBits' | 'wrapKey' | 'unwrapKey')[];
}

/** A pair of WebCrypto's keys; see {@link CryptoKey}. */
export interface CryptoKeyPair {
  publicKey: CryptoKey;
  privateKey: CryptoKey;
}

/** A JSON Web Key (RFC 7517, RFC 7518 §6); see {@link CryptoKey}. */
export interface JsonWebKey {
  alg?: string;
  crv?: string;
  d?: string;
  dp?: string;
  dq?: string;
  e?: string;
  ext?: boolean;
  k?: string;
  key_ops?: string[];
  kid?: string;
  kty?: string;
  n?: string;
  oth?: { d?: string; r?: string; t?: string }[];
  p?: string;
  q?: string;
  qi?: string;
  use?: string;
  x?: string;
  y?: string;
}

/** What may be there at once, so that nobody waits a turn of the event loop for it. */
export type Awaitable<Value> = Value | Promise<Value>;

/**
 * A map from names to values that must be given again to decrypt. Bound to the message by its key schedule; values never leave the
 * client, names stand in the header. At most 64 pairs, names of 1 to 256 and values of at most 8,192 bytes of UTF-8 (`docs/format.md` §2.4, §4.4).
 */
export type Context = Readonly<Record<string, string>>;

/**
 * A coarser map (tenant, purpose, ...) bound to a wrapped key; it is not encrypted, and a key service uses it to decide. At most 64
 * pairs, values of at most 1,024 bytes of UTF-8 (`docs/format.md` §2.4, §7.3).
 */
export type KeyContext = Readonly<Record<string, string>>;

/** Names and values, authenticated but readable by anyone who holds the message. Limits as for a {@link Context}. */
export type Metadata = Readonly<Record<string, string>>;

/** Whether a data key opens one message or may open several (`docs/format.md` §3.5). */
export type KeyUse = 'single' | 'shared';

/** Random bytes of the given length; `undefined` in options means the platform's generator. */
export type RandomSource = (length: number) => Uint8Array;

/** The header of a message: authentic when it comes from decrypting, a claim when it comes from inspecting (`docs/format.md` §3). */
export interface MessageHeader {
  /** The number of the algorithm suite (§4.1): 1 is HKDF-SHA-384 with AES-256-GCM. */
  readonly suite: number;
  /** Plaintext bytes in each segment but the last. */
  readonly segmentSize: number;
  /** When the message was encrypted, to the second, by its writer's clock. */
  readonly created: Date;
  /** Whether the data key opens other messages too. */
  readonly keyUse: KeyUse;
  /** The names that the context must have, ascending by UTF-8 bytes. */
  readonly contextNames: readonly string[];
  /** The media type of the plaintext, where the writer gave one. */
  readonly contentType: string | undefined;
  /** The writer's metadata, not encrypted. */
  readonly metadata: Metadata;
}

/** What an answer said of a key. */
export interface KeyChange {
  /** As it was asked for: an id, or `alias:` and a name. */
  readonly key: string;
  /** Its id, where the answer said it. */
  readonly keyId: string | undefined;
  /** The newest version and the floor, where the key can be used. */
  readonly newestVersion: number | undefined;
  readonly floor: number | undefined;
  /** The version that cannot be used, where it is only that. */
  readonly version: number | undefined;
  /** Whether the key, or the version, cannot be used any more: by nobody, because it is disabled, destroyed or below the floor, or by this caller, who is not allowed to. */
  readonly unavailable: 'for-all' | 'for-caller' | undefined;
}
