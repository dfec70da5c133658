/** Results that may be there at once. */

import type { Awaitable } from '../types.ts';

/**
 * Whether a result is yet to come. By what it can do: where a runtime's WebCrypto is of another realm, as in Next's edge runtime, its promises are no
 * instances of `Promise` here, and not to wait for one would give out what was neither sealed nor verified.
 */
export function isPromise<Value>(value: Awaitable<Value>): value is Promise<Value> {
  return typeof (value as Partial<Promise<Value>> | null | undefined)?.then === 'function';
}

/** What `next` makes of a result: at once where that is there. */
export function whenThere<Value, Result>(
  value: Awaitable<Value>,
  next: (value: Value) => Awaitable<Result>,
): Awaitable<Result> {
  return isPromise(value) ? value.then(next) : next(value);
}

/** What `work` makes of each value: at once where all of that is there. What it throws becomes a rejection where others are on their way, so that no promise is left alone. */
export function whenAllThere<Value, Result>(
  values: readonly Value[],
  work: (value: Value, i: number) => Awaitable<Result>,
): Awaitable<Result[]> {
  const begun = values.map((value, i) => attempt(() => work(value, i)));
  return begun.some(isPromise) ? Promise.all(begun) : (begun as Result[]);
}

/** A result, with what is thrown as a rejection. */
export function attempt<Result>(work: () => Awaitable<Result>): Awaitable<Result> {
  try {
    return work();
  } catch (error) {
    return Promise.reject(error);
  }
}
