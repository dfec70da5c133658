/** When a request is repeated: how often, after how long, and what `Retry-After` has to do with it. */

import { whenAborted } from './abort.ts';
import { integer, nested, optional, type ReadersOf } from './options.ts';

/** How often a request is repeated, and how long each repetition waits. */
export interface RetryOptions {
  /** Repetitions after the first attempt, 0 to 10. Default: 3. */
  readonly limit?: number | undefined;
  /** Milliseconds that the first wait is at most; each one doubles it, and the real wait is random between half of that and all of it. Default: 200. */
  readonly delay?: number | undefined;
  /** Seconds of `Retry-After` up to which to wait; for more the call fails at once, with `retryAfter` in its error. Default: 10. */
  readonly maxRetryAfter?: number | undefined;
}

/** {@link RetryOptions} with their defaults. */
export interface Retry {
  readonly limit: number;
  readonly delay: number;
  readonly maxRetryAfter: number;
}

/** Takes {@link RetryOptions}, which may be left out. */
export function takeRetry(value: unknown = {}, name = 'retry'): Retry {
  const readers = {
    limit: optional(integer(0, 10), 3),
    delay: optional(integer(0, 60_000), 200),
    maxRetryAfter: optional(integer(0, 3_600), 10),
  } satisfies ReadersOf<RetryOptions>;
  return nested(readers)(value, name);
}

/** Milliseconds before a repetition, the first of which is 1: exponential with jitter. What the server asked for, in seconds, comes on top. */
export function waitBefore(repetition: number, delay: number, asked = 0): number {
  return asked * 1000 + delay * 2 ** (repetition - 1) * (0.5 + Math.random() / 2);
}

/** Seconds of `Retry-After` (RFC 9110 §10.2.3): a number, or a date by the clock of the server that answered. */
export function retryAfterOf(headers: Headers): number | undefined {
  const after = headers.get('Retry-After') || '?';
  const date = Date.parse(after) - Date.parse(headers.get('Date') ?? '');
  return [Number(after), date / 1000].find((seconds) => seconds >= 0);
}

/** Resolves after milliseconds, or rejects with the reason of a signal that is aborted meanwhile. Leaves no timer behind. */
export function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const end = () => {
      stop?.();
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    const stop =
      signal &&
      whenAborted(signal, () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
  });
}
