/** Calls of the same tick as one request: data keys are asked for one at a time, and sent for together. */

import { whenAborted } from '../lib/abort.ts';
import { untilAborted } from '../lib/single-flight.ts';

/** One thing that was asked for, as it will stand in a request. */
export interface BatchItem<Item> {
  readonly item: Item;
  /** Bytes that it takes in the body, about. */
  readonly size: number;
}

/** What became of an item. */
export type Settled<Result> = { readonly value: Result } | { readonly error: Error };

/** How items become requests. */
export interface BatchRunner<Item, Result> {
  /** What a request may hold. */
  readonly limits: () => { readonly items: number; readonly bytes: number };
  /** Sends one request, and gives one result for each item, in order. */
  readonly run: (items: readonly Item[], signal: AbortSignal) => Promise<readonly Settled<Result>[]>;
}

interface Waiting<Item, Result> extends BatchItem<Item> {
  readonly resolve: (result: Result) => void;
  readonly reject: (reason: unknown) => void;
  readonly gone: () => boolean;
}

/** Requests that are under way at once. What comes meanwhile waits, and goes together. */
const maxInFlight = 4;

/** Collects items until the current tick is over, and sends them in as few requests as the limits allow. */
export class Batches<Item, Result> {
  readonly #runner: BatchRunner<Item, Result>;
  readonly #waiting = new Set<Waiting<Item, Result>>();
  #inFlight = 0;
  #scheduled = false;

  constructor(runner: BatchRunner<Item, Result>) {
    this.#runner = runner;
  }

  /** The result of one item. An abort ends the wait of its caller alone; the request is aborted when nobody waits for any of its items. */
  async add(item: BatchItem<Item>, signal: AbortSignal | undefined): Promise<Result> {
    signal?.throwIfAborted();
    let waiting: Waiting<Item, Result> | undefined;
    const result = new Promise<Result>((resolve, reject) => {
      waiting = { ...item, resolve, reject, gone: () => signal?.aborted === true };
      this.#waiting.add(waiting);
    });
    const stop = signal && whenAborted(signal, this.#onAbort);
    this.#schedule();
    try {
      return await untilAborted(result, signal);
    } finally {
      stop?.();
      // Those who gave up leave the queue at once, also while nothing is taken from it.
      if (waiting !== undefined) this.#waiting.delete(waiting);
    }
  }

  readonly #controllers = new Map<AbortController, readonly Waiting<Item, Result>[]>();

  readonly #onAbort = () => {
    for (const [controller, items] of this.#controllers) {
      if (items.every(({ gone }) => gone())) controller.abort();
    }
  };

  #schedule(): void {
    if (this.#scheduled || this.#waiting.size === 0 || this.#inFlight >= maxInFlight) return;
    this.#scheduled = true;
    // A task, not a microtask: a caller that asks for many keys at once has asynchronous steps before it.
    setTimeout(() => {
      this.#scheduled = false;
      while (this.#waiting.size > 0 && this.#inFlight < maxInFlight) void this.#send(this.#take());
    });
  }

  #take(): Waiting<Item, Result>[] {
    const { items, bytes } = this.#runner.limits();
    const taken: Waiting<Item, Result>[] = [];
    let size = 0;
    for (const waiting of this.#waiting) {
      size += waiting.size;
      if (taken.length > 0 && (taken.length >= items || size > bytes)) break;
      this.#waiting.delete(waiting);
      taken.push(waiting);
    }
    return taken;
  }

  async #send(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    if (batch.length === 0) return;
    const controller = new AbortController();
    this.#controllers.set(controller, batch);
    this.#inFlight++;
    try {
      const items = batch.map(({ item }) => item);
      const results = await this.#runner.run(items, controller.signal);
      batch.forEach(({ resolve, reject }, i) => {
        const result = results[i] as Settled<Result>;
        if ('error' in result) reject(result.error);
        else resolve(result.value);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.#controllers.delete(controller);
      this.#inFlight--;
      this.#schedule();
    }
  }
}
