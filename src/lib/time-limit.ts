/** Work that must end: what applications and others are waited for. */

import { linkedController } from './abort.ts';
import { untilAborted } from './single-flight.ts';

/**
 * The result of `work`, which is given so many milliseconds. Rejects with what `late` makes when they are over, and with the reason of `signal`; either also aborts the signal
 * that `work` is given. Work that takes no notice is not waited for.
 */
export async function withTimeLimit<Result>(
  milliseconds: number,
  signal: AbortSignal | undefined,
  late: () => unknown,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { controller, release } = linkedController(signal);
  const timer = setTimeout(() => controller.abort(late()), milliseconds);
  try {
    return await untilAborted(work(controller.signal), controller.signal);
  } finally {
    clearTimeout(timer);
    release();
  }
}
