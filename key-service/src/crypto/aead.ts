/** AES-256-GCM with 16-byte tags, synchronous. */

import { createCipheriv, createDecipheriv, createSecretKey, KeyObject } from 'node:crypto';
import { type Bytes, concat } from '../lib/bytes.ts';

const tagLength = 16;

/** The bytes of a key, or a handle for one that is used often (raw bytes cost more at each use). */
export type AeadKey = Uint8Array | KeyObject;

function handle(key: AeadKey): KeyObject {
  return key instanceof KeyObject ? key : createSecretKey(key);
}

/** The nonce of a key that seals once. */
export const zeroNonce = new Uint8Array(12);

/** The index as 96-bit big-endian nonce. */
export function indexNonce(index: number): Bytes {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setUint32(8, index);
  return nonce;
}

/** Ciphertext and tag. */
export function seal(key: AeadKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Bytes {
  const cipher = createCipheriv('aes-256-gcm', handle(key), nonce, { authTagLength: tagLength });
  cipher.setAAD(aad);
  return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
}

/** The plaintext, `undefined` where the tag does not fit. */
export function open(key: AeadKey, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Bytes | undefined {
  if (sealed.byteLength < tagLength) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', handle(key), nonce, { authTagLength: tagLength });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(-tagLength));
  const plaintext = decipher.update(sealed.subarray(0, -tagLength));
  try {
    return concat(plaintext, decipher.final());
  } catch {
    return undefined;
  } finally {
    plaintext.fill(0);
  }
}
