/** Positional I/O on file handles that does all it is asked for. */

import type { FileHandle } from 'node:fs/promises';
import { SourceError } from '../errors.ts';

/** Bytes of one read, at most: with 2 GiB or more, Node ends the process. */
const longestRead = 2 ** 30;

/** Fills a buffer from a position on. Rejects with `ERR_SOURCE_CHANGED` where the file ends before, and `ERR_SOURCE_UNREADABLE`. */
export async function readFully(handle: FileHandle, buffer: Uint8Array, position: number): Promise<void> {
  let filled = 0;
  while (filled < buffer.byteLength) {
    const length = Math.min(buffer.byteLength - filled, longestRead);
    const { bytesRead } = await handle.read(buffer, filled, length, position + filled).catch((error: unknown) => {
      throw unreadable(error);
    });
    if (bytesRead === 0) throw sourceChanged();
    filled += bytesRead;
  }
}

/** Writes chunks one after the other from a position on. Rejects with what the file system says, such as `ENOSPC`. */
export async function writeFully(
  handle: FileHandle,
  chunks: readonly Uint8Array[],
  position: number | null,
): Promise<void> {
  let rest = chunks.filter(({ byteLength }) => byteLength > 0);
  let at = position;
  while (rest.length > 0) {
    const { bytesWritten } = await handle.writev(rest, at ?? undefined);
    if (at !== null) at += bytesWritten;
    rest = withoutFirst(rest, bytesWritten);
  }
}

/** What remains of chunks when the first bytes are done with. */
function withoutFirst(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  return chunks.flatMap((chunk) => {
    const skipped = Math.min(skip, chunk.byteLength);
    skip -= skipped;
    return skipped === chunk.byteLength ? [] : [chunk.subarray(skipped)];
  });
}

/** `ERR_SOURCE_CHANGED` for a file. */
export function sourceChanged(): SourceError {
  return new SourceError('ERR_SOURCE_CHANGED', 'The file changed while it was read');
}

/** `ERR_SOURCE_UNREADABLE` for a file, with what the file system said as its cause. */
export function unreadable(cause: unknown): SourceError {
  const { code = 'unknown error' } = cause as NodeJS.ErrnoException;
  return new SourceError('ERR_SOURCE_UNREADABLE', `The file could not be read (${code})`, { cause });
}
