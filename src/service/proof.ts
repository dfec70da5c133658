/** Proofs of possession, RFC 9449 and `docs/key-service.md` §3.3: the client's key, and a signed claim of what is sent. */

import { CompactSign } from 'jose';
import { sha256 } from '../crypto/digest.ts';
import { randomBytes } from '../crypto/random.ts';
import { thumbprint } from '../crypto/thumbprint.ts';
import { assert } from '../lib/assert.ts';
import { encodeBase64url } from '../lib/base64url.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import type { Bytes, CryptoKey, CryptoKeyPair } from '../types.ts';

/** The algorithms of a proof key. */
export type ProofAlgorithm = 'ES256' | 'ES384';

/** A proof key, ready to sign. */
export interface ProofKey {
  readonly algorithm: ProofAlgorithm;
  readonly privateKey: CryptoKey;
  readonly publicJwk: Readonly<Record<string, string>>;
  /** RFC 7638; what `cnf.jkt` of an access token must be. */
  readonly thumbprint: string;
}

/** What one proof claims. */
export interface ProofClaims {
  readonly method: string;
  /** The external URL and the path, without a query. */
  readonly url: string;
  /** Unix seconds by the clock of whom it is for. */
  readonly time: number;
  readonly nonce?: string | undefined;
  readonly accessToken?: string | undefined;
  /** Further claims. */
  readonly claims?: Readonly<Record<string, string>> | undefined;
}

const algorithms: Readonly<Record<string, ProofAlgorithm>> = { 'P-256': 'ES256', 'P-384': 'ES384' };
const coordinates: Readonly<Record<ProofAlgorithm, number>> = { ES256: 32, ES384: 48 };

/**
 * Generates a proof key whose private half cannot be exported. A client makes one for itself where it is given none; make one to share it between clients, or to hand its
 * thumbprint to the token issuer.
 */
export async function generateProofKey(algorithm: ProofAlgorithm = 'ES256'): Promise<CryptoKeyPair> {
  assert(algorithm === 'ES256' || algorithm === 'ES384', 'algorithm', 'ES256 or ES384');
  const namedCurve = algorithm === 'ES256' ? 'P-256' : 'P-384';
  return globalThis.crypto.subtle.generateKey({ name: 'ECDSA', namedCurve }, false, ['sign', 'verify']);
}

/** The RFC 7638 thumbprint of a proof key: what the issuer puts into `cnf.jkt` of an access token. */
export async function proofKeyThumbprint(key: CryptoKeyPair): Promise<string> {
  return (await importProofKey(key, 'key')).thumbprint;
}

/** A key pair as a proof key. Rejects with a `TypeError` for one of another kind, or whose private key could be exported. */
export async function importProofKey(pair: CryptoKeyPair, what = 'dpop'): Promise<ProofKey> {
  const { publicKey, privateKey } = (pair ?? {}) as CryptoKeyPair;
  const { name, namedCurve = '' } = (privateKey?.algorithm ?? {}) as EcKeyAlgorithm;
  const algorithm = algorithms[namedCurve];
  assert(publicKey?.type === 'public', what, 'a key pair');
  assert(name === 'ECDSA' && algorithm !== undefined, what, 'an ECDSA key pair on P-256 or P-384');
  assert(!privateKey.extractable, what, 'a key pair whose private key is not extractable');
  const point = new Uint8Array(await globalThis.crypto.subtle.exportKey('raw', publicKey));
  const x = encodeBase64url(point.subarray(1, 1 + coordinates[algorithm]));
  const y = encodeBase64url(point.subarray(1 + coordinates[algorithm]));
  const publicJwk = { crv: namedCurve, kty: 'EC', x, y };
  return { algorithm, privateKey, publicJwk, thumbprint: await thumbprint(publicJwk) };
}

/** A proof, good for one request. */
export async function createProof(key: ProofKey, { method, url, time, nonce, accessToken, claims }: ProofClaims) {
  const ath = accessToken === undefined ? {} : { ath: await digest(encodeUtf8(accessToken, 'token')) };
  const payload = {
    jti: await randomId(),
    htm: method,
    htu: url,
    iat: time,
    ...(nonce === undefined ? {} : { nonce }),
    ...ath,
    ...claims,
  };
  return new CompactSign(encodeUtf8(JSON.stringify(payload), 'proof'))
    .setProtectedHeader({ typ: 'dpop+jwt', alg: key.algorithm, jwk: key.publicJwk })
    .sign(key.privateKey);
}

/** An id of 128 random bits, 22 characters of base64url. */
export async function randomId(): Promise<string> {
  return encodeBase64url(await randomBytes(16));
}

/** `b64(SHA-256(bytes))` */
export async function digest(bytes: Bytes): Promise<string> {
  return encodeBase64url(await sha256(bytes));
}
