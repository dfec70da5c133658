/** Blobs and files, of any realm and any implementation. */

import type { Bytes } from '../types.ts';

/** Whether something is a `Blob`, by what it can do: its tag differs among runtimes. */
export function isBlob(value: unknown): value is Blob {
  const { size, slice, arrayBuffer } = (value ?? {}) as Partial<Blob>;
  return typeof size === 'number' && typeof slice === 'function' && typeof arrayBuffer === 'function';
}

/** Bytes of a piece where a blob cannot be streamed. */
const pieceLength = 2 ** 18;

/** A blob's bytes. Those of jsdom have no `stream`. */
export function streamOfBlob(blob: Blob): ReadableStream<Bytes> {
  if (typeof blob.stream === 'function') return blob.stream();
  let at = 0;
  return new ReadableStream({
    async pull(controller) {
      if (at >= blob.size) return controller.close();
      const piece = blob.slice(at, at + pieceLength);
      at += pieceLength;
      controller.enqueue(new Uint8Array(await piece.arrayBuffer()));
    },
  });
}
