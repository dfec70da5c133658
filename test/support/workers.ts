// Workers for tests: real ones where the runtime has them, else the same batches on this thread, so that the same tests run everywhere.

import type { SegmentWorkers } from '../../src/stream/pipe.ts';
import { batchPipe } from '../../src/workers/batches.ts';
import { convertBatch } from '../../src/workers/convert.ts';
import { createWorkerPool } from '../../src/workers.ts';

/** Whether this runtime has workers of the Web platform: browsers do, Node does not. */
export const hasWorkers = globalThis.Worker !== undefined;

let pool: SegmentWorkers | undefined;

/** Workers that all tests of a file share. */
export function segmentWorkers(): SegmentWorkers {
  pool ??= hasWorkers ? createWorkerPool({ size: 2 }) : batchesOnThisThread;
  return pool;
}

/** Batches as workers get them, without workers. */
export const batchesOnThisThread = batchesBy(convertBatch);

/** The same by another converter. */
export function batchesBy(convert: typeof convertBatch): SegmentWorkers {
  return { pipe: (work, output) => batchPipe({ batchesInFlight: 4, convert }, work, output) };
}
