/** "The first that unwraps": one loop for all that hold several keys, `docs/format.md` §7.5. */

import { isBullaError } from '../errors.ts';

/**
 * The first result of `unwrap` that is not `null`, over candidates in the order in which the reader holds them. A candidate that fails lets the next one try.
 *
 * Where none succeeds: `null` if all of them answered `null`. Otherwise the first failure that says why a key could not be used is thrown, and `ERR_DECRYPTION_FAILED`
 * only where there is no other: a wrong wrapped key must not hide that a service could not be reached. An abort ends the loop with the signal's reason.
 */
export async function firstUnwrapped<Candidate, Result>(
  candidates: Iterable<Candidate>,
  signal: AbortSignal | undefined,
  unwrap: (candidate: Candidate) => Promise<Result | null>,
): Promise<Result | null> {
  const failures: unknown[] = [];
  for (const candidate of candidates) {
    signal?.throwIfAborted();
    try {
      const result = await unwrap(candidate);
      if (result !== null) return result;
    } catch (error) {
      signal?.throwIfAborted();
      failures.push(error);
    }
  }
  if (failures.length === 0) return null;
  throw failures.find((error) => !isFailedDecryption(error)) ?? failures[0];
}

function isFailedDecryption(error: unknown): boolean {
  return isBullaError(error) && error.code === 'ERR_DECRYPTION_FAILED';
}
