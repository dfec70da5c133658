/** Calls to providers of keys: a time limit for each attempt, repetitions, a bound on what is under way, and events. */

import { isBullaError, KeyServiceError } from '../errors.ts';
import { emit, type OnEvent } from '../lib/events.ts';
import { gateOf } from '../lib/gate.ts';
import { func, integer, optional, type ReadersOf, type Taken } from '../lib/options.ts';
import { pause, type RetryOptions, takeRetry, waitBefore } from '../lib/retry.ts';
import { withTimeLimit } from '../lib/time-limit.ts';
import { askedBy, isRetryable } from '../service/retryable.ts';

/** What the options of every keyring over a provider say about calls. */
export interface ProviderCallOptions {
  /** How calls are repeated. */
  readonly retry?: RetryOptions | undefined;
  /** Milliseconds for one attempt, 1 to 600,000. While 32 calls are under way, a call waits for its turn ten times as long at most. Default: 10,000. */
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

/** Calls that are under way at once for a keyring, and those that may wait for their turn. */
const mostAtOnce = 32;
const mostWaiting = 10_000;

/** Makes one call, with its repetitions. `erase` is given what an attempt resolves to after nobody waits for it any more. */
export type ProviderCall = <Result>(
  operation: string,
  items: number,
  signal: AbortSignal | undefined,
  attempt: (signal: AbortSignal) => Promise<Result>,
  erase?: (late: Result) => void,
) => Promise<Result>;

/**
 * A function that calls a provider. Each attempt is given a signal that ends it. It is repeated where it rejects with an error that a repetition may cure. The call rejects with the last error, with
 * `ERR_SERVICE_TIMEOUT` where the last attempt or the wait for a turn took too long, with `ERR_THROTTLED` where too many wait already, and with the reason of the caller's signal.
 */
export function providerCalls(provider: string, { retry, timeout, onEvent }: ProviderCallSettings): ProviderCall {
  const gate = gateOf({
    atOnce: mostAtOnce,
    waiting: mostWaiting,
    patience: 10 * timeout,
    full: () => new KeyServiceError('ERR_THROTTLED', `${provider} was not called: ${mostWaiting} calls wait already`),
    late: () => new KeyServiceError('ERR_SERVICE_TIMEOUT', `${provider} could not be called in time`),
  });
  const late = () => new KeyServiceError('ERR_SERVICE_TIMEOUT', `${provider} did not answer in time`);

  return async (operation, items, signal, attempt, erase) => {
    const begun = performance.now();
    let attempts = 0;
    let failure: unknown;
    try {
      for (;;) {
        const leave = await gate(signal);
        attempts++;
        let wait: number;
        try {
          return await lateErased(attempt, erase, (work) => withTimeLimit(timeout, signal, late, work));
        } catch (error) {
          signal?.throwIfAborted();
          if (attempts > retry.limit || !isRetryable(error, retry.maxRetryAfter)) throw error;
          emit(onEvent, { type: 'service-retry', operation, retry: attempts, error: codeOf(error, signal) });
          wait = waitBefore(attempts, retry.delay, askedBy(error));
        } finally {
          leave();
        }
        await pause(wait, signal);
      }
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      const milliseconds = performance.now() - begun;
      const error = failure === undefined ? undefined : codeOf(failure, signal);
      const { status, requestId } = (failure ?? {}) as Partial<KeyServiceError>;
      emit(onEvent, { type: 'service-call', operation, items, attempts, milliseconds, status, requestId, error });
    }
  };
}

/** What `limit` makes of work. Where that gives up before the work does, what the work resolves to is erased. */
async function lateErased<Result>(
  work: (signal: AbortSignal) => Promise<Result>,
  erase: ((late: Result) => void) | undefined,
  limit: (work: (signal: AbortSignal) => Promise<Result>) => Promise<Result>,
): Promise<Result> {
  let working: Promise<Result> | undefined;
  try {
    return await limit((signal) => {
      working = work(signal);
      return working;
    });
  } catch (error) {
    working?.then(erase, () => {});
    throw error;
  }
}

function codeOf(failure: unknown, signal: AbortSignal | undefined): string {
  if (signal?.aborted && failure === signal.reason) return 'aborted';
  return isBullaError(failure) ? failure.code : 'unknown';
}
