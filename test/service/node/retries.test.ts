// When a request is repeated and how long is waited for that, by a clock of the test. In Node alone: in browsers requests and
// their bodies take a time of their own, which no such clock moves on; there faults.test.ts repeats real requests.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { BullaEvent } from '../../../src/cache.ts';
import { KeyServiceError, type KeyServiceErrorCode } from '../../../src/errors.ts';
import type { RetryOptions } from '../../../src/lib/retry.ts';
import { exchange, type HttpExchange } from '../../../src/service/http.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'], now: 0 });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const request: HttpExchange<unknown> = {
  operation: 'test',
  method: 'POST',
  url: 'http://127.0.0.1/',
  prepare: async () => ({ headers: {} }),
  read: async ({ status }) => status,
  maxBytes: 1_000,
  signal: undefined,
};

/** When attempts begin, in milliseconds, where each fails at once; and what the last one ends with. */
async function attempts(error: Error, retry: RetryOptions = {}) {
  const times: number[] = [];
  const told: number[] = [];
  const begun = performance.now();
  const onEvent = (event: BullaEvent) => void (event.type === 'service-retry' && told.push(event.retry));
  const fetch = async () => {
    times.push(performance.now() - begun);
    // Without a body: browsers read one in their own time, which no clock of a test moves on.
    return new Response(null);
  };
  const read = async () => {
    throw error;
  };
  const work = exchange({ fetch, retry, timeout: 10_000, onEvent }, { ...request, read });
  const end = work.catch((reason: unknown) => reason);
  await vi.runAllTimersAsync();
  return { times, told, end: await end };
}

const failure = (code: KeyServiceErrorCode, retryAfter?: number) => new KeyServiceError(code, 'x', { retryAfter });
const waits = (times: readonly number[]) => times.slice(1).map((time, i) => Math.round(time - (times[i] as number)));

describe('waits', () => {
  test.each([
    [0, [100, 200, 400]],
    [0.5, [150, 300, 600]],
    [1, [200, 400, 800]],
  ])('double, each between half and all of it: random %f', async (random, expected) => {
    vi.spyOn(Math, 'random').mockReturnValue(random);
    const error = failure('ERR_SERVICE_UNREACHABLE');
    const { times, told, end } = await attempts(error);
    expect(waits(times)).toEqual(expected);
    expect(told).toEqual([1, 2, 3]);
    expect(end).toBe(error);
  });

  test('are random each time', async () => {
    const error = failure('ERR_SERVICE_UNAVAILABLE');
    const seen = await Promise.all(Array.from({ length: 8 }, () => attempts(error, { limit: 1, delay: 60_000 })));
    expect(new Set(seen.flatMap(({ times }) => waits(times))).size).toBeGreaterThan(4);
  });

  test('come on top of what the service asks for, and a long wait is the caller’s', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(1);
    expect(waits((await attempts(failure('ERR_THROTTLED', 3), { limit: 2 })).times)).toEqual([3_200, 3_400]);
    expect((await attempts(failure('ERR_THROTTLED', 11))).times).toEqual([0]);
    expect((await attempts(failure('ERR_THROTTLED', 11), { limit: 1, maxRetryAfter: 11 })).times).toHaveLength(2);
  });
});

test.each<[KeyServiceErrorCode, number]>([
  ['ERR_SERVICE_UNREACHABLE', 3],
  ['ERR_SERVICE_UNAVAILABLE', 3],
  ['ERR_SERVICE_TIMEOUT', 3],
  ['ERR_SERVICE_ANSWER', 3],
  ['ERR_THROTTLED', 3],
  ['ERR_SERVICE_IDENTITY', 0],
  ['ERR_SERVICE_REDIRECTED', 0],
  ['ERR_SERVICE_REQUEST', 0],
  ['ERR_SERVICE_CONFLICT', 0],
  ['ERR_TOKEN_UNAVAILABLE', 0],
  ['ERR_TOKEN_EXPIRED', 0],
  ['ERR_TOKEN_REFUSED', 0],
  ['ERR_PROOF_REFUSED', 0],
  ['ERR_NOT_ALLOWED', 0],
  ['ERR_KEY_DISABLED', 0],
  ['ERR_KEY_VERSION_UNAVAILABLE', 0],
])('%s is repeated %i times', async (code, count) => {
  const { times } = await attempts(failure(code));
  expect(times).toHaveLength(1 + count);
});

test('what is no error of the service is not repeated; limit 0 is once, and 10 the most', async () => {
  const bug = new RangeError('a bug');
  expect(await attempts(bug)).toMatchObject({ end: bug, times: [0] });
  expect((await attempts(failure('ERR_SERVICE_TIMEOUT'), { limit: 0 })).times).toHaveLength(1);
  expect((await attempts(failure('ERR_SERVICE_TIMEOUT'), { limit: 10 })).times).toHaveLength(11);
});

test('an attempt that never ends is given up after its time, and its signal says so', async () => {
  const signals: AbortSignal[] = [];
  const fetch = (_url: string, { signal }: RequestInit) => {
    signals.push(signal as AbortSignal);
    return new Promise<never>(() => undefined);
  };
  const http = { fetch, retry: { limit: 1, delay: 100 }, timeout: 5_000, onEvent: undefined };
  const end = exchange(http, request).catch((reason: unknown) => reason);
  await vi.runAllTimersAsync();
  expect(await end).toMatchObject({ code: 'ERR_SERVICE_TIMEOUT' });
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
});
