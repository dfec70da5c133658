/** RSAES-OAEP with SHA-384 for hash and mask, RFC 8017 §7.1. */

import { native, webcrypto } from '#platform';
import { DecryptionError } from '../errors.ts';
import type { Bytes, CryptoKey, CryptoKeyPair, JsonWebKey } from '../types.ts';
import { importAndErase, type SecretKey, secretHandle, secretKeyUsages } from './keys.ts';
import { failDecryption, failImport } from './refusal.ts';

const importAlgorithm = { name: 'RSA-OAEP', hash: 'SHA-384' } as const;

/** What a private key must be allowed to do. */
export const privateKeyUsages = ['decrypt', 'unwrapKey'] as const satisfies readonly KeyUsage[];

/** A fresh key pair with the public exponent 65,537. */
export async function generateKeyPair(bits: number, extractable: boolean): Promise<CryptoKeyPair> {
  const { subtle } = await webcrypto();
  const algorithm = { ...importAlgorithm, modulusLength: bits, publicExponent: Uint8Array.of(1, 0, 1) };
  return subtle.generateKey(algorithm, extractable, ['encrypt', ...privateKeyUsages]);
}

/** A public or private key from the members of its JWK (RFC 7518 §6.3), which must be there. Rejects with `ERR_INVALID_KEY`. */
export async function importJwk(jwk: JsonWebKey, extractable: boolean): Promise<CryptoKey> {
  const { subtle } = await webcrypto();
  const usages = jwk.d === undefined ? (['encrypt'] as const) : privateKeyUsages;
  return subtle.importKey('jwk', jwk, importAlgorithm, extractable, usages).catch(failImport);
}

/** The JWK of a public or extractable key. */
export async function exportJwk(key: CryptoKey): Promise<JsonWebKey> {
  const { subtle } = await webcrypto();
  return subtle.exportKey('jwk', key);
}

/** The encryption of a short plaintext under a label. */
export async function encrypt(publicKey: CryptoKey, plaintext: Bytes, label: Bytes): Promise<Bytes> {
  const { subtle } = await webcrypto();
  return new Uint8Array(await subtle.encrypt({ name: 'RSA-OAEP', label }, publicKey, plaintext));
}

/** The plaintext. Rejects with `ERR_DECRYPTION_FAILED`. */
export async function decrypt(privateKey: CryptoKey, ciphertext: Bytes, label: Bytes): Promise<Bytes> {
  const { subtle } = await webcrypto();
  const algorithm = { name: 'RSA-OAEP', label };
  return new Uint8Array(await subtle.decrypt(algorithm, privateKey, ciphertext).catch(failDecryption));
}

/**
 * Decrypts straight into a handle on a secret of exactly 32 bytes. Rejects with `ERR_DECRYPTION_FAILED`. An HKDF key takes any length, so the same
 * bytes are unwrapped a second time as an AES-256 key, which takes no other. (An HMAC key would not do: the fallback of Node ignores its length.)
 */
export async function decryptSecret(privateKey: CryptoKey, ciphertext: Bytes, label: Bytes): Promise<SecretKey> {
  if (native !== undefined && privateKey.usages.includes('decrypt')) {
    return importAndErase(native, await decrypt(privateKey, ciphertext, label), 32);
  }
  const { subtle } = await webcrypto();
  const algorithm = { name: 'RSA-OAEP', label };
  const lengthCheck = { name: 'AES-GCM', length: 256 };
  const aesKey = await subtle
    .unwrapKey('raw', ciphertext, privateKey, algorithm, lengthCheck, false, ['encrypt'])
    .catch(failDecryption);
  // The length that is asked for is not looked at: 16 bytes become a key for AES-128.
  if ((aesKey.algorithm as AesKeyAlgorithm).length !== 256) throw new DecryptionError();
  return secretHandle(await subtle.unwrapKey('raw', ciphertext, privateKey, algorithm, 'HKDF', false, secretKeyUsages));
}
