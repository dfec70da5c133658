// Every keyring that stands in front of another one passes every method on: the wrappers and the methods are walked, so that neither a new wrapper nor a new method is forgotten.

import { describe, expect, test } from 'vitest';
import { cachingKeyring } from '../../src/cache.ts';
import type { WrappedKey } from '../../src/envelope/wrapped-key.ts';
import { decrypt, decryptMany, encrypt, encryptMany } from '../../src/index.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import { assertKeyring, type Keyring } from '../../src/keyrings/keyring.ts';
import { keyringMethods } from '../../src/keyrings/methods.ts';
import { observedKeyring } from '../../src/keyrings/observed.ts';
import { fastKeyring } from '../support/data.ts';

/** All functions of this package that make a keyring of a keyring. */
const wrappers: Record<string, (inner: Keyring) => Keyring> = {
  anyOf: (inner) => anyOf(inner),
  'anyOf with others': (inner) => anyOf(fastKeyring(8), inner, fastKeyring(9)),
  observedKeyring: (inner) => observedKeyring(inner, () => undefined),
  cachingKeyring: (inner) => cachingKeyring(inner),
  'all of them': (inner) =>
    cachingKeyring(observedKeyring(anyOf(observedKeyring(anyOf(inner), () => undefined)), () => {})),
};

/** A keyring with all methods that notes which were called, and with which receiver. */
class Recorder {
  readonly calls: string[] = [];
  readonly keyring: Keyring;

  constructor(inner: Keyring = fastKeyring(), without: readonly string[] = []) {
    const { calls } = this;
    const scope = { id: 'recorder' };
    const more: Required<
      Pick<Keyring, 'rewrapDataKey' | 'ownKeys' | 'revokeDataKeys' | 'cacheScope' | 'rejectDataKey' | 'segmentFailed'>
    > = {
      rewrapDataKey: async () => null,
      ownKeys: async (keys) => keys,
      revokeDataKeys: async () => [],
      cacheScope: async () => scope,
      rejectDataKey: async () => undefined,
      segmentFailed: () => undefined,
    };
    const all = { ...inner, ...more } as unknown as Record<string, (...args: unknown[]) => unknown>;
    class WithPrototype {}
    const prototype = WithPrototype.prototype as unknown as Record<string, unknown>;
    for (const name of keyringMethods) {
      if (without.includes(name)) continue;
      // On the prototype, as of a class: a wrapper that copies own properties has none of them.
      prototype[name] = function (this: unknown, ...args: unknown[]) {
        expect(this).toBeInstanceOf(WithPrototype);
        calls.push(name);
        return all[name]?.(...args);
      };
    }
    this.keyring = new WithPrototype() as Keyring;
  }
}

const optional = keyringMethods.filter((name) => {
  const { keyring } = new Recorder(fastKeyring(), [name]);
  try {
    assertKeyring(keyring, 'keyring');
    return true;
  } catch {
    return false;
  }
});

test('what is optional', () => {
  expect([...optional].sort()).toEqual([
    'cacheScope',
    'ownKeys',
    'rejectDataKey',
    'revokeDataKeys',
    'rewrapDataKey',
    'segmentFailed',
  ]);
});

describe.each(Object.entries(wrappers))('%s', (name, wrap) => {
  test.each(keyringMethods)('%s reaches the keyring behind it', async (method) => {
    const { keyring, calls } = new Recorder();
    const wrapped = wrap(keyring) as unknown as Record<string, (...args: unknown[]) => unknown>;
    const { wrappedKeys } = await fastKeyring().generateDataKey();
    const args: Partial<Record<string, unknown[]>> = {
      wrapDataKey: [new Uint8Array(32)],
      unwrapDataKey: [wrappedKeys],
      unwrapDataKeyBytes: [wrappedKeys],
      rewrapDataKey: [wrappedKeys, fastKeyring()],
      ownKeys: [wrappedKeys, {}],
      revokeDataKeys: [wrappedKeys],
      rejectDataKey: [wrappedKeys[0] as WrappedKey],
      segmentFailed: [wrappedKeys[0] as WrappedKey],
    };
    await wrapped[method]?.(...(args[method] ?? []));
    // A data key that anyOf makes is wrapped by all of its keyrings, re-wrapped where all of them can, and revoked by the first.
    const instead: Partial<Record<string, string>> =
      name === 'observedKeyring' || name === 'cachingKeyring' ? {} : { generateDataKey: 'wrapDataKey' };
    const byAllOrTheFirst = ['rewrapDataKey', 'revokeDataKeys'];
    if (name === 'anyOf with others' && byAllOrTheFirst.includes(method)) expect(calls).toEqual([]);
    else expect(calls).toContain(instead[method] ?? method);
  });

  test('an answer that is none is refused, wherever it comes from', async () => {
    const honest = fastKeyring();
    const message = await encrypt('x', { keyring: honest });
    const lying = {
      ...honest,
      generateDataKey: async () => ({ ...(await honest.generateDataKey()), keyUse: 'SHARED' as never }),
      unwrapDataKey: async () => 'text' as never,
      wrapDataKey: async () => 'text' as never,
    };
    const keyring = wrap(lying);
    await expect(encrypt('x', { keyring })).rejects.toThrow(TypeError);
    await expect(decrypt(message, { keyring })).rejects.toThrow('what a keyring resolves to must be an object');
  });

  test.each(['unwrapDataKey', 'unwrapDataKeyBytes'] as const)('%s takes the array of wrapped keys', async (method) => {
    const { wrappedKeys } = await fastKeyring().generateDataKey();
    const given = [...wrappedKeys];
    const unwrapped = wrap(fastKeyring())[method](given);
    given.length = 0;
    expect((await unwrapped)?.wrappedKey).toBe(wrappedKeys[0]);
  });

  test.each(optional)('without %s it works as before', async (method) => {
    const { keyring } = new Recorder(fastKeyring(), [method]);
    const wrapped = wrap(keyring);
    const message = await encrypt('x', { keyring: wrapped });
    const [opened] = await decryptMany([{ message }], { keyring: wrapped });
    expect(opened?.plaintext).toEqual(Uint8Array.of(120));
    const { wrappedKeys } = await fastKeyring().generateDataKey();
    await wrapped.rejectDataKey?.(wrappedKeys[0] as WrappedKey);
    wrapped.segmentFailed?.(wrappedKeys[0] as WrappedKey);
    expect((await wrapped.rewrapDataKey?.(wrappedKeys, fastKeyring())) ?? null).toBeNull();
  });
});

test('a scope that is none serves nobody', async () => {
  const { wrappedKeys } = await fastKeyring().generateDataKey();
  const unclear = observedKeyring({ ...fastKeyring(), cacheScope: async () => ({ id: '' }) }, () => undefined);
  await expect(cachingKeyring(unclear).unwrapDataKey(wrappedKeys)).rejects.toThrow(TypeError);
});

test('encryptMany and decryptMany pass them on too', async () => {
  const { keyring, calls } = new Recorder();
  const items = ['a', 'b'].map((data) => ({ data, context: { record: data } }));
  const [message = new Uint8Array(0)] = await encryptMany(items, { keyring });
  await decryptMany([{ message, context: { record: 'z' } }], { keyring }).catch(() => undefined);
  expect(calls).toEqual(['generateDataKey', 'unwrapDataKey', 'rejectDataKey']);
});
