// Who is served by a cache: those who state the same scope, and nobody where none is stated.

import { describe, expect, test, vi } from 'vitest';
import { cachingKeyring, createDataKeyCache } from '../../src/cache.ts';
import { decrypt, encrypt, inspect, KeyServiceError } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import type { CacheScope, Keyring } from '../../src/keyrings/custom.ts';
import { observedKeyring } from '../../src/keyrings/observed.ts';
import { codeOf, fastKeyring, pattern } from '../support/data.ts';

const recovery = aesKeyring({ keyId: 'recovery', key: pattern(32, 5) });

/** A keyring like that of a service: it decides by who is signed in, and says so in its scope. */
function ofService(state: { user: string; token?: number; down?: boolean }, allowed = ['alice']) {
  const inner = fastKeyring();
  const asked: string[] = [];
  const decide = () => {
    asked.push(state.user);
    if (state.down) throw new KeyServiceError('ERR_SERVICE_UNREACHABLE', 'The key service could not be reached');
    if (!allowed.includes(state.user)) throw new KeyServiceError('ERR_NOT_ALLOWED', 'not allowed');
  };
  const scope = (): CacheScope => ({ id: `${state.user} ${state.token ?? 0}`, user: state.user });
  const keyring: Keyring = {
    ...inner,
    async generateDataKey(options) {
      decide();
      return inner.generateDataKey(options);
    },
    async unwrapDataKey(keys, options) {
      if (keys.some(({ keyId }) => keyId === 'test')) decide();
      return inner.unwrapDataKey(keys, options);
    },
    cacheScope: async () => scope(),
  };
  return { keyring, asked };
}

const compositions: [string, (keyring: Keyring) => Keyring][] = [
  ['alone', (keyring) => keyring],
  ['anyOf with a recovery key', (keyring) => anyOf(keyring, recovery)],
  ['anyOf behind a recovery key', (keyring) => anyOf(recovery, keyring)],
  ['observed', (keyring) => observedKeyring(keyring, () => undefined)],
  [
    'observed anyOf of observed',
    (keyring) =>
      observedKeyring(
        anyOf(
          observedKeyring(keyring, () => {}),
          recovery,
        ),
        () => {},
      ),
  ],
];

describe.each(compositions)('%s', (_what, compose) => {
  test('the next user gets nothing of the one before', async () => {
    const state = { user: 'alice' };
    const { keyring: inner, asked } = ofService(state);
    const message = await encrypt('of alice', { keyring: fastKeyring() });
    const keyring = cachingKeyring(compose(inner));
    await decrypt(message, { keyring });
    await decrypt(message, { keyring });
    expect(asked).toEqual(['alice']);
    state.user = 'mallory';
    expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_NOT_ALLOWED');
    expect(asked).toEqual(['alice', 'mallory']);
    state.user = 'alice';
    await decrypt(message, { keyring });
    expect(asked).toEqual(['alice', 'mallory']);
  });

  test('another token of the same user is asked for again, and gets what was on its way', async () => {
    const state = { user: 'alice', token: 1 };
    const { keyring: inner, asked } = ofService(state);
    const message = await encrypt('x', { keyring: fastKeyring() });
    const keyring = cachingKeyring(compose(inner));
    const { unwrapDataKey } = inner;
    Object.assign(inner, {
      unwrapDataKey: (...args: Parameters<typeof unwrapDataKey>) => {
        state.token++;
        return unwrapDataKey(...args);
      },
    });
    await decrypt(message, { keyring });
    expect([asked.length, keyring.cache.size]).toEqual([1, 0]);
    Object.assign(inner, { unwrapDataKey });
    await decrypt(message, { keyring });
    await decrypt(message, { keyring });
    expect([asked.length, keyring.cache.size]).toEqual([2, 1]);
  });

  test('a user who changes while the data key is on its way ends the wait', async () => {
    const state = { user: 'alice' };
    const { keyring: inner } = ofService(state, ['alice', 'bob']);
    const keyring = cachingKeyring(compose(inner));
    const { unwrapDataKey } = inner;
    const message = await encrypt('x', { keyring: fastKeyring() });
    inner.unwrapDataKey = (...args) => {
      state.user = 'bob';
      return unwrapDataKey(...args);
    };
    expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_TOKEN_UNAVAILABLE');
    expect(keyring.cache.size).toBe(0);
  });
});

describe('a scope that names no user', () => {
  /** A keyring whose scope changes during each of the first calls. */
  const changing = (changes: number) => {
    const inner = fastKeyring();
    let calls = 0;
    const call = <Result>(result: Promise<Result>) => {
      calls++;
      return result;
    };
    const keyring: Keyring = {
      ...inner,
      generateDataKey: (options) => call(inner.generateDataKey(options)),
      unwrapDataKey: (keys, options) => call(inner.unwrapDataKey(keys, options)),
      cacheScope: async () => ({ id: `token ${Math.min(calls, changes)}` }),
    };
    return { keyring, calls: () => calls };
  };

  test.each([0, 1])('a data key that was asked for under another one is asked for once more: %s', async (changes) => {
    const message = await encrypt('x', { keyring: fastKeyring() });
    for (const operation of ['encrypt', 'decrypt'] as const) {
      const { keyring: inner, calls } = changing(changes);
      const keyring = cachingKeyring(inner);
      const work = () => (operation === 'encrypt' ? encrypt('x', { keyring }) : decrypt(message, { keyring }));
      await Promise.all([work(), work(), work()]);
      expect([calls(), keyring.cache.size]).toEqual([1 + changes, 1]);
      await work();
      expect(calls()).toBe(1 + changes);
    }
  });

  test('and not for ever', async () => {
    const { keyring: inner, calls } = changing(5);
    const keyring = cachingKeyring(inner);
    const message = await encrypt('x', { keyring: fastKeyring() });
    expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_TOKEN_UNAVAILABLE');
    expect([calls(), keyring.cache.size]).toEqual([2, 0]);
  });
});

describe('no scope', () => {
  const stateless = (scope: Keyring['cacheScope'] | 'none'): Keyring => {
    const { cacheScope: _, ...inner } = fastKeyring();
    return scope === 'none' ? inner : ({ ...inner, cacheScope: scope } as Keyring);
  };
  test.each<[string, Keyring]>([
    ['not stated', stateless('none')],
    ['stated to be none', stateless(async () => undefined)],
    ['one of several does not state it', anyOf(recovery, stateless('none'))],
    [
      'one of several fails to state it',
      anyOf(
        recovery,
        stateless(() => Promise.reject(new Error('no token'))),
      ),
    ],
  ])('%s: nothing is kept', async (_what, inner) => {
    const keyring = cachingKeyring(inner);
    const message = await encrypt('x', { keyring });
    expect(inspect(message).header.keyUse).toBe('single');
    await decrypt(message, { keyring });
    expect([keyring.cache.size, keyring.cache.counters.bypasses]).toEqual([0, 2]);
  });

  test('a scope that cannot be said fails the call where there is nobody else', async () => {
    const reason = new KeyServiceError('ERR_TOKEN_UNAVAILABLE', 'no token');
    const keyring = cachingKeyring(stateless(() => Promise.reject(reason)));
    await expect(encrypt('x', { keyring })).rejects.toBe(reason);
  });
});

test('a cache hides nothing that a keyring behind it could open', async () => {
  const state = { user: 'alice', down: true };
  const { keyring: service } = ofService(state);
  const message = await encrypt('x', { keyring: anyOf(fastKeyring(), recovery) });
  for (const inner of [anyOf(service, recovery), anyOf(recovery, service)]) {
    expect((await decrypt(message, { keyring: cachingKeyring(inner) })).plaintext).toEqual(Uint8Array.of(120));
  }
  expect(await codeOf(decrypt(message, { keyring: cachingKeyring(service) }))).toBe('ERR_SERVICE_UNREACHABLE');
});

test('keyrings of local keys share a cache and no entry', async () => {
  const cache = createDataKeyCache();
  const message = await encrypt('x', { keyring: fastKeyring() });
  await decrypt(message, { keyring: cachingKeyring(fastKeyring(), cache) });
  expect(await codeOf(decrypt(message, { keyring: cachingKeyring(fastKeyring(9), cache) }))).toBe(
    'ERR_DECRYPTION_FAILED',
  );
});

test('keyrings of two copies of this package, which may share a cache, state different scopes', async () => {
  const ids: (string | undefined)[] = [];
  for (const keyId of ['one', 'other']) {
    vi.resetModules();
    const copy = await import('../../src/keyrings/aes.ts');
    // The first of its copy.
    ids.push((await copy.aesKeyring({ keyId, key: pattern(32) }).cacheScope?.())?.id);
  }
  expect(new Set(ids).size).toBe(2);
});
