/** Segments as a stream: sealing and opening with backpressure, order, and a bounded number of segments in memory (§6.4, §6.5). */

import { segmentsInFlight } from '#platform';
import { tagLength } from '../crypto/aes-gcm.ts';
import type { AeadKey } from '../crypto/keys.ts';
import { DecryptionError } from '../errors.ts';
import type { Awaitable, Bytes } from '../types.ts';
import { Chunker } from './chunker.ts';
import { assertSegment } from './geometry.ts';
import { InFlight } from './in-flight.ts';
import type { PipeOutput, SegmentPipe, SegmentWorkers } from './pipe.ts';
import { openSegment, sealSegment } from './segments.ts';

type Work = (index: number, piece: Bytes) => Awaitable<Bytes>;

/** Seals plaintext, by workers where there are some. Rejects with `ERR_LIMIT_EXCEEDED` when it grows too long (§6.7). */
export function sealingPipe(
  key: AeadKey,
  segmentSize: number,
  output: PipeOutput,
  workers: SegmentWorkers | undefined,
): SegmentPipe {
  if (workers !== undefined) return workers.pipe({ direction: 'seal', key, segmentSize }, output);
  return segmentPipe(segmentSize, output, (index, piece) => {
    assertSegment(index, segmentSize, piece.byteLength);
    return sealSegment(key, index, piece);
  });
}

/** Opens a body, by workers where there are some. Rejects with `ERR_DECRYPTION_FAILED`, after an authentic prefix at most. */
export function openingPipe(
  key: AeadKey,
  segmentSize: number,
  output: PipeOutput,
  workers: SegmentWorkers | undefined,
): SegmentPipe {
  if (workers !== undefined) return workers.pipe({ direction: 'open', key, segmentSize }, output);
  return segmentPipe(segmentSize + tagLength, output, (index, piece) => {
    // §6.3, §6.5: without a last segment of its own, the body is cut.
    if (piece.byteLength < tagLength) throw new DecryptionError();
    assertSegment(index, segmentSize, piece.byteLength - tagLength);
    return openSegment(key, index, piece);
  });
}

function segmentPipe(pieceSize: number, { emit, fail }: PipeOutput, work: Work): SegmentPipe {
  const emitNonEmpty = (result: Bytes) => {
    if (result.byteLength > 0) emit(result);
  };
  const queue = new InFlight<Bytes>(segmentsInFlight, emitNonEmpty, fail);
  // One more than are in flight: the one that is being filled.
  const chunker = new Chunker(pieceSize, segmentsInFlight + 1);
  let index = 0;
  const add = (piece: Bytes) => queue.add(() => work(index++, piece));
  return {
    async write(chunk) {
      chunker.push(chunk);
      for (let piece = chunker.next(); piece !== undefined; piece = chunker.next()) await add(piece);
    },
    async end() {
      await add(chunker.rest());
      await queue.drain();
    },
  };
}
