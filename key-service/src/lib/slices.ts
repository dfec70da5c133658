/** Time of the event loop in slices, in turn over owners: who has much to compute lets others go first. */

import { RoundRobin } from './round-robin.ts';

const sliceMs = 2;

export class Slices {
  readonly #waiting = new RoundRobin<() => void>();
  #pumping = false;

  /** A function to call between pieces of work: it waits for the owner's turn when the slice is over. */
  of(owner: string): () => Promise<void> | undefined {
    let until = performance.now() + sliceMs;
    return () => {
      if (performance.now() < until) return undefined;
      return this.#turn(owner).then(() => {
        until = performance.now() + sliceMs;
      });
    };
  }

  #turn(owner: string): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(owner, resolve);
      if (!this.#pumping) this.#pump();
    });
  }

  // One slice for each round of the event loop, so that sockets and timers come in between.
  #pump(): void {
    this.#pumping = true;
    setImmediate(() => {
      this.#waiting.shift()?.item();
      this.#pumping = this.#waiting.size > 0;
      if (this.#pumping) this.#pump();
    });
  }
}
