/** P-384 key pairs and agreement (ECC CDH); through WebCrypto, which agrees on a thread of its own. */

import { type Bytes, concat, decodeBase64url, encodeBase64url } from '../lib/bytes.ts';
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

export async function generatePair(): Promise<RawKeyPair> {
  const { privateKey } = await subtle.generateKey(algorithm, true, ['deriveBits']);
  const { x, y, d } = await subtle.exportKey('jwk', privateKey);
  const [xBytes, yBytes, scalar] = [x, y, d].map((part) => decodeBase64url(part ?? '') ?? new Uint8Array());
  if (!xBytes || !yBytes || !scalar) throw new TypeError('The key has no coordinates');
  return { point: concat(Uint8Array.of(4), xBytes, yBytes), scalar };
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
export function importPair({ point, scalar }: RawKeyPair): Promise<CryptoKey> {
  const jwk = { ...pointJwk(point), d: encodeBase64url(scalar) };
  return subtle.importKey('jwk', jwk, algorithm, false, ['deriveBits']);
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
