/** A few workers, and batches handed to the one that has least to do. */

import { WorkerError } from '../errors.ts';
import { viewOf } from '../lib/bytes.ts';
import type { PipeOutput, PipeWork, SegmentPipe, SegmentWorkers } from '../stream/pipe.ts';
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

/** Makes workers with `create` when they are needed, `size` of them at most; a worker that broke down is replaced by the next batch. */
export class Workers implements WorkerPool, BatchConverter {
  readonly size: number;
  readonly #create: () => WorkerLike;
  readonly #workers = new Set<PooledWorker>();
  #closed = false;

  constructor(size: number, create: () => WorkerLike) {
    this.size = size;
    this.#create = create;
  }

  /** See {@link SegmentWorkers.pipe}. */
  pipe(work: PipeWork, output: PipeOutput): SegmentPipe {
    return batchPipe(this, work, output);
  }

  /** See {@link BatchConverter.batchesInFlight}: one that a worker does, and one that waits for it. */
  get batchesInFlight(): number {
    return 2 * this.size;
  }

  /** See {@link BatchConverter.convert}. */
  async convert(batch: SegmentBatch): Promise<ConvertedBatch> {
    if (this.#closed) throw new WorkerError('The pool of workers is closed');
    return this.#leastBusy().convert(batch);
  }

  /** See {@link WorkerPool.close}. */
  close(): void {
    this.#closed = true;
    for (const worker of [...this.#workers]) worker.fail('The pool of workers was closed');
  }

  #leastBusy(): PooledWorker {
    const [first] = [...this.#workers].sort((a, b) => a.load - b.load);
    if (first !== undefined && (first.load === 0 || this.#workers.size === this.size)) return first;
    const worker = new PooledWorker(this.#start(), () => this.#workers.delete(worker));
    this.#workers.add(worker);
    return worker;
  }

  #start(): WorkerLike {
    try {
      return this.#create();
    } catch (error) {
      throw new WorkerError(`A worker could not be started: ${String(error)}`);
    }
  }
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
