/** Proofs (RFC 9449) and the claims that bind a request to them, `docs/key-service.md` §3.3 to §3.7. */

import { calculateJwkThumbprint, compactVerify, importJWK, type JWK } from 'jose';
import { sha256 } from '../crypto/digest.ts';
import { notAuthenticated } from '../errors.ts';
import { encodeBase64url, encodeUtf8 } from '../lib/bytes.ts';
import { type Clock, seconds } from '../lib/clock.ts';
import { proofSeconds } from '../lib/limits.ts';
import { LruMap } from '../lib/lru.ts';
import type { UsedProof } from '../store/store.ts';
import { isObject, proofAlgorithms, readJws } from './jws.ts';
import type { Nonces } from './nonces.ts';

/** What a proof is checked against. */
export interface ProofRequest {
  readonly method: string;
  /** The external URL and path, without a query. */
  readonly url: string;
  /** The access token; `undefined` at the token endpoints. */
  readonly token: string | undefined;
}

/** The headers that a proof covers; one that the request does not have is absent from both. */
export type CoveredHeaders = Readonly<Record<'if-match' | 'idempotency-key', string | undefined>>;

/** What a proof says, once its signature is checked. The body is not yet. */
export interface Proof {
  /** Thumbprint of the proof key. */
  readonly keyThumbprint: string;
  readonly bodyHash: string;
  /** Values of the headers that the request may have beside it. */
  readonly headers: CoveredHeaders;
  readonly requestId: string;
  /** Client's ephemeral key and the transport key, both or none. */
  readonly transport: { readonly clientKey: string; readonly kid: string } | undefined;
  readonly used: UsedProof;
}

interface ProofKey {
  readonly key: CryptoKey | Uint8Array;
  readonly thumbprint: string;
}

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const requestIdPattern = /^[A-Za-z0-9_-]{16,64}$/;

export class ProofVerifier {
  readonly #nonces: Nonces;
  readonly #clock: Clock;
  readonly #keys = new LruMap<string, ProofKey>(4096);

  constructor(nonces: Nonces, clock: Clock) {
    this.#nonces = nonces;
    this.#clock = clock;
  }

  /** Checks everything but the body and whether the proof was used. Throws a `Problem` that names the check. */
  async verify(proof: string | null, request: ProofRequest): Promise<Proof> {
    if (proof === null || proof === '') throw notAuthenticated('proof-missing', 'The request has no DPoP proof');
    const jws = readJws(proof);
    if (!jws) throw notAuthenticated('proof-malformed', 'The proof is no JWS in compact form');
    const { alg, jwk } = checkHeader(jws.header);
    const claims = readClaims(jws.claims);
    this.#checkClaims(claims, request);
    const headerPart = proof.slice(0, proof.indexOf('.'));
    const { key, thumbprint } = await this.#importKey(headerPart, jwk, alg);
    await compactVerify(proof, key, { algorithms: [alg] }).catch(() => {
      throw notAuthenticated('proof-signature', 'The signature of the proof does not verify');
    });
    const id = encodeBase64url(sha256(encodeUtf8(`${thumbprint}|${claims.jti}`)));
    // Kept for as long as `iat` could still pass, on a replica whose clock differs.
    const used = { id, expires: claims.iat + 3 * proofSeconds };
    return {
      keyThumbprint: thumbprint,
      bodyHash: claims.body,
      headers: claims.headers,
      requestId: claims.request,
      transport: claims.transport,
      used,
    };
  }

  #checkClaims(claims: ProofClaims, { method, url, token }: ProofRequest): void {
    if (claims.htm !== method) throw notAuthenticated('proof-method', 'The proof is for another method');
    if (claims.htu !== url) throw notAuthenticated('proof-url', `The proof is for another URL than ${url}`);
    if (Math.abs(seconds(this.#clock) - claims.iat) > proofSeconds) {
      throw notAuthenticated('proof-time', `The proof's iat is more than ${proofSeconds} s away`);
    }
    const ath = token === undefined ? undefined : encodeBase64url(sha256(encodeUtf8(token)));
    if (claims.ath !== ath) throw notAuthenticated('proof-token', 'The proof is for another access token');
    if (claims.nonce === undefined || !this.#nonces.isFresh(claims.nonce)) {
      throw notAuthenticated('proof-nonce', 'The proof needs the nonce of this response');
    }
  }

  async #importKey(headerPart: string, jwk: JWK, alg: string): Promise<ProofKey> {
    const known = this.#keys.get(headerPart);
    if (known) return known;
    try {
      const imported = { key: await importJWK(jwk, alg), thumbprint: await calculateJwkThumbprint(jwk) };
      this.#keys.set(headerPart, imported);
      return imported;
    } catch {
      throw notAuthenticated('proof-key', 'The jwk of the proof is not a public key for its alg');
    }
  }
}

interface ProofClaims {
  readonly jti: string;
  readonly htm: string;
  readonly htu: string;
  readonly iat: number;
  readonly ath: string | undefined;
  readonly nonce: string | undefined;
  readonly body: string;
  readonly headers: CoveredHeaders;
  readonly request: string;
  readonly transport: Proof['transport'];
}

function checkHeader({ typ, alg, jwk }: Readonly<Record<string, unknown>>): { alg: string; jwk: JWK } {
  if (typ !== 'dpop+jwt') throw notAuthenticated('proof-type', 'The typ of the proof is not dpop+jwt');
  if (typeof alg !== 'string' || !(proofAlgorithms as readonly string[]).includes(alg)) {
    throw notAuthenticated('proof-algorithm', 'The alg of the proof is not allowed');
  }
  if (!isObject(jwk)) throw notAuthenticated('proof-key', 'The proof has no jwk');
  if (privateMembers.some((member) => member in jwk)) {
    throw notAuthenticated('proof-key', 'The jwk of the proof has private members');
  }
  return { alg, jwk: jwk as JWK };
}

function readClaims(claims: Readonly<Record<string, unknown>>): ProofClaims {
  const text = (name: string, pattern: RegExp): string => {
    const value = claims[name];
    if (typeof value === 'string' && pattern.test(value)) return value;
    throw notAuthenticated('proof-claims', `The claim ${name} of the proof is missing or malformed`);
  };
  const optional = (name: string, pattern: RegExp): string | undefined => {
    return claims[name] === undefined ? undefined : text(name, pattern);
  };
  const iat = claims['iat'];
  if (typeof iat !== 'number' || !Number.isSafeInteger(Math.floor(iat))) {
    throw notAuthenticated('proof-claims', 'The claim iat of the proof is missing or malformed');
  }
  const clientKey = optional('bulla_key', /^[A-Za-z0-9_-]{130}$/);
  const kid = optional('bulla_transport', /^[A-Za-z0-9_-]{43}$/);
  if ((clientKey === undefined) !== (kid === undefined)) {
    throw notAuthenticated('proof-claims', 'The claims bulla_key and bulla_transport need each other');
  }
  return {
    jti: text('jti', /^[\x21-\x7e]{16,128}$/),
    htm: text('htm', /^[A-Z]{1,16}$/),
    htu: text('htu', /^\S{1,2048}$/),
    iat: Math.floor(iat),
    ath: optional('ath', /^[A-Za-z0-9_-]{43}$/),
    nonce: optional('nonce', /^[\x21-\x7e]{1,256}$/),
    body: text('bulla_body', /^[A-Za-z0-9_-]{43}$/),
    headers: {
      'if-match': optional('bulla_if_match', /^[\x20-\x7e]{0,256}$/),
      'idempotency-key': optional('bulla_idempotency_key', /^[\x20-\x7e]{0,256}$/),
    },
    request: text('bulla_request', requestIdPattern),
    transport: clientKey !== undefined && kid !== undefined ? { clientKey, kid } : undefined,
  };
}
