/** HTTP to the key service: repeated and timed by ky, never redirected, answers bounded before anything reads them. */

import ky from 'ky';
import { isBullaError, KeyServiceError } from '../errors.ts';
import { concat } from '../lib/bytes.ts';
import { untilAborted } from '../lib/single-flight.ts';
import type { Bytes } from '../types.ts';
import { badAnswer } from './answer.ts';

/** The part of `fetch` that a client uses: a URL as a string, and `RequestInit`. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** How often and how long a request is repeated. Only what may be repeated is: see `retry`. */
export interface RetryOptions {
  /** Repetitions after the first attempt, 0 to 10. Default: 3. */
  readonly limit?: number | undefined;
  /** Milliseconds that the first wait is at most; each one doubles it, and the real wait is random between half of that and all of it. Default: 200. */
  readonly delay?: number | undefined;
  /** Seconds of `Retry-After` up to which to wait; for more the call fails at once, with `retryAfter` in its error. Default: 10. */
  readonly maxRetryAfter?: number | undefined;
}

/** One request. */
export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Bytes | undefined;
  readonly signal: AbortSignal;
  /** Bytes of the body of an answer, at most. */
  readonly maxBytes: number;
}

/** A whole answer of which nothing is believed yet. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Bytes;
}

/**
 * Sends a request and reads its answer. Rejects with `ERR_SERVICE_UNREACHABLE`, `ERR_SERVICE_REDIRECTED`, `ERR_SERVICE_ANSWER` where the answer is longer than allowed, and with the
 * reason of the signal.
 */
export async function send(fetch: Fetch, { url, signal, maxBytes, ...request }: HttpRequest): Promise<HttpAnswer> {
  try {
    const response = await fetch(url, {
      method: request.method,
      headers: { ...request.headers },
      ...(request.body === undefined ? {} : { body: request.body }),
      signal,
      redirect: 'manual',
      cache: 'no-store',
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
    });
    const { status, headers, type } = response;
    if (type === 'opaqueredirect' || (status >= 300 && status < 400)) {
      response.body?.cancel().catch(() => undefined);
      throw new KeyServiceError('ERR_SERVICE_REDIRECTED', 'The key service answered with a redirect', { status });
    }
    return { status, headers, body: await readBounded(response, maxBytes) };
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (isBullaError(cause)) throw cause;
    throw new KeyServiceError('ERR_SERVICE_UNREACHABLE', `The key service could not be reached (${reasonOf(cause)})`, {
      cause,
    });
  }
}

/** What is at the bottom of a failed fetch: in Node the code of the socket or of TLS, in browsers all that they tell. */
export function reasonOf(error: unknown): string {
  const { code, message, cause } = (error ?? {}) as { code?: unknown; message?: unknown; cause?: unknown };
  return cause === undefined ? String(code ?? message) : reasonOf(cause);
}

async function readBounded(response: Response, maxBytes: number): Promise<Bytes> {
  if (response.body === null) return new Uint8Array(0);
  const reader = response.body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return concat(...chunks);
    length += value.byteLength;
    if (length > maxBytes) {
      reader.cancel().catch(() => undefined);
      throw badAnswer(`it is longer than ${maxBytes} bytes`);
    }
    chunks.push(value);
  }
}

/** How an attempt is repeated. */
export interface Attempts {
  readonly retry: RetryOptions;
  /** Milliseconds for one attempt, body included. */
  readonly timeout: number;
  readonly signal?: AbortSignal | undefined;
  readonly onRetry: (retry: number, error: KeyServiceError) => void;
}

const retryable: readonly string[] = [
  'ERR_SERVICE_UNREACHABLE',
  'ERR_SERVICE_TIMEOUT',
  'ERR_SERVICE_UNAVAILABLE',
  'ERR_SERVICE_ANSWER',
  'ERR_THROTTLED',
] satisfies KeyServiceError['code'][];

/**
 * Runs `attempt` until it succeeds, fails for good, or was repeated often enough. Every attempt is a request of its own, with a proof and an id of its own, so it may be repeated where
 * the operation may be (`docs/key-service.md` §6.5, §7.2). The attempt's signal ends with its time. Rejects with what the last attempt rejected with, with
 * `ERR_SERVICE_TIMEOUT`, and with the reason of `signal`.
 */
export async function withRetries<Result>(
  url: string,
  { retry, timeout, signal, onRetry }: Attempts,
  attempt: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { limit = 3, delay = 200, maxRetryAfter = 10 } = retry;
  let result: { readonly value: Result } | undefined;
  let failure: unknown;
  try {
    await ky(url, {
      timeout,
      ...(signal === undefined ? {} : { signal }),
      // ky does the timing and the repeating; what it would send is replaced by an attempt that is signed anew.
      fetch: async (input) => {
        const { signal } = input as Request;
        result = { value: await untilAborted(attempt(signal), signal) };
        return new Response(null);
      },
      retry: {
        limit,
        shouldRetry: ({ error, retryCount }) => {
          failure = serviceError(error);
          const again = isRetryable(failure, maxRetryAfter) && signal?.aborted !== true;
          if (again) onRetry(retryCount, failure as KeyServiceError);
          return again;
        },
        delay: (count) => waitBefore(count, delay, failure),
      },
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw serviceError(error);
  }
  return (result as { readonly value: Result }).value;
}

function isRetryable(error: unknown, maxRetryAfter: number): boolean {
  if (!isBullaError(error) || error.name !== 'KeyServiceError') return false;
  // Where there is no token, it counts why.
  if (error.code === 'ERR_TOKEN_UNAVAILABLE') return isRetryable(error.cause, maxRetryAfter);
  return retryable.includes(error.code) && (error.retryAfter ?? 0) <= maxRetryAfter;
}

/** Exponential with jitter; what the service asked for comes on top. */
function waitBefore(count: number, delay: number, failure: unknown): number {
  const most = delay * 2 ** (count - 1);
  const asked = isBullaError(failure) && failure.name === 'KeyServiceError' ? (failure.retryAfter ?? 0) : 0;
  return asked * 1000 + most * (0.5 + Math.random() / 2);
}

function serviceError(error: unknown): unknown {
  const { name } = (error ?? {}) as { name?: unknown };
  if (isBullaError(error) || name !== 'TimeoutError') return error;
  return new KeyServiceError('ERR_SERVICE_TIMEOUT', 'The key service did not answer in time');
}
