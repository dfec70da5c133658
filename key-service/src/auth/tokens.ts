/** Access tokens (RFC 9068), `docs/key-service.md` §3.2 and §9.4. */

import { compactVerify } from 'jose';
import { sha256 } from '../crypto/digest.ts';
import { notAuthenticated } from '../errors.ts';
import { encodeBase64url, encodeUtf8 } from '../lib/bytes.ts';
import { type Clock, seconds } from '../lib/clock.ts';
import { clockSkewSeconds, maxTokenSeconds } from '../lib/limits.ts';
import { LruMap } from '../lib/lru.ts';
import { type Issuer, rolesOf } from './issuers.ts';
import { isObject, readJws } from './jws.ts';

/** Where a token is used. */
export type TokenUse = 'access' | 'exchange';

/** What a token says, all of it checked. */
export interface TokenClaims {
  readonly issuer: string;
  readonly subject: string;
  readonly principal: string;
  readonly identity: string;
  readonly tenant: string;
  readonly roles: readonly string[];
  readonly expires: number;
  /** `cnf.jkt`; tokens for exchange may be without. */
  readonly proofKey: string | undefined;
}

interface Remembered {
  readonly claims: TokenClaims;
  readonly until: number;
}

// A key that an issuer withdraws is good for as long as its key set is cached, and this on top.
const rememberSeconds = 60;
const subjectPattern = /^[^|\p{C}]{1,256}$/u;

export class TokenVerifier {
  readonly #issuers: ReadonlyMap<string, Issuer>;
  readonly #clock: Clock;
  readonly #verified = new LruMap<string, Remembered>(4096);

  constructor(issuers: readonly Issuer[], clock: Clock) {
    this.#issuers = new Map(issuers.map((issuer) => [issuer.issuer, issuer]));
    this.#clock = clock;
  }

  /** Checks a token. Throws a `Problem` that names the check. */
  async verify(token: string, use: TokenUse): Promise<TokenClaims> {
    const now = seconds(this.#clock);
    const id = `${use} ${encodeBase64url(sha256(encodeUtf8(token)))}`;
    const known = this.#verified.get(id);
    if (known && known.until > now) return this.#unexpired(known.claims, now);
    const claims = await this.#check(token, use, now);
    this.#verified.set(id, { claims, until: now + rememberSeconds });
    return claims;
  }

  async #check(token: string, use: TokenUse, now: number): Promise<TokenClaims> {
    const jws = readJws(token);
    if (!jws) throw notAuthenticated('token-malformed', 'The access token is no JWS in compact form');
    const { header, claims } = jws;
    const issuer = this.#issuers.get(String(claims['iss']));
    if (!issuer || (use === 'access' ? issuer.exchangeOnly : issuer.exchangeAudience === undefined)) {
      throw notAuthenticated('token-issuer', 'The issuer of the token is not configured for this');
    }
    checkHeader(header, issuer, use);
    const key = await issuer.key(header);
    await compactVerify(token, key, { algorithms: [...issuer.algorithms] }).catch(() => {
      throw notAuthenticated('token-signature', 'The signature of the token does not verify');
    });
    checkAudience(claims, use === 'access' ? issuer.audience : issuer.exchangeAudience);
    checkTimes(claims, use, now);
    return this.#unexpired(readClaims(claims, issuer, use), now);
  }

  #unexpired(claims: TokenClaims, now: number): TokenClaims {
    if (claims.expires + clockSkewSeconds <= now) throw notAuthenticated('token-expired', 'The token has expired');
    return claims;
  }
}

function checkHeader({ typ, alg, kid }: Readonly<Record<string, unknown>>, issuer: Issuer, use: TokenUse): void {
  const type = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : typ;
  // Issuers that need the exchange often know no at+jwt either; their audience keeps other JWTs out.
  if (type !== 'at+jwt' && !(use === 'exchange' && (type === 'jwt' || type === undefined))) {
    throw notAuthenticated('token-type', 'The typ of the token is not at+jwt');
  }
  if (typeof alg !== 'string' || !issuer.algorithms.includes(alg)) {
    throw notAuthenticated('token-algorithm', 'The alg of the token is not allowed');
  }
  if (typeof kid !== 'string') throw notAuthenticated('token-key', 'The token has no kid');
}

function checkAudience({ aud }: Readonly<Record<string, unknown>>, audience: string | undefined): void {
  const values = Array.isArray(aud) ? aud : [aud];
  if (!values.includes(audience)) throw notAuthenticated('token-audience', 'The token is for another audience');
}

function checkTimes({ exp, iat, nbf }: Readonly<Record<string, unknown>>, use: TokenUse, now: number): void {
  if (typeof exp !== 'number' || typeof iat !== 'number') {
    throw notAuthenticated('token-claims', 'The token has no exp or no iat');
  }
  const latest = now + clockSkewSeconds;
  if (iat > latest || (nbf !== undefined && (typeof nbf !== 'number' || nbf > latest))) {
    throw notAuthenticated('token-claims', 'The token is not valid yet');
  }
  if (use === 'access' && exp > latest + maxTokenSeconds) {
    throw notAuthenticated('token-lifetime', `The token expires more than ${maxTokenSeconds} s from now`);
  }
}

function readClaims(claims: Readonly<Record<string, unknown>>, issuer: Issuer, use: TokenUse): TokenClaims {
  const { sub, exp, jti, cnf } = claims;
  if (typeof sub !== 'string' || !subjectPattern.test(sub))
    throw notAuthenticated('token-claims', 'The token has no sub');
  if (use === 'access' && typeof jti !== 'string') throw notAuthenticated('token-claims', 'The token has no jti');
  const tenant = claims[issuer.tenantClaim];
  if (typeof tenant !== 'string' || !issuer.tenants.includes(tenant)) {
    throw notAuthenticated('token-tenant', 'The issuer may not speak for the tenant of the token');
  }
  const proofKey = isObject(cnf) && typeof cnf['jkt'] === 'string' ? cnf['jkt'] : undefined;
  if (use === 'access' && proofKey === undefined) {
    throw notAuthenticated('token-unbound', 'The token is not bound to a proof key');
  }
  // Bound to a certificate, say: an exchange must not set it free.
  if (proofKey === undefined && cnf !== undefined) {
    throw notAuthenticated('token-binding', 'The token is bound to something else than a proof key');
  }
  const principal = issuer.principalClaim === undefined ? `${issuer.issuer}|${sub}` : claims[issuer.principalClaim];
  const [, name, subject] = /^(.+)\|([^|]+)$/.exec(String(principal)) ?? [];
  if (name === undefined || subject === undefined) {
    throw notAuthenticated('token-claims', 'The token does not say whom it stands for');
  }
  return {
    // Those of the principal: policies see the same after an exchange as before.
    issuer: name,
    subject,
    principal: `${name}|${subject}`,
    identity: identityOf(claims, issuer) ?? `${name}|${subject}`,
    tenant,
    roles: rolesOf(issuer, claims),
    expires: Number(exp),
    proofKey,
  };
}

function identityOf(claims: Readonly<Record<string, unknown>>, issuer: Issuer): string | undefined {
  const { identityClaim, person } = issuer;
  if (identityClaim !== undefined) return String(claims[identityClaim]);
  if (!person) return undefined;
  const value = claims[person.claim];
  // One that is missing would make somebody a person of their own, who may approve what they asked for.
  if (typeof value !== 'string' || !subjectPattern.test(value)) {
    throw notAuthenticated('token-claims', `The token has no ${person.claim}`);
  }
  return `${person.domain}||${value}`;
}
