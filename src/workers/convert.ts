/** What a worker does with a batch: its segments one after the other, up to the first that does not open. */

import { isBullaError } from '../errors.ts';
import { openSegment, sealSegment } from '../stream/segments.ts';
import type { Bytes } from '../types.ts';
import { type ConvertedBatch, type SegmentBatch, segmentsOf } from './batch.ts';

/** Seals or opens a batch. */
export async function convertBatch(batch: SegmentBatch): Promise<ConvertedBatch> {
  const { direction, key, first, pieceLength, buffer, length } = batch;
  const results: Bytes[] = [];
  const count = segmentsOf(batch);
  for (let i = 0; i < count; i++) {
    const piece = new Uint8Array(buffer, i * pieceLength, Math.min(pieceLength, length - i * pieceLength));
    if (direction === 'seal') {
      results.push(await sealSegment(key, first + i, piece));
      continue;
    }
    // §6.3, §6.5: a last segment that is not there is too short to be one, and does not open.
    const opened = await openOrNot(key, first + i, piece);
    if (opened === undefined) return { results, complete: false, buffer };
    results.push(opened);
  }
  return { results, complete: true, buffer };
}

async function openOrNot(key: SegmentBatch['key'], index: number, sealed: Bytes): Promise<Bytes | undefined> {
  try {
    return await openSegment(key, index, sealed);
  } catch (error) {
    if (isBullaError(error) && error.code === 'ERR_DECRYPTION_FAILED') return undefined;
    throw error;
  }
}
