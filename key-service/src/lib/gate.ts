/** Lets so many in at once, and so many of each owner; the others wait in turn, within bounds of number and time. */

import { RoundRobin } from './round-robin.ts';

/** Options of {@link Gate}. */
export interface GateOptions {
  /** Work at once. */
  readonly total: number;
  /** Work at once of one owner. */
  readonly each: number;
  /** Who may wait of one owner; beyond, `Busy`. */
  readonly waiting: number;
  /** Milliseconds that somebody waits. Default: 5000. */
  readonly timeout?: number;
}

/** There is no room, or there was none in time. */
export class Busy extends Error {
  override readonly name = 'Busy';
}

/** The caller stopped waiting. */
export class Abandoned extends Error {
  override readonly name = 'Abandoned';
}

interface Waiting {
  readonly enter: () => void;
}

export class Gate {
  readonly #options: Required<GateOptions>;
  readonly #waiting = new RoundRobin<Waiting>();
  readonly #inside = new Map<string, number>();
  #total = 0;

  constructor(options: GateOptions) {
    this.#options = { timeout: 5000, ...options };
  }

  /** Runs `work` when there is room. Throws `Busy`, or `Abandoned` where `signal` is aborted before. */
  async run<T>(owner: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#enter(owner, signal);
    try {
      return await work();
    } finally {
      this.#leave(owner);
    }
  }

  async #enter(owner: string, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) throw new Abandoned();
    if (this.#hasRoom(owner) && this.#waiting.sizeOf(owner) === 0) return this.#count(owner, 1);
    if (this.#waiting.sizeOf(owner) >= this.#options.waiting) throw new Busy('Too many wait');
    await new Promise<void>((resolve, reject) => {
      const give = (error: Error) => () => {
        if (this.#waiting.delete(owner, waiting)) settle(() => reject(error));
      };
      const gone = give(new Abandoned());
      const timer = setTimeout(give(new Busy('The wait took too long')), this.#options.timeout);
      const settle = (then: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', gone);
        then();
      };
      const waiting: Waiting = { enter: () => settle(resolve) };
      signal?.addEventListener('abort', gone);
      this.#waiting.push(owner, waiting);
    });
  }

  #leave(owner: string): void {
    this.#count(owner, -1);
    const next = this.#waiting.shift((each) => this.#hasRoom(each));
    if (!next) return;
    this.#count(next.owner, 1);
    next.item.enter();
  }

  #hasRoom(owner: string): boolean {
    return this.#total < this.#options.total && (this.#inside.get(owner) ?? 0) < this.#options.each;
  }

  #count(owner: string, change: 1 | -1): void {
    const inside = (this.#inside.get(owner) ?? 0) + change;
    if (inside > 0) this.#inside.set(owner, inside);
    else this.#inside.delete(owner);
    this.#total += change;
  }
}
