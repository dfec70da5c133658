/** What `open` accepts as a source: bytes, a `Blob`, a URL, or anything with a size. */

import { SourceError } from '../errors.ts';
import { assertInteger } from '../lib/assert.ts';
import { isBlob } from '../lib/blob.ts';
import { isBytes } from '../lib/bytes.ts';
import { takeBytes } from '../lib/options.ts';
import type { Bytes } from '../types.ts';
import { messageBytes } from './forms.ts';
import type { Source } from './source.ts';
import { isUrl, openUrl, plainReading } from './url-reader.ts';

/** What `open` reads from. A string is the text form of a message, never a URL. A `URL` object is read by HTTP ranges; `urlSource` of `bulla/url` says how else. */
export type SourceInput = Uint8Array | string | Blob | URL | Source;

/** The source of what a caller gave. Rejects with the {@link SourceError}s of a URL, and a `TypeError` for what is no source. */
export async function openSource(input: SourceInput, signal: AbortSignal | undefined): Promise<Source> {
  // Reads come later, when the caller may have changed its bytes.
  if (isBytes(input)) return bytesSource(takeBytes(input, 'source'));
  if (typeof input === 'string') return bytesSource(messageBytes(input, 'source'));
  if (isUrl(input)) return openUrl(plainReading(input), signal);
  if (isBlob(input)) return blobSource(input);
  const { size, read } = (input ?? {}) as Partial<Source>;
  if (typeof read !== 'function') {
    throw new TypeError('source must be a Uint8Array, a text form, a Blob, a URL object, or have size and read()');
  }
  assertInteger(size, 0, Number.MAX_SAFE_INTEGER, 'source.size');
  return { size, read: read.bind(input) };
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
