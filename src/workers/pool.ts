/** A few workers, and batches handed to the one that has least to do. */

import { WorkerError } from '../errors.ts';
import { viewOf } from '../lib/bytes.ts';
import type { SegmentWorkers } from '../stream/pipe.ts';
import type { ConvertedBatch, SegmentBatch } from './batch.ts';
import { type BatchConverter, batchPipe } from './batches.ts';
import { type AnswerMessage, packBatch } from './messages.ts';

/** What a pool uses of a `Worker`. */
export interface WorkerLike {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  terminate(): void;
  addEventListener(type: string, listener: (event: { readonly type: string }) => void): void;
}

/** A pool of workers. Streams take it as their option `workers`; several may share one. */
export interface WorkerPool extends SegmentWorkers {
  /** Workers at most. They are started when there is work for them. */
  readonly size: number;
  /** Ends all workers; what they were doing rejects with `ERR_WORKER_FAILED`, and so does what comes later. */
  close(): void;
}

/** Makes workers with `create` when they are needed, `size` of them at most; a worker that broke down is replaced by the next batch. Closures, because pages keep pools in reactive state. */
export function workerPool(size: number, create: () => WorkerLike): WorkerPool & BatchConverter {
  const workers = new Set<PooledWorker>();
  let closed = false;

  const start = (): PooledWorker => {
    try {
      const worker = new PooledWorker(create(), () => workers.delete(worker));
      workers.add(worker);
      return worker;
    } catch (error) {
      throw new WorkerError(`A worker could not be started: ${String(error)}`);
    }
  };
  const leastBusy = (): PooledWorker => {
    const [first] = [...workers].sort((a, b) => a.load - b.load);
    return first !== undefined && (first.load === 0 || workers.size === size) ? first : start();
  };

  const converter: BatchConverter = {
    // One that a worker does, and one that waits for it.
    batchesInFlight: 2 * size,
    async convert(batch) {
      if (closed) throw new WorkerError('The pool of workers is closed');
      return leastBusy().convert(batch);
    },
  };
  return {
    ...converter,
    size,
    pipe: (work, output) => batchPipe(converter, work, output),
    close() {
      closed = true;
      for (const worker of [...workers]) worker.fail('The pool of workers was closed');
    },
  };
}

interface Waiting {
  readonly resolve: (converted: ConvertedBatch) => void;
  readonly reject: (error: WorkerError) => void;
}

/** A worker and who waits for it. */
class PooledWorker {
  readonly #worker: WorkerLike;
  readonly #ended: () => void;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(worker: WorkerLike, ended: () => void) {
    this.#worker = worker;
    this.#ended = ended;
    worker.addEventListener('message', (event) => this.#receive((event as unknown as { data: AnswerMessage }).data));
    worker.addEventListener('messageerror', () => this.fail('An answer of a worker could not be read'));
    // A script that is not there, or that a content security policy forbids, says no more than that.
    worker.addEventListener('error', (event) => {
      const { message } = event as Partial<ErrorEvent>;
      this.fail(`A worker broke down: ${message || 'its script could not be loaded, or a policy forbids it'}`);
    });
  }

  /** Batches that it has not answered. */
  get load(): number {
    return this.#waiting.size;
  }

  convert(batch: SegmentBatch): Promise<ConvertedBatch> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      const { message, transfer } = packBatch(id, batch);
      try {
        this.#worker.postMessage(message, transfer);
      } catch (error) {
        return reject(new WorkerError(`A batch could not be sent to a worker: ${String(error)}`));
      }
      this.#waiting.set(id, { resolve, reject });
    });
  }

  /** Ends it, and fails what it was to do. */
  fail(why: string): void {
    this.#worker.terminate();
    this.#ended();
    for (const { reject } of this.#waiting.values()) reject(new WorkerError(why));
    this.#waiting.clear();
  }

  #receive(answer: AnswerMessage): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ('failure' in answer) {
      waiting?.reject(new WorkerError(`A worker failed: ${answer.failure}`));
    } else {
      const { complete, buffer } = answer;
      waiting?.resolve({ results: answer.results.map(viewOf), complete, buffer });
    }
  }
}
