/** ECDH on P-384, SP 800-56A (ECC CDH); points are uncompressed, SEC 1 §2.3.3. */

import { native, webcrypto } from '#platform';
import { toHex } from '../lib/hex.ts';
import type { Bytes, CryptoKey, CryptoKeyPair, JsonWebKey } from '../types.ts';
import { importAndErase, type SecretKey, secretHandle, secretKeyUsages } from './keys.ts';
import { failImport } from './refusal.ts';

const curve = { name: 'ECDH', namedCurve: 'P-384' } as const;

/** Bytes of an uncompressed point. */
export const pointLength = 97;
/** Bytes of a coordinate, and of a private scalar. */
export const coordinateLength = 48;

// SP 800-186 §3.2.1.4: y^2 = x^3 - 3x + b modulo p.
const p = 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n;
const b = 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn;

/**
 * Whether bytes are an uncompressed point on P-384: 97 bytes, the first 0x04, coordinates below the prime, the equation (SP 800-56A §5.6.2.3.3). Some
 * platforms check the last only when the point is used, so it is checked here; points are public, so the time it takes tells nothing.
 */
export function isPoint(bytes: Uint8Array): boolean {
  if (bytes.byteLength !== pointLength || bytes[0] !== 0x04) return false;
  const digits = toHex(bytes);
  const x = BigInt(`0x${digits.slice(2, -2 * coordinateLength)}`);
  const y = BigInt(`0x${digits.slice(-2 * coordinateLength)}`);
  return x < p && y < p && (y * y - (x * x * x - 3n * x + b)) % p === 0n;
}

/** A fresh key pair; the private key is extractable only where asked. */
export async function generateKeyPair(extractable: boolean): Promise<CryptoKeyPair> {
  const { subtle } = await webcrypto();
  return subtle.generateKey(curve, extractable, ['deriveKey', 'deriveBits']);
}

/** A public key from its point, which must be one by {@link isPoint}. */
async function importPoint(point: Bytes): Promise<CryptoKey> {
  const { subtle } = await webcrypto();
  return subtle.importKey('raw', point, curve, true, []);
}

/** The point of a public key. */
export async function exportPoint(publicKey: CryptoKey): Promise<Bytes> {
  const { subtle } = await webcrypto();
  return new Uint8Array(await subtle.exportKey('raw', publicKey));
}

/** A private key from the members of its JWK (RFC 7518 §6.2), which must be there. Rejects with `ERR_INVALID_KEY`. */
export async function importPrivateJwk(jwk: JsonWebKey, extractable: boolean): Promise<CryptoKey> {
  const { subtle } = await webcrypto();
  return subtle.importKey('jwk', jwk, curve, extractable, ['deriveKey', 'deriveBits']).catch(failImport);
}

/** The JWK of an extractable private key. */
export async function exportPrivateJwk(privateKey: CryptoKey): Promise<JsonWebKey> {
  const { subtle } = await webcrypto();
  return subtle.exportKey('jwk', privateKey);
}

/**
 * The shared secret as a handle, or `undefined` where the point is not on the curve. Rejects, as the platform does, for a private key that is not one for
 * ECDH on P-384.
 */
export async function agree(privateKey: CryptoKey, point: Bytes): Promise<SecretKey | undefined> {
  if (!isPoint(point)) return undefined;
  const { subtle } = await webcrypto();
  const publicKey = await importPoint(point);
  const algorithm = { name: 'ECDH', public: publicKey };
  if (native !== undefined && privateKey.usages.includes('deriveBits')) {
    const agreeNatively = isOurs(privateKey) ? native.agree : undefined;
    const shared =
      agreeNatively === undefined
        ? new Uint8Array(await subtle.deriveBits(algorithm, privateKey, coordinateLength * 8))
        : await agreeNatively(privateKey, publicKey);
    return importAndErase(native, shared, coordinateLength);
  }
  return secretHandle(await subtle.deriveKey(algorithm, privateKey, { name: 'HKDF' }, false, secretKeyUsages));
}

/** Whether a key is a private one for ECDH on P-384: `node:crypto` would not ask what a key is for. */
function isOurs({ type, algorithm }: CryptoKey): boolean {
  const { name, namedCurve } = algorithm as EcKeyAlgorithm;
  return type === 'private' && name === curve.name && namedCurve === curve.namedCurve;
}
