/** JWTs that a client signs itself: assertions (RFC 7523) and tokens of service accounts. */

import { CompactSign } from 'jose';
import { assert } from '../../lib/assert.ts';
import { nested, type Reader, takeJsonObject, takeString } from '../../lib/options.ts';
import { encodeUtf8 } from '../../lib/utf8.ts';
import type { CryptoKey, JsonWebKey } from '../../types.ts';

/** A private key that signs: a `CryptoKey` with the algorithm, or a private JWK that has it. */
export type SigningKey =
  | { readonly key: CryptoKey; readonly algorithm: string; readonly keyId: string }
  | { readonly jwk: JsonWebKey };

const takeJwk = nested({ jwk: takeJsonObject });
const takeHandle = nested({
  // A `CryptoKey` is what it is: nothing in it can be changed.
  key: (value, name) => {
    assert(typeof value === 'object' && value !== null && 'algorithm' in value, name, 'a CryptoKey');
    return value as CryptoKey;
  },
  algorithm: takeString,
  keyId: takeString,
});

/** The reader of a {@link SigningKey}. */
export const takeSigningKey: Reader<SigningKey> = (value, name) =>
  typeof value === 'object' && value !== null && 'jwk' in value ? takeJwk(value, name) : takeHandle(value, name);

/** Signs claims with a key. Rejects with a `TypeError` where the key lacks its algorithm or id, and for symmetric ones. */
export async function signJwt(signing: SigningKey, typ: string, claims: Readonly<Record<string, unknown>>) {
  const jwk = 'jwk' in signing;
  const algorithm = jwk ? signing.jwk.alg : signing.algorithm;
  const keyId = jwk ? signing.jwk.kid : signing.keyId;
  assert(typeof algorithm === 'string' && /^(ES|PS|RS|Ed)/.test(algorithm), 'key', 'for an asymmetric algorithm');
  assert(typeof keyId === 'string', 'key', 'a key with an id (kid)');
  return new CompactSign(encodeUtf8(JSON.stringify(claims), 'claims'))
    .setProtectedHeader({ alg: algorithm, typ, kid: keyId })
    .sign(jwk ? signing.jwk : signing.key);
}
