/** Reads a URL by HTTP ranges (RFC 9110 §14), and asks again where that can help. */

import { isBullaError, SourceError, type SourceErrorCode, type SourceErrorDetails } from '../errors.ts';
import { linkedController } from '../lib/abort.ts';
import { assert } from '../lib/assert.ts';
import { isBytes } from '../lib/bytes.ts';
import { noStore } from '../lib/no-store.ts';
import { pause, type Retry, retryAfterOf, waitBefore } from '../lib/retry.ts';
import { untilAborted } from '../lib/single-flight.ts';
import type { Source } from './source.ts';

/** How a URL is read. */
export interface UrlReading {
  readonly url: string;
  /** The headers of one request. */
  readonly headers: (signal: AbortSignal | undefined) => Promise<Readonly<Record<string, string>>>;
  readonly init: RequestInit;
  /** Whether the `ETag` tells a resource from its successor. */
  readonly hasTag: boolean;
  readonly retry: Retry;
  /** Milliseconds without a byte after which a request has failed. */
  readonly timeout: number;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

/**
 * How a URL is read of which nothing else is said. Throws a `TypeError` for what `fetch` would refuse with an error that quotes a password, and for schemes without ranges: of an unread
 * answer to a `data:` URL, Node 24 ends the process when it is aborted.
 */
export function plainReading(given: URL): UrlReading {
  const { href: url, protocol, username, password } = isUrl(given) ? given : ({} as Partial<URL>);
  assert(url !== undefined && /^https?:$/.test(`${protocol}`), 'url', 'a URL object of http: or https:');
  assert(`${username}${password}` === '', 'url', 'without user and password');
  return {
    url,
    headers: async () => ({}),
    init: {},
    hasTag: true,
    retry: { limit: 3, delay: 200, maxRetryAfter: 10 },
    timeout: 30_000,
    // Looked up at each call, and called without a receiver: browsers refuse another one than their window.
    fetch: (to, init) => fetch(to, init),
  };
}

/** Whether something is a URL object, of any realm. */
export function isUrl(input: unknown): input is URL {
  return Object.prototype.toString.call(input) === '[object URL]';
}

/**
 * The source behind a URL; one request finds its size. Rejects, as its reads do, with a {@link SourceError}, with what `headers` rejects with, and with the
 * reason of a signal.
 */
export async function openUrl(reading: UrlReading, opening: AbortSignal | undefined): Promise<Source> {
  const { headers, hasTag, retry } = reading;
  let known: { readonly size: number; readonly etag: string | null } | undefined;
  const check = (response: Response, first: number, last: number) => {
    const size = sizeIn(response, first, last);
    if (size === undefined) throw refusal(response, known !== undefined);
    const etag = hasTag ? response.headers.get('ETag') : null;
    known ??= { size, etag };
    if (size !== known.size || etag !== known.etag) throw failure('ERR_SOURCE_CHANGED');
  };
  const read: Source['read'] = async (offset, length, signal) => {
    const bytes = new Uint8Array(length);
    let filled = 0;
    for (let repetition = 1; filled < length; repetition++) {
      // Where an answer broke off, the next one goes on.
      const [first, last] = [offset + filled, offset + length - 1];
      const sent = { ...(await headers(signal)), Range: `bytes=${first}-${last}` };
      try {
        for await (const part of request(reading, sent, (response) => check(response, first, last), signal)) {
          if (!isBytes(part) || part.byteLength > length - filled) throw failure('ERR_SOURCE_UNREADABLE');
          bytes.set(part, filled);
          filled += part.byteLength;
        }
        if (filled < length) throw failure('ERR_SOURCE_UNAVAILABLE');
      } catch (cause) {
        signal?.throwIfAborted();
        const error = isBullaError(cause) ? (cause as SourceError) : failure('ERR_SOURCE_UNAVAILABLE', { cause });
        const { code, retryAfter = 0 } = error;
        const isFinal = code !== 'ERR_SOURCE_UNAVAILABLE' || repetition > retry.limit;
        if (isFinal || retryAfter > retry.maxRetryAfter) throw error;
        if (filled < length) await pause(waitBefore(repetition, retry.delay, retryAfter), signal);
      }
    }
    return bytes;
  };
  await read(0, 1, opening);
  return { size: known?.size ?? 0, read };
}

/** The body of one answer. Ends what is left of it when nobody wants more. */
async function* request(
  { url, init, timeout, fetch }: UrlReading,
  headers: Record<string, string>,
  check: (response: Response) => void,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const { controller, release } = linkedController(signal);
  const start = () => setTimeout(() => controller.abort(failure('ERR_SOURCE_UNAVAILABLE')), timeout);
  let timer = start();
  // A cache that keeps ranges may ask for a part of one again, and mix answers of different times.
  const asked = (async () => fetch(url, { ...init, ...noStore(), headers, signal: controller.signal }))();
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  try {
    // A `fetch` of the caller's may take no notice of the signal, and give a body that takes none.
    const response = await untilAborted(asked, controller.signal);
    check(response);
    reader = response.body?.getReader();
    while (reader !== undefined) {
      const { done, value } = await untilAborted(reader.read(), controller.signal);
      if (done) return;
      clearTimeout(timer);
      timer = start();
      yield value;
    }
  } finally {
    clearTimeout(timer);
    release();
    controller.abort();
    const end = reader === undefined ? asked.then(({ body }) => body?.cancel()) : reader.cancel();
    end.catch(() => undefined);
  }
}

/** The size that an answer for exactly this range tells; `undefined` for any other answer. */
function sizeIn({ status, headers }: Response, first: number, last: number): number | undefined {
  const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers.get('Content-Range') ?? '') ?? [];
  const [, start, end, size = 0] = range.map(Number);
  const isRange = status === 206 && start === first && end === Math.min(last, size - 1);
  return isRange && Number.isSafeInteger(size) ? size : undefined;
}

const codes: Readonly<Record<number, SourceErrorCode>> = {
  401: 'ERR_SOURCE_UNAUTHORIZED',
  403: 'ERR_SOURCE_FORBIDDEN',
  404: 'ERR_SOURCE_NOT_FOUND',
  410: 'ERR_SOURCE_NOT_FOUND',
};

/** What an answer says that is not the range. `isOpen`: there was one before, so a 416 says that the resource has become shorter. */
function refusal({ status, type, headers }: Response, isOpen: boolean): SourceError {
  const isRedirect = type === 'opaqueredirect' || (status >= 300 && status < 400);
  const isTemporary = status === 408 || status === 429 || status >= 500;
  const code =
    (isRedirect && 'ERR_SOURCE_REDIRECTED') ||
    (isTemporary && 'ERR_SOURCE_UNAVAILABLE') ||
    (isOpen && status === 416 && 'ERR_SOURCE_CHANGED') ||
    (codes[status] ?? 'ERR_SOURCE_UNREADABLE');
  return failure(code, { status, retryAfter: retryAfterOf(headers) });
}

function failure(code: SourceErrorCode, details: SourceErrorDetails = {}): SourceError {
  const { status } = details;
  const hint =
    code === 'ERR_SOURCE_UNREADABLE'
      ? '; the server must answer 206 and, to a page of another origin, expose Content-Range and ETag'
      : '';
  const words = code === 'ERR_SOURCE_CHANGED' ? 'changed while it was read' : 'could not be read';
  return new SourceError(code, `The URL ${words}${status ? ` (status ${status})` : ''}${hint}`, details);
}
