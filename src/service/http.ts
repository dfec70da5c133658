/** HTTP with ky: each retry is signed afresh, redirects are not followed, and answers are bounded before anything reads them. */

import ky from 'ky';
import { isBullaError, KeyServiceError } from '../errors.ts';
import { assert } from '../lib/assert.ts';
import { concat } from '../lib/bytes.ts';
import { emit, type OnEvent } from '../lib/events.ts';
import { assertHeaders } from '../lib/headers.ts';
import { noStore } from '../lib/no-store.ts';
import { reasonOf } from '../lib/reason.ts';
import { type RetryOptions, waitBefore } from '../lib/retry.ts';
import { untilAborted } from '../lib/single-flight.ts';
import type { Bytes } from '../types.ts';
import { badAnswer } from './answer.ts';
import { askedBy, isRetryable } from './retryable.ts';

/** The part of `fetch` that a client uses: a URL as a string, and `RequestInit`. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** How requests are made. */
export interface HttpSettings {
  readonly fetch: Fetch;
  readonly retry: RetryOptions;
  /** Milliseconds for one attempt, body included. */
  readonly timeout: number;
  readonly onEvent: OnEvent | undefined;
  /** Who is asked, for errors. Default: `the key service`. */
  readonly service?: string | undefined;
}

/** What is sent in one attempt. */
export interface Prepared {
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Bytes | undefined;
}

/** A request and what becomes of its answer. */
export interface HttpExchange<Result> {
  /** Its name in events. */
  readonly operation: string;
  readonly method: string;
  readonly url: string;
  /**
   * Builds the request for each attempt: proofs and ids are used once. It may wait for what the time of an attempt does not count, such as an access token; it repeats
   * what it asks for by itself, and what it rejects with is not repeated again.
   */
  readonly prepare: () => Promise<Prepared>;
  /** Reads an answer; where it throws what may be repeated, the request is. */
  readonly read: (answer: HttpAnswer) => Promise<Result>;
  /** Bytes of the body of an answer, at most. */
  readonly maxBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** A whole answer of which nothing is believed yet. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Bytes;
}

/**
 * Sends a request until `read` takes the answer, it fails for good, or was repeated often enough. Every attempt has a proof and an id of its own, so it may be repeated where the
 * operation may be (`docs/key-service.md` §6.5, §7.2). Rejects with `ERR_SERVICE_UNREACHABLE`, `ERR_SERVICE_TIMEOUT`, `ERR_SERVICE_REDIRECTED`, `ERR_SERVICE_ANSWER` where
 * the answer is longer than allowed, with what `prepare` and `read` reject with, and with the reason of the signal.
 */
export async function exchange<Result>(http: HttpSettings, request: HttpExchange<Result>): Promise<Result> {
  const { method, url, maxBytes, signal } = request;
  const { service = 'the key service' } = http;
  const { limit = 3, delay = 200, maxRetryAfter = 10 } = http.retry;
  /** Undefined while `prepare` works. */
  let prepared: Prepared | undefined;
  let failure: unknown;
  let result: { readonly value: Result } | undefined;
  try {
    await ky(url, {
      method,
      timeout: http.timeout,
      ...(signal === undefined ? {} : { signal }),
      throwHttpErrors: false,
      hooks: {
        beforeRequest: [
          async () => {
            prepared = undefined;
            prepared = await untilAborted(request.prepare(), signal);
          },
        ],
        afterResponse: [
          async (_request, _options, response) => {
            result = { value: await request.read(await answerOf(response)) };
          },
        ],
      },
      // What ky made counts the time; what is sent is what was prepared, byte for byte and name for name.
      fetch: (unsigned) => deliver({ ...http, service }, unsigned as Request, prepared as Prepared, maxBytes),
      retry: {
        limit,
        methods: [method],
        shouldRetry({ error, retryCount }) {
          failure = serviceError(error, service);
          const again = prepared !== undefined && signal?.aborted !== true && isRetryable(failure, maxRetryAfter);
          if (again) tellRetry(http, request.operation, retryCount, failure as KeyServiceError);
          return again;
        },
        delay: (count) => waitBefore(count, delay, askedBy(failure)),
      },
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw serviceError(error, service);
  }
  return (result as { readonly value: Result }).value;
}

/**
 * Sends what was prepared, by a `fetch` of the caller's: with a URL and `RequestInit`, because the `fetch` of undici refuses the `Request` of another copy of undici, and Firefox
 * does not tell the body of a `Request`. The body of the answer is read here, where ky counts the time, and no further than it may be.
 */
async function deliver(
  { fetch, service }: { readonly fetch: Fetch; readonly service: string },
  { url, method, signal }: Request,
  sent: Prepared,
  maxBytes: number,
) {
  const { headers, body } = sent;
  assertHeaders(headers, 'headers');
  try {
    const init: RequestInit = { ...noStore(), redirect: 'manual', credentials: 'omit', referrerPolicy: 'no-referrer' };
    const message = { method, headers: { ...headers }, ...(body === undefined ? {} : { body }) };
    const response = await untilAborted((async () => fetch(url, { ...init, ...message, signal }))(), signal);
    assert(isResponse(response), 'what fetch resolves to', 'a Response');
    const { status, type } = response;
    if (type === 'opaqueredirect' || (status >= 300 && status < 400)) {
      response.body?.cancel().catch(() => undefined);
      throw new KeyServiceError('ERR_SERVICE_REDIRECTED', said(service, 'answered with a redirect'), { status });
    }
    const content = await untilAborted(readBounded(response, maxBytes, service), signal);
    return new Response(content.byteLength === 0 ? null : content, { status, headers: response.headers });
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (isBullaError(cause)) throw cause;
    const message = said(service, `could not be reached (${reasonOf(cause)})`);
    throw new KeyServiceError('ERR_SERVICE_UNREACHABLE', message, { cause });
  }
}

/** Whether a value works as a `Response`, also one of another realm or library. */
function isResponse(value: Partial<Response> | undefined): boolean {
  const { headers, body } = value ?? {};
  return typeof headers?.get === 'function' && (body === null || typeof body?.getReader === 'function');
}

async function answerOf(response: Response): Promise<HttpAnswer> {
  const { status, headers } = response;
  return { status, headers, body: new Uint8Array(await response.arrayBuffer()) };
}

async function readBounded(response: Response, maxBytes: number, service: string): Promise<Bytes> {
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
      throw badAnswer(`it is longer than ${maxBytes} bytes`, service);
    }
    chunks.push(value);
  }
}

function tellRetry({ onEvent }: HttpSettings, operation: string, retry: number, { code }: KeyServiceError): void {
  emit(onEvent, { type: 'service-retry', operation, retry, error: code });
}

function serviceError(error: unknown, service: string): unknown {
  const { name } = (error ?? {}) as { name?: unknown };
  if (isBullaError(error) || name !== 'TimeoutError') return error;
  return new KeyServiceError('ERR_SERVICE_TIMEOUT', said(service, 'did not answer in time'));
}

/** A sentence about who was asked. */
function said(service: string, what: string): string {
  return `${service.charAt(0).toUpperCase()}${service.slice(1)} ${what}`;
}
