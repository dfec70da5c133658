/** Tokens that a script signs for itself, with a key that the key service is configured to trust as an issuer. */

import { assert, assertInteger, assertOptions } from '../../lib/assert.ts';
import { randomId } from '../proof.ts';
import type { TokenSource } from '../token.ts';
import { type SigningKey, signJwt } from './jwt.ts';

/** Options of {@link serviceAccountToken}. */
export interface ServiceAccountOptions {
  /** `iss`, as the key service is configured. */
  readonly issuer: string;
  /** `sub`: who the script is. */
  readonly subject: string;
  /** The tenant to act for, in the claim `tenantClaim`. */
  readonly tenant: string;
  /** Default: `tenant`. */
  readonly tenantClaim?: string | undefined;
  /** The private key, with its algorithm and id. */
  readonly key: SigningKey;
  /** Seconds that a token is good, 60 to 900. Default: 300. */
  readonly lifetime?: number | undefined;
  /** Further claims, such as `scope` or roles. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
}

/**
 * A source of tokens by RFC 9068 that are signed here and bound to the client's proof key. Throws a `TypeError` that names a wrong option.
 *
 * @example
 * const tokenSource = serviceAccountToken({ issuer: 'https://ci.example', subject: 'nightly', tenant: 'north', key: { jwk } });
 */
export function serviceAccountToken(options: ServiceAccountOptions): TokenSource {
  assertOptions(options, ['issuer', 'subject', 'tenant', 'tenantClaim', 'key', 'lifetime', 'claims']);
  const { issuer, subject, tenant, tenantClaim = 'tenant', key, lifetime = 300, claims = {} } = options;
  for (const [name, value] of Object.entries({ issuer, subject, tenant, tenantClaim })) {
    assert(typeof value === 'string' && value !== '', name, 'a string');
  }
  assertInteger(lifetime, 60, 900, 'lifetime');
  return async ({ audience, time, proofKey }) =>
    signJwt(key, 'at+jwt', {
      ...claims,
      iss: issuer,
      sub: subject,
      aud: audience,
      client_id: subject,
      [tenantClaim]: tenant,
      iat: time,
      exp: time + lifetime,
      jti: await randomId(),
      cnf: { jkt: proofKey },
    });
}
