/** How long ago something was, by two clocks: the one that says more is believed, so that no clock that is set lengthens a life. */

import { timeOf } from './callbacks.ts';

/** A moment, as both clocks showed it. */
export interface Moment {
  /** Milliseconds since 1970, by a clock that can be set. */
  readonly wall: number;
  /** Milliseconds of the monotonic clock, which some systems stop while they sleep. */
  readonly steady: number;
}

/** Now. `now` is the clock that can be set. */
export function moment(now: () => number): Moment {
  return { wall: timeOf(now), steady: performance.now() };
}

/** Milliseconds since a moment; `Infinity` where the clock was set back to before it. */
export function elapsed(since: Moment, now: () => number): number {
  const wall = timeOf(now) - since.wall;
  return wall < 0 ? Number.POSITIVE_INFINITY : Math.max(wall, performance.now() - since.steady);
}

/** Lets a Node process end that waits for nothing but a timer; the timers of browsers are numbers. */
export function unref(timer: ReturnType<typeof setTimeout>): void {
  (timer as unknown as { unref?: () => void }).unref?.();
}
