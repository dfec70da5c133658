// The cache in front of the real service: one call for many messages, and what the service says reaches what is cached.

import { beforeAll, describe, expect, test } from 'vitest';
import { cachingKeyring, createDataKeyCache, type DataKeyCacheOptions } from '../../src/cache.ts';
import { decrypt, encrypt, inspect, rewrap } from '../../src/index.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import { encodeBase64url } from '../../src/lib/base64url.ts';
import { developmentToken, generateProofKey, type KeyServiceClient, keyManagement } from '../../src/service.ts';
import { codeOf } from '../support/data.ts';
import { clientOf, keyContext, newKey, recorder, through } from '../support/service-client.ts';

const admin = keyManagement(clientOf('admin@north'));
let keyId: string;
beforeAll(async () => {
  keyId = await newKey();
});

function caching(key: string, options: DataKeyCacheOptions = {}, user = 'alice@north') {
  const recorded = recorder();
  const client = clientOf(user, { onEvent: recorded.onEvent });
  const keyring = cachingKeyring(serviceKeyring({ client, keyId: key, keyContext }), { pollInterval: 0, ...options });
  return { client, keyring, cache: keyring.cache, ...recorded };
}

const versionOf = (message: Uint8Array) => inspect(message).wrappedKeys[0]?.version;

describe('load', () => {
  test('3,000 parallel cold decrypts under one data key: one upstream item', async () => {
    const writer = caching(keyId);
    const messages = await Promise.all(
      Array.from({ length: 3_000 }, (_, i) => encrypt(`${i}`, { keyring: writer.keyring })),
    );
    expect(writer.calls('generate')).toBe(1);
    const { keyring, events } = caching(keyId);
    const opened = await Promise.all(messages.map((message) => decrypt(message, { keyring })));
    expect(opened.map(({ plaintext }) => new TextDecoder().decode(plaintext))).toEqual(messages.map((_, i) => `${i}`));
    const items = events.flatMap((event) => (event.type === 'service-call' ? [event.items] : []));
    expect(items).toEqual([1]);
  });

  test('10,000 messages under 500 data keys: a handful of calls', async () => {
    const writer = caching(keyId, { maxMessages: 20, refreshAhead: false });
    const messages: Uint8Array[] = [];
    for (let round = 0; round < 10; round++) {
      const keyrings = Array.from({ length: 50 }, () =>
        cachingKeyring(serviceKeyring({ client: writer.client, keyId, keyContext }), { pollInterval: 0 }),
      );
      const made = keyrings.flatMap((keyring) => Array.from({ length: 20 }, () => encrypt('x', { keyring })));
      messages.push(...(await Promise.all(made)));
    }
    expect(messages.length).toBe(10_000);
    const { keyring, events, cache } = caching(keyId);
    await Promise.all(messages.map((message) => decrypt(message, { keyring })));
    const items = events.flatMap((event) => (event.type === 'service-call' ? [event.items] : []));
    expect(items.reduce((sum, count) => sum + count)).toBe(500);
    expect(items.length).toBeLessThanOrEqual(5);
    expect(cache.counters).toMatchObject({ misses: 500, joined: 9_500 });
  });
});

describe('what the service says', () => {
  test('a rotation that any answer shows ends the old version', async () => {
    const id = await newKey();
    const { keyring, cache } = caching(id);
    const before = await encrypt('x', { keyring });
    await admin.rotate(id, 1);
    expect(versionOf(await encrypt('x', { keyring }))).toBe(1);
    await decrypt(before, { keyring });
    const after = await encrypt('x', { keyring });
    expect(versionOf(after)).toBe(2);
    expect(cache.counters.evictions.rotated).toBe(1);
    // Decrypting goes on with what is cached.
    await decrypt(before, { keyring });
    expect(cache.counters.evictions.floor).toBe(0);
  });

  test('a data key that was on its way during a rotation is not kept, once the rotation is known', async () => {
    const id = await newKey();
    const inner = through();
    let [release, arrived] = [() => {}, () => {}];
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const onItsWay = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const client = clientOf('alice@north', {
      fetch: async (url, init) => {
        const answer = await inner(url, init);
        if (!url.includes('/generate')) return answer;
        arrived();
        await held;
        return answer;
      },
    });
    const keyring = cachingKeyring(serviceKeyring({ client, keyId: id, keyContext }), { pollInterval: 0 });
    const slow = encrypt('x', { keyring });
    await onItsWay;
    await admin.rotate(id, 1);
    await client.keyDocument(id, { fresh: true });
    release();
    expect(versionOf(await slow)).toBe(1);
    expect(keyring.cache.size).toBe(0);
    expect(versionOf(await encrypt('x', { keyring }))).toBe(2);
    expect(keyring.cache.counters.evictions.rotated).toBe(1);
  });

  test('polling: rotation, floor and a disabled key reach an idle client', async () => {
    const id = await newKey();
    const { keyring, cache } = caching(id, { pollInterval: 100 });
    const message = await encrypt('x', { keyring });
    await decrypt(message, { keyring });
    expect(cache.size).toBe(2);
    const until = async (size: number) => {
      for (let i = 0; i < 100 && cache.size !== size; i++) await new Promise((resolve) => setTimeout(resolve, 50));
      return cache.size;
    };
    await admin.rotate(id, 1);
    expect(await until(1)).toBe(1);
    await admin.raiseFloor(id, 2);
    expect(await until(0)).toBe(0);
    expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_KEY_VERSION_UNAVAILABLE');
    await encrypt('x', { keyring });
    await admin.disable(id);
    expect(await until(0)).toBe(0);
    expect(await codeOf(encrypt('x', { keyring }))).toBe('ERR_KEY_DISABLED');
    expect(cache.counters.evictions).toMatchObject({ rotated: 1, floor: 1, unavailable: 1 });
  });

  test('rewrap sees through the cache', async () => {
    const id = await newKey();
    const { keyring, calls } = caching(id);
    const message = await encrypt('x', { keyring });
    await admin.rotate(id, 1);
    const renewed = await rewrap(message, { from: keyring, to: keyring });
    expect([versionOf(renewed), calls('/rewrap'), calls('/unwrap')]).toEqual([2, 1, 0]);
    expect(new TextDecoder().decode((await decrypt(renewed, { keyring })).plaintext)).toBe('x');
  });
});

describe('whose data keys', () => {
  test('two users of one process share a cache and no entry', async () => {
    const cache = createDataKeyCache({ pollInterval: 0 });
    const keyringOf = (user: string) => {
      const { onEvent, calls } = recorder();
      const client = clientOf(user, { onEvent });
      return { keyring: cachingKeyring(serviceKeyring({ client, keyId, keyContext }), cache), calls };
    };
    const alice = keyringOf('alice@north');
    const bob = keyringOf('bob@south');
    const message = await encrypt('x', { keyring: alice.keyring });
    await decrypt(message, { keyring: alice.keyring });
    expect(await codeOf(decrypt(message, { keyring: bob.keyring }))).toMatch(/ERR_NOT_ALLOWED|ERR_DECRYPTION_FAILED/);
    const again = keyringOf('alice@north');
    await encrypt('y', { keyring: again.keyring });
    expect(again.calls('generate') + alice.calls('generate')).toBeLessThanOrEqual(2);
  });

  describe('a token that nobody signed, with claims of somebody whom the cache has served', () => {
    const decode = (part = '') =>
      Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    /** A token of the service's own issuer, and one with the same claims and a key or a signature of the forger's. */
    async function forge(part: 'claims' | 'signature', token: string): Promise<string> {
      const [header = '', claims = '', signature = ''] = token.split('.');
      if (part === 'signature')
        return `${header}.${claims}.${encodeBase64url(decode(signature).map((byte, i) => (i < 9 ? byte ^ 1 : byte)))}`;
      const said = JSON.parse(new TextDecoder().decode(decode(claims))) as { exp: number };
      const longer = { ...said, exp: said.exp + 3_600 };
      return `${header}.${encodeBase64url(new TextEncoder().encode(JSON.stringify(longer)))}.${signature}`;
    }

    test.each(['signature', 'claims'] as const)(
      'a forged %s, not expired: the service is asked, and refuses',
      async (part) => {
        const cache = createDataKeyCache({ pollInterval: 0 });
        let token = '';
        const dpop = await generateProofKey('ES256');
        const asAlice = clientOf('alice@north', {
          dpop,
          tokenSource: async (request) => {
            token = await developmentToken('alice@north')(request);
            return token;
          },
        });
        const ring = (client: KeyServiceClient) => cachingKeyring(serviceKeyring({ client, keyId, keyContext }), cache);
        const alice = ring(asAlice);
        const message = await encrypt('of alice', { keyring: alice });
        await decrypt(message, { keyring: alice });

        // The forger even has the proof key of alice, so that the token alone is wrong.
        const { onEvent, calls } = recorder();
        const forged = await forge(part, token);
        expect(forged).not.toBe(token);
        const forger = ring(clientOf('alice@north', { dpop, token: forged, onEvent }));
        expect(await codeOf(decrypt(message, { keyring: forger }))).toBe('ERR_TOKEN_REFUSED');
        expect(await codeOf(encrypt('as alice', { keyring: forger }))).toBe('ERR_TOKEN_REFUSED');
        expect(calls('unwrap') + calls('generate')).toBeGreaterThanOrEqual(2);

        // And what she had is still hers.
        const { hits } = cache.counters;
        expect(new TextDecoder().decode((await decrypt(message, { keyring: alice })).plaintext)).toBe('of alice');
        expect(cache.counters.hits).toBe(hits + 1);
      },
    );
  });

  test('another user of the same client gets no entry of the one before', async () => {
    let user = 'alice@north';
    const { onEvent, calls } = recorder();
    const client = clientOf('x', { onEvent, tokenSource: (request) => developmentToken(user)(request) });
    const keyring = cachingKeyring(serviceKeyring({ client, keyId, keyContext }), { pollInterval: 0 });
    const message = await encrypt('x', { keyring });
    await decrypt(message, { keyring });
    user = 'bob@south';
    client.forgetToken();
    expect(await codeOf(decrypt(message, { keyring }))).toMatch(/ERR_NOT_ALLOWED|ERR_DECRYPTION_FAILED/);
    expect(await codeOf(encrypt('x', { keyring }))).toBe('ERR_NOT_ALLOWED');
    expect(calls('unwrap')).toBe(2);
  });
});
