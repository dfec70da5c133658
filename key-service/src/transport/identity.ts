/** The identity of the service, and the documents that it signs; `docs/key-service.md` §2. */

import { createPublicKey, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, type JWK, SignJWT } from 'jose';

/** An ES384 key that signs documents. */
export interface Identity {
  readonly jwk: JWK;
  /** What clients pin. */
  readonly thumbprint: string;
  sign(type: 'bulla-service+jwt' | 'bulla-key+jwt', claims: Readonly<Record<string, unknown>>): Promise<string>;
}

/** The identity over its private key. */
export async function createIdentity(privateKey: KeyObject): Promise<Identity> {
  const { kty, crv, x, y } = createPublicKey(privateKey).export({ format: 'jwk' });
  const jwk = { kty, crv, x, y } as JWK;
  const thumbprint = await calculateJwkThumbprint(jwk);
  return {
    jwk,
    thumbprint,
    sign: (typ, claims) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'ES384', typ, kid: thumbprint }).sign(privateKey),
  };
}
