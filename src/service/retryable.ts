/** Which failures of a service a repetition may cure. */

import { isBullaError, type KeyServiceError } from '../errors.ts';

const retryable = /^ERR_(SERVICE_(UNREACHABLE|TIMEOUT|UNAVAILABLE|ANSWER)|THROTTLED)$/;

/** Whether to ask again after an error, unless the service asked for more patience than so many seconds. */
export function isRetryable(error: unknown, maxRetryAfter: number): boolean {
  return isBullaError(error) && retryable.test(error.code) && (askedBy(error) ?? 0) <= maxRetryAfter;
}

/** Seconds that a service asked to wait. */
export function askedBy(failure: unknown): number | undefined {
  return (failure as Partial<KeyServiceError> | undefined)?.retryAfter;
}
