/**
 * Opaque key handles. A handle is made and used by this layer alone; what is inside is the platform's (a `CryptoKey`, in Node mostly a `KeyObject`), is not
 * extractable, and never leaves the backend that made it.
 */

import { native } from '#platform';
import { DecryptionError } from '../errors.ts';
import type { NativeAead, NativeCrypto, NativeSecret } from '../lib/native.ts';
import type { Bytes, CryptoKey } from '../types.ts';

declare const secret: unique symbol;
declare const aead: unique symbol;

/** A secret that HKDF takes as its input: a data key, a key encryption key, the result of an ECDH agreement. */
export interface SecretKey {
  readonly [secret]: true;
}

/** An AES-256-GCM key. */
export interface AeadKey {
  readonly [aead]: true;
}

/** What HKDF keys may be used for: exactly this everywhere, because runtimes disagree about anything else. */
export const secretKeyUsages = ['deriveKey', 'deriveBits'] as const satisfies readonly KeyUsage[];

/** What an AES-256-GCM key is for: sealing, opening, or opening another key. */
export type AeadUse = 'seal' | 'open' | 'unwrap';

/** The same in WebCrypto's words. A key never gets more than it needs. */
export const aeadKeyUsages = {
  seal: ['encrypt'],
  open: ['decrypt'],
  unwrap: ['decrypt', 'unwrapKey'],
} as const satisfies Record<AeadUse, readonly KeyUsage[]>;

/** The `CryptoKey` inside a handle. */
export function cryptoKeyOf(key: SecretKey | AeadKey): CryptoKey {
  return key as unknown as CryptoKey;
}

/** What is inside a handle that the platform made without WebCrypto; `undefined` for all others. */
export function nativeSecretOf(key: SecretKey): NativeSecret | undefined {
  return native?.secretOf(key);
}

/** Whether a value is a handle on a secret: one of the platform's, or a `CryptoKey` for HKDF. */
export function isSecretKey(value: unknown): value is SecretKey {
  if (typeof value !== 'object' || value === null) return false;
  return nativeSecretOf(value as SecretKey) !== undefined || (value as Partial<CryptoKey>).algorithm?.name === 'HKDF';
}

/** The same of an AEAD key. */
export function nativeAeadOf(key: AeadKey): NativeAead | undefined {
  return native?.isAead(key) ? key : undefined;
}

/** The handle around a secret that the platform made without WebCrypto. */
export function nativeSecretHandle(key: NativeSecret): SecretKey {
  return key as unknown as SecretKey;
}

/** The same of an AEAD key. */
export function nativeAeadHandle(key: NativeAead): AeadKey {
  return key as unknown as AeadKey;
}

/**
 * The handle on a secret whose bytes are overwritten. Throws `ERR_DECRYPTION_FAILED` when they are not `length` bytes, where one is given. For platforms that hide no key from the code
 * that runs in them; elsewhere a secret never becomes bytes.
 */
export function importAndErase(platform: NativeCrypto, bytes: Bytes, length = bytes.byteLength): SecretKey {
  try {
    if (bytes.byteLength !== length) throw new DecryptionError();
    return nativeSecretHandle(platform.importSecret(bytes));
  } finally {
    bytes.fill(0);
  }
}

/** The handle around a `CryptoKey` for HKDF. */
export function secretHandle(key: CryptoKey): SecretKey {
  return key as unknown as SecretKey;
}

/** The handle around a `CryptoKey` for AES-256-GCM; no other algorithm and no other size becomes one. */
export function aeadHandle(key: CryptoKey): AeadKey {
  const { name, length } = key.algorithm as AesKeyAlgorithm;
  if (name !== 'AES-GCM' || length !== 256) throw new TypeError('the key must be for AES-256-GCM');
  return key as unknown as AeadKey;
}
