/** Calls into the platform's WebCrypto that begin at once. */

import { webcrypto } from '#platform';
import { isPromise } from '../lib/awaitable.ts';
import type { Awaitable } from '../types.ts';

/** Calls `use` with the platform's WebCrypto, without a turn of the event loop in between where it is loaded. */
export function withCrypto<Result>(use: (crypto: Crypto) => Awaitable<Result>): Awaitable<Result> {
  const provider = webcrypto();
  return isPromise(provider) ? provider.then(use) : use(provider);
}

/**
 * The same with SubtleCrypto, which copies its inputs when it is called (Web Cryptography §14.3): a caller may use its buffers again as soon as this
 * returns.
 */
export function withSubtle<Result>(use: (subtle: SubtleCrypto) => Promise<Result>): Promise<Result> {
  const provider = webcrypto();
  return isPromise(provider) ? provider.then(({ subtle }) => use(subtle)) : use(provider.subtle);
}
