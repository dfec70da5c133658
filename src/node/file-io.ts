/** Positional I/O on file handles that does all it is asked for, and the early release of memory. */

import type { FileHandle } from 'node:fs/promises';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { SourceError } from '../errors.ts';

/** Fills a buffer from a position on. Throws `ERR_SOURCE_CHANGED` where the file ends before, and `ERR_SOURCE_UNREADABLE`. */
export async function readFully(handle: FileHandle, buffer: Uint8Array, position: number): Promise<void> {
  let filled = 0;
  while (filled < buffer.byteLength) {
    const { bytesRead } = await handle
      .read(buffer, filled, buffer.byteLength - filled, position + filled)
      .catch((error: unknown) => {
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

type Transferable = ArrayBuffer & { transfer?: (length: number) => ArrayBuffer };

const closedPort = createClosedPort();

/**
 * Gives memory back at once that whoever calls this owns alone: the arrays and all others on their buffers are empty afterwards. Results of SubtleCrypto are fresh
 * memory; left to the garbage collector they double the peak, and touching new pages costs more than AES.
 */
export function release(arrays: readonly Uint8Array<ArrayBuffer>[]): void {
  for (const { buffer } of arrays) {
    const { transfer } = buffer as Transferable;
    // Node 20 has no transfer: a message that cannot arrive detaches and frees just as well.
    if (transfer !== undefined) transfer.call(buffer, 0);
    else if (buffer.byteLength > 0) closedPort.postMessage(null, [buffer]);
  }
}

function createClosedPort(): MessagePort {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  port1.unref();
  return port1;
}
