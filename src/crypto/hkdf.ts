/** HKDF with SHA-384, RFC 5869: secrets come in as handles, and keys leave as handles. */

import { native } from '#platform';
import { viewOf } from '../lib/bytes.ts';
import type { Awaitable, Bytes } from '../types.ts';
import {
  type AeadKey,
  type AeadUse,
  aeadKeyUsages,
  cryptoKeyOf,
  nativeAeadHandle,
  nativeSecretHandle,
  nativeSecretOf,
  type SecretKey,
  secretHandle,
  secretKeyUsages,
} from './keys.ts';
import { withSubtle } from './provider.ts';

/** A handle on input key material. Its length is the caller's to check: WebCrypto would import an empty key without a word. */
export async function importSecret(bytes: Bytes): Promise<SecretKey> {
  if (native !== undefined) return nativeSecretHandle(native.importSecret(bytes));
  return secretHandle(await withSubtle((subtle) => subtle.importKey('raw', bytes, 'HKDF', false, secretKeyUsages)));
}

// RFC 5869 §2.3: at most 255 times the hash's length. The fallback of Node would go on without a word.
const maxOutputLength = 255 * 48;

/** `length` bytes for public use, such as a commitment. */
export function deriveBytes(key: SecretKey, salt: Bytes, info: Bytes, length: number): Awaitable<Bytes> {
  if (length > maxOutputLength) throw new TypeError(`HKDF gives at most ${maxOutputLength} bytes`);
  const own = nativeSecretOf(key);
  return own === undefined ? deriveBits(key, salt, info, length) : own.deriveBytes(salt, info, length);
}

function deriveBits(key: SecretKey, salt: Bytes, info: Bytes, length: number): Promise<Bytes> {
  return withSubtle((subtle) => subtle.deriveBits(parameters(salt, info), cryptoKeyOf(key), length * 8)).then(viewOf);
}

/** An AES-256-GCM key that is not extractable and can do one thing only. */
export function deriveAead(key: SecretKey, salt: Bytes, info: Bytes, use: AeadUse): Awaitable<AeadKey> {
  const own = nativeSecretOf(key);
  return own === undefined ? deriveKey(key, salt, info, use) : nativeAeadHandle(own.deriveAead(salt, info, use));
}

const aes256 = { name: 'AES-GCM', length: 256 };

function deriveKey(key: SecretKey, salt: Bytes, info: Bytes, use: AeadUse): Promise<AeadKey> {
  // It is what was asked for; to look at its algorithm, as `aeadHandle` does, costs a small message 3 % of its time in Chromium.
  return withSubtle((subtle) =>
    subtle.deriveKey(parameters(salt, info), cryptoKeyOf(key), aes256, false, aeadKeyUsages[use]),
  ) as Promise<unknown> as Promise<AeadKey>;
}

function parameters(salt: Bytes, info: Bytes): HkdfParams {
  return { name: 'HKDF', hash: 'SHA-384', salt, info };
}
