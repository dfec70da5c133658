/** A URL as a source: its bytes by HTTP ranges (RFC 9110 §14), asked for again where that can help. */

import type { SourceError } from '../errors.ts';
import { linkedController } from '../lib/abort.ts';
import { assert } from '../lib/assert.ts';
import { assertHeaders } from '../lib/headers.ts';
import { func, integer, oneOf, optional, type ReadersOf, takeMap, takeOptions, takeSignal } from '../lib/options.ts';
import { type RetryOptions, takeRetry } from '../lib/retry.ts';
import { untilAborted } from '../lib/single-flight.ts';
import type { Source } from './source.ts';
import { openUrl, plainReading, type UrlReading } from './url-reader.ts';

/** Request headers by name. */
export type RequestHeaders = Readonly<Record<string, string>>;

type AskForHeaders = () => RequestHeaders | Promise<RequestHeaders>;

/** Options of {@link urlSource}. */
export interface UrlSourceOptions {
  /**
   * Headers of every request, such as `Authorization`; or a function that gives them and is asked before every request, repetitions included, so that a token is never stale.
   * No request with headers follows a redirect: they are for the origin of the URL alone. Default: none.
   */
  readonly headers?: RequestHeaders | (() => RequestHeaders | Promise<RequestHeaders>) | undefined;
  /**
   * Whether a browser sends cookies, as in `RequestInit`. With `include`, which signed cookies of another origin need, no redirect is followed. Default: `same-origin`.
   */
  readonly credentials?: 'omit' | 'same-origin' | 'include' | undefined;
  /**
   * What shows that a later answer is about the same resource: its size and its `ETag`, or with `content` its size alone, for servers whose nodes give different
   * ETags. No byte is released unauthenticated either way. Default: `etag`.
   */
  readonly identity?: 'etag' | 'content' | undefined;
  /** Repetition of requests that failed without a final answer (408, 429, 5xx, no connection, one that broke off or stalls). Default: three. */
  readonly retry?: RetryOptions | undefined;
  /** Milliseconds without a byte after which a request has failed, 1 to 600,000. Default: 30,000. */
  readonly timeout?: number | undefined;
  /** Sends the requests. Default: the global `fetch`. */
  readonly fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined;
  /** Ends the opening. Reads have signals of their own. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A URL as a source for `open`, for what `open(url)` does not say: headers, credentials, repetition. It sends one request now, which finds the size. Every answer must be a
 * 206 for exactly the range that was asked for, of a resource that is the same.
 *
 * Rejects, as reads do, with a {@link SourceError}: `ERR_SOURCE_UNAUTHORIZED` (401), `ERR_SOURCE_FORBIDDEN` (403), `ERR_SOURCE_NOT_FOUND` (404, 410),
 * `ERR_SOURCE_UNAVAILABLE` when repetition did not help, `ERR_SOURCE_REDIRECTED`, `ERR_SOURCE_CHANGED`, and `ERR_SOURCE_UNREADABLE` for a server without ranges. Rejects also with
 * what `headers` throws, the reason of the signal, and a `TypeError` that names a wrong option.
 *
 * @example
 * const source = await urlSource(new URL('https://files.example/video.bulla'), {
 *   headers: async () => ({ Authorization: `Bearer ${await session.accessToken()}` }),
 * });
 * const video = await open(source, { keyring });
 */
export async function urlSource(url: URL, options: UrlSourceOptions = {}): Promise<Source> {
  const { headers, credentials, identity, retry, timeout, fetch, signal } = takeOptions(options, readers);
  const plain = plainReading(url);
  const reading: UrlReading = {
    url: plain.url,
    headers: typeof headers === 'function' ? askedEachTime(headers, timeout) : async () => headers ?? {},
    // Browsers do not tell where a redirect leads, so with headers or cookies none is followed, be it to the same origin.
    init: { credentials, redirect: headers === undefined && credentials !== 'include' ? 'follow' : 'manual' },
    hasTag: identity === 'etag',
    retry,
    timeout,
    fetch: fetch ?? plain.fetch,
  };
  return openUrl(reading, signal);
}

const readers = {
  headers: optional((value, name) =>
    typeof value === 'function' ? (value as AskForHeaders) : takeHeaders(value, name),
  ),
  credentials: optional(oneOf('omit', 'same-origin', 'include'), 'same-origin'),
  identity: optional(oneOf('etag', 'content'), 'etag'),
  retry: takeRetry,
  timeout: optional(integer(1, 600_000), 30_000),
  fetch: optional(func<UrlReading['fetch']>()),
  signal: optional(takeSignal),
} satisfies ReadersOf<UrlSourceOptions>;

/** Asks before each request, and waits no longer than for a byte. */
function askedEachTime(headers: AskForHeaders, timeout: number): UrlReading['headers'] {
  return async (signal) => {
    const { controller, release } = linkedController(signal);
    const late = () => controller.abort(new DOMException('headers() gave nothing in time', 'TimeoutError'));
    const timer = setTimeout(late, timeout);
    try {
      return takeHeaders(await untilAborted((async () => headers())(), controller.signal), 'headers');
    } finally {
      clearTimeout(timer);
      release();
    }
  };
}

/** Throws a `TypeError` also for what `fetch` would refuse later, as if the server could not be reached. */
function takeHeaders(value: unknown, name: string): RequestHeaders {
  const headers = takeMap(value, name);
  assertHeaders(headers, name);
  assert(!Object.keys(headers).some((header) => header.toLowerCase() === 'range'), name, 'without Range');
  return headers;
}
