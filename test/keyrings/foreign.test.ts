// What applications' own keyrings do with what they are handed, and with what they answered, changes nothing for anybody else.

import { describe, expect, test } from 'vitest';
import { cachingKeyring, createDataKeyCache } from '../../src/cache.ts';
import { decrypt, encrypt, encryptMany, encryptStream, inspect, rewrap } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import { importDataKey, type Keyring, type WrappedKey } from '../../src/keyrings/custom.ts';
import { observedKeyring } from '../../src/keyrings/observed.ts';
import type { Bytes } from '../../src/types.ts';
import { codeOf, collect, fastKeyring, flipBit, rejection, streamOf } from '../support/data.ts';

const held = (keyId: string, fill: number, version = 0) =>
  aesKeyring({ keyId, version, key: new Uint8Array(32).fill(fill) });
const [own, other, third] = [held('own', 1), held('other', 2), held('third', 3)];
const text = async (message: Bytes, keyring: Keyring, context = {}) =>
  new TextDecoder().decode((await decrypt(message, { keyring, context })).plaintext);

describe('the bytes of a data key are overwritten by the keyring that they are handed to', () => {
  const erase = (bytes: Bytes) => void bytes.fill(0);
  const transfer = (bytes: Bytes) => void structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  /** Wraps by `other`, and changes what it was given before or after. */
  const changing = (change: (bytes: Bytes) => void, when: string): Keyring => ({
    ...other,
    async wrapDataKey(dataKey, options) {
      const kept = dataKey.slice();
      if (when === 'at once') change(dataKey);
      const wrapped = await other.wrapDataKey(kept, options);
      if (when === 'afterwards') change(dataKey);
      return wrapped;
    },
  });
  const cases = [
    ['erased', 'at once', erase],
    ['erased', 'afterwards', erase],
    ['transferred', 'at once', transfer],
    ['transferred', 'afterwards', transfer],
  ] as const;

  test.each(cases)('%s %s, among several', async (_what, when, change) => {
    const custom = changing(change, when);
    for (const keyring of [
      anyOf(custom, own),
      anyOf(own, custom),
      anyOf(
        observedKeyring(custom, () => {}),
        own,
      ),
    ]) {
      const message = await encrypt('x', { keyring });
      expect([await text(message, own), await text(message, other)]).toEqual(['x', 'x']);
      expect(await rejection(decrypt(message, { keyring: zeros }))).toMatchObject({ code: 'ERR_DECRYPTION_FAILED' });
    }
  });

  test.each(cases)('%s %s, where it is re-wrapped', async (_what, when, change) => {
    const message = await encrypt('x', { keyring: third });
    const rewrapped = await rewrap(message, { from: third, to: anyOf(changing(change, when), own) });
    expect([await text(rewrapped, own), await text(rewrapped, other)]).toEqual(['x', 'x']);
  });

  /** What opens a message whose data key is all zeros. */
  const zeros: Keyring = {
    ...own,
    unwrapDataKey: async ([key]) => ({
      wrappedKey: key as WrappedKey,
      dataKey: await importDataKey(new Uint8Array(32)),
    }),
  };
});

describe('wrapped keys are changed after the answer', () => {
  const loose = ({ keyId, version, serviceId, keyContext, wrapping }: WrappedKey) => ({
    ...{ keyId, version, serviceId, keyContext: { ...keyContext }, wrapping: { ...wrapping } },
  });
  const changes: Record<string, (keys: Record<string, unknown>[]) => void> = {
    'the array': (keys) => keys.splice(0),
    'an id': (keys) => {
      for (const key of keys) key['keyId'] = 'another';
    },
    bytes: (keys) => {
      for (const { wrapping } of keys)
        for (const part of Object.values(wrapping as object)) if (part instanceof Uint8Array) part.fill(0);
    },
  };
  /** Changes its answers right after the caller could have read them. */
  const changing = (change: (keys: Record<string, unknown>[]) => void): Keyring => {
    const soon = <Answer>(answer: Answer, keys: unknown): Answer => {
      queueMicrotask(() => queueMicrotask(() => change(keys as Record<string, unknown>[])));
      return answer;
    };
    return {
      ...own,
      async generateDataKey(options) {
        const made = await own.generateDataKey(options);
        const wrappedKeys = made.wrappedKeys.map(loose);
        return soon({ ...made, wrappedKeys }, wrappedKeys);
      },
      async wrapDataKey(dataKey, options) {
        const wrappedKeys = (await own.wrapDataKey(dataKey, options)).map(loose);
        return soon(wrappedKeys, wrappedKeys);
      },
      cacheScope: async () => ({ id: 'changing' }),
    };
  };

  test.each(Object.entries(changes))('%s', async (_what, change) => {
    const keyring = changing(change);
    const messages = {
      alone: await encrypt('x', { keyring }),
      'among several': await encrypt('x', { keyring: anyOf(keyring, other) }),
      'with a cache': await encrypt('x', { keyring: cachingKeyring(keyring) }),
      'of many': (await encryptMany([{ data: 'x' }, { data: 'y' }], { keyring }))[0] as Bytes,
      'of a stream': await collect(streamOf(new TextEncoder().encode('x'), 1).pipeThrough(encryptStream({ keyring }))),
      're-wrapped': await rewrap(await encrypt('x', { keyring: third }), { from: third, to: keyring }),
    };
    for (const [how, message] of Object.entries(messages)) expect(await text(message, own), how).toBe('x');
  });
});

test('a keyring that empties the array of wrapped keys takes nobody away', async () => {
  const greedy: Keyring = {
    ...own,
    async unwrapDataKey(keys, options) {
      const opened = await own.unwrapDataKey([...keys], options);
      (keys as WrappedKey[]).length = 0;
      return opened;
    },
    async unwrapDataKeyBytes(keys, options) {
      const opened = await own.unwrapDataKeyBytes([...keys], options);
      (keys as WrappedKey[]).length = 0;
      return opened;
    },
  };
  const message = await encrypt('x', { keyring: anyOf(own, other) });
  const ids = async (keep: boolean) =>
    inspect(await rewrap(message, { from: greedy, to: third, keep })).wrappedKeys.map(({ keyId }) => keyId);
  expect([await ids(true), await ids(false)]).toEqual([
    ['own', 'third', 'other'],
    ['third', 'other'],
  ]);
  expect(await text(await encrypt('x', { keyring: other }), anyOf(greedy, other))).toBe('x');
});

describe('before a data key is handed on', () => {
  const context = { record: '4711' };
  /** A keyring that notes which of the data keys that it is handed open a message. */
  const curious = (inner: Keyring) => {
    const handed: Bytes[] = [];
    const keyring: Keyring = {
      ...inner,
      wrapDataKey: (dataKey, options) => {
        handed.push(dataKey.slice());
        return inner.wrapDataKey(dataKey, options);
      },
    };
    const opening = async (message: Bytes) => {
      const opens = await Promise.all(
        handed.map(async (bytes) => {
          const dataKey = await importDataKey(bytes);
          const opener: Keyring = {
            ...own,
            unwrapDataKey: async ([key]) => ({ wrappedKey: key as WrappedKey, dataKey }),
          };
          return text(message, opener, context).catch(() => undefined);
        }),
      );
      return opens.filter((each) => each !== undefined).length;
    };
    return { keyring, opening };
  };

  test('§7.7b without the context a keyring of another key is handed nothing that opens the message', async () => {
    const { keyring, opening } = curious(other);
    const message = await encrypt('x', { keyring: third, context });
    for (const to of [keyring, anyOf(third, keyring), observedKeyring(keyring, () => {})]) {
      expect(await rejection(rewrap(message, { from: third, to }))).toMatchObject({ code: 'ERR_CONTEXT_MISMATCH' });
    }
    expect(await opening(message)).toBe(0);
    expect(await text(await rewrap(message, { from: third, to: keyring, context }), other, context)).toBe('x');
    expect(await opening(message)).toBe(1);
  });

  test('§7.7d a shared data key reaches no other key, not even where the context is known', async () => {
    const { keyring, opening } = curious(other);
    const message = await encrypt('x', { keyring: cachingKeyring(third), context });
    for (const keep of [false, true]) {
      const rewrapping = rewrap(message, { from: third, to: keyring, keep, context });
      expect(await rejection(rewrapping)).toMatchObject({ code: 'ERR_SHARED_DATA_KEY' });
    }
    expect(await opening(message)).toBe(0);
  });

  test('§7.7a a newer version of the same key needs no context', async () => {
    const newer = held('third', 9, 1);
    const { keyring, opening } = curious(newer);
    for (const encrypting of [third, cachingKeyring(third)]) {
      const message = await encrypt('x', { keyring: encrypting, context });
      expect(await text(await rewrap(message, { from: third, to: keyring }), newer, context)).toBe('x');
      expect(await opening(message)).toBe(1);
    }
  });
});

test('a data key from the random source of one caller is given to nobody else', async () => {
  const keyring = cachingKeyring(fastKeyring());
  const predictable = await encrypt('x', { keyring, random: (length) => new Uint8Array(length).fill(5) });
  const next = await encrypt('y', { keyring });
  const predicting: Keyring = {
    ...own,
    unwrapDataKey: async ([key]) => ({
      wrappedKey: key as WrappedKey,
      dataKey: await importDataKey(new Uint8Array(32).fill(5)),
    }),
  };
  expect(await text(predictable, predicting)).toBe('x');
  expect(await rejection(decrypt(next, { keyring: predicting }))).toMatchObject({ code: 'ERR_DECRYPTION_FAILED' });
  expect(keyring.cache.counters).toMatchObject({ bypasses: 1, misses: 1, hits: 0 });
});

describe('hooks that fail', () => {
  const failing: Partial<Keyring>[] = [
    {
      rejectDataKey: () => {
        throw new Error('down');
      },
      segmentFailed: () => {
        throw new Error('down');
      },
    },
    {
      rejectDataKey: async () => {
        throw new Error('down');
      },
      segmentFailed: (async () => {
        throw new Error('down');
      }) as never,
    },
    { rejectDataKey: 'no function' as never, segmentFailed: 1 as never },
  ];

  test.each(failing)('keep no other keyring from hearing, and end no process: %o', async (hooks) => {
    const heard: string[] = [];
    const listening: Keyring = {
      ...other,
      rejectDataKey: async () => void heard.push('rejected'),
      segmentFailed: () => void heard.push('segment'),
    };
    // Opens everything, with a data key that is not that of the message.
    const wrong: Keyring = {
      ...own,
      ...hooks,
      unwrapDataKey: async ([key]) => ({
        wrappedKey: key as WrappedKey,
        dataKey: await importDataKey(new Uint8Array(32)),
      }),
    };
    const right: Keyring = { ...own, ...hooks };
    const message = await encrypt('x', { keyring: own });
    const front = (inner: Keyring) => [
      inner,
      anyOf(inner, listening),
      observedKeyring(anyOf(inner, listening), () => {}),
      cachingKeyring(anyOf(inner, listening)),
    ];
    for (const keyring of front(wrong)) {
      expect(await rejection(decrypt(message, { keyring }))).toMatchObject({ code: 'ERR_DECRYPTION_FAILED' });
    }
    for (const keyring of front(right)) {
      expect(await rejection(decrypt(flipBit(message, 8 * message.byteLength - 1), { keyring }))).toMatchObject({
        code: 'ERR_DECRYPTION_FAILED',
      });
    }
    expect(heard).toEqual(['rejected', 'rejected', 'rejected', 'segment', 'segment', 'segment']);
  });
});

test('no scope of a keyring of somebody else is one of ours', async () => {
  const cache = createDataKeyCache();
  const scoped = (inner: Keyring, id: string): Keyring => ({ ...inner, cacheScope: async () => ({ id }) });
  const message = await encrypt('x', { keyring: own });
  const alice = cachingKeyring(anyOf(scoped(own, 'user alice')), cache);
  expect(await text(message, alice)).toBe('x');
  for (const id of ['["user alice"]', '["custom user alice"]', 'user alice']) {
    const mallory = cachingKeyring(scoped(other, id), cache);
    expect(await rejection(decrypt(message, { keyring: mallory }))).toMatchObject({ code: 'ERR_NO_MATCHING_KEY' });
  }
});

describe('answers that are none', () => {
  test.each<[string, Partial<Keyring>]>([
    [
      'a wrapped key without parts',
      { generateDataKey: async () => ({ ...(await own.generateDataKey()), wrappedKeys: [{}] }) as never },
    ],
    [
      'a wrapped key without a wrapping',
      {
        generateDataKey: async () => {
          const made = await own.generateDataKey();
          return { ...made, wrappedKeys: made.wrappedKeys.map(({ wrapping: _, ...key }) => ({ ...key })) } as never;
        },
      },
    ],
    [
      'a data key of somebody else',
      { generateDataKey: async () => ({ ...(await own.generateDataKey()), dataKey: {} }) as never },
    ],
  ])('%s, when encrypting', async (_what, change) => {
    for (const keyring of [{ ...own, ...change }, cachingKeyring({ ...own, ...change })]) {
      const error = await rejection(encrypt('x', { keyring }));
      expect(String(error)).toMatch(/(wrapped key must have|keyContext|dataKey must be made by importDataKey|version)/);
    }
  });

  test('one of several that wraps to nothing: nothing is made that it could not open', async () => {
    const none: Keyring = { ...other, wrapDataKey: async () => [] };
    const message = await encrypt('x', { keyring: own });
    for (const keyring of [anyOf(own, none), anyOf(none, own), observedKeyring(anyOf(own, none), () => {})]) {
      expect(await codeOf(encrypt('x', { keyring }))).toBe('ERR_KEYRING_CANNOT');
      expect(await codeOf(rewrap(message, { from: own, to: keyring }))).toBe('ERR_KEYRING_CANNOT');
    }
    const rewrapping = (made: number): Keyring => ({
      ...own,
      rewrapDataKey: async ([key]) => ({ wrappedKey: key as WrappedKey, wrappedKeys: Array(made).fill(key) }),
    });
    const to = (...made: number[]) => anyOf(...(made.map(rewrapping) as [Keyring]));
    expect(inspect(await rewrap(message, { from: own, to: to(1, 1) })).wrappedKeys).toHaveLength(2);
    expect(await codeOf(rewrap(message, { from: own, to: to(1, 0) }))).toBe('ERR_KEYRING_CANNOT');
  });

  test.each<[string, unknown]>([
    ['no wrapped key', { dataKey: undefined }],
    ['a data key that is none', { wrappedKey: undefined, dataKey: {} }],
    ['something else', { nonsense: 1 }],
  ])('%s, when decrypting', async (_what, answer) => {
    const message = await encrypt('x', { keyring: own });
    const keyring: Keyring = {
      ...own,
      unwrapDataKey: async () => answer as never,
      unwrapDataKeyBytes: async () => answer as never,
    };
    for (const front of [keyring, observedKeyring(keyring, () => {}), cachingKeyring(keyring), anyOf(keyring)]) {
      expect(await rejection(decrypt(message, { keyring: front }))).toBeInstanceOf(TypeError);
      expect(await rejection(rewrap(message, { from: front, to: other }))).toBeInstanceOf(TypeError);
    }
  });

  test.each([1, 'text', {}, new Set(), { wrappedKeys: [] }, { wrappedKey: 1, wrappedKeys: [] }])(
    '%o, when re-wrapping',
    async (answer) => {
      const message = await encrypt('x', { keyring: own });
      for (const answering of [async () => answer as never, (() => answer) as never]) {
        const to: Keyring = { ...other, rewrapDataKey: answering };
        expect(await rejection(rewrap(message, { from: own, to }))).toBeInstanceOf(TypeError);
        const { signal } = new AbortController();
        expect(await rejection(rewrap(message, { from: own, to, signal }))).toBeInstanceOf(TypeError);
      }
    },
  );
});
