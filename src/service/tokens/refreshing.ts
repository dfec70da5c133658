/** One token for several clients: a source that asks another source once at a time, and keeps what it gave. */

import { assert } from '../../lib/assert.ts';
import { type AccessToken, readToken, TokenCache, type TokenRequest, type TokenSource } from '../token.ts';

/**
 * A source that keeps the token of another until 30 s before it expires or until it is refused; callers meanwhile wait for the same request. A client does this for its own source already:
 * use it where several clients share one source and one proof key.
 */
export function refreshingToken(source: TokenSource): TokenSource {
  assert(typeof source === 'function', 'source', 'a function');
  let latest: TokenRequest | undefined;
  const reading = { tenant: '-', tenantClaim: '' };
  const cache = new TokenCache(async (_refused, signal) =>
    readToken(await source({ ...(latest as TokenRequest), signal }), reading),
  );
  let current: AccessToken | undefined;
  return async (request) => {
    latest = request;
    if (request.refused !== undefined && current?.text === request.refused) cache.refuse(current);
    current = await cache.get(request.time, request.signal);
    return current.text;
  };
}
