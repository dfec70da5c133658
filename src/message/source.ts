/** What random access reads from, and how it is read. */

import { SourceError } from '../errors.ts';
import { asBytes } from '../lib/bytes.ts';
import type { Bytes } from '../types.ts';

/** Something that gives bytes from anywhere in it. */
export interface Source {
  /** Bytes in all. */
  readonly size: number;
  /** The bytes from `offset` on, exactly `length` of them: never asked for more than there are. Must reject when the signal aborts. */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
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
