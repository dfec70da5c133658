/** Gathers the requests of a tenant that are in flight together into one transaction after the other; tenants have theirs side by side, and begin in turn. */

import { setImmediate } from 'node:timers/promises';
import { Problem } from '../errors.ts';
import { Budget } from '../lib/budget.ts';
import { connectionShares } from '../lib/connection-shares.ts';
import { Abandoned } from '../lib/gate.ts';
import { RoundRobin } from '../lib/round-robin.ts';
import { StoreError } from './errors.ts';
import type { Commit, CommitResult, Store } from './store.ts';

/** Options of {@link CommitQueue}. */
export interface CommitQueueOptions {
  /** Requests of one transaction. Default: 256. */
  readonly batch?: number | undefined;
  /** Uses of keys of one transaction, unless a request alone has more. Default: 2000. */
  readonly uses?: number | undefined;
  /** Requests that may wait; a tenant has a quarter of that. Default: 10,000. */
  readonly capacity?: number | undefined;
  /** Bytes of entries that may wait; a tenant has a quarter of that. Default: 64 MiB. */
  readonly bytes?: number | undefined;
  /** Milliseconds that a request waits for its transaction to begin. Default: 5000. */
  readonly timeout?: number | undefined;
}

interface Waiting {
  readonly commit: Commit;
  readonly resolve: (result: CommitResult) => void;
  readonly reject: (error: unknown) => void;
}

export class CommitQueue {
  readonly #store: Store;
  readonly #options: { readonly [K in 'batch' | 'uses' | 'timeout']: number };
  readonly #waiting = new RoundRobin<Waiting>();
  readonly #places: Budget;
  readonly #bytes: Budget;
  readonly #lanes: number;
  readonly #running = new Map<string, Promise<void>>();
  #beginning: Promise<void> | undefined;

  constructor(store: Store, options: CommitQueueOptions = {}) {
    const { batch = 256, uses = 2000, capacity = 10_000, bytes = 64 * 1024 * 1024, timeout = 5000 } = options;
    this.#store = store;
    this.#options = { batch, uses, timeout };
    this.#lanes = connectionShares(store.connections).commits;
    this.#places = new Budget(capacity, Math.ceil(capacity / 4));
    this.#bytes = new Budget(bytes, Math.ceil(bytes / 4));
  }

  /**
   * Records one request. Who gives up, because it took too long or by `signal`, is taken out before its transaction begins and leaves nothing. Once that has
   * begun its outcome is waited for, and bounded by the deadlines of the store. Throws `StoreError`, `Abandoned`, or a `Problem` for a queue that is full.
   */
  submit(commit: Commit, signal?: AbortSignal): Promise<CommitResult> {
    const { tenant, bytes } = commit.entry;
    if (signal?.aborted) throw new Abandoned();
    this.#take(tenant, bytes.byteLength);
    return new Promise((resolve, reject) => {
      const giveUp = (error: Error) => () => {
        if (this.#waiting.delete(tenant, waiting)) waiting.reject(error);
      };
      const gone = giveUp(new Abandoned());
      const timer = setTimeout(giveUp(new StoreError('The store took too long')), this.#options.timeout);
      const settle = <T>(then: (value: T) => void) => {
        return (value: T) => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', gone);
          this.#places.give(tenant, 1);
          this.#bytes.give(tenant, bytes.byteLength);
          then(value);
        };
      };
      const waiting: Waiting = { commit, resolve: settle(resolve), reject: settle(reject) };
      signal?.addEventListener('abort', gone);
      this.#waiting.push(tenant, waiting);
      this.#begin();
    });
  }

  /** Resolves when nothing waits. */
  async drained(): Promise<void> {
    for (;;) {
      const [running = this.#beginning] = this.#running.values();
      if (running === undefined) return;
      await running;
    }
  }

  #take(tenant: string, bytes: number): void {
    const places = this.#places.take(tenant, 1);
    const spent = places ?? this.#bytes.take(tenant, bytes);
    if (spent === undefined) return;
    if (places === undefined) this.#places.give(tenant, 1);
    if (spent === 'share') throw new Problem('rate-limited', 'The tenant has too much in flight', { retry_after: 1 });
    throw new StoreError('Too many requests wait for the store');
  }

  // One transaction of a tenant at a time: who has many requests has them in larger ones, and nobody waits for another tenant's row.
  #begin(): void {
    // What other connections have ready in this turn of the event loop comes along.
    this.#beginning ??= setImmediate().then(() => {
      this.#beginning = undefined;
      while (this.#running.size < this.#lanes) {
        const next = this.#waiting.shift((tenant) => !this.#running.has(tenant));
        if (!next) return;
        const { owner: tenant } = next;
        const flushed = this.#flush(tenant, this.#groupOf(tenant, next.item)).finally(() => {
          this.#running.delete(tenant);
          if (this.#waiting.size > 0) this.#begin();
        });
        this.#running.set(tenant, flushed);
      }
    });
  }

  /** The requests of a tenant's next transaction. */
  #groupOf(tenant: string, first: Waiting): Waiting[] {
    const group = [first];
    let uses = first.commit.uses.length;
    while (group.length < this.#options.batch && uses < this.#options.uses) {
      const next = this.#waiting.shiftOf(tenant);
      if (!next) break;
      group.push(next);
      uses += next.commit.uses.length;
    }
    return group;
  }

  async #flush(tenant: string, group: readonly Waiting[]): Promise<void> {
    try {
      const results = await this.#store.commit(
        tenant,
        group.map(({ commit }) => commit),
      );
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
