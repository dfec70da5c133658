/** JSON Web Keys that a caller gave (RFC 7517): their members, each read once. */

import { KeyError } from '../errors.ts';
import { decodeBase64url } from '../lib/base64url.ts';
import type { JsonWebKey } from '../types.ts';

/** Copies the members that say what a key is, which must be these, and some in base64url. Throws `ERR_INVALID_KEY` where one is missing or has another form. */
export function takeJwk(jwk: unknown, type: Readonly<Record<string, string>>, members: readonly string[]): JsonWebKey {
  const given = Object(jwk) as Record<string, unknown>;
  const taken: Record<string, string> = { ...type };
  let isRight = Object.entries(type).every(([name, value]) => given[name] === value);
  for (const name of members) {
    const value = given[name];
    const bytes = typeof value === 'string' ? decodeBase64url(value) : undefined;
    isRight &&= bytes !== undefined && bytes.byteLength > 0;
    taken[name] = value as string;
  }
  if (!isRight) throw invalidKey(`no JWK of a key for ${Object.values(type).join(' ')}`);
  return taken as JsonWebKey;
}

/** Never names any part of the key: it may be a secret one that was passed by mistake. */
export function invalidKey(what: string): KeyError {
  return new KeyError('ERR_INVALID_KEY', `The key is ${what}`);
}
