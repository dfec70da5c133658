/**
 * What a platform may have besides WebCrypto: the same primitives, faster for small inputs. Bytes are the same either way; a key never leaves the backend that made it.
 */

import type { Awaitable, Bytes, CryptoKey } from '../types.ts';

/** Primitives of a platform's own. Inputs are taken, and may be used again, when a call returns. */
export interface NativeCrypto {
  /** A secret for HKDF; the bytes are copied. */
  importSecret(bytes: Bytes): NativeSecret;
  /** The secret behind a handle that came from here, or from another copy of this package in the process. */
  secretOf(handle: object): NativeSecret | undefined;
  /** Whether a handle came from here. */
  isAead(handle: object): handle is NativeAead;
  /** Whether a handle came from here. */
  isHmac(handle: object): handle is NativeHmac;
  sha384(bytes: Bytes): Bytes;
  /** The shared secret of two keys for ECDH on one curve. Only where WebCrypto takes several times as long. */
  readonly agree?: ((privateKey: CryptoKey, publicKey: CryptoKey) => Awaitable<Bytes>) | undefined;
}

/** HKDF with SHA-384 from a secret, RFC 5869. */
export interface NativeSecret {
  deriveBytes(salt: Bytes, info: Bytes, length: number): Bytes;
  deriveAead(salt: Bytes, info: Bytes, use: 'seal' | 'open' | 'unwrap'): NativeAead;
  /** The HMAC-SHA-384 of `bytes` under a key of 48 derived bytes. */
  deriveMac(salt: Bytes, info: Bytes, bytes: Bytes): Bytes;
  /** A key for HMAC-SHA-256 of 32 derived bytes. */
  deriveHmac(salt: Bytes, info: Bytes): NativeHmac;
}

/** HMAC with SHA-256, FIPS 198-1. */
export interface NativeHmac {
  sign(bytes: Bytes): Bytes;
}

/** AES-256-GCM with a tag of 16 bytes, SP 800-38D. A key for one direction refuses the other with a `TypeError`. */
export interface NativeAead {
  seal(nonce: Bytes, plaintext: Bytes, additionalData: Bytes): Awaitable<Bytes>;
  /** Throws `ERR_DECRYPTION_FAILED`, or rejects as SubtleCrypto does, when the tag is wrong; nothing of the plaintext is given out then. */
  open(nonce: Bytes, sealed: Bytes, additionalData: Bytes): Awaitable<Bytes>;
  /** Seals into a target of 16 bytes more, which may begin where the plaintext does. */
  sealInto(nonce: Bytes, plaintext: Bytes, target: Bytes): Awaitable<void>;
  /** Opens into a target of the same length, which may be the ciphertext's own memory. Throws, or rejects, when the tag is wrong; the target is the caller's to overwrite then. */
  openInto(nonce: Bytes, ciphertext: Bytes, tag: Bytes, target: Bytes): Awaitable<void>;
}
