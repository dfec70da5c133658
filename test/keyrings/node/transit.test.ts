// The keyring of the transit engine, over a fake of it on loopback.

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cachingKeyring } from '../../../src/cache.ts';
import { decrypt, encrypt, inspect, rewrap } from '../../../src/index.ts';
import { anyOf } from '../../../src/keyrings/any-of.ts';
import type { Keyring } from '../../../src/keyrings/custom.ts';
import { type TransitKeyringOptions, transitKeyring } from '../../../src/keyrings/transit.ts';
import type { Fetch } from '../../../src/service/http.ts';
import type { Bytes } from '../../../src/types.ts';
import { codeOf, fastKeyring, pattern, rejection } from '../../support/data.ts';
import { type FakeTransit, startFakeTransit } from '../../support/fake-transit.ts';
import { conformance } from '../../support/providers.ts';

conformance('transit', startFakeTransit);

const text = async (message: Bytes, keyring: Keyring) =>
  new TextDecoder().decode((await decrypt(message, { keyring })).plaintext);

describe('the transit keyring', () => {
  let fake: FakeTransit;
  const keyring = (more: Partial<TransitKeyringOptions> = {}) => transitKeyring(fake.options(more));
  beforeAll(async () => {
    fake = await startFakeTransit();
  });
  afterEach(() => {
    expect(fake.http.complaints).toEqual([]);
    fake.reset();
  });
  afterAll(() => fake.close());

  test('§8.8 §8.9 §8.11b sends its key, the digest and nothing of the key context', async () => {
    const message = await encrypt('x', { keyring: keyring({ keyContext: { tenant: 'north-of-the-wall' } }) });
    const [info] = inspect(message).wrappedKeys;
    expect(info?.keyId).toBe('transit:transit/one');
    const sent = fake.http.requests.at(-1);
    expect(sent?.path).toBe('/v1/transit/encrypt/one');
    expect(sent?.body).not.toContain('north-of-the-wall');
    expect(Object.keys(sent?.headers ?? {})).not.toContain('x-vault-namespace');
    await encrypt('x', { keyring: keyring({ namespace: 'team/orders' }) });
    expect(fake.http.requests.at(-1)?.headers['x-vault-namespace']).toBe('team/orders');
  });

  test('keys that are rotated open what older versions wrapped, down to the floor', async () => {
    const own = keyring();
    const message = await encrypt('x', { keyring: own });
    fake.rotate('one');
    const newer = await encrypt('y', { keyring: own });
    expect([await text(message, own), await text(newer, own)]).toEqual(['x', 'y']);
    fake.key('one').minDecryption = 2;
    expect(await codeOf(text(message, own))).toBe('ERR_KEY_VERSION_UNAVAILABLE');
    expect(await text(newer, own)).toBe('y');
    fake.key('one').minDecryption = 1;
    // To the newest version of the same key, which takes the context: here there is none.
    const rewrapped = await rewrap(message, { from: own, to: own });
    fake.key('one').minDecryption = 2;
    expect(await text(rewrapped, own)).toBe('x');
    fake.key('one').minDecryption = 1;
  });

  test('a soft-deleted key', async () => {
    const message = await encrypt('x', { keyring: keyring() });
    fake.key('one').softDeleted = true;
    expect(await codeOf(text(message, keyring()))).toBe('ERR_KEY_DISABLED');
    expect(await codeOf(encrypt('x', { keyring: keyring() }))).toBe('ERR_KEY_DISABLED');
    fake.key('one').softDeleted = false;
    expect(await text(message, keyring())).toBe('x');
  });

  test('§8.10 an engine that passes over associated_data binds all the same', async () => {
    fake.key('two').ignoresAdditionalData = true;
    const [north, south] = ['north', 'south'].map((tenant) => keyring({ key: 'two', keyContext: { tenant } }));
    const [key] = (await north?.wrapDataKey(new Uint8Array(32))) ?? [];
    if (key === undefined) throw new Error('nothing was wrapped');
    expect(await north?.unwrapDataKey([key])).not.toBeNull();
    const carried = { ...key, keyContext: { tenant: 'south' } };
    expect(await codeOf(south?.unwrapDataKey([carried]) ?? Promise.resolve())).toBe('ERR_DECRYPTION_FAILED');
    fake.key('two').ignoresAdditionalData = false;
  });

  test('opens what further keys wrapped, under the same name and under their own', async () => {
    const before = await encrypt('before', { keyring: keyring({ key: 'two', name: 'orders' }) });
    const other = await encrypt('other', { keyring: keyring({ key: 'two' }) });
    const now = keyring({ key: 'one', name: 'orders', decryptKeys: ['two'] });
    const after = await encrypt('after', { keyring: now });
    expect(await Promise.all([before, other, after].map((each) => text(each, now)))).toEqual([
      'before',
      'other',
      'after',
    ]);
    expect(await codeOf(text(before, keyring({ key: 'one', name: 'orders' })))).toBe('ERR_DECRYPTION_FAILED');
    expect(await codeOf(text(other, keyring({ key: 'one' })))).toBe('ERR_NO_MATCHING_KEY');
  });

  test('§8.12 what is no ciphertext of the engine hides none that is', async () => {
    const own = keyring();
    const [key] = await own.wrapDataKey(pattern(32, 8));
    if (key === undefined) throw new Error('nothing was wrapped');
    fake.reset();
    const junk = { ...key, wrapping: { method: 'kms' as const, opaque: new TextEncoder().encode('vault:v0:AAAA') } };
    const opened = await own.unwrapDataKeyBytes([...Array(60).fill(junk), key]);
    expect(opened?.dataKey).toEqual(pattern(32, 8));
    expect(fake.calls.decrypt).toBe(1);
  });

  test('§8.12 each of several keys is asked for the same four wrapped keys, and they are nine at most', async () => {
    const decryptKeys = ['two', ...Array.from({ length: 7 }, (_, i) => `old-${i}`)];
    const own = keyring({ decryptKeys });
    const elsewhere = keyring({ keyContext: { tenant: 'south' } });
    const [wrong] = await elsewhere.wrapDataKey(pattern(32));
    const [right] = await keyring({ key: 'two', name: 'transit/one' }).wrapDataKey(pattern(32, 8));
    if (wrong === undefined || right === undefined) throw new Error('nothing was wrapped');
    const junk = { ...wrong, keyContext: {} };
    fake.reset();
    expect(await codeOf(own.unwrapDataKey([...Array(63).fill(junk), right]))).not.toBe('');
    expect(fake.calls.decrypt).toBe(36);
    fake.reset();
    expect((await own.unwrapDataKeyBytes([junk, junk, junk, right]))?.dataKey).toEqual(pattern(32, 8));
    expect(fake.calls.decrypt).toBe(8);
    expect(() => keyring({ decryptKeys: [...decryptKeys, 'old-7'] })).toThrow(
      expect.objectContaining({ name: 'TypeError', message: 'decryptKeys must be an array of at most 8' }),
    );
  });

  test('§7.5 a key that the engine cannot use, whatever it says of it, keeps no other from being asked for', async () => {
    const message = await encrypt('x', { keyring: keyring({ key: 'two', name: 'transit/one' }) });
    const error = "missing 'context' for key derivation; the key was created using a derived key";
    const derived = new Response(JSON.stringify({ data: { batch_results: [{ plaintext: '', error }] } }), {
      status: 400,
    });
    const fetch: Fetch = async (url, init) =>
      url.endsWith('/decrypt/one') ? derived.clone() : globalThis.fetch(url, init);
    expect(await text(message, keyring({ decryptKeys: ['two'], fetch }))).toBe('x');
    expect(await codeOf(text(message, keyring({ fetch })))).toBe('ERR_SERVICE_REQUEST');
  });

  test('calls of one tick travel together, 128 at most; one bad item is one bad item', async () => {
    const own = keyring();
    const keys = await Promise.all(Array.from({ length: 200 }, (_, i) => own.wrapDataKey(pattern(32, i))));
    expect(fake.calls).toEqual({ encrypt: 2, decrypt: 0 });
    const [foreign] = await keyring({ key: 'two', name: 'transit/one' }).wrapDataKey(pattern(32));
    fake.reset();
    const asked = [...keys.slice(0, 50), foreign === undefined ? [] : [foreign], ...keys.slice(50, 100)];
    const opened = await Promise.allSettled(asked.map((each) => own.unwrapDataKeyBytes(each)));
    expect(fake.calls).toEqual({ encrypt: 0, decrypt: 1 });
    const failed = opened.flatMap((each, i) => (each.status === 'rejected' ? [[i, each.reason.code]] : []));
    expect(failed).toEqual([[50, 'ERR_DECRYPTION_FAILED']]);
    const values = opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value?.dataKey] : []));
    expect(values).toEqual(Array.from({ length: 100 }, (_, i) => pattern(32, i)));
  });

  test('§8.8 what is no ciphertext of the engine costs no call', async () => {
    const own = keyring();
    const [key] = await own.wrapDataKey(pattern(32));
    if (key?.wrapping.method !== 'kms') throw new Error('nothing was wrapped');
    fake.reset();
    const right = new TextDecoder().decode(key.wrapping.opaque);
    for (const wrong of [
      '',
      ' ',
      'x',
      'vault:v1:',
      right.replace(/v\d+/, 'v0'),
      right.replace(/v\d+/, 'v-1'),
      `${right} `,
      `\n${right}`,
    ]) {
      const opaque = new TextEncoder().encode(wrong);
      expect(await codeOf(own.unwrapDataKey([{ ...key, wrapping: { method: 'kms', opaque } }]))).toBe(
        'ERR_DECRYPTION_FAILED',
      );
    }
    expect(fake.calls.decrypt).toBe(0);
  });

  test('each token sends what was asked for with it, also in one tick', async () => {
    fake.tokens.add('hvs.alice').add('hvs.bob');
    let turn = 0;
    const own = keyring({ token: () => ['hvs.alice', 'hvs.bob'][turn++ % 2] as string });
    const before = fake.http.requests.length;
    const keys = await Promise.all([1, 2, 3, 4].map((seed) => own.wrapDataKey(pattern(32, seed))));
    const sent = fake.http.requests.slice(before);
    expect(sent.map(({ headers }) => headers['x-vault-token']).sort()).toEqual(['hvs.alice', 'hvs.bob']);
    expect(sent.map(({ body }) => JSON.parse(body).batch_input.length)).toEqual([2, 2]);
    const opened = await Promise.all(keys.map((each) => keyring().unwrapDataKeyBytes(each)));
    expect(opened.map((each) => each?.dataKey)).toEqual([1, 2, 3, 4].map((seed) => pattern(32, seed)));
  });

  test("one token's repetitions hold up no other token's results", async () => {
    const tokens = ['hvs.throttled', 'hvs.secret-of-the-fake'];
    const fetch: Fetch = async (url, init) =>
      new Headers(init.headers).get('x-vault-token') === 'hvs.throttled'
        ? new Response('{"errors":[]}', { status: 429 })
        : globalThis.fetch(url, init);
    const own = keyring({ token: () => tokens.shift() as string, fetch, retry: { limit: 3, delay: 60_000 } });
    const controller = new AbortController();
    const slow = rejection(own.wrapDataKey(pattern(32), { signal: controller.signal }));
    expect(await own.wrapDataKey(pattern(32))).toHaveLength(1);
    controller.abort(new Error('enough'));
    expect((await slow).message).toBe('enough');
  });

  test('a token from a function is asked for before every call, and once more when one was refused', async () => {
    fake.tokens.add('hvs.second');
    let asked = 0;
    const wasSent = (token: string) => fake.http.requests.some(({ headers }) => headers['x-vault-token'] === token);
    const token = async () => {
      asked++;
      return wasSent('hvs.gone') ? ' hvs.second\n' : 'hvs.gone';
    };
    const own = keyring({ token });
    const [key] = await own.wrapDataKey(pattern(32));
    expect(asked).toBe(2);
    expect(await own.unwrapDataKey(key === undefined ? [] : [key])).not.toBeNull();
    const gone = keyring({ token: () => 'hvs.gone' });
    expect(await codeOf(gone.generateDataKey())).toBe('ERR_TOKEN_REFUSED');
  });

  test('who shares a call shares the token that it is made with, whatever the source gives meanwhile', async () => {
    fake.tokens.add('hvs.alice').add('hvs.bob');
    const message = await encrypt('x', { keyring: keyring() });
    const before = fake.http.requests.length;
    let asked = 0;
    const own = keyring({ token: () => (asked++ < 2 ? 'hvs.alice' : 'hvs.bob') });
    expect(await Promise.all([text(message, own), text(message, own)])).toEqual(['x', 'x']);
    expect(fake.http.requests.slice(before).map(({ headers }) => headers['x-vault-token'])).toEqual(['hvs.alice']);
  });

  test('whose token is another one joins no call and is served from no cache of the first', async () => {
    fake.tokens.add('hvs.bob');
    let user = 'hvs.secret-of-the-fake';
    const own = keyring({ token: () => user });
    const message = await encrypt('x', { keyring: own });
    const cached = cachingKeyring(own);
    await text(message, cached);
    await text(message, cached);
    expect(fake.calls.decrypt).toBe(1);
    user = 'hvs.bob';
    await text(message, cached);
    expect(fake.calls.decrypt).toBe(2);
    user = 'hvs.mallory';
    expect(await codeOf(text(message, cached))).toBe('ERR_TOKEN_REFUSED');
    expect((await own.cacheScope?.())?.id).not.toContain('mallory');
  });

  test.each([
    [undefined, 2],
    ['alice', 1],
  ])('a token that is renewed on the way fails no cached call: user %s, %s calls', async (user, calls) => {
    fake.tokens.add('hvs.renewed');
    let token = 'hvs.secret-of-the-fake';
    const cached = cachingKeyring(keyring({ token: () => token, user }));
    const message = await encrypt('x', { keyring: keyring() });
    const hold = fake.hold();
    const both = [text(message, cached), text(message, cached)];
    await hold.waiting(1);
    token = 'hvs.renewed';
    hold.release();
    expect(await Promise.all(both)).toEqual(['x', 'x']);
    expect(fake.calls.decrypt).toBe(calls);
    // What the former token opened is not kept for the new one.
    await text(message, cached);
    await text(message, cached);
    expect(fake.calls.decrypt).toBe(2);
  });

  test.each<[string, unknown, RegExp]>([
    ['that fails', () => Promise.reject(new Error('no network')), /its source failed/],
    ['that hangs', () => new Promise(() => {}), /took longer than 50 ms/],
    ['that gives nothing', () => '', /is empty/],
    ['with a line break inside', () => 'hvs.a\nb', /has a character that no token has/],
    ['that gives no text', () => 5, /is empty/],
  ])('a source of tokens %s', async (_, token, message) => {
    const own = keyring({ token: token as () => string, timeout: 50 });
    const error = await rejection(own.generateDataKey());
    expect(error).toMatchObject({ code: 'ERR_TOKEN_UNAVAILABLE', message: expect.stringMatching(message) });
    expect(error.message).not.toContain('hvs.');
  });

  test.each<[string, object, RegExp]>([
    ['url', { url: 'http://bao.example' }, /url must be https:, or http: on loopback/],
    ['url with a password', { url: 'https://u:p@bao.example' }, /without user, query and fragment/],
    ['key with a slash', { key: 'a/b' }, /key must be the name of a key/],
    ['key of dots', { key: '..' }, /key must be the name of a key/],
    ['key with a query', { key: 'a?b' }, /key must be the name of a key/],
    ['mount that leads elsewhere', { mount: 'transit/../sys' }, /mount must be a path/],
    ['mount with a slash in front', { mount: '/transit' }, /mount must be a path/],
    ['namespace', { namespace: 'a\r\nX: y' }, /namespace must be a path/],
    ['decryptKeys', { decryptKeys: ['a', '../b'] }, /decryptKeys\[1\] must be the name of a key/],
    ['token', { token: undefined }, /token must be a string or a function/],
    ['user', { user: '' }, /user must be a string that is not empty/],
    ['name that is too long', { name: 'n'.repeat(249) }, /must be of 1 to 256 bytes/],
    ['name that is empty', { name: '' }, /name must be a string that is not empty/],
    ['unknown option', { keyId: 'one' }, /unknown option "keyId"/],
  ])('refuses %s', (_, more, message) => {
    expect(() => transitKeyring({ ...fake.options(), ...more } as never)).toThrow(
      expect.objectContaining({ name: 'TypeError', message: expect.stringMatching(message) }),
    );
  });

  const answers: [string, number, unknown, string][] = [
    ['a redirect', 307, '', 'ERR_SERVICE_REDIRECTED'],
    ['a missing path', 404, { errors: ['no handler for route'] }, 'ERR_NOT_ALLOWED'],
    ['a replica that is behind', 412, { errors: [] }, 'ERR_SERVICE_UNAVAILABLE'],
    ['a standby', 473, { errors: [] }, 'ERR_SERVICE_UNAVAILABLE'],
    ['another status', 405, { errors: ['unsupported operation'] }, 'ERR_SERVICE_REQUEST'],
    [
      'a key of another type',
      400,
      { errors: ["'[0].associated_data' provided for non-AEAD cipher suite"] },
      'ERR_SERVICE_REQUEST',
    ],
    ['too few results', 200, { data: { batch_results: [] } }, 'ERR_SERVICE_ANSWER'],
    ['a result without a value', 200, { data: { batch_results: [{}] } }, 'ERR_SERVICE_ANSWER'],
    ['a result that is none', 200, { data: { batch_results: [null] } }, 'ERR_SERVICE_ANSWER'],
    ['another ciphertext', 200, { data: { batch_results: [{ ciphertext: 'x' }] } }, 'ERR_SERVICE_ANSWER'],
    ['data that is none', 200, { data: null }, 'ERR_SERVICE_ANSWER'],
    ['no JSON', 200, '<html>', 'ERR_SERVICE_ANSWER'],
    ['an answer of more than 4 MiB', 200, ' '.repeat(2 ** 22 + 1), 'ERR_SERVICE_ANSWER'],
  ];
  test.each(answers)('%s', async (_, status, body, code) => {
    const answer = typeof body === 'string' ? body : JSON.stringify(body);
    const headers = status === 307 ? { Location: 'http://127.0.0.1:1/' } : {};
    const own = keyring({ fetch: async () => new Response(answer, { status, headers }), retry: { limit: 0 } });
    const error = await rejection(own.generateDataKey());
    expect(error).toMatchObject({ code });
    expect(error.message).not.toMatch(/key service/i);
  });

  test('a plaintext that is no base64 is no answer', async () => {
    const own = keyring();
    const [key] = await own.wrapDataKey(new Uint8Array(32));
    const body = JSON.stringify({ data: { batch_results: [{ plaintext: '%%%' }] } });
    const lied = keyring({ fetch: async () => new Response(body), retry: { limit: 0 } });
    expect(await codeOf(lied.unwrapDataKey(key === undefined ? [] : [key]))).toBe('ERR_SERVICE_ANSWER');
  });

  test('what the engine says is shown without what nobody would see', async () => {
    const body = JSON.stringify({ errors: [`evil \u202e${'x'.repeat(1_000)}`] });
    const own = keyring({ fetch: async () => new Response(body, { status: 400 }), retry: { limit: 0 } });
    const { message } = await rejection(own.generateDataKey());
    expect(message).toContain('[U+202E]');
    expect(message.length).toBeLessThan(500);
  });

  test('together with a local key, each opens alone; re-wrapped from one to the other', async () => {
    const own = keyring();
    const message = await encrypt('x', { keyring: anyOf(own, fastKeyring()) });
    expect([await text(message, own), await text(message, fastKeyring())]).toEqual(['x', 'x']);
    const moved = await rewrap(message, { from: own, to: fastKeyring(), drop: () => true });
    expect(inspect(moved).wrappedKeys.map(({ method }) => method)).toEqual(['aes']);
  });
});
