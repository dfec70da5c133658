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
