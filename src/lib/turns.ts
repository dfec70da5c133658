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
 * A function that hands results on: at once while less than a slice of time has passed since others last had their turn, after a turn of the event loop otherwise. Whether
 * they had it is seen, and not guessed from pauses: a single piece of work may take longer than a slice.
 */
export function turnTaker({ slice, nextTurn, now = () => performance.now() }: TurnOptions) {
  let begun = 0;
  let turn: Promise<void> | undefined;
  let awaited = false;
  const begin = () => {
    begun = now();
    awaited = false;
    turn = new Promise<void>(nextTurn).then(() => {
      // Who waited goes on to work: that work, too, is followed by a turn.
      if (awaited) begin();
      else turn = undefined;
    });
  };
  return <Result>(result: Result): Awaitable<Result> => {
    if (turn === undefined) begin();
    if (!awaited && now() - begun < slice) return result;
    awaited = true;
    return (turn as unknown as Promise<void>).then(() => result);
  };
}
