/** What a worker is given at once: segments one after the other. */

import type { AeadKey } from '../crypto/keys.ts';
import type { Bytes } from '../types.ts';

/** Segments one after the other, in a buffer that goes to the worker and comes back. */
export interface SegmentBatch {
  readonly direction: 'seal' | 'open';
  readonly key: AeadKey;
  /** The index of the first one. */
  readonly first: number;
  /** Bytes of every segment but the last of a message, on this side. */
  readonly pieceLength: number;
  /** Whether the last segment of the message stands at the end, which is shorter than the others and may be empty. */
  readonly isLast: boolean;
  /** Where they stand, from its beginning on. */
  readonly buffer: ArrayBuffer;
  /** Bytes of all of them. */
  readonly length: number;
}

/** What became of a batch. */
export interface ConvertedBatch {
  /** The results in order; where one does not open, those before it. */
  readonly results: readonly Bytes[];
  /** Whether all of them opened. */
  readonly complete: boolean;
  /** The buffer of the batch, to be used again. */
  readonly buffer: ArrayBuffer;
}

/** How many segments a batch has. */
export function segmentsOf({ length, pieceLength, isLast }: SegmentBatch): number {
  return Math.floor(length / pieceLength) + (isLast ? 1 : 0);
}
