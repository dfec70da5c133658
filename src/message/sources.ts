/** Where random access reads from: bytes, a `Blob`, a URL by HTTP ranges, or anything with a size. */

import { SourceError } from '../errors.ts';
import { assertInteger } from '../lib/assert.ts';
import { asBytes, isBytes } from '../lib/bytes.ts';
import type { Bytes } from '../types.ts';
import { messageBytes } from './forms.ts';

/** Something that gives bytes from anywhere in it. */
export interface Source {
  /** Bytes in all. */
  readonly size: number;
  /** The bytes from `offset` on, exactly `length` of them: never asked for more than there are. Must reject when the signal aborts. */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
}

/** What `open` reads from. A string is the text form of a message, never a URL; a URL is a `URL` object. */
export type SourceInput = Uint8Array | string | Blob | URL | Source;

/** The source of what a caller gave. Rejects with `ERR_SOURCE_UNREADABLE` for a URL that cannot be read by ranges, and a `TypeError` for what is no source. */
export async function openSource(input: SourceInput, signal: AbortSignal | undefined): Promise<Source> {
  if (typeof input === 'string' || isBytes(input)) return bytesSource(messageBytes(input, 'source'));
  if (isUrl(input)) return urlSource(input, signal);
  if (isBlob(input)) return blobSource(input);
  const { size, read } = (input ?? {}) as Partial<Source>;
  if (typeof read !== 'function') {
    throw new TypeError('source must be a Uint8Array, a text form, a Blob, a URL object, or have size and read()');
  }
  assertInteger(size, 0, Number.MAX_SAFE_INTEGER, 'source.size');
  return input;
}

/** Reads from a source and checks that it gives what it was asked for. Rejects with {@link SourceError}s, and the signal's reason. */
export async function readExactly(
  source: Source,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Bytes> {
  signal?.throwIfAborted();
  const bytes = asBytes(await source.read(offset, length, signal), 'what a source reads');
  signal?.throwIfAborted();
  if (bytes.byteLength !== length) {
    throw new SourceError('ERR_SOURCE_UNREADABLE', `The source gave ${bytes.byteLength} bytes instead of ${length}`);
  }
  return bytes;
}

function bytesSource(bytes: Bytes): Source {
  return {
    size: bytes.byteLength,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  };
}

function blobSource(blob: Blob): Source {
  return {
    size: blob.size,
    async read(offset, length) {
      try {
        return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
      } catch (error) {
        // Browsers refuse to read a file that was changed after it was chosen.
        throw new SourceError('ERR_SOURCE_CHANGED', 'The file could not be read; it may have changed', {
          cause: error,
        });
      }
    },
  };
}

/**
 * A URL read by HTTP ranges (RFC 9110 §14). Every answer must be a 206 for exactly the range and the size of the first one, and have its ETag; where the
 * server shows no ETag, a change is still found, as segments that do not open.
 */
async function urlSource(url: URL, signal: AbortSignal | undefined): Promise<Source> {
  const first = await fetchRange(url, 0, 1, signal);
  await first.response.body?.cancel();
  return {
    size: first.size,
    async read(offset, length, readSignal) {
      const { response, size, etag } = await fetchRange(url, offset, length, readSignal);
      if (size !== first.size || etag !== first.etag) {
        await response.body?.cancel();
        throw new SourceError('ERR_SOURCE_CHANGED', 'The resource behind the URL changed while it was read');
      }
      return readBody(response, length, readSignal);
    },
  };
}

async function fetchRange(url: URL, offset: number, length: number, signal: AbortSignal | undefined) {
  const last = offset + length - 1;
  const response = await fetch(url, {
    headers: { Range: `bytes=${offset}-${last}` },
    // A cache that keeps ranges may ask for a part of one again, and mix answers of different times.
    cache: 'no-store',
    signal: signal ?? null,
  }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw new SourceError('ERR_SOURCE_UNREADABLE', 'The URL could not be reached', { cause: error });
  });
  const range = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '');
  const [, start, end, size] = (range ?? []).map(Number);
  if (response.status !== 206 || size === undefined || start !== offset || end !== Math.min(last, size - 1)) {
    await response.body?.cancel();
    throw new SourceError(
      'ERR_SOURCE_UNREADABLE',
      `The URL gives no ranges (status ${response.status}); ${rangesHint}`,
    );
  }
  return { response, size, etag: response.headers.get('ETag') };
}

const rangesHint = 'the server must answer 206 and, to a page of another origin, expose Content-Range and ETag';

/** The body, read no further than the length that was asked for, whatever the server sends. */
async function readBody(response: Response, length: number, signal: AbortSignal | undefined): Promise<Bytes> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const part = await reader?.read().catch((error: unknown) => {
      signal?.throwIfAborted();
      throw new SourceError('ERR_SOURCE_UNREADABLE', 'The connection to the URL broke off', { cause: error });
    });
    const { done, value } = part ?? { done: true };
    if (done) break;
    if (filled + value.byteLength > length) {
      await reader?.cancel();
      throw new SourceError('ERR_SOURCE_UNREADABLE', 'The URL gave more bytes than it was asked for');
    }
    bytes.set(value, filled);
    filled += value.byteLength;
  }
  return bytes.subarray(0, filled);
}

function isUrl(input: unknown): input is URL {
  return Object.prototype.toString.call(input) === '[object URL]';
}

function isBlob(input: unknown): input is Blob {
  return /^\[object (Blob|File)\]$/.test(Object.prototype.toString.call(input));
}
