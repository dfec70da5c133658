/** Tokens that a script signs for itself, with a key that the key service is configured to trust as an issuer. */

import { integer, optional, type ReadersOf, takeJsonObject, takeOptions, takeText } from '../../lib/options.ts';
import { randomId } from '../proof.ts';
import type { TokenSource } from '../token.ts';
import { type SigningKey, signJwt, takeSigningKey } from './jwt.ts';

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

const readers = {
  issuer: takeText,
  subject: takeText,
  tenant: takeText,
  tenantClaim: optional(takeText, 'tenant'),
  key: takeSigningKey,
  lifetime: optional(integer(60, 900), 300),
  claims: optional(takeJsonObject),
} satisfies ReadersOf<ServiceAccountOptions>;

/**
 * A source of tokens by RFC 9068 that are signed here and bound to the client's proof key. Throws a `TypeError` that names a wrong option.
 *
 * @example
 * const tokenSource = serviceAccountToken({ issuer: 'https://ci.example', subject: 'nightly', tenant: 'north', key: { jwk } });
 */
export function serviceAccountToken(options: ServiceAccountOptions): TokenSource {
  const { issuer, subject, tenant, tenantClaim, key, lifetime, claims } = takeOptions(options, readers);
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
