/** Work on many segments at once, with results in order and never more than a few at a time. */

/** A queue of pending results that are taken in the order in which they were put in. */
export class InFlight<Result> {
  readonly #capacity: number;
  readonly #pending: Promise<Result>[] = [];

  /** Room for `capacity` results, at least one. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Whether a result must be taken before the next is put in. */
  get full(): boolean {
    return this.#pending.length >= this.#capacity;
  }

  get empty(): boolean {
    return this.#pending.length === 0;
  }

  /** Puts a pending result in. A rejection waits, handled, until it is taken. */
  put(result: Promise<Result>): void {
    result.catch(() => {});
    this.#pending.push(result);
  }

  /** The oldest result; rejects where it did. */
  take(): Promise<Result> {
    return this.#pending.shift() as Promise<Result>;
  }
}

/** Starts `work` on the indices from `first` to below `end`, a few at a time, and hands results to `consume` in order. Stops at the first failure. */
export async function forEachInOrder<Result>(
  first: number,
  end: number,
  capacity: number,
  work: (index: number) => Promise<Result>,
  consume: (result: Result, index: number) => void,
): Promise<void> {
  const queue = new InFlight<Result>(capacity);
  let next = first;
  for (let index = first; index < end; index++) {
    while (next < end && !queue.full) queue.put(work(next++));
    consume(await queue.take(), index);
  }
}
