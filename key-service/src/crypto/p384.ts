/** P-384 key pairs and agreement (ECC CDH); through WebCrypto, which agrees on a thread of its own. */

import { type Bytes, concat, encodeBase64url } from '../lib/bytes.ts';
import { sha256 } from './digest.ts';

const algorithm = { name: 'ECDH', namedCurve: 'P-384' };
const { subtle } = globalThis.crypto;

/** Bytes of an uncompressed point, and of a private scalar. */
export const pointLength = 97;
export const scalarLength = 48;

/** A key pair as it is stored. */
export interface RawKeyPair {
  readonly point: Bytes;
  readonly scalar: Bytes;
}

// PKCS#8 (RFC 5958) around ECPrivateKey (RFC 5915) with the public key, as bytes that can be overwritten: a JWK would be strings, which cannot.
const beforeScalar = Uint8Array.from(
  Buffer.from('3081b6020100301006072a8648ce3d020106052b8104002204819e30819b0201010430', 'hex'),
);
const beforePoint = Uint8Array.from(Buffer.from('a164036200', 'hex'));

export async function generatePair(): Promise<RawKeyPair> {
  const { privateKey } = await subtle.generateKey(algorithm, true, ['deriveBits']);
  const der = new Uint8Array(await subtle.exportKey('pkcs8', privateKey));
  const start = beforeScalar.byteLength;
  const pointStart = start + scalarLength + beforePoint.byteLength;
  const isAsExpected =
    Buffer.compare(der.subarray(0, start), beforeScalar) === 0 && der.byteLength === pointStart + pointLength;
  if (!isAsExpected) throw new TypeError('The platform writes private keys in another form');
  const pair = { point: der.slice(pointStart), scalar: der.slice(start, start + scalarLength) };
  der.fill(0);
  return pair;
}

/** The JWK of a point. */
export function pointJwk(point: Uint8Array): { kty: 'EC'; crv: 'P-384'; x: string; y: string } {
  return { kty: 'EC', crv: 'P-384', x: encodeBase64url(point.subarray(1, 49)), y: encodeBase64url(point.subarray(49)) };
}

/** RFC 7638 of a point. */
export function pointThumbprint(point: Uint8Array): string {
  const { crv, kty, x, y } = pointJwk(point);
  return encodeBase64url(sha256(new TextEncoder().encode(JSON.stringify({ crv, kty, x, y }))));
}

/** A private key that agrees. */
export async function importPair({ point, scalar }: RawKeyPair): Promise<CryptoKey> {
  const der = concat(beforeScalar, scalar, beforePoint, point);
  try {
    return await subtle.importKey('pkcs8', der, algorithm, false, ['deriveBits']);
  } finally {
    der.fill(0);
  }
}

/** The X coordinate of the shared point, `undefined` for what is no point on the curve. */
export async function agree(privateKey: CryptoKey, point: Bytes): Promise<Bytes | undefined> {
  if (point.byteLength !== pointLength || point[0] !== 4) return undefined;
  try {
    const publicKey = await subtle.importKey('raw', point, algorithm, false, []);
    return new Uint8Array(await subtle.deriveBits({ name: 'ECDH', public: publicKey }, privateKey, 384));
  } catch {
    return undefined;
  }
}
