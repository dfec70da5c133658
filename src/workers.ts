/** Streams on several threads: a pool of workers for pages, so that large files neither wait for one processor nor keep the page from answering. */

import { native } from '#platform';
import { WorkerError } from './errors.ts';
import { func, integer, optional, type ReadersOf, takeOptions } from './lib/options.ts';
import { type WorkerLike, type WorkerPool, workerPool } from './workers/pool.ts';

export type { PipeOutput, PipeWork, SegmentPipe, SegmentWorkers } from './stream/pipe.ts';
export type { WorkerLike, WorkerPool } from './workers/pool.ts';

/** Options of {@link createWorkerPool}. */
export interface WorkerPoolOptions {
  /** Workers at most, 1 to 16. Each holds up to 8 MiB of a stream. Default: as many as there are processors, at most 4. */
  readonly size?: number | undefined;
  /**
   * Makes a worker that runs the script `bulla/segment-worker`. Default: `segment-worker.js` beside the code of this module, which Vite, webpack and other bundlers find and bring along; where one does
   * not, serve that file and say where it is: `() => new Worker('/segment-worker.js', { type: 'module' })`.
   */
  readonly createWorker?: (() => WorkerLike) | undefined;
}

const readers = {
  size: optional(integer(1, 16)),
  createWorker: optional(func<() => WorkerLike>(), createSegmentWorker),
} satisfies ReadersOf<WorkerPoolOptions>;

/**
 * A pool of workers for `encryptStream` and `decryptStream`. The message's key goes to them as a handle that cannot be exported; key rings, data keys and envelopes stay with the caller. A page's content
 * security policy needs no more than `worker-src 'self'`.
 *
 * Throws `ERR_WORKER_FAILED` where there are no workers (in Node, which needs none: there the streams are as fast without), and a `TypeError` that names a wrong option. A worker that cannot be
 * started shows when a stream uses it, which then errors with `ERR_WORKER_FAILED`.
 *
 * @example
 * const workers = createWorkerPool();
 * await file.stream().pipeThrough(encryptStream({ keyring, workers })).pipeTo(destination);
 * workers.close();
 */
export function createWorkerPool(options: WorkerPoolOptions = {}): WorkerPool {
  const { size = defaultSize(), createWorker } = takeOptions(options, readers);
  if (native !== undefined) throw new WorkerError('In this runtime streams use no workers, and need none');
  if (globalThis.Worker === undefined && createWorker === createSegmentWorker) {
    throw new WorkerError('This runtime has no workers (globalThis.Worker)');
  }
  return workerPool(size, createWorker);
}

function createSegmentWorker(): Worker {
  return new Worker(new URL('./segment-worker.ts', import.meta.url), { type: 'module' });
}

function defaultSize(): number {
  return Math.min(4, (globalThis.navigator as Navigator | undefined)?.hardwareConcurrency ?? 2);
}
