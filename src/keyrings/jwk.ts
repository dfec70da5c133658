/** JSON Web Keys that a caller gave (RFC 7517): their members, each read once. */

import { invalidKey } from '../crypto/refusal.ts';
import type { JsonWebKey } from '../types.ts';

/** Copies the members that say what a key is, which must be these, and some in base64url. Throws `ERR_INVALID_KEY` where one is missing or has another form. */
export function takeJwk(jwk: unknown, type: Readonly<Record<string, string>>, members: readonly string[]): JsonWebKey {
  const given = Object(jwk) as Record<string, unknown>;
  const entries = [...Object.keys(type), ...members].map((name) => [name, given[name]] as const);
  for (const [name, value] of entries) {
    const isRight = name in type ? value === type[name] : typeof value === 'string' && /^[\w-]+$/.test(value);
    if (!isRight) throw invalidKey(`no JWK of a key for ${Object.values(type).join(' ')}`);
  }
  return Object.fromEntries(entries);
}
