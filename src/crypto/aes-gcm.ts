/** AES-256-GCM with 96-bit nonces and 128-bit tags, SP 800-38D; other sizes are out of reach. */

import { native } from '#platform';
import { DecryptionError } from '../errors.ts';
import type { Bytes } from '../types.ts';
import {
  type AeadKey,
  cryptoKeyOf,
  importAndErase,
  nativeAeadOf,
  type SecretKey,
  secretHandle,
  secretKeyUsages,
} from './keys.ts';
import { withSubtle } from './provider.ts';

/** Bytes of a tag. */
export const tagLength = 16;
/** Bytes of a nonce. */
export const nonceLength = 12;

const none = new Uint8Array(0);

/** The ciphertext with its tag behind it. The caller must never use a nonce twice with one key. */
export async function seal(key: AeadKey, nonce: Bytes, plaintext: Bytes, additionalData: Bytes = none): Promise<Bytes> {
  const algorithm = parameters(nonce, additionalData);
  const own = nativeAeadOf(key);
  if (own !== undefined) return own.seal(nonce, plaintext, additionalData);
  return new Uint8Array(await withSubtle((subtle) => subtle.encrypt(algorithm, cryptoKeyOf(key), plaintext)));
}

/** The plaintext of a ciphertext with its tag. Throws `ERR_DECRYPTION_FAILED`. */
export async function open(key: AeadKey, nonce: Bytes, sealed: Bytes, additionalData: Bytes = none): Promise<Bytes> {
  const algorithm = parameters(nonce, additionalData);
  if (sealed.byteLength < tagLength) throw new DecryptionError();
  const own = nativeAeadOf(key);
  try {
    if (own !== undefined) return await own.open(nonce, sealed, additionalData);
    return new Uint8Array(await withSubtle((subtle) => subtle.decrypt(algorithm, cryptoKeyOf(key), sealed)));
  } catch {
    throw new DecryptionError();
  }
}

/** Opens a sealed secret straight into a handle, without its bytes becoming visible where the platform can do that. Throws `ERR_DECRYPTION_FAILED`. */
export async function openSecret(key: AeadKey, nonce: Bytes, sealed: Bytes, additionalData: Bytes): Promise<SecretKey> {
  if (native !== undefined) return importAndErase(native, await open(key, nonce, sealed, additionalData));
  const algorithm = parameters(nonce, additionalData);
  try {
    return secretHandle(
      await withSubtle((subtle) =>
        subtle.unwrapKey('raw', sealed, cryptoKeyOf(key), algorithm, 'HKDF', false, secretKeyUsages),
      ),
    );
  } catch {
    throw new DecryptionError();
  }
}

function parameters(iv: Bytes, additionalData: Bytes): AesGcmParams {
  if (iv.byteLength !== nonceLength) throw new TypeError('an AES-GCM nonce must have 12 bytes');
  return { name: 'AES-GCM', iv, additionalData, tagLength: tagLength * 8 };
}
