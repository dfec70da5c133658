import { describe, expect, test } from 'vitest';
import { type BullaEvent, cachingKeyring, createDataKeyCache, type DataKeyCacheOptions } from '../../src/cache.ts';
import { decrypt, encrypt, encryptStream, inspect, rewrap } from '../../src/index.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import type { Keyring } from '../../src/keyrings/custom.ts';
import { codeOf, fastKeyring, flipBit, rejection } from '../support/data.ts';

/** A keyring that counts what it is asked, and can be told to fail or to wait. */
function counted(inner: Keyring = fastKeyring()) {
  const counts = { generated: 0, unwrapped: 0 };
  const state: { fail: Error | undefined; gate: Promise<void> | undefined } = { fail: undefined, gate: undefined };
  const guard = async (signal: AbortSignal | undefined) => {
    await state.gate;
    signal?.throwIfAborted();
    if (state.fail !== undefined) throw state.fail;
  };
  const keyring: Keyring = {
    ...inner,
    async generateDataKey(options) {
      counts.generated++;
      await guard(options?.signal);
      return inner.generateDataKey(options);
    },
    async unwrapDataKey(keys, options) {
      counts.unwrapped++;
      await guard(options?.signal);
      return inner.unwrapDataKey(keys, options);
    },
  };
  return { keyring, counts, state };
}

function cached(options: DataKeyCacheOptions = {}, inner?: Keyring) {
  const events: BullaEvent[] = [];
  const clock = { time: 1_000_000 };
  const { keyring: behind, counts, state } = counted(inner);
  const onEvent = (event: BullaEvent) => void events.push(event);
  const keyring = cachingKeyring(behind, { now: () => clock.time, onEvent, ...options });
  return { counts, state, keyring, events, clock, cache: keyring.cache };
}

describe('encrypting', () => {
  test('messages share a data key, and say so', async () => {
    const { keyring, counts, cache } = cached();
    const messages = await Promise.all([1, 2, 3].map((i) => encrypt(`m${i}`, { keyring })));
    messages.push(await encrypt('m4', { keyring }));
    expect(counts.generated).toBe(1);
    expect(messages.map((message) => inspect(message).header.keyUse)).toEqual(new Array(4).fill('shared'));
    expect(cache.counters).toMatchObject({ hits: 1, misses: 1, joined: 2 });
    for (const [i, message] of messages.entries()) {
      const { plaintext } = await decrypt(message, { keyring: fastKeyring() });
      expect(new TextDecoder().decode(plaintext)).toBe(`m${i + 1}`);
    }
  });

  test('a shared data key goes to nobody else', async () => {
    const { keyring } = cached();
    const message = await encrypt('x', { keyring });
    expect(await codeOf(rewrap(message, { from: keyring, to: fastKeyring(8) }))).toBe('ERR_SHARED_DATA_KEY');
  });

  test('maxMessages, also with many at once', async () => {
    const { keyring, counts, cache } = cached({ maxMessages: 3, refreshAhead: false });
    await Promise.all(Array.from({ length: 10 }, () => encrypt('x', { keyring })));
    expect(counts.generated).toBe(4);
    expect(cache.counters.evictions.messages).toBe(3);
  });

  test('maxBytes; what is larger or of unknown length gets a data key of its own', async () => {
    const { keyring, counts, cache } = cached({ maxBytes: 10, refreshAhead: false });
    for (const length of [4, 4, 4]) await encrypt(new Uint8Array(length), { keyring });
    expect([counts.generated, cache.counters.evictions.bytes]).toEqual([2, 1]);
    const large = await encrypt(new Uint8Array(11), { keyring });
    expect(inspect(large).header.keyUse).toBe('single');
    const stream = new Blob(['x']).stream().pipeThrough(encryptStream({ keyring }));
    const streamed = new Uint8Array(await new Response(stream).arrayBuffer());
    expect(inspect(streamed).header.keyUse).toBe('single');
    expect([counts.generated, cache.counters.bypasses]).toEqual([4, 2]);
  });

  test('maxAge, from when the data key was asked for; a clock that is set back ends it too', async () => {
    const { keyring, counts, clock } = cached({ maxAge: 1000, refreshAhead: false });
    const at = async (time: number) => {
      clock.time = time;
      await encrypt('x', { keyring });
      return counts.generated;
    };
    expect([await at(5000), await at(5999), await at(6000), await at(5500)]).toEqual([1, 1, 2, 3]);
  });

  test('a maxAge that is shorter than the fetch costs a fetch each time, and ends', async () => {
    const { keyring, counts, clock, state } = cached({ maxAge: 5 });
    state.gate = Promise.resolve().then(() => {
      clock.time += 10;
    });
    await Promise.all([encrypt('x', { keyring }), encrypt('x', { keyring }), encrypt('x', { keyring })]);
    expect(counts.generated).toBeLessThanOrEqual(3);
  });

  test('maxEntries: the one that was used least recently goes', async () => {
    const cache = createDataKeyCache({ maxEntries: 2 });
    const make = () => {
      const { keyring, counts } = counted();
      return { keyring: cachingKeyring(keyring, cache), counts };
    };
    const [a, b, c] = [make(), make(), make()];
    for (const { keyring } of [a, b, a, c, a, b]) await encrypt('x', { keyring });
    expect([a, b, c].map(({ counts }) => counts.generated)).toEqual([1, 2, 1]);
    expect(cache.counters.evictions.entries).toBe(2);
    expect(cache.size).toBe(2);
  });

  test('refresh ahead: nobody waits for the next one', async () => {
    const { keyring, counts, clock, state, cache } = cached({ maxAge: 1000 });
    await encrypt('x', { keyring });
    clock.time += 900;
    let open = () => {};
    state.gate = new Promise((resolve) => {
      open = resolve;
    });
    await encrypt('x', { keyring });
    await encrypt('x', { keyring });
    expect(counts.generated).toBe(2);
    open();
    await new Promise((resolve) => setTimeout(resolve, 50));
    clock.time += 200;
    await encrypt('x', { keyring });
    expect(counts.generated).toBe(2);
    expect(cache.counters.evictions.refreshed).toBe(1);
  });

  test('a failed refresh is nobody’s, until the end', async () => {
    const { keyring, clock, state } = cached({ maxAge: 1000 });
    await encrypt('x', { keyring });
    state.fail = new Error('down');
    clock.time += 900;
    await encrypt('x', { keyring });
    clock.time += 200;
    await expect(encrypt('x', { keyring })).rejects.toBe(state.fail);
  });
});

describe('decrypting', () => {
  test('one unwrap for many messages, one flight for many at once', async () => {
    const writer = cached();
    const messages = await Promise.all(
      Array.from({ length: 50 }, (_, i) => encrypt(`m${i}`, { keyring: writer.keyring })),
    );
    const { keyring, counts, cache } = cached();
    await Promise.all(messages.map((message) => decrypt(message, { keyring })));
    await decrypt(messages[0] as Uint8Array, { keyring });
    expect(counts.unwrapped).toBe(1);
    expect(cache.counters).toMatchObject({ misses: 1, joined: 49, hits: 1 });
  });

  test('failures are not kept', async () => {
    const message = await encrypt('x', { keyring: fastKeyring() });
    const { keyring, counts, state, cache } = cached();
    state.fail = new Error('down');
    const results = await Promise.allSettled([1, 2, 3].map(() => decrypt(message, { keyring })));
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect([counts.unwrapped, cache.size]).toEqual([1, 0]);
    state.fail = undefined;
    await decrypt(message, { keyring });
    expect(counts.unwrapped).toBe(2);
  });

  test('a data key that does not open its message is forgotten', async () => {
    const wrong = fastKeyring();
    const liar: Keyring = {
      ...wrong,
      async unwrapDataKey(keys) {
        const { dataKey } = await wrong.generateDataKey();
        return { wrappedKey: keys[0] as never, dataKey };
      },
    };
    const { keyring, cache } = cached({}, liar);
    const message = await encrypt('x', { keyring: fastKeyring() });
    expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_DECRYPTION_FAILED');
    expect([cache.size, cache.counters.evictions.failed]).toEqual([0, 1]);
  });

  test('also behind anyOf', async () => {
    const { keyring, cache } = cached();
    const both = anyOf(keyring, fastKeyring(8));
    const message = await encrypt('x', { keyring: fastKeyring(), context: { a: '1' } });
    await decrypt(message, { keyring: both, context: { a: '1' } });
    expect(cache.size).toBe(1);
    expect(await codeOf(decrypt(message, { keyring: both, context: { a: '2' } }))).toBe('ERR_DECRYPTION_FAILED');
    expect(cache.size).toBe(0);
  });

  test('a changed wrapped key is another entry', async () => {
    const { keyring, counts } = cached();
    const message = await encrypt('x', { keyring: fastKeyring() });
    await decrypt(message, { keyring });
    // In the last byte of the sealed data key, before field and length of the commitment.
    const end = new DataView(message.buffer).getUint32(6) + 10 - 34;
    const changed = flipBit(message, (end - 1) * 8);
    expect(await codeOf(decrypt(changed, { keyring }))).toBe('ERR_DECRYPTION_FAILED');
    expect(counts.unwrapped).toBe(2);
  });

  test('messages of others', async () => {
    const { keyring, cache } = cached({}, fastKeyring(8));
    const other = await encrypt('x', { keyring: fastKeyring(9) });
    expect(await codeOf(decrypt(other, { keyring }))).toBe('ERR_DECRYPTION_FAILED');
    expect(cache.size).toBe(0);
  });
});

describe('single flight and signals', () => {
  test('an abort ends one wait; the last one ends the work', async () => {
    const message = await encrypt('x', { keyring: fastKeyring() });
    const { keyring, counts, state } = cached();
    let open = () => {};
    state.gate = new Promise((resolve) => {
      open = resolve;
    });
    const controller = new AbortController();
    const reason = new Error('enough');
    const aborted = rejection(decrypt(message, { keyring, signal: controller.signal }));
    const other = decrypt(message, { keyring });
    await new Promise((resolve) => setTimeout(resolve, 10));
    controller.abort(reason);
    expect(await aborted).toBe(reason);
    open();
    await other;
    expect(counts.unwrapped).toBe(1);
  });

  test('who was gone before the fetch began leaves nothing that the next one would join', async () => {
    const { keyring, cache } = cached();
    const controller = new AbortController();
    const gone = rejection(keyring.generateDataKey({ plaintextLength: 1, signal: controller.signal }));
    controller.abort(new Error('gone'));
    expect(await gone).toMatchObject({ message: 'gone' });
    await keyring.generateDataKey({ plaintextLength: 1 });
    expect(cache.counters).toMatchObject({ misses: 1, joined: 0 });
  });

  test('invalidate: nothing of before stays, also what is being fetched', async () => {
    const { keyring, counts, state, cache } = cached();
    let open = () => {};
    state.gate = new Promise((resolve) => {
      open = resolve;
    });
    const before = encrypt('x', { keyring });
    await new Promise((resolve) => setTimeout(resolve, 10));
    cache.invalidate();
    open();
    await before;
    expect(cache.size).toBe(0);
    await encrypt('x', { keyring });
    expect([counts.generated, cache.size]).toEqual([2, 1]);
    cache.invalidate('another key');
    expect(cache.size).toBe(1);
    cache.invalidate('test');
    expect([cache.size, cache.counters.evictions.invalidated]).toEqual([0, 1]);
  });

  test('events tell keys and reasons, and nothing secret', async () => {
    const { keyring, events, clock } = cached({ maxAge: 60_000, refreshAhead: false });
    await encrypt('x', { keyring, context: { record: 'SECRET' } });
    clock.time += 60_001;
    await encrypt('x', { keyring, context: { record: 'SECRET' } });
    expect(events.map((event) => ('outcome' in event ? event.outcome : 'reason' in event && event.reason))).toEqual([
      'miss',
      'age',
      'miss',
    ]);
    expect(JSON.stringify(events)).not.toMatch(/SECRET|record/);
  });

  test('a listener that throws changes nothing', async () => {
    const onEvent = () => {
      throw new Error('watcher');
    };
    await encrypt('x', { keyring: cachingKeyring(fastKeyring(), { onEvent }) });
  });
});

test('wrong options are named', () => {
  const make = (options: object) => () => cachingKeyring(fastKeyring(), options);
  expect(make({ maxAge: 0 })).toThrow(/^maxAge must be/);
  expect(make({ maxMessages: 2 ** 33 })).toThrow(/^maxMessages must be/);
  expect(make({ maxBytes: 1.5 })).toThrow(/^maxBytes must be/);
  expect(make({ maxEntries: 0 })).toThrow(/^maxEntries must be/);
  expect(make({ pollInterval: -1 })).toThrow(/^pollInterval must be/);
  expect(make({ refreshAhead: 1 })).toThrow(/^refreshAhead must be/);
  expect(make({ ttl: 1 })).toThrow(/unknown option "ttl"/);
  expect(() => cachingKeyring({} as never)).toThrow(/^keyring must be/);
  expect(() => cachingKeyring(cachingKeyring(fastKeyring()))).toThrow(/^keyring must be one without a cache/);
});
