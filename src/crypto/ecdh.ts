/** ECDH on P-384, SP 800-56A (ECC CDH); points are uncompressed, SEC 1 §2.3.3. */

import { webcrypto } from '#platform';
import type { Bytes } from '../types.ts';
import { type SecretKey, secretHandle, secretKeyUsages } from './keys.ts';

const curve = { name: 'ECDH', namedCurve: 'P-384' } as const;

/** Bytes of an uncompressed point. */
export const pointLength = 97;
/** Bytes of a coordinate, and of a private scalar. */
export const coordinateLength = 48;

/** Whether bytes have the form of an uncompressed point: 97 bytes, the first 0x04. Whether it is on the curve shows at import or agreement. */
export function isPoint(bytes: Uint8Array): boolean {
  return bytes.byteLength === pointLength && bytes[0] === 0x04;
}

/** A fresh key pair; the private key is extractable only where asked. */
export async function generateKeyPair(extractable: boolean): Promise<CryptoKeyPair> {
  const { subtle } = await webcrypto();
  return subtle.generateKey(curve, extractable, ['deriveKey', 'deriveBits']);
}

/** A public key from its point. Rejects, as the platform does, when it is not on the curve; some platforms do so only at agreement. */
export async function importPoint(point: Bytes): Promise<CryptoKey> {
  const { subtle } = await webcrypto();
  return subtle.importKey('raw', point, curve, true, []);
}

/** The point of a public key. */
export async function exportPoint(publicKey: CryptoKey): Promise<Bytes> {
  const { subtle } = await webcrypto();
  return new Uint8Array(await subtle.exportKey('raw', publicKey));
}

/** A private key from its JWK (RFC 7518 §6.2). Rejects, as the platform does, when the JWK is wrong. */
export async function importPrivateJwk(jwk: JsonWebKey, extractable: boolean): Promise<CryptoKey> {
  const { subtle } = await webcrypto();
  const { kty, crv, x, y, d } = jwk;
  return subtle.importKey('jwk', { kty, crv, x, y, d } as JsonWebKey, curve, extractable, ['deriveKey', 'deriveBits']);
}

/** The JWK of an extractable private key. */
export async function exportPrivateJwk(privateKey: CryptoKey): Promise<JsonWebKey> {
  const { subtle } = await webcrypto();
  return subtle.exportKey('jwk', privateKey);
}

/** The shared secret as a handle. Rejects, as the platform does, for a point that is not on the curve. */
export async function agree(privateKey: CryptoKey, point: Bytes): Promise<SecretKey> {
  const { subtle } = await webcrypto();
  const algorithm = { name: 'ECDH', public: await importPoint(point) };
  return secretHandle(await subtle.deriveKey(algorithm, privateKey, 'HKDF', false, secretKeyUsages));
}
