// Revoking data keys by the client of the real service: two persons, one code, and what a cache still gives out.

import { beforeAll, describe, expect, test } from 'vitest';
import { cachingKeyring } from '../../src/cache.ts';
import { decrypt, encrypt, rewrap } from '../../src/index.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import type { Keyring, WrappedKey } from '../../src/keyrings/custom.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import { dataKeyRevocations, type WrappedItem } from '../../src/service.ts';
import { codeOf } from '../support/data.ts';
import { altered, clientOf, keyContext, newKey, recorder } from '../support/service-client.ts';

const eraser = clientOf('revoker@north');
const revocations = dataKeyRevocations(eraser);
const approvals = dataKeyRevocations(clientOf('revocations@north'));
const alice = clientOf('alice@north');
let keyId: string;
beforeAll(async () => {
  keyId = await newKey();
});

const ringOf = (client = alice, key = keyId): Keyring => serviceKeyring({ client, keyId: key, keyContext });

/** A message, and the wrapped key that stands in it. */
async function newMessage(keyring = ringOf()): Promise<{ message: Uint8Array; wrappedKey: WrappedKey }> {
  let wrappedKey: WrappedKey | undefined;
  const message = await encrypt('x', {
    keyring: {
      ...keyring,
      async generateDataKey(options) {
        const generated = await keyring.generateDataKey(options);
        [wrappedKey] = generated.wrappedKeys;
        return generated;
      },
    },
  });
  if (wrappedKey === undefined) throw new Error('no wrapped key');
  return { message, wrappedKey };
}

function itemOf({ keyId: key, version, keyContext: context, wrapping }: WrappedKey): WrappedItem {
  if (wrapping.method !== 'service') throw new Error('another method');
  return { keyId: key, version, keyContext: context, method: 'service', wrappedKey: wrapping.opaque };
}

async function revoke(...wrappedKeys: readonly WrappedKey[]) {
  const { revocation_id, data_keys } = await revocations.request(wrappedKeys.map(itemOf));
  return approvals.approve(revocation_id, data_keys);
}

describe('dataKeyRevocations', () => {
  test('§7.7 asks, describes, approves, undoes', async () => {
    const { message, wrappedKey } = await newMessage();
    const asked = await revocations.request([itemOf(wrappedKey)]);
    expect(asked).toMatchObject({ state: 'requested', data_keys: 1, approved_by: null, leaf: null, keys: [keyId] });
    expect(await revocations.request([itemOf(wrappedKey)])).toEqual(asked);
    await decrypt(message, { keyring: ringOf() });
    const id = asked.revocation_id;
    expect(await codeOf(revocations.approve(id, 1))).toBe('ERR_NOT_ALLOWED');
    expect(await codeOf(approvals.approve(id, 2))).toBe('ERR_SERVICE_CONFLICT');
    const revoked = await approvals.approve(id, 1);
    expect(revoked).toMatchObject({ state: 'revoked', leaf: expect.any(Number) });
    expect(await revocations.describe(id)).toEqual(revoked);
    expect(await codeOf(decrypt(message, { keyring: ringOf() }))).toBe('ERR_DATA_KEY_REVOKED');
    expect(await codeOf(rewrap(message, { from: ringOf(), to: ringOf() }))).toBe('ERR_DATA_KEY_REVOKED');
    expect(await codeOf(approvals.approveUndo(id, 1))).toBe('ERR_SERVICE_CONFLICT');
    expect((await revocations.undo(id)).undo).toMatchObject({ undone: null });
    expect(await approvals.approveUndo(id, 1)).toMatchObject({ state: 'undone' });
    await decrypt(message, { keyring: ringOf() });
  });

  test('§7.11 lists those of a state, over several pages', async () => {
    const keyring = ringOf();
    const made: string[] = [];
    for (let n = 0; n < 3; n++) {
      const [wrapped] = (await keyring.generateDataKey()).wrappedKeys;
      made.push((await revocations.request([itemOf(wrapped as WrappedKey)])).revocation_id);
    }
    const [first = ''] = made;
    const approved = await approvals.approve(first, 1);
    const collect = async (state?: 'requested' | 'revoked' | 'undone', client = approvals) => {
      const found = new Map<string, unknown>();
      for await (const each of client.list({ state })) found.set(each.revocation_id, each);
      return found;
    };
    const all = await collect();
    expect(made.every((id) => all.has(id))).toBe(true);
    expect([...all.keys()]).toEqual([...all.keys()].sort());
    const [requested, revoked] = [await collect('requested'), await collect('revoked')];
    expect(made.map((id) => [requested.has(id), revoked.has(id)])).toEqual([
      [false, true],
      [true, false],
      [true, false],
    ]);
    expect(revoked.get(first)).toEqual(approved);
    // Pages of one: as many requests as there are revocations of the state, and the same result.
    const { onEvent, events } = recorder();
    const fetch: typeof globalThis.fetch = (input, init) =>
      globalThis.fetch(String(input).replace('limit=100', 'limit=1'), init);
    const paged = dataKeyRevocations(clientOf('revocations@north', { fetch, onEvent }));
    expect([...(await collect('requested', paged)).keys()]).toEqual([...requested.keys()]);
    expect(events.filter(({ type }) => type === 'service-call').length).toBeGreaterThanOrEqual(requested.size);
    expect(await codeOf(dataKeyRevocations(alice).list().next())).toBe('ERR_NOT_ALLOWED');
    expect(() => revocations.list({ state: 'lost' as never })).toThrow(/state/);
  });

  test('§7.6 of calls that travel together only the one is refused', async () => {
    const [one, other] = [await newMessage(), await newMessage()];
    await revoke(one.wrappedKey);
    const { onEvent, events } = recorder();
    const keyring = ringOf(clientOf('alice@north', { onEvent }));
    const opened = await Promise.allSettled([one, other, one].map(({ message }) => decrypt(message, { keyring })));
    expect(opened.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected']);
    expect(opened[0]).toMatchObject({
      reason: { code: 'ERR_DATA_KEY_REVOKED', status: 423, problem: 'data-key-revoked' },
    });
    expect(events.flatMap((event) => (event.type === 'service-call' ? [event.items] : []))).toEqual([3]);
  });

  test('§7.7 mistakes are named before anything is sent', async () => {
    const wrong = [
      () => revocations.request([]),
      () => revocations.request(Array.from({ length: 101 }, () => ({}) as WrappedItem)),
      () => revocations.request([{ keyId } as WrappedItem]),
      () => revocations.approve('rev-1', 1),
      () => revocations.approve(`rev-${'a'.repeat(26)}`, 0),
      () => revocations.undo('../keys'),
      () => revocations.describe(1 as never),
    ];
    for (const call of wrong) await expect(call()).rejects.toThrow(TypeError);
    expect(() => dataKeyRevocations({} as never)).toThrow(/client/);
    const { wrappedKey } = await newMessage();
    const signal = AbortSignal.abort();
    await expect(revocations.request([itemOf(wrappedKey)], { signal })).rejects.toBe(signal.reason);
  });

  test('§4.3 an answer that is none is not believed', async () => {
    const { wrappedKey } = await newMessage();
    const fetch = altered('/v1/revocations', { body: (body) => body.replace('requested', 'revoked--') });
    const lied = dataKeyRevocations(clientOf('revoker@north', { fetch })).request([itemOf(wrappedKey)]);
    expect(await codeOf(lied)).toBe('ERR_SERVICE_ANSWER');
  });
});

describe('serviceKeyring', () => {
  test('§7.7 revokes what it would have the service unwrap, and nothing else', async () => {
    const [one, other] = [await newMessage(), await newMessage()];
    const keyring = ringOf(eraser);
    const [asked, ...more] = (await keyring.revokeDataKeys?.([one.wrappedKey, other.wrappedKey])) ?? [];
    expect(more).toEqual([]);
    expect(asked).toEqual({ service: eraser.url, id: asked?.id, state: 'requested', dataKeys: 2, leaf: undefined });
    const { leaf } = await approvals.approve(asked?.id ?? '', 2);
    const again = await keyring.revokeDataKeys?.([other.wrappedKey, one.wrappedKey]);
    expect(again).toEqual([{ ...asked, state: 'revoked', leaf }]);
    const stranger = (await newMessage(ringOf(alice, await newKey()))).wrappedKey;
    expect(await keyring.revokeDataKeys?.([one.wrappedKey, stranger])).toBeNull();
    expect(await codeOf(ringOf(alice).revokeDataKeys?.([one.wrappedKey]) ?? Promise.resolve())).toBe('ERR_NOT_ALLOWED');
  });

  test('§7.10 more than 100 data keys are several revocations, the same ones each time', async () => {
    const keyring = ringOf();
    const keys = await Promise.all(Array.from({ length: 130 }, () => keyring.generateDataKey()));
    const wrapped = keys.flatMap(({ wrappedKeys }) => wrappedKeys);
    const asked = await ringOf(eraser).revokeDataKeys?.(wrapped);
    expect(asked?.map(({ dataKeys }) => dataKeys)).toEqual([100, 30]);
    expect(await ringOf(eraser).revokeDataKeys?.(wrapped)).toEqual(asked);
  });

  test('behind several keyrings it can where all is its own, behind a cache it can', async () => {
    const { wrappedKey } = await newMessage();
    const [offline] = await ringOf(alice, await newKey()).wrapDataKey(new Uint8Array(32));
    const several = anyOf(ringOf(eraser), ringOf(alice));
    expect(await several.revokeDataKeys?.([wrappedKey, offline as WrappedKey])).toBeNull();
    expect(await cachingKeyring(ringOf(eraser)).revokeDataKeys?.([wrappedKey])).toHaveLength(1);
  });

  test('a message whose data key was revoked opens with none of several keyrings', async () => {
    const { message, wrappedKey } = await newMessage();
    await revoke(wrappedKey);
    const both = anyOf(ringOf(), ringOf(clientOf('alice@north')));
    expect(await codeOf(decrypt(message, { keyring: both }))).toBe('ERR_DATA_KEY_REVOKED');
  });
});

describe('a cache', () => {
  test('gives out a revoked data key until its age, and no longer', async () => {
    let time = 1_000;
    const { onEvent, calls } = recorder();
    const inner = ringOf(clientOf('alice@north', { onEvent }));
    const keyring = cachingKeyring(inner, { pollInterval: 0, maxAge: 60_000, now: () => time });
    const { message, wrappedKey } = await newMessage();
    await decrypt(message, { keyring });
    await revoke(wrappedKey);
    time += 59_999;
    await decrypt(message, { keyring });
    expect(calls('unwrap')).toBe(1);
    time += 1;
    expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_DATA_KEY_REVOKED');
    expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_DATA_KEY_REVOKED');
    expect([keyring.cache.size, calls('unwrap')]).toEqual([0, 3]);
  });
});
