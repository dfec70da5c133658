// Work on many things, without messages: order, rate, resuming, failures, and callbacks that throw. With a service: test/service/bulk.test.ts.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { KeyServiceError } from '../../src/errors.ts';
import { forAll } from '../../src/message/bulk.ts';
import type { BulkOptions } from '../../src/message/bulk-options.ts';
import { rejection } from '../support/data.ts';

interface Item {
  readonly id: string;
}

const itemsOf = (count: number): Item[] => Array.from({ length: count }, (_, i) => ({ id: `${i}`.padStart(5, '0') }));
const done = async () => true;

describe('by a clock of the test', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'], now: 0 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** When each item was begun, in milliseconds since the run began; each takes `duration` of them. */
  async function begun(count: number, options: BulkOptions<Item>, duration = 0) {
    const start = performance.now();
    const times: number[] = [];
    const run = forAll(itemsOf(count), options, async () => {
      times.push(performance.now() - start);
      if (duration > 0) await new Promise((resolve) => setTimeout(resolve, duration));
      return true;
    });
    await vi.runAllTimersAsync();
    expect(await run).toMatchObject({ done: count, complete: true });
    return times;
  }

  test.each([1, 7, 40])('%i in a second, never more in any second, and hardly slower', async (perSecond) => {
    const count = 2 * perSecond + 5;
    for (const concurrency of [1, 500]) {
      const times = await begun(count, { perSecond, concurrency });
      for (const [i, time] of times.entries()) {
        // Of N + 1 that follow each other, the last begins a second after the first; a timer may be early by a millisecond.
        expect(time - (times[i - perSecond] ?? -1_000)).toBeGreaterThanOrEqual(999);
        expect(time).toBeLessThanOrEqual((i * 1_020) / perSecond + 1);
      }
    }
  });

  test('time in which nothing could begin is not made up for', async () => {
    const times = await begun(10, { perSecond: 10, concurrency: 1 }, 1_000);
    expect(times).toEqual(Array.from({ length: 10 }, (_, i) => i * 1_000));
  });

  test('without a rate all begin at once, as many as may', async () => {
    const times = await begun(10, { concurrency: 4 }, 1_000);
    expect(times).toEqual([0, 0, 0, 0, 1_000, 1_000, 1_000, 1_000, 2_000, 2_000]);
  });

  test('throttled, all wait for as long as the service asks, and go on with the same items', async () => {
    const times: [string, number][] = [];
    const start = performance.now();
    const run = forAll(itemsOf(6), { concurrency: 2 }, async ({ id }) => {
      times.push([id, performance.now() - start]);
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (performance.now() - start === 10) throw new KeyServiceError('ERR_THROTTLED', 'busy', { retryAfter: 3 });
      return true;
    });
    await vi.runAllTimersAsync();
    expect(await run).toMatchObject({ done: 6, failed: 0, complete: true });
    expect(times.slice(0, 4)).toEqual([
      ['00000', 0],
      ['00001', 0],
      ['00000', 3_010],
      ['00001', 3_010],
    ]);
    expect(times.slice(4).every(([, time]) => time >= 3_020)).toBe(true);
  });

  test('throttled for ever, it ends, and the token says where', async () => {
    const run = forAll(itemsOf(6), { concurrency: 1 }, async ({ id }) => {
      if (id === '00003') throw new KeyServiceError('ERR_THROTTLED', 'busy', { retryAfter: 3 });
      return true;
    });
    await vi.runAllTimersAsync();
    const report = await run;
    expect(report).toMatchObject({ done: 3, failed: 0, complete: false, resumeToken: '00002' });
    expect(report.stoppedBy).toMatchObject({ code: 'ERR_THROTTLED' });
  });

  describe('a run that is stopped', () => {
    /** Three items: the first one is done, the others take so many milliseconds, whatever they are told. */
    function stopped(duration: number) {
      const controller = new AbortController();
      const told: unknown[] = [];
      const run = forAll(itemsOf(3), { signal: controller.signal }, async ({ id }, signal) => {
        signal.addEventListener('abort', () => told.push(signal.reason));
        if (id !== '00000') await new Promise((resolve) => setTimeout(resolve, duration));
        return true;
      });
      let ended = false;
      void run.then(() => {
        ended = true;
      });
      const stop = async () => {
        await vi.advanceTimersByTimeAsync(0);
        controller.abort(new Error('enough'));
        await vi.advanceTimersByTimeAsync(9_999);
      };
      return { run, stop, told, hasEnded: () => ended };
    }
    const outcome = { complete: false, failed: 0, stoppedBy: { message: 'enough' } };

    test('waits for what was begun, which is told, and counts it', async () => {
      const { run, stop, told } = stopped(9_998);
      await stop();
      expect(await run).toMatchObject({ ...outcome, done: 3, resumeToken: '00002' });
      expect(told).toHaveLength(3);
      expect(vi.getTimerCount()).toBe(0);
    });

    test.each([10_001, 1e9])('gives up what takes longer than 10 s, here %i ms, to be done again', async (duration) => {
      const { run, stop, hasEnded } = stopped(duration);
      await stop();
      expect(hasEnded()).toBe(false);
      await vi.advanceTimersByTimeAsync(1);
      expect(hasEnded()).toBe(true);
      expect(await run).toMatchObject({ ...outcome, done: 1, resumeToken: '00000' });
    });
  });

  test('an abort ends the waiting for the rate at once', async () => {
    const controller = new AbortController();
    const run = forAll(itemsOf(100), { perSecond: 1, signal: controller.signal }, done);
    await vi.advanceTimersByTimeAsync(2_500);
    controller.abort(new Error('enough'));
    await vi.advanceTimersByTimeAsync(0);
    expect(await run).toMatchObject({
      done: 3,
      complete: false,
      resumeToken: '00002',
      stoppedBy: { message: 'enough' },
    });
  });
});

describe('an abort', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test('ends a run whose source of items waits, tells the source, and leaves nothing on the signal', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listeners++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listeners--;
      remove(...args);
    };
    await forAll(itemsOf(3), { signal }, done);
    expect(listeners).toBe(0);

    let told = false;
    const items: AsyncIterable<Item> = {
      [Symbol.asyncIterator]: () => {
        let next = 0;
        return {
          next: () => (next++ < 2 ? Promise.resolve({ value: { id: `${next}` } }) : new Promise(() => {})),
          return: () => {
            told = true;
            return new Promise(() => {});
          },
        };
      },
    };
    const run = forAll(items, { signal }, done);
    setTimeout(() => controller.abort(new Error('enough')), 5);
    expect(await run).toMatchObject({ done: 2, resumeToken: '2', complete: false, stoppedBy: { message: 'enough' } });
    expect(told).toBe(true);
  });

  test('leaves no timer behind', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'], now: 0 });
    const controller = new AbortController();
    const run = forAll(itemsOf(9), { perSecond: 0.1, signal: controller.signal }, done);
    await vi.advanceTimersByTimeAsync(50);
    controller.abort(new Error('enough'));
    expect(await run).toMatchObject({ done: 1 });
    expect(vi.getTimerCount()).toBe(0);
  });
});

test('the token never passes over what is not finished, in whatever order it ends', async () => {
  const seen: (string | undefined)[] = [];
  const finished = new Set<string>();
  const onProgress = ({ resumeToken }: { resumeToken: string | undefined }) => {
    for (const { id } of itemsOf(50))
      if (resumeToken !== undefined && id <= resumeToken) expect(finished).toContain(id);
    seen.push(resumeToken);
  };
  const report = await forAll(itemsOf(50), { concurrency: 10, onProgress }, async ({ id }) => {
    await new Promise((resolve) => setTimeout(resolve, (Number(id) * 7) % 13));
    finished.add(id);
    return true;
  });
  expect(report).toMatchObject({ done: 50, resumeToken: '00049' });
  expect(seen.length).toBe(50);
});

test('what an item costs does not grow with those that are in work, nor with those that are done behind a slow one', async () => {
  let looked = 0;
  const count = (length: number) => {
    looked += length;
  };
  const spies = [
    ...(['race', 'any', 'all', 'allSettled'] as const).map((name) => {
      const original = Promise[name].bind(Promise) as (all: unknown[]) => Promise<never>;
      return vi.spyOn(Promise, name).mockImplementation(((all: Iterable<unknown>) => {
        const list = [...all];
        count(list.length);
        return original(list);
      }) as never);
    }),
    ...(['shift', 'splice', 'indexOf', 'includes', 'find', 'findIndex', 'filter', 'every', 'some'] as const).map(
      (name) => {
        const original = Array.prototype[name] as (...args: unknown[]) => unknown;
        return vi.spyOn(Array.prototype, name).mockImplementation(function (this: unknown[], ...args: unknown[]) {
          count(this.length);
          return original.apply(this, args);
        } as never);
      },
    ),
  ];
  const items = itemsOf(2_000);
  let others = 0;
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  try {
    await forAll(items, { concurrency: 500 }, async ({ id }) => {
      // All that may are in work at once.
      await new Promise((resolve) => setTimeout(resolve));
      if (id === '00000') await gate;
      else if (++others === items.length - 1) release();
      return true;
    });
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  expect(others).toBe(items.length - 1);
  expect(looked).toBeLessThan(20 * items.length);
});

describe('what throws', () => {
  const items = async function* (pause: number) {
    for (const item of itemsOf(20)) {
      yield item;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  };
  const boom = new Error('no room for the token');
  const throwing = () => {
    throw boom;
  };

  test.each([
    ['onProgress', { onProgress: throwing }, done],
    ['onFailure', { onFailure: throwing }, () => Promise.reject(new Error('one message'))],
  ])('%s: the run ends with it, and nothing is rejected behind its back', async (_what, options, work) => {
    for (const concurrency of [1, 5]) {
      // The source is waited for when it happens.
      const report = await forAll(items(5), { concurrency, ...options }, work);
      expect(report).toMatchObject({ complete: false, stoppedBy: boom });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

  test('the source: what was begun is finished, and the error is told', async () => {
    const source = async function* () {
      yield* itemsOf(3);
      throw boom;
    };
    const report = await forAll(source(), {}, done);
    expect(report).toMatchObject({ complete: false, stoppedBy: boom });
  });

  test('more failures than allowed', async () => {
    const report = await forAll(itemsOf(20), { concurrency: 1, maxFailures: 2 }, () => Promise.reject(new Error('x')));
    expect(report).toMatchObject({ failed: 3, complete: false, resumeToken: '00002' });
    expect(String(report.stoppedBy)).toMatch(/more than 2 messages failed/);
  });
});

describe('items that are none', () => {
  const throwing = {
    get id(): string {
      throw new Error('no id');
    },
  };
  const bad: unknown[] = [null, undefined, 5, 'x', {}, { id: 5 }, throwing];

  test('one bad item is one failure, and the others are done', async () => {
    const [first, second, third] = itemsOf(3) as [Item, Item, Item];
    for (const each of bad) {
      const progress: unknown[] = [];
      const items = [first, each as Item, second, third];
      const onProgress = ({ resumeToken }: { resumeToken: string | undefined }) => void progress.push(resumeToken);
      const report = await forAll(items, { concurrency: 1, onProgress }, done);
      expect(report).toMatchObject({ done: 3, failed: 1, complete: true, stoppedBy: undefined, resumeToken: third.id });
      expect(report.failures).toEqual([{ item: each, error: new TypeError('the id of an item must be a string') }]);
      expect(progress).toEqual([first.id, first.id, second.id, third.id]);
    }
  });

  test('a run that is resumed passes over them', async () => {
    const items = [null, ...itemsOf(2), null, ...itemsOf(4).slice(2)] as Item[];
    const report = await forAll(items, { resumeToken: '00001' }, done);
    expect(report).toMatchObject({ done: 2, failed: 1, complete: true, resumeToken: '00003' });
  });

  test('a run of nothing else has no token, and ends with too many failures', async () => {
    const report = await forAll(Array(5).fill(null) as Item[], { maxFailures: 3, concurrency: 1 }, done);
    expect(report).toMatchObject({ done: 0, failed: 4, complete: false, resumeToken: undefined });
  });

  test.each([undefined, null, 5, 'abc', {}, () => {}, Promise.resolve([]), { [Symbol.iterator]: 5 }])(
    'what has no items is a TypeError that names it: %j',
    async (items) => {
      const error = await rejection(forAll(items as never as Item[], {}, done));
      expect(error).toEqual(new TypeError('items must be an iterable or async iterable of objects'));
    },
  );

  test.each([undefined, 5])('a source that gives %j ends the run', async (next) => {
    const items = { [Symbol.asyncIterator]: () => ({ next: async () => next }) };
    const { stoppedBy } = await forAll(items as never as AsyncIterable<Item>, {}, done);
    expect(stoppedBy).toEqual(new TypeError('what next() of items gives must be an object'));
  });
});

test.each([1e-3, 1e-9, 5e-324])('a rate of %d in a second sets no timer that is over at once', async (perSecond) => {
  const controller = new AbortController();
  const delays: number[] = [];
  const real = globalThis.setTimeout;
  const spy = vi.spyOn(globalThis, 'setTimeout').mockImplementation(((work: () => void, delay = 0) => {
    delays.push(delay);
    if (delay > 10_000) queueMicrotask(() => controller.abort(new Error('enough')));
    return real(work, delay);
  }) as typeof setTimeout);
  try {
    const report = await forAll(itemsOf(2), { perSecond, signal: controller.signal }, done);
    expect(report).toMatchObject({ done: 1, complete: false, stoppedBy: new Error('enough') });
    expect(Math.max(...delays)).toBeLessThan(2 ** 31);
  } finally {
    spy.mockRestore();
  }
});
