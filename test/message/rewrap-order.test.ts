// Which wrapped key is replaced, docs/format.md §7.5 and §7.7: the one that the keyring `from` opens, in its own order, also where a later one could be re-wrapped without giving out the data key.

import { describe, expect, test } from 'vitest';
import { cachingKeyring } from '../../src/cache.ts';
import { decodeEnvelope } from '../../src/envelope/envelope.ts';
import { encrypt, inspect, rewrap } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import { observedKeyring } from '../../src/keyrings/observed.ts';
import { messageParts } from '../../src/message/forms.ts';
import { codeOf, pattern } from '../support/data.ts';

const local = (keyId: string, version = 1) => aesKeyring({ keyId, key: pattern(32, version), version });

/** A keyring of somebody's own for a key that a service holds, which re-wraps there to version 2. */
function heldBy(service: object, keyId: string): Keyring {
  const [old, newer] = [local(keyId), local(keyId, 2)];
  return {
    ...old,
    wrapDataKey: newer.wrapDataKey,
    ownKeys: async (keys, asked) => (asked === service ? keys.filter((key) => key.keyId === keyId) : []),
    async rewrapDataKey(keys, from, { verified } = {}) {
      const own = (await from.ownKeys?.(keys, service)) ?? [];
      if (own.length === 0) return null;
      if (!verified && own.some((key) => key.keyId !== keyId)) return 'unverified';
      const opened = await old.unwrapDataKeyBytes(own);
      return opened && { wrappedKey: opened.wrappedKey, wrappedKeys: await newer.wrapDataKey(opened.dataKey) };
    },
  };
}

const [here, elsewhere] = [{}, {}];
const keyrings: Readonly<Record<string, Keyring>> = {
  local: local('local'),
  service: heldBy(here, 'service'),
  other: heldBy(elsewhere, 'other'),
};
const names = Object.keys(keyrings);
const orders = names.flatMap((a) =>
  names.flatMap((b) => names.filter((c) => new Set([a, b, c]).size === 3).map((c) => [a, b, c] as const)),
);
const subsets = [['service'], ['local', 'service'], ['service', 'local'], ['other', 'service'], names];
const compositions: Readonly<Record<string, (a: Keyring, b: Keyring, c: Keyring) => Keyring>> = {
  anyOf,
  'anyOf of anyOf and one more': (a, b, c) => anyOf(anyOf(a, b), c),
  'anyOf of one and anyOf': (a, b, c) => anyOf(a, anyOf(b, c)),
  'all kinds of wrappers': (a, b, c) =>
    cachingKeyring(
      anyOf(
        observedKeyring(anyOf(a, b), () => {}),
        c,
      ),
    ),
};

describe.each(Object.entries(compositions))('§7.5 %s', (_what, compose) => {
  test.each(orders)('%s, %s, %s', async (...order) => {
    const [a, b, c] = order.map((name) => keyrings[name] as Keyring) as [Keyring, Keyring, Keyring];
    for (const present of subsets) {
      const writer = anyOf(...(present.map((name) => local(name)) as [Keyring, ...Keyring[]]));
      const message = await encrypt('x', { keyring: writer, context: { a: '1' } });
      const { keys } = decodeEnvelope(messageParts(message).envelope);
      const first = (await compose(a, b, c).unwrapDataKey(keys))?.wrappedKey.keyId;
      expect(first).toBe(order.find((name) => present.includes(name)));

      const options = { from: compose(a, b, c), to: keyrings['service'] as Keyring };
      const renewed = present.map((name) => (name === first ? 'service 2' : `${name} 1`));
      const replaced = (result: Uint8Array) =>
        inspect(result).wrappedKeys.map(({ keyId, version }) => `${keyId} ${version}`);
      expect(replaced(await rewrap(message, { ...options, context: { a: '1' } }))).toEqual(renewed);
      // Another key than its own newer version needs the context, whatever else could be re-wrapped without it.
      if (first === 'service') expect(replaced(await rewrap(message, options))).toEqual(renewed);
      else expect(await codeOf(rewrap(message, options))).toBe('ERR_CONTEXT_MISMATCH');
    }
  });
});

test('§7.5 a key that fails lets the next one be re-wrapped, and nobody is asked without need', async () => {
  const message = await encrypt('x', { keyring: anyOf(local('local'), local('service')), context: { a: '1' } });
  let asked = 0;
  const wrong = aesKeyring({ keyId: 'local', key: pattern(32, 9), version: 1 });
  const counting: Keyring = {
    ...wrong,
    unwrapDataKey: (...args) => {
      asked++;
      return wrong.unwrapDataKey(...args);
    },
  };
  const to = keyrings['service'] as Keyring;
  for (const [from, times] of [
    [anyOf(counting, to), 1],
    [anyOf(to, counting), 1],
  ] as const) {
    const { wrappedKeys } = inspect(await rewrap(message, { from, to }));
    expect(wrappedKeys.map(({ version }) => version)).toEqual([1, 2]);
    expect(asked).toBe(times);
  }
  const controller = new AbortController();
  const reason = new Error('enough');
  const aborting: Keyring = {
    ...wrong,
    async unwrapDataKey() {
      controller.abort(reason);
      throw reason;
    },
  };
  await expect(rewrap(message, { from: anyOf(aborting, to), to, signal: controller.signal })).rejects.toBe(reason);
});

test.each(Object.entries(compositions))(
  '§7.5 %s: behind a key that is held here nothing is left to a service',
  async (_what, compose) => {
    const [one, two] = [heldBy(here, 'one'), heldBy(here, 'two')];
    const keyring = compose(one, local('local'), two);
    for (const [present, left] of [
      [['two', 'local', 'one'], ['one']],
      [
        ['two', 'one'],
        ['one', 'two'],
      ],
      [['two', 'local'], []],
      [['two'], ['two']],
    ] as const) {
      const writer = anyOf(...(present.map((name) => local(name)) as [Keyring, ...Keyring[]]));
      const { wrappedKeys } = await writer.generateDataKey();
      const own = (await keyring.ownKeys?.(wrappedKeys, here)) ?? [];
      expect(own.map(({ keyId }) => keyId)).toEqual(left);
      expect((await keyring.ownKeys?.(wrappedKeys, {})) ?? []).toEqual([]);
    }
  },
);
