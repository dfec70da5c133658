/** The issuers whose tokens count, and where their keys come from; `docs/key-service.md` §3.2. */

import { createLocalJWKSet, errors, type JSONWebKeySet, type JWSHeaderParameters } from 'jose';
import { notAuthenticated, Problem } from '../errors.ts';
import { type FindKey, remoteKeys } from './issuer-keys.ts';

/** What a claim of a token makes of its subject. */
export interface RoleRule {
  /** A claim: a string, a string of words (`scope`) or an array of strings. */
  readonly claim: string;
  /** The value it must be or hold; left out, any. */
  readonly value?: string | undefined;
  readonly roles: readonly string[];
}

/** An issuer as it is configured. */
export interface IssuerOptions {
  readonly issuer: string;
  /** What `aud` must hold. */
  readonly audience: string;
  readonly keys: { readonly jwksUri: string; readonly staleSeconds: number } | { readonly jwks: JSONWebKeySet };
  readonly algorithms: readonly string[];
  readonly tenantClaim: string;
  /** The tenants that it may speak for. */
  readonly tenants: readonly string[];
  readonly roles: readonly RoleRule[];
  /** `true`: its tokens are good at the token endpoint only. */
  readonly exchangeOnly: boolean;
  /** What `aud` must hold at the token endpoint; `undefined`: it does not exchange. */
  readonly exchangeAudience: string | undefined;
  /** The claim that names the person behind a principal, and among which people. Default: each principal is a person. */
  readonly person?: { readonly claim: string; readonly domain: string } | undefined;
  /** The claim that names the identity; for the service's own tokens. */
  readonly identityClaim?: string | undefined;
  /** The claim that names the principal. Default: `<iss>|<sub>`; another one is for the service's own tokens. */
  readonly principalClaim?: string | undefined;
}

/** An issuer with its keys. */
export interface Issuer extends IssuerOptions {
  /** The key of a token's header. Throws a `Problem`. */
  key(header: Readonly<Record<string, unknown>>): Promise<CryptoKey>;
}

export function createIssuer(options: IssuerOptions): Issuer {
  const { keys } = options;
  const find: FindKey = 'jwks' in keys ? createLocalJWKSet(keys.jwks) : remoteKeys(keys.jwksUri, keys);
  return {
    ...options,
    async key(header) {
      try {
        return await find(header as unknown as JWSHeaderParameters);
      } catch (error) {
        if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
          throw notAuthenticated('token-key', 'The issuer has no such key');
        }
        if (error instanceof errors.JOSENotSupported) {
          throw notAuthenticated('token-key', 'The key of the token is not supported');
        }
        throw new Problem('issuer-unavailable', undefined, { retry_after: 5 });
      }
    },
  };
}

/** The roles that the claims of a token give. */
export function rolesOf({ roles }: IssuerOptions, claims: Readonly<Record<string, unknown>>): string[] {
  const granted = roles.filter(({ claim, value }) => {
    const words = wordsOf(claims[claim]);
    return value === undefined ? words.length > 0 : words.includes(value);
  });
  return [...new Set(granted.flatMap(({ roles: names }) => names))].sort();
}

function wordsOf(claim: unknown): string[] {
  if (typeof claim === 'string') return [claim, ...claim.split(' ')];
  if (Array.isArray(claim)) return claim.filter((word) => typeof word === 'string');
  return [];
}
