/** Token exchange (RFC 8693), and tokens that the service itself issues; `docs/key-service.md` §9.4. */

import { createPublicKey, type KeyObject, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, SignJWT } from 'jose';
import { type Clock, seconds } from '../lib/clock.ts';
import { maxTokenSeconds } from '../lib/limits.ts';
import type { IssuerOptions } from './issuers.ts';

/** Who a token is for. */
export interface TokenSubject {
  readonly subject: string;
  /** Who acts: the principal of the exchanged token, so that nobody becomes two by an exchange. */
  readonly principal: string;
  /** The person behind it. */
  readonly identity: string;
  readonly tenant: string;
  readonly roles: readonly string[];
  readonly proofKey: string;
  /** Unix seconds that the token must not outlive. */
  readonly expires: number;
}

/** An answer of RFC 8693 §2.2.1. */
export interface IssuedToken {
  readonly access_token: string;
  readonly issued_token_type: 'urn:ietf:params:oauth:token-type:access_token';
  readonly token_type: 'DPoP';
  readonly expires_in: number;
}

/** Issues short-lived bound tokens under a key of the service. */
export interface TokenIssuer {
  /** The issuer as the service trusts it. */
  readonly options: IssuerOptions;
  issue(subject: TokenSubject): Promise<IssuedToken>;
}

/** An issuer named `issuer` for `audience`, these tenants and these roles. */
export async function createTokenIssuer(
  privateKey: KeyObject,
  settings: {
    readonly issuer: string;
    readonly audience: string;
    readonly tenants: readonly string[];
    /** The roles that it may write into tokens. */
    readonly roles: readonly string[];
    readonly clock: Clock;
  },
): Promise<TokenIssuer> {
  const { issuer, audience, tenants, roles: granted, clock } = settings;
  const publicJwk = await exportJWK(createPublicKey(privateKey));
  const kid = await calculateJwkThumbprint(publicJwk);
  return {
    options: {
      issuer,
      audience,
      keys: { jwks: { keys: [{ ...publicJwk, kid, alg: 'ES256', use: 'sig' }] } },
      algorithms: ['ES256'],
      tenantClaim: 'tenant',
      tenants,
      // The service writes the names of roles into its own tokens, and believes only those.
      roles: granted.map((role) => ({ claim: 'roles', value: role, roles: [role] })),
      exchangeOnly: false,
      exchangeAudience: undefined,
      principalClaim,
      identityClaim,
    },
    async issue({ subject, principal, identity, tenant, roles, proofKey, expires }) {
      const now = seconds(clock);
      const exp = Math.min(now + maxTokenSeconds, expires);
      const access_token = await new SignJWT({
        tenant,
        roles,
        client_id: subject,
        [principalClaim]: principal,
        [identityClaim]: identity,
        cnf: { jkt: proofKey },
      })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid })
        .setIssuer(issuer)
        .setSubject(subject)
        .setAudience(audience)
        .setIssuedAt(now)
        .setExpirationTime(exp)
        .setJti(randomUUID())
        .sign(privateKey);
      const issued_token_type = 'urn:ietf:params:oauth:token-type:access_token';
      return { access_token, issued_token_type, token_type: 'DPoP', expires_in: exp - now };
    },
  };
}

const principalClaim = 'bulla_principal';
const identityClaim = 'bulla_identity';
