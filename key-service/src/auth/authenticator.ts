/** Token and proof of a request, checked together; `docs/key-service.md` §3. */

import { sha256 } from '../crypto/digest.ts';
import { notAuthenticated } from '../errors.ts';
import { decodeBase64url, equalBytes } from '../lib/bytes.ts';
import type { Caller } from './caller.ts';
import type { Proof, ProofVerifier } from './proofs.ts';
import type { TokenVerifier } from './tokens.ts';

/** A caller with the proof of this request. */
export interface Authenticated {
  readonly caller: Caller;
  readonly proof: Proof;
}

/** What authentication looks at. The body comes later: it is not read for callers who have shown nothing. */
export interface AuthenticationRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
}

export class Authenticator {
  readonly #tokens: TokenVerifier;
  readonly #proofs: ProofVerifier;

  constructor(tokens: TokenVerifier, proofs: ProofVerifier) {
    this.#tokens = tokens;
    this.#proofs = proofs;
  }

  /** Checks token and proof. Throws a `Problem` that names the check. Whether the proof was used is for the store to say. */
  async authenticate({ method, url, headers }: AuthenticationRequest): Promise<Authenticated> {
    const token = readAuthorization(headers.get('authorization'));
    const claims = await this.#tokens.verify(token, 'access');
    const proof = await this.#proofs.verify(headers.get('dpop'), { method, url, token });
    if (claims.proofKey !== proof.keyThumbprint) {
      throw notAuthenticated('token-binding', 'The token is bound to another proof key');
    }
    checkHeaders(proof, headers);
    const { principal, identity, issuer, subject, tenant, roles } = claims;
    return { caller: { principal, identity, issuer, subject, tenant, roles, proofKey: proof.keyThumbprint }, proof };
  }
}

/** §3.3: the proof is for exactly this body. */
export function checkBody({ bodyHash }: Proof, body: Uint8Array): void {
  if (!equalBytes(decodeBase64url(bodyHash) ?? new Uint8Array(), sha256(body))) {
    throw notAuthenticated('proof-body', 'The proof is for another body');
  }
}

function checkHeaders(proof: Proof, headers: Headers): void {
  for (const [name, value] of Object.entries(proof.headers)) {
    if ((headers.get(name) ?? undefined) !== value) {
      throw notAuthenticated('proof-headers', `The proof is for another ${name}`);
    }
  }
}

function readAuthorization(header: string | null): string {
  if (header === null) throw notAuthenticated('token-missing', 'The request has no access token');
  const [, token] = /^DPoP ([A-Za-z0-9._~+/-]+=*)$/i.exec(header) ?? [];
  if (token === undefined)
    throw notAuthenticated('token-missing', 'The Authorization header is not of the scheme DPoP');
  return token;
}
