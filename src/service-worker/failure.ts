/** What a page gets for a request that failed: a status, the code of the error, and nothing else of it. */

import { type AnyBullaError, isBullaError } from '../errors.ts';

const statuses: Partial<Record<AnyBullaError['code'], number>> = {
  ERR_TOKEN_UNAVAILABLE: 401,
  ERR_TOKEN_EXPIRED: 401,
  ERR_TOKEN_REFUSED: 401,
  ERR_PROOF_REFUSED: 401,
  ERR_NO_MATCHING_KEY: 403,
  ERR_NOT_ALLOWED: 403,
  ERR_NOT_A_MESSAGE: 422,
  ERR_UNSUPPORTED_VERSION: 422,
  ERR_UNSUPPORTED_SUITE: 422,
  ERR_UNSUPPORTED_FEATURE: 422,
  ERR_TRUNCATED: 422,
  ERR_MALFORMED: 422,
  ERR_LIMIT_EXCEEDED: 422,
  ERR_DECRYPTION_FAILED: 422,
  ERR_CONTEXT_MISMATCH: 422,
  ERR_KEY_DISABLED: 423,
  ERR_KEY_PENDING_DELETION: 423,
  ERR_KEY_VERSION_UNAVAILABLE: 423,
  ERR_DATA_KEY_REVOKED: 423,
  ERR_THROTTLED: 429,
  ERR_SOURCE_UNAUTHORIZED: 401,
  ERR_SOURCE_FORBIDDEN: 403,
  ERR_SOURCE_NOT_FOUND: 404,
  ERR_SOURCE_UNREADABLE: 502,
  ERR_SOURCE_REDIRECTED: 502,
  ERR_SOURCE_CHANGED: 502,
  ERR_SERVICE_ANSWER: 502,
  ERR_SERVICE_IDENTITY: 502,
  ERR_SERVICE_REDIRECTED: 502,
  ERR_SOURCE_UNAVAILABLE: 503,
  ERR_SERVICE_UNREACHABLE: 503,
  ERR_SERVICE_UNAVAILABLE: 503,
  ERR_SERVICE_TIMEOUT: 504,
};

/**
 * The answer for an error: a problem document (RFC 9457) with status and code. Messages, causes and names of contexts stay in the worker; what is no error
 * of bulla's is a 500 without a code.
 */
export function failureResponse(error: unknown, method: string): Response {
  const code = isBullaError(error) ? error.code : undefined;
  const status = (code !== undefined && statuses[code]) || 500;
  const headers = new Headers({
    'Content-Type': 'application/problem+json',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  if (code !== undefined) headers.set('Bulla-Error', code);
  if (isBullaError(error) && 'retryAfter' in error && error.retryAfter !== undefined) {
    headers.set('Retry-After', String(error.retryAfter));
  }
  const problem = { title: 'The message could not be read', status, ...(code === undefined ? {} : { code }) };
  return new Response(method === 'HEAD' ? null : JSON.stringify(problem), { status, headers });
}

/** The answer where there is no message. */
export function notFound(method: string): Response {
  const problem = { title: 'There is no such message', status: 404 };
  const headers = { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' };
  return new Response(method === 'HEAD' ? null : JSON.stringify(problem), { status: 404, headers });
}
