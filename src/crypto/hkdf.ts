/** HKDF with SHA-384, RFC 5869: secrets come in as handles, and keys leave as handles. */

import { native, webcrypto } from '#platform';
import type { Bytes } from '../types.ts';
import {
  type AeadKey,
  type AeadUse,
  aeadHandle,
  aeadKeyUsages,
  cryptoKeyOf,
  nativeSecretHandle,
  nativeSecretOf,
  type SecretKey,
  secretHandle,
  secretKeyUsages,
} from './keys.ts';

/** A handle on input key material. Its length is the caller's to check: WebCrypto would import an empty key without a word. */
export async function importSecret(bytes: Bytes): Promise<SecretKey> {
  if (native !== undefined) return nativeSecretHandle(native.importSecret(bytes));
  const { subtle } = await webcrypto();
  return secretHandle(await subtle.importKey('raw', bytes, 'HKDF', false, secretKeyUsages));
}

// RFC 5869 §2.3: at most 255 times the hash's length. The fallback of Node would go on without a word.
const maxOutputLength = 255 * 48;

/** `length` bytes for public use, such as a commitment. */
export async function deriveBytes(key: SecretKey, salt: Bytes, info: Bytes, length: number): Promise<Bytes> {
  if (length > maxOutputLength) throw new TypeError(`HKDF gives at most ${maxOutputLength} bytes`);
  const own = nativeSecretOf(key);
  if (own !== undefined) return own.deriveBytes(salt, info, length);
  const { subtle } = await webcrypto();
  return new Uint8Array(await subtle.deriveBits(parameters(salt, info), cryptoKeyOf(key), length * 8));
}

/** An AES-256-GCM key that is not extractable and can do one thing only. */
export async function deriveAead(key: SecretKey, salt: Bytes, info: Bytes, use: AeadUse): Promise<AeadKey> {
  const own = nativeSecretOf(key);
  if (own !== undefined) return own.deriveAead(salt, info, use) as unknown as AeadKey;
  const { subtle } = await webcrypto();
  const target = { name: 'AES-GCM', length: 256 };
  return aeadHandle(
    await subtle.deriveKey(parameters(salt, info), cryptoKeyOf(key), target, false, aeadKeyUsages[use]),
  );
}

function parameters(salt: Bytes, info: Bytes): HkdfParams {
  return { name: 'HKDF', hash: 'SHA-384', salt, info };
}
