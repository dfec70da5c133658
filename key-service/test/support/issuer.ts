/** A token issuer whose private key the test holds, and the configuration that trusts it. */

import { generateKeyPairSync, type KeyObject, randomUUID } from 'node:crypto';
import { exportJWK, type JWK, SignJWT } from 'jose';

/** A token issuer whose private key the test holds. */
export interface TestIssuer {
  readonly jwk: JWK;
  readonly privateKey: KeyObject;
  token(options: TokenOptions): Promise<string>;
}

export interface TokenOptions {
  readonly sub?: string;
  readonly tenant?: string;
  readonly roles?: readonly string[];
  readonly jkt?: string | undefined;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly header?: Readonly<Record<string, unknown>>;
  readonly key?: KeyObject | Uint8Array;
}

export const issuerName = 'https://issuer.test';
export const audience = 'bulla-test';

export async function createTestIssuer(): Promise<TestIssuer> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'test-1', alg: 'ES256' };
  return {
    jwk,
    privateKey,
    token({ sub = 'alice', tenant = 'north', roles = [], jkt, claims, header, key = privateKey }) {
      const now = Math.floor(Date.now() / 1000);
      const cnf = jkt === undefined ? {} : { cnf: { jkt } };
      const base = { iss: issuerName, aud: audience, sub, tenant, roles, iat: now, exp: now + 600, jti: randomUUID() };
      return new SignJWT({ ...base, ...cnf, ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'test-1', ...header })
        .sign(key);
    },
  };
}

const roleNames = [
  'encryptor',
  'decryptor',
  'rewrapper',
  'recoverer',
  'key-administrator',
  'key-importer',
  'alias-mover',
  'deletion-approver',
  'data-key-revoker',
  'revocation-approver',
  'auditor',
  'metrics-reader',
];

export function issuerConfig(jwk: JWK): object {
  return {
    issuer: issuerName,
    audience,
    jwks: { keys: [jwk] },
    tenants: ['north', 'south'],
    exchange_audience: 'bulla-exchange',
    roles: roleNames.map((role) => ({ claim: 'roles', value: role, roles: [role] })),
  };
}

export const userRoles = ['encryptor', 'decryptor', 'rewrapper'];
export const adminRoles = ['key-administrator', 'auditor'];
