/** Turns of the event loop: a row of calls that end at once would never let anybody else have one, so that a page would stand still. */

import type { Awaitable } from '../types.ts';

/** What {@link turnTaker} needs to know. */
export interface TurnOptions {
  /** Milliseconds of work after which others have their turn. */
  readonly slice: number;
  /** Calls back when everybody else had a turn. */
  readonly nextTurn: (resume: () => void) => void;
  /** A clock in milliseconds. Default: `performance.now`. */
  readonly now?: (() => number) | undefined;
}

/**
 * A function that hands results on: at once while work has gone on for less than a slice, after a turn of the event loop otherwise. Work is a row of calls with no more than a slice between them; who
 * waited for longer than that has let others in already.
 */
export function turnTaker({ slice, nextTurn, now = () => performance.now() }: TurnOptions) {
  let begun = 0;
  let last = Number.NEGATIVE_INFINITY;
  let turn: Promise<void> | undefined;
  const endTurn = () => {
    turn = undefined;
    begun = last = now();
  };
  return <Result>(result: Result): Awaitable<Result> => {
    if (turn !== undefined) return turn.then(() => result);
    const time = now();
    if (time - last > slice) begun = time;
    last = time;
    if (time - begun < slice) return result;
    turn = new Promise<void>(nextTurn).then(endTurn);
    return turn.then(() => result);
  };
}
