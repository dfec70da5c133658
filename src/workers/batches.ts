/** Segments as a stream by other threads, in batches that are worth the way there and back. */

import { tagLength } from '../crypto/aes-gcm.ts';
import { DecryptionError, WorkerError } from '../errors.ts';
import { assertSegment } from '../stream/geometry.ts';
import { InFlight } from '../stream/in-flight.ts';
import type { PipeOutput, PipeWork, SegmentPipe } from '../stream/pipe.ts';
import type { Bytes } from '../types.ts';
import { type ConvertedBatch, type SegmentBatch, segmentsOf } from './batch.ts';

/** What a batch holds at most, unless a single segment is longer. Larger ones gain nothing and make a page wait for its memory. */
const batchLength = 2 ** 21;

/** Who converts batches. */
export interface BatchConverter {
  /** Batches that are worth having in work at once. */
  readonly batchesInFlight: number;
  /** Seals or opens the segments of a batch, whose buffer is transferred. Rejects with `ERR_WORKER_FAILED`. */
  convert(batch: SegmentBatch): Promise<ConvertedBatch>;
}

/** The converter is trusted with the key, but may be an older script that a cache kept: what it leaves out must not make a message, or a plaintext, that looks whole (§6.5). */
function assertWhole(batch: SegmentBatch, { results, complete }: ConvertedBatch): void {
  const count = segmentsOf(batch);
  const { direction, pieceLength, length } = batch;
  const change = direction === 'seal' ? tagLength : -tagLength;
  const isWhole = (result: Bytes, i: number) =>
    result.byteLength === Math.min(pieceLength, length - i * pieceLength) + change;
  const isRight = complete ? results.length === count : direction === 'open' && results.length < count;
  if (!isRight || !results.every(isWhole))
    throw new WorkerError('A worker answered with something else than was asked of it');
}

/** A pipe by batches. Fails as the pipes of `transform.ts` do, and with `ERR_WORKER_FAILED`. */
export function batchPipe(
  converter: BatchConverter,
  { direction, key, segmentSize }: PipeWork,
  { emit, fail }: PipeOutput,
): SegmentPipe {
  const pieceLength = direction === 'seal' ? segmentSize : segmentSize + tagLength;
  const perBatch = Math.max(1, Math.floor(batchLength / pieceLength));
  const capacity = perBatch * pieceLength;
  const spare: ArrayBuffer[] = [];
  let nothing = new ArrayBuffer(1);
  const take = ({ results, complete, buffer }: ConvertedBatch) => {
    if (buffer.byteLength === capacity) spare.push(buffer);
    // Chromium counts the memory that comes from a worker, but looks at the sum only where some is made. Without this a page through which 16 GiB went took up to 2.2 GB.
    nothing = new ArrayBuffer(1);
    for (const result of results) if (result.byteLength > 0) emit(result);
    if (!complete) throw new DecryptionError();
  };
  const queue = new InFlight<ConvertedBatch>(converter.batchesInFlight, take, fail);
  let current: Bytes | undefined;
  let filled = 0;
  let first = 0;

  const send = (isLast: boolean) => {
    const buffer = current?.buffer ?? nothing;
    const batch: SegmentBatch = { direction, key, first, pieceLength, isLast, buffer, length: filled };
    const full = segmentsOf(batch) - 1;
    assertSegment(first + full, segmentSize, filled - full * pieceLength - (direction === 'open' ? tagLength : 0));
    first += perBatch;
    current = undefined;
    filled = 0;
    return queue.add(async () => {
      const converted = await converter.convert(batch);
      assertWhole(batch, converted);
      return converted;
    });
  };

  return {
    async write(chunk) {
      for (let rest = chunk; rest.byteLength > 0; ) {
        current ??= new Uint8Array(spare.pop() ?? new ArrayBuffer(capacity));
        const part = rest.subarray(0, capacity - filled);
        current.set(part, filled);
        filled += part.byteLength;
        rest = rest.subarray(part.byteLength);
        if (filled === capacity) await send(false);
      }
    },
    async end() {
      await send(true);
      await queue.drain();
    },
  };
}
