// Sources of messages, for random access.

import type { Source } from '../../src/index.ts';

/** A source that writes down what it is asked for. */
export function recording(bytes: Uint8Array): Source & { reads: [number, number][] } {
  const reads: [number, number][] = [];
  return {
    reads,
    size: bytes.byteLength,
    async read(offset, length) {
      reads.push([offset, length]);
      return bytes.slice(offset, offset + length);
    },
  };
}
