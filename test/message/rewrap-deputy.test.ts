// A re-wrapper is a deputy (format.md §7.7): what it opens with its own keys it was given by somebody else, and an envelope can carry the wrapped key of another message.

import { describe, expect, test } from 'vitest';
import { rewrapAll } from '../../src/bulk.ts';
import { attach, decrypt, detach, encrypt, inspect, rewrap } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import { codeOf, fastKeyring, pattern } from '../support/data.ts';
import { framed, keysOf, withKeysOf } from '../support/envelopes.ts';

const recovery = aesKeyring({ keyId: 'recovery', key: pattern(32, 7) });
const mallory = aesKeyring({ keyId: 'mallory', key: pattern(32, 8) });
const version = (number: number, keyContext = {}) =>
  aesKeyring({ keyId: 'k', key: pattern(32, number), version: number, keyContext });
const victims = { patient: '4711' };
const hers = { mallory: '1' };

/** An envelope of Mallory's message that carries the wrapped key of the victim's, and the victim's message. */
async function attack(keyring: Keyring = recovery) {
  const secret = await encrypt('the diagnosis', { keyring, context: victims });
  const bait = detach(await encrypt('bait', { keyring, context: hers }));
  return { secret, bait: { ...bait, envelope: withKeysOf(bait.envelope, detach(secret).envelope) } };
}

/** What Mallory reads when she puts the wrapped keys of a re-wrapped envelope into the victim's message. */
async function read(secret: Uint8Array, rewrapped: Uint8Array): Promise<string> {
  const halves = detach(secret);
  const message = attach({ ...halves, envelope: withKeysOf(halves.envelope, rewrapped) });
  const { plaintext } = await decrypt(message, { keyring: mallory, context: victims });
  return new TextDecoder().decode(plaintext);
}

describe('a wrapped key of another message', () => {
  test('§7.7b is not re-wrapped to another key, with or without a context', async () => {
    const { secret, bait } = await attack();
    const to = mallory;
    expect(await codeOf(rewrap(bait.envelope, { from: recovery, to }))).toBe('ERR_CONTEXT_MISMATCH');
    expect(await codeOf(rewrap(bait.envelope, { from: recovery, to, keep: true }))).toBe('ERR_CONTEXT_MISMATCH');
    expect(await codeOf(rewrap(bait.envelope, { from: recovery, to, context: hers }))).toBe('ERR_DECRYPTION_FAILED');
    expect(await codeOf(rewrap(bait.envelope, { from: recovery, to: anyOf(recovery, to) }))).toBe(
      'ERR_CONTEXT_MISMATCH',
    );
    // The attack works where somebody who knows the context of the victim's message hands it over, so the helper above is right.
    const handedOver = await rewrap(detach(secret).envelope, { from: recovery, to, context: victims });
    expect(await read(secret, handedOver)).toBe('the diagnosis');
  });

  test('§7.7b is found without a context where the message has no context names', async () => {
    const secret = detach(await encrypt('the diagnosis', { keyring: recovery }));
    const bait = detach(await encrypt('bait', { keyring: recovery }));
    const envelope = withKeysOf(bait.envelope, secret.envelope);
    expect(await codeOf(rewrap(envelope, { from: recovery, to: mallory }))).toBe('ERR_DECRYPTION_FAILED');
  });

  test('§7.7b is a failure of its item in bulk', async () => {
    const { secret, bait } = await attack();
    const written: string[] = [];
    const report = await rewrapAll(
      [
        { id: 'without', message: detach(secret).envelope },
        { id: 'bait', message: bait.envelope, context: hers },
        { id: 'with', message: detach(secret).envelope, context: victims },
      ],
      { from: recovery, to: mallory, write: async (_, { id }) => void written.push(id) },
    );
    const codes = report.failures.map(({ item, error }) => [item.id, (error as { code?: string }).code]);
    expect(Object.fromEntries(codes)).toEqual({ without: 'ERR_CONTEXT_MISMATCH', bait: 'ERR_DECRYPTION_FAILED' });
    expect(written).toEqual(['with']);
  });

  test('§7.7c what is checked is what is wrapped, whatever a keyring chooses from one call to the next', async () => {
    const { secret, bait } = await attack();
    const own = detach(await encrypt('bait', { keyring: recovery, context: hers })).envelope;
    const good = keysOf(own)[0] as Uint8Array;
    const both = framed(own, keysOf(bait.envelope)[0] as Uint8Array, good);
    const asked: number[] = [];
    // A cache may prefer what it has at hand when it opens, and the service the first when it re-wraps.
    const from: Keyring = {
      ...recovery,
      unwrapDataKey: (keys, options) => recovery.unwrapDataKey([...keys].reverse(), options),
    };
    const to: Keyring = {
      ...mallory,
      async rewrapDataKey(keys) {
        asked.push(keys.length);
        const opened = await recovery.unwrapDataKeyBytes(keys);
        if (opened === null) return null;
        return { wrappedKey: opened.wrappedKey, wrappedKeys: await mallory.wrapDataKey(opened.dataKey) };
      },
    };
    const rewrapped = await rewrap(both, { from, to, context: hers }).catch(() => undefined);
    expect(asked).toEqual([1]);
    if (rewrapped !== undefined) await expect(read(secret, rewrapped)).rejects.toThrow();
  });
});

describe('a newer version', () => {
  test('§7.7a needs no context', async () => {
    const message = await encrypt('x', { keyring: version(1), context: victims });
    const newer = await rewrap(message, { from: version(1), to: version(2) });
    expect((await decrypt(newer, { keyring: version(2), context: victims })).plaintext).toEqual(Uint8Array.of(120));
    const kept = await rewrap(message, { from: version(1), to: version(2), keep: true });
    expect(inspect(kept).wrappedKeys.map((key) => key.version)).toEqual([1, 2]);
  });

  test('§7.7a is one of the same key under the same key context, and nothing else is', async () => {
    const message = await encrypt('x', { keyring: version(1), context: victims });
    for (const to of [version(1), version(0), version(2, { tenant: 'b' }), mallory, anyOf(version(2), mallory)]) {
      expect(await codeOf(rewrap(message, { from: version(1), to }))).toBe('ERR_CONTEXT_MISMATCH');
      await rewrap(message, { from: version(1), to, context: victims });
    }
  });

  test('the error names what to give', async () => {
    const message = await encrypt('x', { keyring: version(1), context: { patient: '1', ward: '2' } });
    await expect(rewrap(message, { from: version(1), to: mallory })).rejects.toMatchObject({
      code: 'ERR_CONTEXT_MISMATCH',
      missing: ['patient', 'ward'],
      unexpected: [],
      message: expect.stringMatching(/newer version of the same key.* missing "patient", "ward"/),
    });
  });
});

describe('keyrings of others', () => {
  test('a keyring that re-wraps by itself is told that nothing was checked, and is not believed', async () => {
    const { bait } = await attack();
    const told: unknown[] = [];
    const to: Keyring = {
      ...mallory,
      async rewrapDataKey(keys, _from, options) {
        told.push(options?.verified);
        const opened = await recovery.unwrapDataKeyBytes(keys);
        return opened && { wrappedKey: opened.wrappedKey, wrappedKeys: await mallory.wrapDataKey(opened.dataKey) };
      },
    };
    expect(await codeOf(rewrap(bait.envelope, { from: recovery, to }))).toBe('ERR_CONTEXT_MISMATCH');
    expect(told).toEqual([false]);
    const asking: Keyring = { ...to, rewrapDataKey: async () => 'unverified' };
    expect(await codeOf(rewrap(bait.envelope, { from: recovery, to: asking }))).toBe('ERR_CONTEXT_MISMATCH');
  });

  test('a copy of the wrapped key that was opened is replaced all the same', async () => {
    const from = fastKeyring();
    const message = await encrypt('x', { keyring: anyOf(mallory, from) });
    const copying: Keyring = {
      ...from,
      async unwrapDataKeyBytes(keys, options) {
        const opened = await from.unwrapDataKeyBytes(keys, options);
        return opened && { ...opened, wrappedKey: { ...opened.wrappedKey } };
      },
    };
    const rewrapped = await rewrap(message, { from: copying, to: recovery });
    expect(inspect(rewrapped).wrappedKeys.map(({ keyId }) => keyId)).toEqual(['mallory', 'recovery']);
    const inventing: Keyring = {
      ...from,
      async unwrapDataKeyBytes(keys, options) {
        const opened = await from.unwrapDataKeyBytes(keys, options);
        return opened && { ...opened, wrappedKey: { ...opened.wrappedKey, version: 9 } };
      },
    };
    await expect(rewrap(message, { from: inventing, to: recovery })).rejects.toThrow(
      /^a keyring must give back one of the wrapped keys that it was given$/,
    );
  });

  test('§7.7e a keyring that gives no wrapped key makes no message that nobody reads', async () => {
    const from = fastKeyring();
    const none: Keyring = { ...mallory, wrapDataKey: async () => [] };
    for (const context of [{}, victims]) {
      const message = await encrypt('x', { keyring: anyOf(from, recovery), context });
      for (const keep of [false, true]) {
        expect(await codeOf(rewrap(message, { from, to: none, keep, context }))).toBe('ERR_KEYRING_CANNOT');
      }
    }
  });

  test('every copy of the wrapped key that was opened is replaced', async () => {
    const from = fastKeyring();
    const { envelope } = detach(await encrypt('x', { keyring: from }));
    const [only] = keysOf(envelope) as [Uint8Array];
    const rewrapped = await rewrap(framed(envelope, only, only), { from, to: recovery });
    expect(inspect(rewrapped).wrappedKeys.map(({ keyId }) => keyId)).toEqual(['recovery']);
  });
});

test('bytes are taken when rewrap is called', async () => {
  const from = fastKeyring();
  const message = await encrypt('attack at dawn', { keyring: from, context: victims });
  const taken = message.slice();
  const result = rewrap(taken, { from, to: recovery, context: victims });
  taken.fill(0);
  expect((await decrypt(await result, { keyring: recovery, context: victims })).plaintext).toHaveLength(14);
  const halves = { ...detach(message) };
  const { envelope, body } = halves;
  const later = rewrap(halves, { from, to: recovery, context: victims });
  envelope.fill(0);
  Object.assign(halves, { envelope: 'no envelope', body: new Uint8Array(0) });
  const rewrapped = await later;
  expect(rewrapped.body).toBe(body);
  expect((await decrypt(rewrapped, { keyring: recovery, context: victims })).plaintext).toHaveLength(14);
});
