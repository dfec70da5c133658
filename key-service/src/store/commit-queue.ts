/** Gathers the requests that are in flight together into one transaction after the other. */

import { setImmediate } from 'node:timers/promises';
import { StoreError } from './errors.ts';
import type { Commit, CommitResult, Store } from './store.ts';

/** Options of {@link CommitQueue}. */
export interface CommitQueueOptions {
  /** Requests of one transaction. Default: 256. */
  readonly batch?: number | undefined;
  /** Requests that may wait; beyond, they fail at once. Default: 10,000. */
  readonly capacity?: number | undefined;
  /** Milliseconds that a request waits for its transaction. Default: 5000. */
  readonly timeout?: number | undefined;
}

interface Waiting {
  readonly commit: Commit;
  readonly resolve: (result: CommitResult) => void;
  readonly reject: (error: unknown) => void;
}

export class CommitQueue {
  readonly #store: Store;
  readonly #options: Required<{ [K in keyof CommitQueueOptions]: number }>;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(store: Store, { batch = 256, capacity = 10_000, timeout = 5000 }: CommitQueueOptions = {}) {
    this.#store = store;
    this.#options = { batch, capacity, timeout };
  }

  /** Records one request. Throws `StoreError` where that is not certain in time: the request is then not answered. */
  submit(commit: Commit): Promise<CommitResult> {
    if (this.#waiting.length >= this.#options.capacity) throw new StoreError('Too many requests wait for the store');
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new StoreError('The store took too long')), this.#options.timeout);
      const settle = <T>(then: (value: T) => void) => {
        return (value: T) => {
          clearTimeout(timer);
          then(value);
        };
      };
      this.#waiting.push({ commit, resolve: settle(resolve), reject: settle(reject) });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing waits. */
  async drained(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      // What other connections have ready in this turn of the event loop comes along.
      await setImmediate();
      await this.#flush(this.#waiting.splice(0, this.#options.batch));
    }
    this.#running = undefined;
  }

  async #flush(group: readonly Waiting[]): Promise<void> {
    try {
      const results = await this.#store.commit(group.map(({ commit }) => commit));
      for (const [index, { resolve, reject }] of group.entries()) {
        const result = results[index];
        if (result) resolve(result);
        else reject(new StoreError('The store gave no result'));
      }
    } catch (error) {
      for (const { reject } of group) reject(error);
    }
  }
}
