// What a keyring answers is checked, and no call waits for it longer than its signal says.

import { describe, expect, test, vi } from 'vitest';
import { cachingKeyring, createDataKeyCache } from '../../src/cache.ts';
import {
  decrypt,
  decryptStream,
  encrypt,
  encryptMany,
  encryptStream,
  open,
  reencrypt,
  rewrap,
} from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import type { CacheScope, GeneratedDataKey, Keyring, KeyringOptions, WrappedKey } from '../../src/keyrings/custom.ts';
import { collect, fastKeyring, rejection } from '../support/data.ts';

const inner = aesKeyring({ keyId: 'k', key: new Uint8Array(32).fill(7) });
const generated = (change: object): Keyring => ({
  ...inner,
  async generateDataKey(options?: KeyringOptions) {
    return { ...(await inner.generateDataKey(options)), ...change } as GeneratedDataKey;
  },
});

describe('a data key', () => {
  test.each<[string, object, RegExp]>([
    ['keyUse in capitals', { keyUse: 'SHARED' }, /^TypeError: keyUse must be single or shared$/],
    ['no keyUse', { keyUse: undefined }, /^TypeError: keyUse must be single or shared$/],
    ['no wrapped keys', { wrappedKeys: undefined }, /^TypeError: wrappedKeys must be an array$/],
    ['a wrapped key that is no object', { wrappedKeys: ['a'] }, /^TypeError: wrappedKeys\[0\] must be an object$/],
    ['no data key', { dataKey: undefined }, /^TypeError: dataKey must be made by importDataKey$/],
    ['something else beside them', { datakey: 1 }, /^TypeError: unknown option "datakey"/],
  ])('%s', async (_what, change, message) => {
    const keyring = generated(change);
    expect(String(await rejection(encrypt('x', { keyring })))).toMatch(message);
    expect(String(await rejection(encryptMany([{ data: 'x' }], { keyring })))).toMatch(message);
    expect(String(await rejection(encrypt('x', { keyring: cachingKeyring(keyring) })))).toMatch(message);
  });

  test.each([-1, 1.5, 2 ** 32, Number.NaN, '1', undefined])('version %s', async (version) => {
    const { wrappedKeys } = await inner.generateDataKey();
    const keyring = generated({ wrappedKeys: wrappedKeys.map((key) => ({ ...key, version })) });
    expect(await rejection(encrypt('x', { keyring }))).toMatchObject({ code: 'ERR_MALFORMED' });
  });
});

test.each([undefined, 'text', 1, true])('the answer %s', async (answer) => {
  const answering = async () => answer as never;
  const keyring: Keyring = {
    ...inner,
    generateDataKey: answering,
    wrapDataKey: answering,
    unwrapDataKey: answering,
    unwrapDataKeyBytes: answering,
  };
  const message = await encrypt('x', { keyring: inner });
  const error = /^TypeError: what a keyring resolves to must be an object$/;
  expect(String(await rejection(encrypt('x', { keyring })))).toMatch(error);
  expect(String(await rejection(decrypt(message, { keyring })))).toMatch(error);
  expect(String(await rejection(rewrap(message, { from: keyring, to: inner })))).toMatch(error);
  expect(String(await rejection(rewrap(message, { from: inner, to: keyring })))).toMatch(error);
});

test.each([undefined, null, 'text', {}, [undefined], ['text']])(
  'wrapped keys that are %o, to one of several',
  async (answer) => {
    const keyring = anyOf(inner, { ...inner, wrapDataKey: async () => answer as never });
    const error =
      /^TypeError: what a keyring resolves to must be an object$|^TypeError: wrappedKeys(\[0\])? must be an (array|object)$/;
    expect(String(await rejection(encrypt('x', { keyring })))).toMatch(error);
    expect(String(await rejection(keyring.generateDataKey()))).toMatch(error);
    expect(String(await rejection(keyring.wrapDataKey(new Uint8Array(32))))).toMatch(error);
  },
);

describe('a scope', () => {
  const users = { alice: { user: 'alice' }, bob: { user: 'bob' } };
  test.each<[string, (user: 'alice' | 'bob') => unknown]>([
    ['an object for an id', (user) => ({ id: users[user] })],
    ['an array for an id', (user) => ({ id: [user] })],
    ['an empty id', () => ({ id: '' })],
    ['no id', (user) => ({ user })],
    ['an id that is undefined', () => ({ id: undefined })],
    ['an id that is a promise', (user) => ({ id: Promise.resolve(user) })],
    ['the id alone', (user) => user],
    ['another name', (user) => ({ ID: user })],
    ['a map', (user) => new Map([['id', user]])],
    ['null', () => null],
  ])('%s: nobody is served from the cache', async (_what, scopeOf) => {
    const cache = createDataKeyCache();
    const keyringOf = (user: 'alice' | 'bob') => {
      const own = aesKeyring({ keyId: 'k', key: new Uint8Array(32).fill(user.length) });
      return cachingKeyring({ ...own, cacheScope: async () => scopeOf(user) as CacheScope }, cache);
    };
    for (const keyring of [keyringOf('alice'), keyringOf('bob')]) {
      expect(await rejection(encrypt('x', { keyring }))).toBeInstanceOf(TypeError);
    }
    expect(cache.size).toBe(0);
  });
});

describe('a keyring that never answers', () => {
  const never = () => new Promise<never>(() => {});
  const silent: Keyring = {
    generateDataKey: never,
    wrapDataKey: never,
    unwrapDataKey: never,
    unwrapDataKeyBytes: never,
  };
  const message = encrypt('x', { keyring: inner });
  const silentScope = cachingKeyring({ ...fastKeyring(), cacheScope: never });
  test.each<[string, (signal: AbortSignal) => Promise<unknown>]>([
    ['encrypt', (signal) => encrypt('x', { keyring: silent, signal })],
    ['encryptMany', (signal) => encryptMany([{ data: 'x' }], { keyring: silent, signal })],
    [
      'encryptStream',
      (signal) => collect(new Blob(['x']).stream().pipeThrough(encryptStream({ keyring: silent, signal }))),
    ],
    ['decrypt', async (signal) => decrypt(await message, { keyring: silent, signal })],
    ['open', async (signal) => open(await message, { keyring: silent, signal })],
    [
      'decryptStream',
      async (signal) =>
        collect(new Blob([await message]).stream().pipeThrough(decryptStream({ keyring: silent, signal }))),
    ],
    ['rewrap from it', async (signal) => rewrap(await message, { from: silent, to: inner, signal })],
    ['rewrap to it', async (signal) => rewrap(await message, { from: inner, to: silent, signal })],
    ['reencrypt', async (signal) => reencrypt(await message, { from: inner, to: silent, signal })],
    ['a cache in front', (signal) => encrypt('x', { keyring: cachingKeyring(silent), signal })],
    ['a scope', (signal) => encrypt('x', { keyring: silentScope, signal })],
  ])('%s ends with its signal', async (_what, call) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const called = rejection(call(controller.signal));
    setTimeout(() => controller.abort(reason), 5);
    expect(await called).toBe(reason);
  });
});

test('a data key that comes after the abort is overwritten', async () => {
  const message = await encrypt('x', { keyring: inner });
  const dataKey = new Uint8Array(32).fill(7);
  let answerNow = () => {};
  const answering = new Promise<void>((resolve) => {
    answerNow = resolve;
  });
  const late: Keyring = {
    ...inner,
    async unwrapDataKeyBytes(wrappedKeys) {
      await answering;
      return { wrappedKey: wrappedKeys[0] as WrappedKey, dataKey };
    },
  };
  const controller = new AbortController();
  const call = rejection(rewrap(message, { from: late, to: inner, signal: controller.signal }));
  setTimeout(() => controller.abort(new Error('enough')), 5);
  expect((await call).message).toBe('enough');
  answerNow();
  await vi.waitFor(() => expect(dataKey).toEqual(new Uint8Array(32)));
});
