/** A gate that lets so many through at once; the others wait in a queue that has a bound and an end. */

import { whenAborted } from './abort.ts';

/** How a gate works. */
export interface GateOptions {
  /** How many are through at once. */
  readonly atOnce: number;
  /** How many may wait. */
  readonly waiting: number;
  /** Milliseconds that one waits at most. */
  readonly patience: number;
  /** What is thrown where too many wait. */
  readonly full: () => unknown;
  /** What is thrown where a caller has waited too long. */
  readonly late: () => unknown;
}

/** Waits for a turn, and resolves to what ends it, which is called once. Rejects with the reason of the signal, too: who gives up leaves the queue. */
export type Gate = (signal: AbortSignal | undefined) => Promise<() => void>;

/** A gate, through which all go in the order in which they came. */
export function gateOf({ atOnce, waiting, patience, full, late }: GateOptions): Gate {
  const queue = new Set<() => void>();
  let through = 0;
  const leave = () => {
    const [next] = queue;
    if (next === undefined) through--;
    else next();
  };
  const turn = (signal: AbortSignal | undefined) =>
    new Promise<void>((resolve, reject) => {
      const end = () => {
        queue.delete(go);
        clearTimeout(timer);
        stop?.();
      };
      const go = () => {
        end();
        resolve();
      };
      const giveUp = (reason: unknown) => {
        end();
        reject(reason);
      };
      const timer = setTimeout(() => giveUp(late()), patience);
      const stop = signal && whenAborted(signal, () => giveUp(signal.reason));
      queue.add(go);
    });
  return async (signal) => {
    signal?.throwIfAborted();
    if (through < atOnce) through++;
    else if (queue.size >= waiting) throw full();
    else await turn(signal);
    return leave;
  };
}
