// Single requests with every part replaceable: what an attacker sends, and what the service says to it.

import type { KeyObject } from 'node:crypto';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { b64, hash, signJws, thumbprint, utf8 } from '../../reference-client/encodings.ts';
import { externalUrl } from './world.ts';

/** A proof key of an attacker or of a caller. */
export class ProofKey {
  readonly pair: { privateKey: KeyObject; publicKey: KeyObject } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly jwk = this.pair.publicKey.export({ format: 'jwk' });
  readonly jkt = thumbprint(this.jwk);
}

/** A request, and how its proof differs from a good one; a claim that is `undefined` is left out. */
export interface Attempt {
  readonly method?: string;
  readonly path?: string;
  readonly body?: string;
  readonly token?: string;
  readonly key: ProofKey;
  readonly claims?: object;
  readonly header?: object;
  /** Replaces the whole proof; `null` sends none. */
  readonly proof?: string | null;
  readonly headers?: Record<string, string>;
}

/** An answer. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: { code?: string; check?: string; access_token?: string; token_type?: string; expires_in?: number };
}

/** Makes the proof of an attempt. */
export function proofOf({ method = 'GET', path = '/v1/caller', body = '', ...rest }: Attempt, nonce: string): string {
  const { token, key, claims = {}, header = {} } = rest;
  const all = {
    jti: b64(randomBytes(24)),
    htm: method,
    htu: externalUrl + path,
    iat: Math.floor(Date.now() / 1000),
    ath: token && b64(hash('sha256', utf8(token))),
    nonce,
    bulla_body: b64(hash('sha256', utf8(body))),
    bulla_request: b64(randomBytes(16)),
    ...claims,
  };
  return signJws(
    { typ: 'dpop+jwt', alg: 'ES256', jwk: key.jwk, ...header } as { alg: string },
    all,
    key.pair.privateKey,
  );
}

/** A nonce, as anybody gets it. */
export async function freshNonce(url: string): Promise<string> {
  const response = await fetch(`${url}/.well-known/bulla-key-service`);
  await response.arrayBuffer();
  return response.headers.get('dpop-nonce') ?? '';
}

/** Sends an attempt. */
export async function send(url: string, attempt: Attempt): Promise<Answer> {
  const { method = 'GET', path = '/v1/caller', body, token, proof, headers = {} } = attempt;
  const dpop = proof === undefined ? proofOf(attempt, await freshNonce(url)) : proof;
  const all: Record<string, string> = { 'content-type': 'application/json', ...headers };
  if (token !== undefined && !('authorization' in all)) all['authorization'] = `DPoP ${token}`;
  if (dpop !== null) all['dpop'] = dpop;
  const response = await fetch(url + path, { method, headers: all, ...(body !== undefined && { body }) });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: text === '' ? {} : JSON.parse(text) };
}

/** Sends an attempt and answers its status and check, or code. Asserts the form of a refusal (§1.4, §3.7). */
export async function verdict(url: string, attempt: Attempt): Promise<string> {
  const { status, headers, json } = await send(url, attempt);
  if (status === 401) {
    const error = {
      'invalid-token': 'invalid_token',
      'invalid-proof': 'invalid_dpop_proof',
      'use-dpop-nonce': 'use_dpop_nonce',
    };
    const expected = `DPoP error="${error[json.code as keyof typeof error]}"`;
    const said = headers.get('www-authenticate') ?? '';
    if (!said.startsWith(expected) || !/algs="[^"]+"/.test(said)) throw new Error(`not ${expected}: ${said}`);
    if (headers.get('bulla-mac') !== null) throw new Error('a MAC for who was not authenticated');
  }
  return `${status} ${json.check ?? json.code ?? 'ok'}`;
}
