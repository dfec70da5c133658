/** From file to file, segment by segment: a few lanes that each read, seal or open, and write, at positions that the format fixes. */

import type { FileHandle } from 'node:fs/promises';
import type { Awaitable, Bytes } from '../types.ts';
import { writeFully } from './file-io.ts';
import type { PinnedFile } from './file-source.ts';
import { release } from './memory.ts';

/** One side of the work. */
export interface Side<File> {
  readonly file: File;
  /** Where the first segment begins. */
  readonly offset: number;
  /** Bytes of every segment but the last, on this side. */
  readonly segmentLength: number;
  /** Bytes of all segments, on this side. */
  readonly length: number;
}

/** What {@link runLanes} does. */
export interface LaneWork {
  readonly from: Side<PinnedFile>;
  readonly to: Side<FileHandle>;
  /** Segments in all, at least one. */
  readonly count: number;
  /** Seals or opens a segment. It has taken its input when it returns, and its result is in memory of its own. */
  readonly convert: (index: number, segment: Bytes) => Awaitable<Bytes>;
  /** Told how many segments' bytes were written, on the side that was read, after each batch. */
  readonly onBatch: (bytes: number) => void;
  readonly signal: AbortSignal | undefined;
}

/** Segments are read and written together: fewer, larger calls to the file system cost less than they save in memory. */
const batchLength = 2 ** 20;

/** While one lane waits for the file system, the other seals or opens; a third gained nothing and costs memory. */
const laneCount = 2;

/**
 * Converts all segments of a file, in any order. Memory is bounded by lanes times the larger of 1 MiB and a segment, twice. Rejects with the first
 * failure, when no lane uses a file any more.
 */
export async function runLanes(work: LaneWork): Promise<void> {
  const perBatch = Math.max(1, Math.floor(batchLength / work.to.segmentLength));
  const batches = Math.ceil(work.count / perBatch);
  const shared: Progress = { next: 0, batches, perBatch, failure: undefined };
  const lanes = Math.min(laneCount, batches);
  await Promise.all(Array.from({ length: lanes }, () => runLane(work, shared)));
  if (shared.failure !== undefined) throw shared.failure.reason;
}

/** What the lanes know of each other. */
interface Progress {
  next: number;
  readonly batches: number;
  readonly perBatch: number;
  failure: { readonly reason: unknown } | undefined;
}

async function runLane(work: LaneWork, shared: Progress): Promise<void> {
  const buffer = new Uint8Array(Math.min(shared.perBatch * work.from.segmentLength, work.from.length));
  try {
    while (shared.next < shared.batches && shared.failure === undefined) {
      work.signal?.throwIfAborted();
      const first = shared.next++ * shared.perBatch;
      await convertBatch(work, first, Math.min(first + shared.perBatch, work.count), buffer);
    }
  } catch (reason) {
    shared.failure ??= { reason };
  }
}

async function convertBatch(work: LaneWork, first: number, end: number, buffer: Bytes): Promise<void> {
  const { from, to, convert } = work;
  const start = first * from.segmentLength;
  const batch = buffer.subarray(0, Math.min(end * from.segmentLength, from.length) - start);
  await from.file.readInto(batch, from.offset + start);
  const results = await Promise.all(
    Array.from({ length: end - first }, async (_, i) =>
      convert(first + i, batch.subarray(i * from.segmentLength, (i + 1) * from.segmentLength)),
    ),
  );
  await writeFully(to.file, results, to.offset + first * to.segmentLength);
  release(results);
  work.onBatch(batch.byteLength);
}
