/** One piece of work for all who wait for it, each with a signal of their own. */

import { whenAborted } from './abort.ts';

interface Flight<Result> {
  readonly result: Promise<Result>;
  readonly controller: AbortController;
  waiting: number;
}

/** Runs at most one piece of work at a time; callers that come while it runs share its result. Nothing is kept afterwards, failures least of all. */
export class SingleFlight<Result> {
  #flight: Flight<Result> | undefined;

  /** Whether there is work that somebody waits for. */
  get isBusy(): boolean {
    return this.#flight !== undefined;
  }

  /**
   * The result of the work that runs, or of `work`, which begins now. A caller whose signal is aborted stops waiting with the signal's reason; the work is aborted when
   * nobody waits any more.
   */
  async join(work: (signal: AbortSignal) => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    signal?.throwIfAborted();
    this.#flight ??= this.#begin(work);
    const flight = this.#flight;
    flight.waiting++;
    try {
      return await untilAborted(flight.result, signal);
    } finally {
      flight.waiting--;
      if (flight.waiting === 0) {
        flight.controller.abort();
        if (this.#flight === flight) this.#flight = undefined;
      }
    }
  }

  #begin(work: (signal: AbortSignal) => Promise<Result>): Flight<Result> {
    const controller = new AbortController();
    const flight: Flight<Result> = { controller, waiting: 0, result: work(controller.signal) };
    const done = () => {
      if (this.#flight === flight) this.#flight = undefined;
    };
    flight.result.then(done, done);
    return flight;
  }
}

/** A promise that rejects with the signal's reason as soon as it is aborted; what it waited for goes on, and its failure is then nobody's. */
export function untilAborted<Result>(promise: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    const stop = whenAborted(signal, abort);
    promise.then(resolve, reject).finally(stop);
  });
}
