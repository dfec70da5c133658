/** A job run to its end: steps one after the other in several workers, as fast as database and key service allow. `docs/fields.md` §10.14. */

import { linkedController } from '../../../lib/abort.ts';
import { pause, waitBefore } from '../../../lib/retry.ts';
import type { BatchResult } from './batch.ts';
import { isTransient } from './database.ts';

/** How a job is run. */
export interface Pace {
  readonly workers: number;
  /** Rows of each worker in a second, or `undefined` for no bound. */
  readonly rowsPerSecond: number | undefined;
}

/** Milliseconds after which a worker looks again for a shard that is free. */
const lookAgain = 250;
/** Attempts in a row that may fail with an error that says to try again. */
const maxAttempts = 20;
const firstDelay = 200;
const longestDelay = 30_000;

/** Runs steps until the job has ended. Rejects with the error of the first step that fails for good; the others end with it. */
export async function runSteps(
  step: (signal: AbortSignal) => Promise<BatchResult>,
  { workers, rowsPerSecond }: Pace,
  given: AbortSignal | undefined,
  stepped: () => Promise<void>,
): Promise<void> {
  const { controller, release } = linkedController(given);
  const { signal } = controller;
  const worker = async () => {
    for (;;) {
      const begun = performance.now();
      const { state, rows } = await patiently(() => step(signal), signal);
      await stepped();
      if (state === 'done' || state === 'cancelled') return;
      const budget = rowsPerSecond === undefined ? 0 : (1000 * rows) / rowsPerSecond - (performance.now() - begun);
      const wait = state === 'busy' ? Math.max(lookAgain, budget) : budget;
      if (wait > 0) await pause(wait, signal);
    }
  };
  const all = Array.from({ length: workers }, async () => {
    try {
      await worker();
    } catch (error) {
      controller.abort(error);
      throw error;
    }
  });
  try {
    await Promise.all(all);
  } finally {
    await Promise.allSettled(all);
    release();
  }
}

/** Tries a step again that the key service or the database asks to repeat. */
async function patiently<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      const asked = (error as { retryAfter?: unknown } | null | undefined)?.retryAfter;
      const isAsked = typeof asked === 'number' && Number.isFinite(asked) && asked >= 0;
      if (attempt === maxAttempts || !(isAsked || isTransient(error))) throw error;
      await pause(Math.min(longestDelay, waitBefore(attempt, firstDelay)) + (isAsked ? asked * 1000 : 0), signal);
    }
  }
}
