// What a call is given is taken when it is called: a caller that changes its objects or its bytes afterwards changes its next call, not this one.

import { describe, expect, test } from 'vitest';
import { cachingKeyring } from '../../src/cache.ts';
import {
  type Context,
  decrypt,
  decryptMany,
  decryptStream,
  detach,
  encrypt,
  encryptMany,
  encryptStream,
  open,
  reencrypt,
  rewrap,
} from '../../src/index.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import { reencryptAll, rewrapAll } from '../../src/message/rewrap-all.ts';
import { assertSameBytes, collect, fastKeyring, pattern, s, streamOf } from '../support/data.ts';

const keyring = fastKeyring();
const other = fastKeyring(9);
const data = pattern(3 * s + 1);

/** Options that can be changed. */
interface Changing {
  keyring: Keyring;
  context: Context & Record<string, string>;
}
const changing = (): Changing => ({ keyring, context: { id: '1' } });
/** The next call's. */
function change(options: Changing): void {
  options.context['id'] = '2';
  options.context = { id: '3' };
  options.keyring = other;
}

describe('options', () => {
  test('of encrypt and encryptStream', async () => {
    const options = changing();
    const message = encrypt(data, options);
    const stream = collect(streamOf(data, 1_000).pipeThrough(encryptStream(options)));
    change(options);
    for (const each of [message, stream]) expect((await decrypt(await each, changing())).plaintext).toEqual(data);
  });

  test('of decrypt, decryptStream and open', async () => {
    const message = await encrypt(data, { ...changing(), segmentSize: s });
    const options = changing();
    const results = [
      decrypt(message, options).then(({ plaintext }) => plaintext),
      collect(streamOf(message, 7).pipeThrough(decryptStream(options))),
      open(new Blob([message]), options).then((opened) => opened.read()),
    ];
    change(options);
    for (const plaintext of await Promise.all(results)) expect(plaintext).toEqual(data);
  });

  test('of reencrypt: not to whom the caller thinks of next', async () => {
    const message = await encrypt(data, changing());
    const options = { from: keyring, to: keyring, context: { id: '1' }, newContext: { id: 'new' } };
    const renewed = [reencrypt(message, options), collect(reencrypt(streamOf(message, 5_000), options))];
    options.newContext.id = 'later';
    options.newContext = { id: 'later' };
    options.to = other;
    for (const each of await Promise.all(renewed)) {
      expect((await decrypt(each, { keyring, context: { id: 'new' } })).plaintext).toEqual(data);
    }
  });

  test('of rewrap', async () => {
    const message = await encrypt(data, changing());
    const options = { from: keyring, to: other, context: { id: '1' } };
    const rewrapped = rewrap(message, options);
    options.context.id = '2';
    options.to = keyring;
    expect((await decrypt(await rewrapped, { keyring: other, context: { id: '1' } })).plaintext).toEqual(data);
  });

  test('of work on many messages', async () => {
    const items = await Promise.all(
      ['1', '2', '3'].map(async (id) => ({ id, message: await encrypt(id, { keyring, segmentSize: s }) })),
    );
    for (const work of [rewrapAll, reencryptAll]) {
      const written: (Uint8Array | string)[] = [];
      const options = {
        from: keyring,
        to: other,
        write: async (result: Uint8Array | string) => void written.push(result),
      };
      const report = work(items, { ...options, concurrency: 1 });
      const late = Object.assign(options, { concurrency: 1 });
      const second = work(items, late);
      late.write = () => Promise.reject(new Error('this is for the next call'));
      expect([await report, await second]).toMatchObject([
        { done: 3, failed: 0 },
        { done: 3, failed: 0 },
      ]);
      for (const message of written) await decrypt(message, { keyring: other });
      expect(written).toHaveLength(6);
    }
  });
});

describe('bytes', () => {
  test.each([0, 1, 100, s, 3 * s + 1, 600_000])(
    '%i of them may be erased or given away right after encrypt',
    async (length) => {
      const plaintext = pattern(length);
      const erased = pattern(length);
      const given = pattern(length);
      const messages = [encrypt(erased, { keyring, segmentSize: s }), encrypt(given, { keyring })];
      erased.fill(0);
      structuredClone(given.buffer, { transfer: [given.buffer] });
      for (const message of messages) assertSameBytes((await decrypt(await message, { keyring })).plaintext, plaintext);
    },
  );
});

describe('messages', () => {
  const lengths = [0, 1, 100, 2 ** 16, 2 ** 16 + 1, 3 * s + 1];
  // One has its data key at once, one has to wait for it.
  const keyrings = { cached: cachingKeyring(keyring), 'not cached': keyring };
  test.each(lengths)('%i bytes: they may be erased or given away right after decrypt', async (length) => {
    const plaintext = pattern(length);
    for (const by of Object.values(keyrings)) {
      for (const segmentSize of [s, 2 ** 18]) {
        const message = await encrypt(plaintext, { keyring, segmentSize });
        await decrypt(message, { keyring: by });
        const [erased, given, halves] = [message.slice(), message.slice(), detach(message)];
        const opened = [erased, given, halves].map((each) => decrypt(each, { keyring: by }));
        erased.fill(0);
        structuredClone(given.buffer, { transfer: [given.buffer] });
        halves.body.fill(0);
        halves.envelope.fill(0);
        for (const each of opened) assertSameBytes((await each).plaintext, plaintext);
      }
    }
  });
});

describe('what runs inside a call', () => {
  const erase = (message: Uint8Array) => message.fill(0);
  const giveAway = (message: Uint8Array) => structuredClone(message.buffer, { transfer: [message.buffer] });
  const first = <Result>(run: () => void, next: () => Result): Result => {
    run();
    return next();
  };
  // Each makes a keyring that lets a function of an application run before the call has returned.
  const places: Record<string, (run: () => void) => Keyring> = {
    'a listener of a cache': (run) => cachingKeyring(keyring, { onEvent: run }),
    'the clock of a cache': (run) => cachingKeyring(keyring, { now: () => first(run, Date.now) }),
    'a scope': (run) => cachingKeyring({ ...keyring, cacheScope: async () => first(run, () => ({ id: 'own' })) }),
    'a keyring': (run) => ({
      ...keyring,
      unwrapDataKey: (...args) => first(run, () => keyring.unwrapDataKey(...args)),
    }),
  };

  describe.each(Object.entries(places))('%s', (_place, keyringWith) => {
    test.each([
      ['erases', erase],
      ['gives away', giveAway],
    ])('%s the message', async (_how, harm) => {
      let run = () => {};
      const by = keyringWith(() => run());
      const plaintext = pattern(100);
      const message = await encrypt(plaintext, { keyring });
      await decrypt(message, { keyring: by });
      const whole = message.slice();
      const halves = detach(message);
      for (const [given, bytes] of [[whole, whole] as const, [halves, halves.body] as const]) {
        let harmed = false;
        run = () => {
          if (!harmed) harm(bytes);
          harmed = true;
        };
        assertSameBytes((await decrypt(given, { keyring: by })).plaintext, plaintext);
        expect(harmed).toBe(true);
      }
    });
  });
});

describe('items', () => {
  const count = 150;

  test('of encryptMany: their number, data and contexts', async () => {
    const items = Array.from({ length: count }, (_, i) => ({ data: pattern(20, i + 1), context: { id: `${i}` } }));
    const options = { keyring, context: { id: 'for those without' } };
    const first = encryptMany(items, options);
    const second = encryptMany(
      items.map(({ data }) => ({ data })),
      options,
    );
    for (const item of items) {
      item.data.fill(0);
      item.context.id = 'late';
      item.data = pattern(9);
    }
    items.length = 0;
    options.context.id = 'late';
    options.keyring = other;
    for (const [i, message] of (await first).entries()) {
      expect((await decrypt(message, { keyring, context: { id: `${i}` } })).plaintext).toEqual(pattern(20, i + 1));
    }
    const context = { id: 'for those without' };
    const opened = await decryptMany(
      (await second).map((message) => ({ message })),
      { keyring, context },
    );
    expect(opened.map(({ plaintext }) => plaintext)).toEqual(
      Array.from({ length: count }, (_, i) => pattern(20, i + 1)),
    );
  });

  test('of decryptMany', async () => {
    const messages = await encryptMany(
      Array.from({ length: count }, (_, i) => ({ data: `${i}` })),
      { keyring, context: { id: '1' } },
    );
    const items = messages.map((message) => ({ message: message as Uint8Array, context: { id: '1' } }));
    const opened = decryptMany(items, { keyring });
    for (const item of items) {
      item.context.id = 'late';
      item.message = new Uint8Array(1);
    }
    items.length = 0;
    const texts = (await opened).map(({ plaintext }) => new TextDecoder().decode(plaintext));
    expect(texts).toEqual(Array.from({ length: count }, (_, i) => `${i}`));
  });

  test('a wrapped key is forgotten after a thousand others', async () => {
    let unwrapped = 0;
    const counting: Keyring = {
      ...keyring,
      unwrapDataKey: (keys, options) => {
        unwrapped++;
        return keyring.unwrapDataKey(keys, options);
      },
    };
    const messages = await Promise.all(Array.from({ length: 1_001 }, () => encrypt('', { keyring })));
    const [first] = messages;
    await decryptMany(
      [...messages, ...messages.slice(-1), first as Uint8Array].map((message) => ({ message })),
      { keyring: counting },
    );
    expect(unwrapped).toBe(1_002);
  });
});
