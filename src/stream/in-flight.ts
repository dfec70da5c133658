/** Work on several segments at once, never more than a few, with results handed on in order and as soon as they are there. */

import type { Awaitable } from '../types.ts';

/** Starts work while there is room, and hands results to `consume` in the order in which the work was added. */
export class InFlight<Result> {
  readonly #capacity: number;
  readonly #consume: (result: Result) => void;
  readonly #onFailure: (error: unknown) => void;
  /** For each piece of work under way: settles when its result, and all before it, were consumed. */
  readonly #pending: Promise<void>[] = [];
  #last: Promise<void> = Promise.resolve();

  /** Room for `capacity` pieces of work, at least one. `onFailure` hears of a failure at once, and perhaps again; adding and draining reject with it too. */
  constructor(capacity: number, consume: (result: Result) => void, onFailure: (error: unknown) => void = () => {}) {
    this.#capacity = capacity;
    this.#consume = consume;
    this.#onFailure = onFailure;
  }

  /** Waits for room, and starts. Rejects when earlier work failed. */
  async add(start: () => Awaitable<Result>): Promise<void> {
    while (this.#pending.length >= this.#capacity) await this.#pending[0];
    // What fails at once must not overtake what was begun before it.
    const result = (async () => start())();
    result.catch(() => {});
    const consumed = this.#last.then(() => result).then(this.#consume);
    this.#last = consumed;
    this.#pending.push(consumed);
    // After a failure the queue stays as it is: the next add or drain throws the failure.
    consumed.then(() => this.#pending.shift(), this.#onFailure);
  }

  /** Resolves when all results were consumed; rejects with the first failure. */
  drain(): Promise<void> {
    return this.#last;
  }
}

/** Starts `work` on the indices from `first` to below `end`, and hands results to `consume` in order. Stops at the first failure. */
export async function forEachInOrder<Result>(
  first: number,
  end: number,
  capacity: number,
  work: (index: number) => Awaitable<Result>,
  consume: (result: Result, index: number) => void,
): Promise<void> {
  let next = first;
  const queue = new InFlight<Result>(capacity, (result) => consume(result, next++));
  for (let index = first; index < end; index++) await queue.add(() => work(index));
  await queue.drain();
}
