/** The fetch handler of a service worker that answers from messages. */

import { assert } from '../lib/assert.ts';
import { tell } from '../lib/callbacks.ts';
import {
  arrayOf,
  func,
  integer,
  optional,
  type ReadersOf,
  type Taken,
  takeClock,
  takeOptions,
  takeString,
} from '../lib/options.ts';
import { untilAborted } from '../lib/single-flight.ts';
import { beginBody } from './body.ts';
import { isContentType, safeContentType } from './content-type.ts';
import { failureResponse, notFound } from './failure.ts';
import { OpenedMessages, type Representation } from './opened-messages.ts';
import { requestedRange } from './ranges.ts';
import { type MessageResource, type TakenResource, takeResource } from './resource.ts';

/** The part of a `FetchEvent` that is used. */
export interface FetchEventLike {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

/** Options of {@link createDecryptingHandler}. */
export interface DecryptingHandlerOptions {
  /**
   * The message behind a URL, or nothing (`null` or `undefined`) for a request that is not for this handler and goes on to the network. A fetch event is
   * decided at once, so what takes time is given as a promise; one of nothing is a 404. Is asked for GET and HEAD alone. The resource is read once, and what
   * `match` throws or rejects with is an answer with status 500.
   */
  readonly match: (
    url: URL,
    request: Request,
  ) => MessageResource | Promise<MessageResource | null | undefined> | null | undefined;
  /** Media types that a message may have besides pictures, audio, video and plain text; without parameters, in lower case. See {@link MessageResource.contentType}. Default: none. */
  readonly allowedContentTypes?: readonly string[] | undefined;
  /** Opened messages to keep, 0 to 1,000; each holds a message key. Default: 16. */
  readonly maxOpened?: number | undefined;
  /** Milliseconds after which an opened message is opened again, and its data key asked for again. Default: 300,000. */
  readonly maxAge?: number | undefined;
  /** Is told what a request failed with, which the page is not. What it throws or rejects with is ignored. */
  readonly onError?: ((error: unknown, request: Request) => void) | undefined;
  /** The clock, in milliseconds. Default: `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** Answers requests from messages. Its functions need no receiver. */
export interface DecryptingHandler {
  /** A listener for `fetch`: answers what is matched and leaves the rest alone. */
  readonly onFetch: (event: FetchEventLike) => void;
  /** The answer to a request, or `undefined` where it is not matched. Rejects with the reason of the request's signal, and with nothing else. */
  readonly respond: (request: Request) => Promise<Response> | undefined;
  /** Forgets every opened message and ends what is still being read, for example when the user signs out. */
  readonly forget: () => void;
}

const readers = {
  match: func<DecryptingHandlerOptions['match']>(),
  allowedContentTypes: optional(takeContentTypes, []),
  maxOpened: optional(integer(0, 1_000), 16),
  maxAge: optional(integer(0, 86_400_000), 300_000),
  onError: optional(func<NonNullable<DecryptingHandlerOptions['onError']>>()),
  now: takeClock,
} satisfies ReadersOf<DecryptingHandlerOptions>;
type Settings = Taken<typeof readers>;

function takeContentTypes(value: unknown, name: string): readonly string[] {
  const types = arrayOf(takeString)(value, name);
  const isType = (type: string) => isContentType(type) && type === type.toLowerCase() && !type.includes(';');
  assert(types.every(isType), name, 'an array of media types in lower case');
  return types;
}

/**
 * Makes a handler that decrypts on the fly, so that `<img>`, `<video>`, `<audio>` and `fetch` read messages as if they were plaintext and seek in them. It answers 200, 206 and 416 with the
 * segments that a range touches (RFC 9110 §14), and where that fails a status with the code of the error in `Bulla-Error`: nothing unauthenticated
 * is ever part of an answer. A failure after the first segment breaks the answer off.
 *
 * Plaintext is not kept by any cache (`no-store`), is never sniffed, and is sandboxed where somebody opens it as a page. Throws a `TypeError` that names a wrong option.
 *
 * @example
 * const media = createDecryptingHandler({
 *   match: ({ pathname }) =>
 *     pathname.startsWith('/media/') ? { source: new URL(`/files${pathname}`, location.origin), keyring } : null,
 * });
 * addEventListener('fetch', media.onFetch);
 */
export function createDecryptingHandler(options: DecryptingHandlerOptions): DecryptingHandler {
  const settings = takeOptions(options, readers);
  const opened = new OpenedMessages(settings);
  let ending = new AbortController();
  const respond = (request: Request): Promise<Response> | undefined => {
    const { method } = request;
    if (method !== 'GET' && method !== 'HEAD') return undefined;
    let matched: ReturnType<DecryptingHandlerOptions['match']>;
    try {
      matched = settings.match(new URL(request.url), request);
    } catch (error) {
      matched = Promise.reject(error);
    }
    return matched === null || matched === undefined
      ? undefined
      : answer(request, untilAborted(Promise.resolve(matched), ending.signal), opened, settings);
  };
  return {
    respond,
    onFetch: (event) => {
      const response = respond(event.request);
      if (response !== undefined) event.respondWith(response);
    },
    forget: () => {
      const reason = new DOMException('The message was forgotten', 'AbortError');
      // Pending answers of `match` are for the user who is being forgotten.
      ending.abort(reason);
      ending = new AbortController();
      opened.clear(reason);
    },
  };
}

async function answer(
  request: Request,
  matched: Promise<MessageResource | null | undefined>,
  opened: OpenedMessages,
  settings: Settings,
): Promise<Response> {
  const url = request.url.replace(/#.*$/s, '');
  let representation: Representation | undefined;
  const fail = (error: unknown) => {
    if (representation !== undefined) opened.forget(url, representation);
    tell(settings.onError, error, request);
  };
  try {
    const given = await untilAborted(matched, request.signal);
    if (given === null || given === undefined) return notFound(request.method);
    const resource = takeResource(given);
    representation = await opened.get(url, resource, request.signal);
    return await representationResponse(request, representation, typeOf(resource, representation, settings), fail);
  } catch (error) {
    request.signal.throwIfAborted();
    fail(error);
    return failureResponse(error, request.method);
  }
}

function typeOf({ contentType }: TakenResource, { message }: Representation, settings: Settings): string {
  if (contentType === undefined) return safeContentType(message.header.contentType, settings.allowedContentTypes);
  assert(isContentType(contentType), 'contentType', 'a media type');
  return contentType;
}

async function representationResponse(
  { method, headers: asked, signal }: Request,
  { message, etag }: Representation,
  contentType: string,
  onFailure: (error: unknown) => void,
): Promise<Response> {
  const { size } = message;
  const headers = new Headers({ ...fixedHeaders, 'Content-Type': contentType, ETag: etag });
  // RFC 9110 §14.2: a range is for GET alone.
  const range = requestedRange(method === 'GET' ? asked : new Headers(), size, etag);
  if (range === undefined) {
    headers.delete('Content-Type');
    headers.set('Content-Range', `bytes */${size}`);
    return new Response(null, { status: 416, headers });
  }
  const { start, end, partial } = range;
  headers.set('Content-Length', String(end - start));
  if (partial) headers.set('Content-Range', `bytes ${start}-${end - 1}/${size}`);
  const body = method === 'GET' ? await beginBody({ message, range, signal, onFailure }) : null;
  return new Response(body, { status: partial ? 206 : 200, headers });
}

const fixedHeaders = {
  'Accept-Ranges': 'bytes',
  'Cache-Control': 'no-store',
  // For a URL opened as a page: no script, and an origin of its own. Browsers style their pages for single pictures inline.
  'Content-Security-Policy':
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
};
