// The limits of a cache are exact whenever callers come, and nothing of it is left when it is empty.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { type CachingKeyring, cachingKeyring, createDataKeyCache, type DataKeyCacheOptions } from '../../src/cache.ts';
import { encrypt, inspect } from '../../src/index.ts';
import type { CacheScope, KeyChange, KeyNews, Keyring } from '../../src/keyrings/custom.ts';
import { fastKeyring } from '../support/data.ts';

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A keyring whose data keys come when they are let go, each under a key id of its own. */
function gated() {
  let made = 0;
  const waiting: (() => void)[] = [];
  const inner = fastKeyring();
  const keyring: Keyring = {
    ...inner,
    async generateDataKey(options) {
      const generated = await inner.generateDataKey(options);
      const keyId = `key ${++made}`;
      await new Promise<void>((resolve) => waiting.push(resolve));
      return { ...generated, wrappedKeys: generated.wrappedKeys.map((key) => ({ ...key, keyId })) };
    },
  };
  const letGo = () => {
    for (const resolve of waiting.splice(0)) resolve();
  };
  return { keyring, letGo, made: () => made };
}

/** How many of some messages are under each data key. */
function shares(messages: readonly Uint8Array[]): number[] {
  const counts = new Map<string, number>();
  for (const message of messages) {
    const keyId = inspect(message).wrappedKeys[0]?.keyId as string;
    counts.set(keyId, (counts.get(keyId) ?? 0) + 1);
  }
  return [...counts.values()];
}

describe('exact, whenever callers come', () => {
  const cases: [string, DataKeyCacheOptions, number][] = [
    ['maxMessages: 1', { maxMessages: 1 }, 1],
    ['maxMessages: 3', { maxMessages: 3 }, 3],
    ['maxBytes: 10, 4 bytes each', { maxBytes: 10 }, 2],
  ];
  // As many as one fetch can give, and one more.
  const numbers = cases.flatMap((each) => [0, 1].map((more) => [...each, each[2] + more] as const));
  test.each(numbers)('%s', async (_what, options, most, first) => {
    for (let turns = 0; turns < 30; turns++) {
      const { keyring: inner, letGo } = gated();
      const keyring = cachingKeyring(inner, { refreshAhead: false, ...options });
      const early = Array.from({ length: first }, () => encrypt('1234', { keyring }));
      await sleep(0);
      letGo();
      // Some microtasks later: before, while and after those who waited are served.
      for (let k = 0; k < turns; k++) await null;
      const late = Array.from({ length: most + 1 }, () => encrypt('1234', { keyring }));
      const timer = setInterval(letGo, 1);
      const messages = await Promise.all([...early, ...late]);
      clearInterval(timer);
      expect(Math.max(...shares(messages))).toBeLessThanOrEqual(most);
    }
  });

  test('callers beyond what a fetch can give do not wait for it', async () => {
    const { keyring: inner, letGo, made } = gated();
    const keyring = cachingKeyring(inner, { maxMessages: 2, refreshAhead: false });
    const all = Promise.all(Array.from({ length: 20 }, () => encrypt('x', { keyring })));
    await vi.waitUntil(() => made() === 10);
    letGo();
    expect(shares(await all)).toEqual(new Array(10).fill(2));
  });
});

/** Somebody who tells of keys, and counts who listens and asks. */
function newsOf(url = 'https://keys.example') {
  const listeners = new Set<(change: KeyChange) => void>();
  const looks: string[] = [];
  const state = { open: 0, most: 0 };
  const news: KeyNews = {
    url,
    connect: async () => ({ serviceId: 'svc' }),
    onKeyChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async keyDocument(keyId) {
      looks.push(keyId);
      state.most = Math.max(state.most, ++state.open);
      await sleep(10);
      state.open--;
    },
  };
  return { news, listeners, looks, state };
}

function watchedKeyring(news: KeyNews, keyId: string): Keyring {
  const inner = fastKeyring();
  const scope: CacheScope = { id: keyId, keys: [keyId], news: [news] };
  return {
    ...inner,
    async generateDataKey(options) {
      const made = await inner.generateDataKey(options);
      const wrapping = { method: 'service', opaque: new Uint8Array(81) } as const;
      return { ...made, wrappedKeys: [{ keyId, version: 1, serviceId: 'svc', keyContext: {}, wrapping }] };
    },
    cacheScope: async () => scope,
  };
}

describe('nothing is left', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test('neither listeners nor timers, of a cache that has become empty', async () => {
    const { news, listeners } = newsOf();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const keyring = cachingKeyring(watchedKeyring(news, 'k'), { maxAge: 1_000, now: () => performance.now() });
    expect(listeners.size).toBe(0);
    await keyring.generateDataKey({ plaintextLength: 1 });
    expect([listeners.size, vi.getTimerCount()]).toEqual([1, 2]);
    await vi.advanceTimersByTimeAsync(1_100);
    expect([keyring.cache.size, listeners.size, vi.getTimerCount()]).toEqual([0, 0, 0]);
    await keyring.generateDataKey({ plaintextLength: 1 });
    keyring.cache.invalidate();
    expect([listeners.size, vi.getTimerCount()]).toEqual([0, 0]);
  });

  test('no data key outlives its age in memory by more than a twentieth', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const cache = createDataKeyCache({ maxAge: 1_000, refreshAhead: false, now: () => performance.now() });
    for (let i = 0; i < 10; i++) {
      await cachingKeyring(fastKeyring(), cache).generateDataKey({ plaintextLength: 1 });
      await vi.advanceTimersByTimeAsync(100);
    }
    for (let left = 9; left > 0; left--) {
      await vi.advanceTimersByTimeAsync(50);
      expect(cache.size).toBeLessThanOrEqual(left);
      await vi.advanceTimersByTimeAsync(50);
    }
  });

  test('entries end also where who tells of keys fails when it is left', async () => {
    const { news } = newsOf();
    const failing: KeyNews = {
      ...news,
      onKeyChange: () => () => {
        throw new Error('it failed');
      },
    };
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const keyring = cachingKeyring(watchedKeyring(failing, 'k'), { maxAge: 1_000, now: () => performance.now() });
    await keyring.generateDataKey({ plaintextLength: 1 });
    await vi.advanceTimersByTimeAsync(1_100);
    expect([keyring.cache.size, vi.getTimerCount()]).toEqual([0, 0]);
    await keyring.generateDataKey({ plaintextLength: 1 });
    keyring.cache.invalidate();
    expect([keyring.cache.size, vi.getTimerCount()]).toEqual([0, 0]);
  });

  test('a listener that fails does not fail the call, and a change evicts', async () => {
    const { news, listeners } = newsOf();
    const keyring = cachingKeyring(watchedKeyring(news, 'k'));
    await keyring.generateDataKey({ plaintextLength: 1 });
    const change = { key: 'k', keyId: 'k', newestVersion: 2, floor: 1, version: undefined, unavailable: undefined };
    for (const listener of listeners) listener({ ...change, keyId: 'other' });
    expect(keyring.cache.size).toBe(1);
    for (const listener of listeners) listener(change);
    expect([keyring.cache.size, keyring.cache.counters.evictions.rotated, listeners.size]).toEqual([0, 1, 0]);
  });
});

test('a listener that hears that an entry makes room for its successor can drop that, too', async () => {
  let wall = 1_000_000;
  const keyring: CachingKeyring = cachingKeyring(fastKeyring(), {
    maxAge: 1_000,
    now: () => wall,
    onEvent: (event) => {
      if (event.type === 'cache-eviction' && event.reason === 'refreshed') keyring.cache.invalidate();
    },
  });
  await encrypt('x', { keyring });
  wall += 900;
  await encrypt('x', { keyring });
  await vi.waitFor(() => expect(keyring.cache.counters.evictions).toMatchObject({ refreshed: 1, invalidated: 1 }));
  expect(keyring.cache.size).toBe(0);
});

test('polls are spread: each key once in an interval, few at once', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { news, looks, state } = newsOf();
  const cache = createDataKeyCache({ pollInterval: 500 });
  for (let i = 0; i < 100; i++) {
    await cachingKeyring(watchedKeyring(news, `k${i}`), cache).generateDataKey({ plaintextLength: 1 });
  }
  // The first look comes within an interval of one key, 100 more within one of 100.
  await vi.advanceTimersByTimeAsync(1_000);
  expect(looks.length).toBeGreaterThanOrEqual(100);
  expect(state.most).toBeLessThanOrEqual(8);
  // In turn: no key a second time before all had their first.
  expect(new Set(looks.slice(0, 100)).size).toBe(100);
  cache.invalidate();
  vi.useRealTimers();
});

test('who tells of keys and throws when asked is asked again, and ends no process', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { news, looks } = newsOf();
  const throwing: KeyNews = {
    ...news,
    keyDocument(keyId) {
      looks.push(keyId);
      throw new Error('thrown, not rejected with');
    },
  };
  const keyring = cachingKeyring(watchedKeyring(throwing, 'k'), { pollInterval: 500 });
  await keyring.generateDataKey({ plaintextLength: 1 });
  await vi.advanceTimersByTimeAsync(500 * 20);
  expect(looks.length).toBeGreaterThanOrEqual(20);
  keyring.cache.invalidate();
  vi.useRealTimers();
});

describe('clocks', () => {
  const broken = {
    throws: () => {
      throw new Error('the clock is broken');
    },
    'shows no time': () => Number.NaN,
  };
  test.each(Object.entries(broken))('one that %s ends no process, and no data key outlives it', async (_what, fail) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    let now = () => 1_000_000;
    const keyring = cachingKeyring(fastKeyring(), { maxAge: 1_000, now: () => now() });
    await keyring.generateDataKey({ plaintextLength: 1 });
    now = fail;
    await vi.advanceTimersByTimeAsync(2_000);
    expect([keyring.cache.size, keyring.cache.counters.evictions.age]).toEqual([0, 1]);
    vi.useRealTimers();
  });

  test.each([
    ['set back to before it was made', -5_000],
    ['set back by less than its age', -500],
  ])('%s: no life is longer', async (_what, change) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    let wall = 1_000_000;
    const keyring = cachingKeyring(fastKeyring(), { maxAge: 1_000, refreshAhead: false, now: () => wall });
    await keyring.generateDataKey({ plaintextLength: 1 });
    wall += 600 + change;
    vi.setSystemTime(0);
    await vi.advanceTimersByTimeAsync(600);
    await keyring.generateDataKey({ plaintextLength: 1 });
    await vi.advanceTimersByTimeAsync(600);
    wall += 600;
    await keyring.generateDataKey({ plaintextLength: 1 });
    expect(keyring.cache.counters.misses).toBeGreaterThanOrEqual(2);
    vi.useRealTimers();
  });
});
