/** Calls to providers of keys: a time limit for each attempt, repetitions, a bound on what is under way, and events. */

import { isBullaError, KeyServiceError } from '../errors.ts';
import { whenAborted } from '../lib/abort.ts';
import { emit, type OnEvent } from '../lib/events.ts';
import { func, integer, optional, type ReadersOf, type Taken } from '../lib/options.ts';
import { pause, type RetryOptions, takeRetry, waitBefore } from '../lib/retry.ts';
import { withTimeLimit } from '../lib/time-limit.ts';
import { askedBy, isRetryable } from '../service/retryable.ts';

/** What the options of every keyring over a provider say about calls. */
export interface ProviderCallOptions {
  /** How calls are repeated. */
  readonly retry?: RetryOptions | undefined;
  /** Milliseconds for one attempt, 1 to 600,000. Default: 10,000. */
  readonly timeout?: number | undefined;
  /** Is told of calls and repetitions. */
  readonly onEvent?: OnEvent | undefined;
}

/** The readers of {@link ProviderCallOptions}. */
export const providerCallReaders = {
  retry: takeRetry,
  timeout: optional(integer(1, 600_000), 10_000),
  onEvent: optional(func<OnEvent>()),
} satisfies ReadersOf<ProviderCallOptions>;

/** {@link ProviderCallOptions} that were taken. */
export type ProviderCallSettings = Taken<typeof providerCallReaders>;

/** Calls that are under way at once for a keyring. Others wait, each until its own signal is aborted; their time limits have not begun. */
const mostAtOnce = 32;

/** Makes one call, with its repetitions. */
export type ProviderCall = <Result>(
  operation: string,
  items: number,
  signal: AbortSignal | undefined,
  attempt: (signal: AbortSignal) => Promise<Result>,
) => Promise<Result>;

/**
 * A function that calls a provider. Each attempt is given a signal that ends it. It is repeated where it rejects with an error that a repetition may cure. The call rejects with the last error, with
 * `ERR_SERVICE_TIMEOUT` where the last attempt took too long, and with the reason of the caller's signal.
 */
export function providerCalls(provider: string, { retry, timeout, onEvent }: ProviderCallSettings): ProviderCall {
  const gate = gateFor(mostAtOnce);
  const late = () => new KeyServiceError('ERR_SERVICE_TIMEOUT', `${provider} did not answer in time`);

  return async (operation, items, signal, attempt) => {
    const begun = performance.now();
    let attempts = 0;
    let failure: unknown;
    try {
      for (;;) {
        try {
          attempts++;
          const result = await gate(signal, () => withTimeLimit(timeout, signal, late, attempt));
          failure = undefined;
          return result;
        } catch (error) {
          failure = error;
          signal?.throwIfAborted();
          if (attempts > retry.limit || !isRetryable(error, retry.maxRetryAfter)) throw error;
        }
        emit(onEvent, { type: 'service-retry', operation, retry: attempts, error: codeOf(failure) });
        await pause(waitBefore(attempts, retry.delay, askedBy(failure)), signal);
      }
    } finally {
      const milliseconds = performance.now() - begun;
      const error = failure === undefined ? undefined : codeOf(failure);
      const { status, requestId } = (failure ?? {}) as Partial<KeyServiceError>;
      emit(onEvent, { type: 'service-call', operation, items, attempts, milliseconds, status, requestId, error });
    }
  };
}

function codeOf(failure: unknown): string {
  return isBullaError(failure) ? failure.code : 'aborted';
}

/** Runs so many pieces of work at once at most, in the order in which they came. Who gives up leaves the queue. */
function gateFor(most: number) {
  const waiting = new Set<() => void>();
  let running = 0;
  const leave = () => {
    const [next] = waiting;
    if (next === undefined) running--;
    else next();
  };
  const enter = (signal: AbortSignal | undefined) =>
    new Promise<void>((resolve, reject) => {
      const go = () => {
        waiting.delete(go);
        stop?.();
        resolve();
      };
      const stop =
        signal &&
        whenAborted(signal, () => {
          waiting.delete(go);
          reject(signal.reason);
        });
      waiting.add(go);
    });
  return async <Result>(signal: AbortSignal | undefined, work: () => Promise<Result>): Promise<Result> => {
    signal?.throwIfAborted();
    if (running < most) running++;
    else await enter(signal);
    try {
      return await work();
    } finally {
      leave();
    }
  };
}
