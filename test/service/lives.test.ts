// Whatever is kept for a time is kept no longer by any clock: neither one that is set back or stands still, nor the `Date` of a service, which nobody signs.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { cachingKeyring } from '../../src/cache.ts';
import { encrypt } from '../../src/index.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import { createKeyServiceClient } from '../../src/service.ts';
import { createDecryptingHandler } from '../../src/service-worker.ts';
import { fastKeyring } from '../support/data.ts';
import { lyingKeyId, lyingService, lyingToken, lyingUrl } from '../support/lying-service.ts';

/** The clock of the device, in milliseconds, and the `Date` of the service. */
interface Clocks {
  wall: number;
  date: number | undefined;
}

/** Something with a life. Each use tells how often it has been made by then. */
interface Life {
  /** Milliseconds that it lives at most. */
  readonly life: number;
  readonly make: (clocks: Clocks) => Promise<() => Promise<number>>;
}

const begun = Date.UTC(2026, 10, 29);
/** Seconds for which the documents of the service are good. */
const goodFor = 3_000;

/** A service that the device and its documents agree with when they are asked for, and what is fetched of it. */
async function serviceOf(clocks: Clocks) {
  const times = () => ({ iat: Math.floor(clocks.wall / 1000), exp: Math.floor(clocks.wall / 1000) + goodFor });
  const { fetch: inner, pin } = await lyingService({
    discovery: (claims) => ({
      ...times(),
      transport_keys: (claims['transport_keys'] as object[]).map((key) => ({ ...key, exp: times().exp + 3_600 })),
    }),
    document: times,
  });
  const fetched: string[] = [];
  const sessions = new Set<string>();
  const fetch = async (url: string, init: RequestInit) => {
    fetched.push(url);
    const proof = (init.headers as Record<string, string>)['DPoP'];
    if (proof !== undefined) sessions.add(JSON.parse(atob64url(proof.split('.')[1] as string)).bulla_key);
    const response = await inner(url, init);
    if (clocks.date !== undefined) response.headers.set('Date', new Date(clocks.date).toUTCString());
    return response;
  };
  const options = { url: lyingUrl, pin, fetch, token: lyingToken, now: () => clocks.wall, retry: { limit: 0 } };
  const timesOf = (part: string) => fetched.filter((url) => url.includes(part)).length;
  return { client: createKeyServiceClient({ ...options, sessionLifetime: 600_000 }), timesOf, sessions };
}

const atob64url = (text: string) => atob(text.replaceAll('-', '+').replaceAll('_', '/'));

/** A keyring that counts what it is asked for. */
function counted() {
  const inner = fastKeyring();
  let count = 0;
  const counting = <Args extends unknown[], Result>(call: (...args: Args) => Result) => {
    return (...args: Args) => {
      count++;
      return call(...args);
    };
  };
  const keyring: Keyring = {
    ...inner,
    generateDataKey: counting(inner.generateDataKey),
    unwrapDataKey: counting(inner.unwrapDataKey),
  };
  return { keyring, count: () => count };
}

const lives: Readonly<Record<string, Life>> = {
  'a data key of a cache': {
    life: 60_000,
    async make(clocks) {
      const { keyring, count } = counted();
      const caching = cachingKeyring(keyring, { maxAge: 60_000, refreshAhead: false, now: () => clocks.wall });
      return async () => {
        await caching.generateDataKey({ plaintextLength: 1 });
        return count();
      };
    },
  },
  'an opened message of a service worker': {
    life: 60_000,
    async make(clocks) {
      const { keyring, count } = counted();
      const source = await encrypt('x', { keyring: fastKeyring() });
      const options = { match: () => ({ source, keyring }), maxAge: 60_000, now: () => clocks.wall };
      const { respond } = createDecryptingHandler(options);
      return async () => {
        await (await respond(new Request('https://app.example/1')))?.text();
        return count();
      };
    },
  },
  'the discovery document': {
    life: goodFor * 1000,
    async make(clocks) {
      const { client, timesOf } = await serviceOf(clocks);
      return async () => {
        await client.connect();
        return timesOf('/.well-known');
      };
    },
  },
  'the document of a key': {
    life: goodFor * 1000,
    async make(clocks) {
      const { client, timesOf } = await serviceOf(clocks);
      return async () => {
        await client.keyDocument(lyingKeyId);
        return timesOf('/public');
      };
    },
  },
  'a session': {
    life: 600_000,
    async make(clocks) {
      const { client, sessions } = await serviceOf(clocks);
      return async () => {
        await client.generateDataKey({ key: lyingKeyId, keyContext: {} });
        return sessions.size;
      };
    },
  },
};

/** What happens to the clocks while a life passes by the monotonic one. */
const events: Readonly<Record<string, (clocks: Clocks, passed: number) => void>> = {
  'clocks that are right': (clocks, passed) => {
    clocks.wall = begun + passed;
  },
  'a clock that stands still': () => {},
  'a clock that is set back to before': (clocks) => {
    clocks.wall = begun - 5_000_000;
  },
  'a clock that is set back by half of the life': (clocks, passed) => {
    clocks.wall = begun + passed / 2;
  },
  'a Date that stands still': (clocks, passed) => {
    clocks.wall = begun + passed;
    clocks.date = begun;
  },
  'a Date that runs back': (clocks, passed) => {
    clocks.wall = begun + passed;
    clocks.date = begun - passed;
  },
};

describe.each(Object.entries(lives))('%s', (_what, { life, make }) => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test.each(Object.entries(events))('lives no longer by %s', async (_event, happen) => {
    const clocks: Clocks = { wall: begun, date: undefined };
    const use = await make(clocks);
    expect([await use(), await use()]).toEqual([1, 1]);
    // In steps, each with a use: what is used does not live longer either.
    for (let step = 1; step <= 4; step++) {
      vi.advanceTimersByTime(life / 4);
      happen(clocks, (life * step) / 4);
      await use();
    }
    expect(await use()).toBeGreaterThan(1);
  });

  test('ends at once where the clock of the device says so', async () => {
    const clocks: Clocks = { wall: begun, date: undefined };
    const use = await make(clocks);
    await use();
    clocks.wall += life;
    expect(await use()).toBe(2);
  });
});
