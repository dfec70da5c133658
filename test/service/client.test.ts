import { beforeAll, describe, expect, test } from 'vitest';
import { cachingKeyring } from '../../src/cache.ts';
import { decrypt, detach, encrypt, inspect, isBullaError, rewrap } from '../../src/index.ts';
import type { Keyring } from '../../src/keyrings/custom.ts';
import { ecdhKeyring, generateEcdhKey } from '../../src/keyrings/ecdh.ts';
import { observedKeyring } from '../../src/keyrings/observed.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import {
  createKeyServiceClient,
  developmentToken,
  generateProofKey,
  keyManagement,
  proofKeyThumbprint,
} from '../../src/service.ts';
import { codeOf, rejection } from '../support/data.ts';
import { withKeysOf } from '../support/envelopes.ts';
import { clientOf, keyContext, newKey, pin, recorder, url } from '../support/service-client.ts';

let keyId: string;
beforeAll(async () => {
  keyId = await newKey();
});

const textOf = async (message: Uint8Array, keyring: ReturnType<typeof serviceKeyring>) =>
  new TextDecoder().decode((await decrypt(message, { keyring })).plaintext);

describe('§6 data keys', () => {
  test('a message is encrypted and decrypted with one call each', async () => {
    const { onEvent, calls } = recorder();
    const keyring = serviceKeyring({ client: clientOf('alice@north', { onEvent }), keyId, keyContext });
    const message = await encrypt('attack at dawn', { keyring });
    expect(inspect(message).wrappedKeys).toEqual([
      { method: 'service', keyId, version: 1, serviceId: 'bulla-dev', keyContext },
    ]);
    expect(await textOf(message, keyring)).toBe('attack at dawn');
    expect([calls('generate-data-key'), calls('unwrap')]).toEqual([1, 1]);
  });

  test('calls of one tick travel together, and each gets its own', async () => {
    const { events, onEvent } = recorder();
    const keyring = serviceKeyring({ client: clientOf('alice@north', { onEvent }), keyId, keyContext });
    const texts = Array.from({ length: 200 }, (_, i) => `message ${i}`);
    const messages = await Promise.all(texts.map((text) => encrypt(text, { keyring })));
    expect(await Promise.all(messages.map((message) => textOf(message, keyring)))).toEqual(texts);
    const items = events.flatMap((event) => (event.type === 'service-call' ? [event.items] : []));
    expect(items.reduce((sum, count) => sum + count)).toBe(400);
    expect(items.length).toBeLessThanOrEqual(8);
  });

  test('more than a request may hold go in several', async () => {
    const { events, onEvent } = recorder();
    const client = clientOf('alice@north', { onEvent });
    await client.connect();
    const made = await Promise.all(
      Array.from({ length: 1_001 }, () => client.generateWrappedDataKey({ key: keyId, keyContext })),
    );
    expect(new Set(made.map(({ wrappedKey }) => String(wrappedKey))).size).toBe(1_001);
    expect(events.flatMap((event) => (event.type === 'service-call' ? [event.items] : []))).toEqual(
      expect.arrayContaining([1_000, 1]),
    );
  });

  test('a failure of one item is that of its caller alone', async () => {
    const client = clientOf('alice@north');
    const results = await Promise.allSettled([
      client.generateDataKey({ key: keyId, keyContext }),
      client.generateDataKey({ key: 'key-aaaaaaaaaaaaaaaaaaaaaaaaaa', keyContext }),
      client.generateDataKey({ key: keyId, keyContext }),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((results[1] as PromiseRejectedResult).reason).toMatchObject({ code: 'ERR_NOT_ALLOWED', status: 403 });
  });

  test('an alias names a key, also for decrypting', async () => {
    const alias = `orders-${Math.random().toString(36).slice(2)}`;
    const { key_id: id } = await keyManagement(clientOf('admin@north')).create({ alias });
    const keyring = serviceKeyring({ client: clientOf('alice@north'), keyId: `alias:${alias}`, keyContext });
    const message = await encrypt('x', { keyring });
    expect(inspect(message).wrappedKeys[0]?.keyId).toBe(id);
    expect(await textOf(message, keyring)).toBe('x');
    const other = serviceKeyring({ client: clientOf('alice@north'), keyId, keyContext });
    expect(await codeOf(decrypt(message, { keyring: other }))).toBe('ERR_NO_MATCHING_KEY');
    const both = serviceKeyring({ client: clientOf('alice@north'), keyId, keyContext, decryptKeyIds: [id] });
    expect(await textOf(message, both)).toBe('x');
  });

  test('messages of others cost no call', async () => {
    const { events, onEvent } = recorder();
    const client = clientOf('alice@north', { onEvent });
    const message = await encrypt('x', { keyring: serviceKeyring({ client, keyId, keyContext }) });
    events.length = 0;
    for (const options of [
      { keyId, keyContext: { ...keyContext, purpose: 'other' } },
      { keyId: await newKey(), keyContext },
    ]) {
      const keyring = serviceKeyring({ client, ...options });
      expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_NO_MATCHING_KEY');
    }
    expect(events).toEqual([]);
  });

  test('a wrapped key of another service is nobody’s, and no address is taken from it', async () => {
    const { events, onEvent } = recorder();
    const client = clientOf('alice@north', { onEvent });
    const keyring = serviceKeyring({ client, keyId, keyContext });
    const foreign: Keyring = {
      ...keyring,
      async generateDataKey(options) {
        const generated = await keyring.generateDataKey(options);
        const wrappedKeys = generated.wrappedKeys.map((key) => ({ ...key, serviceId: 'https://evil.example' }));
        return { ...generated, wrappedKeys };
      },
    };
    const message = await encrypt('x', { keyring: foreign });
    events.length = 0;
    expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_NO_MATCHING_KEY');
    expect(events).toEqual([]);
  });

  test('§4.5 wraps what another keyring opened, and unwraps for another keyring', async () => {
    const local = await generateEcdhKey();
    const mine = ecdhKeyring({ recipients: [local.publicKey], privateKeys: [local] });
    const keyring = serviceKeyring({ client: clientOf('alice@north'), keyId, keyContext });
    const message = await encrypt('x', { keyring: mine });
    const wrapped = await rewrap(message, { from: mine, to: keyring, context: {} });
    expect(await textOf(wrapped, keyring)).toBe('x');
    const back = await rewrap(wrapped, { from: keyring, to: mine });
    expect(await textOf(back, mine)).toBe('x');
  });

  test('§6.4 a wrapped key that was changed, and one of another key, fail alike', async () => {
    const client = clientOf('alice@north');
    const { keyId: id, version, wrappedKey } = await client.generateDataKey({ key: keyId, keyContext });
    const item = { keyId: id, version, keyContext, method: 'service' as const, wrappedKey };
    await client.unwrapDataKey(item);
    const flipped = new Uint8Array(wrappedKey);
    flipped[50] = (flipped[50] as number) ^ 1;
    const wrong = [
      { ...item, wrappedKey: flipped },
      { ...item, keyContext: { ...keyContext, purpose: 'other' } },
    ];
    for (const changed of wrong) expect(await codeOf(client.unwrapDataKey(changed))).toBe('ERR_DECRYPTION_FAILED');
  });

  test('another tenant gets nothing, and is not told whether the key exists', async () => {
    const bob = clientOf('bob@south');
    expect(await codeOf(bob.generateDataKey({ key: keyId, keyContext }))).toBe('ERR_NOT_ALLOWED');
  });
});

describe('offline', () => {
  test('§7.5 wraps to the published key without a permission to decrypt, and the service opens it', async () => {
    const { onEvent, calls } = recorder();
    const client = clientOf('alice@north', { onEvent });
    const writer = serviceKeyring({ client, keyId, keyContext, mode: 'offline' });
    const messages = await Promise.all([1, 2, 3].map((i) => encrypt(`offline ${i}`, { keyring: writer })));
    expect([calls('/public'), calls('/data-keys')]).toEqual([1, 0]);
    expect(inspect(messages[0] as Uint8Array).wrappedKeys[0]).toMatchObject({ method: 'service-ecdh', version: 1 });
    const reader = serviceKeyring({ client: clientOf('alice@north'), keyId, keyContext });
    expect(await textOf(messages[2] as Uint8Array, reader)).toBe('offline 3');
  });

  test('a kept document needs no call at all, and must be signed by the pinned identity', async () => {
    const { signed: keyDocument } = await clientOf('alice@north').keyDocument(keyId);
    const { events, onEvent } = recorder();
    const silent = clientOf('alice@north', { onEvent, fetch: () => Promise.reject(new TypeError('offline')) });
    const writer = serviceKeyring({ client: silent, keyId, keyContext, mode: 'offline', keyDocument });
    const message = await encrypt('x', { keyring: writer });
    expect(events).toEqual([]);
    expect(await textOf(message, serviceKeyring({ client: clientOf('alice@north'), keyId, keyContext }))).toBe('x');

    const forged = { ...keyDocument, document: keyDocument.document.replace(/.{4}$/, 'AAAA') };
    const cheated = serviceKeyring({ client: silent, keyId, keyContext, mode: 'offline', keyDocument: forged });
    expect(await codeOf(encrypt('x', { keyring: cheated }))).toBe('ERR_SERVICE_IDENTITY');
    const elsewhere = clientOf('alice@north', { pin: 'A'.repeat(43) });
    expect(await codeOf(elsewhere.verifyKeyDocument(keyDocument))).toBe('ERR_SERVICE_IDENTITY');
    const late = clientOf('alice@north', { now: () => Date.now() + 26 * 3_600_000 });
    expect(await codeOf(late.verifyKeyDocument(keyDocument))).toBe('ERR_SERVICE_IDENTITY');
  });
});

describe('rotation', () => {
  test('rewrap goes through the service: the data key stays there', async () => {
    const id = await newKey();
    const { onEvent, calls } = recorder();
    const keyring = serviceKeyring({ client: clientOf('alice@north', { onEvent }), keyId: id, keyContext });
    const online = await encrypt('x', { keyring, context: { a: '1' } });
    const offline = await encrypt('y', {
      keyring: serviceKeyring({ client: clientOf('alice@north'), keyId: id, keyContext, mode: 'offline' }),
    });
    await keyManagement(clientOf('admin@north')).rotate(id, 1);
    const renewed = await rewrap(online, { from: keyring, to: keyring });
    expect([calls('/rewrap'), calls('/unwrap'), calls('/wrap')]).toEqual([1, 0, 0]);
    expect(inspect(renewed).wrappedKeys).toMatchObject([{ version: 2 }]);
    expect(renewed.subarray(-17)).toEqual(online.subarray(-17));
    expect((await decrypt(renewed, { keyring, context: { a: '1' } })).plaintext).toEqual(Uint8Array.of(120));
    const checked = await rewrap(offline, { from: keyring, to: keyring, context: {} });
    expect(inspect(checked).wrappedKeys).toMatchObject([{ method: 'service', version: 2 }]);
    expect(await textOf(checked, keyring)).toBe('y');
    expect(await codeOf(rewrap(online, { from: keyring, to: keyring, context: { a: '2' } }))).toBe(
      'ERR_DECRYPTION_FAILED',
    );
  });

  test('to another key, with the key context bound on both sides', async () => {
    const [first, second] = [await newKey(), await newKey()];
    const client = clientOf('alice@north');
    const from = serviceKeyring({ client, keyId: first, keyContext });
    const to = serviceKeyring({ client, keyId: second, keyContext: { ...keyContext, purpose: 'archive' } });
    const moved = await rewrap(await encrypt('x', { keyring: from }), { from, to });
    expect(await textOf(moved, to)).toBe('x');
    expect(await codeOf(decrypt(moved, { keyring: from }))).toBe('ERR_NO_MATCHING_KEY');
  });

  test('another key needs the context: without it nothing is asked of the service, and no data key leaves it', async () => {
    const { onEvent, calls } = recorder();
    const client = clientOf('alice@north', { onEvent });
    const own = await newKey();
    const from = serviceKeyring({ client, keyId: own, keyContext });
    const context = { patient: '4711' };
    const secret = detach(await encrypt('the diagnosis', { keyring: from, context }));
    const bait = detach(await encrypt('bait', { keyring: from, context: { mallory: '1' } }));
    const envelope = withKeysOf(bait.envelope, secret.envelope);
    const [hers, archive] = [{ tenant: 'north', purpose: 'mallory' }, await newKey()];
    for (const to of [
      serviceKeyring({ client, keyId: archive, keyContext }),
      serviceKeyring({ client, keyId: own, keyContext: hers }),
      cachingKeyring(serviceKeyring({ client, keyId: archive, keyContext }), { pollInterval: 0 }),
      observedKeyring(serviceKeyring({ client, keyId: archive, keyContext }), () => {}),
    ]) {
      expect(await codeOf(rewrap(envelope, { from, to }))).toBe('ERR_CONTEXT_MISMATCH');
      expect([calls('/rewrap'), calls('/unwrap'), calls('/wrap')]).toEqual([0, 0, 0]);
    }
    const to = serviceKeyring({ client, keyId: archive, keyContext });
    expect(await codeOf(rewrap(envelope, { from, to, context: { mallory: '1' } }))).toBe('ERR_DECRYPTION_FAILED');
    expect([calls('/rewrap'), calls('/wrap')]).toEqual([0, 0]);
    const moved = await rewrap(secret, { from, to, context });
    expect(calls('/rewrap')).toBe(1);
    expect((await decrypt(moved, { keyring: to, context })).plaintext).toHaveLength(13);
    // The newest version of the same key needs no check, also where the message is under it already.
    await rewrap(envelope, { from, to: from });
    expect(calls('/rewrap')).toBe(2);
  });

  test('an alias that was moved is another key', async () => {
    const [first, second] = [await newKey(), await newKey()];
    const admin = keyManagement(clientOf('admin@north'));
    const alias = `moved-${first.slice(-8)}`;
    await admin.setAlias(alias, first);
    const { onEvent, calls } = recorder();
    const context = { a: '1' };
    const before = serviceKeyring({ client: clientOf('alice@north'), keyId: `alias:${alias}`, keyContext });
    const message = await encrypt('x', { keyring: before, context });
    await keyManagement(clientOf('mover@north')).setAlias(alias, second);
    const after = serviceKeyring({
      client: clientOf('alice@north', { onEvent }),
      keyId: `alias:${alias}`,
      keyContext,
      decryptKeyIds: [first],
    });
    expect(await codeOf(rewrap(message, { from: after, to: after }))).toBe('ERR_CONTEXT_MISMATCH');
    expect(calls('/rewrap')).toBe(0);
    const moved = await rewrap(message, { from: after, to: after, context });
    expect(inspect(moved).wrappedKeys).toMatchObject([{ keyId: second }]);
  });

  test('a disabled key, a version below the floor, and one that was rotated out meanwhile are told apart', async () => {
    const id = await newKey();
    const admin = keyManagement(clientOf('admin@north'));
    const keyring = serviceKeyring({ client: clientOf('alice@north'), keyId: id, keyContext });
    const message = await encrypt('x', { keyring });
    await admin.disable(id);
    expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_KEY_DISABLED');
    await admin.enable(id);
    await admin.rotate(id, 1);
    await expect(admin.rotate(id, 1)).rejects.toMatchObject({
      code: 'ERR_SERVICE_CONFLICT',
      problem: 'version-conflict',
    });
    await admin.raiseFloor(id, 2);
    const error = await rejection(decrypt(message, { keyring }));
    expect(error).toMatchObject({ code: 'ERR_KEY_VERSION_UNAVAILABLE', problem: 'below-floor' });
    await expect(admin.rotate(id, 2, { revision: 1 })).rejects.toMatchObject({
      code: 'ERR_SERVICE_CONFLICT',
      status: 412,
    });
    expect((await admin.describe(id)).newest_version).toBe(2);
    const ids: string[] = [];
    for await (const key of admin.list()) ids.push(key.key_id);
    expect(ids).toContain(id);
  });
});

describe('tokens and proofs', () => {
  test('a token is asked for once, also by many calls at once', async () => {
    let asked = 0;
    const source = developmentToken('alice@north');
    const client = clientOf('alice@north', {
      tokenSource: (request) => {
        asked++;
        return source(request);
      },
    });
    await Promise.all([client.caller(), client.keyDocument(keyId), client.generateDataKey({ key: keyId, keyContext })]);
    expect(asked).toBe(1);
    expect(await client.caller()).toMatchObject({
      tenant: 'north',
      principal: expect.stringMatching(/\|alice@north$|alice/),
    });
    client.forgetToken();
    await client.caller();
    expect(asked).toBe(2);
  });

  test('a refused token is replaced once', async () => {
    const source = developmentToken('alice@north');
    const refused: unknown[] = [];
    const { onEvent, calls } = recorder();
    let later = 0;
    const client = clientOf('alice@north', {
      onEvent,
      now: () => Date.now() + later,
      tokenSource: async (request) => {
        refused.push(request.refused);
        const token = await source(request);
        return request.refused === undefined ? token.replace(/.{6}$/, 'AAAAAA') : token;
      },
    });
    await client.generateDataKey({ key: keyId, keyContext });
    expect(refused.map((token) => typeof token)).toEqual(['undefined', 'string']);
    expect(calls('generate')).toBe(1);
    // The one after it is asked for because of its age.
    later = 890_000;
    await client.caller();
    expect(refused.slice(2)).toEqual([undefined]);
  });

  test('a token that stays wrong ends the call', async () => {
    const source = developmentToken('alice@north');
    const client = clientOf('x', {
      tokenSource: async (request) => (await source(request)).replace(/.{6}$/, 'AAAAAA'),
    });
    const error = await rejection(client.generateDataKey({ key: keyId, keyContext }));
    expect(error).toMatchObject({ code: 'ERR_TOKEN_REFUSED', check: 'token-signature', status: 401 });
  });

  test('a token of another proof key is of no use', async () => {
    let stolen = '';
    const source = developmentToken('alice@north');
    await clientOf('x', {
      tokenSource: async (request) => {
        stolen = await source(request);
        return stolen;
      },
    }).caller();
    const thief = clientOf('x', { token: stolen });
    const error = await rejection(thief.generateDataKey({ key: keyId, keyContext }));
    expect(error).toMatchObject({ code: 'ERR_TOKEN_REFUSED', check: 'token-binding' });
  });

  test('an expired token is told as such', async () => {
    const dpop = await generateProofKey();
    let token = '';
    const source = developmentToken('alice@north');
    await clientOf('x', {
      dpop,
      tokenSource: async (request) => {
        token = await source(request);
        return token;
      },
    }).caller();
    const [head, , signature] = token.split('.');
    const claims = JSON.parse(atob((token.split('.')[1] as string).replaceAll('-', '+').replaceAll('_', '/')));
    expect(claims.exp - claims.iat).toBeLessThanOrEqual(900);
    expect(claims.cnf.jkt).toBe(await proofKeyThumbprint(dpop));
    const body = btoa(JSON.stringify({ ...claims, exp: 1_000 }))
      .replaceAll('+', '-')
      .replaceAll('/', '_')
      .replaceAll('=', '');
    // The signature is wrong too; which of both is told is the service's choice, and either is a token that is not taken.
    const code = await codeOf(
      clientOf('x', { dpop, token: `${head}.${body}.${signature}` }).request({ method: 'GET', path: '/v1/caller' }),
    );
    expect(['ERR_TOKEN_EXPIRED', 'ERR_TOKEN_REFUSED']).toContain(code);
  });

  test('ES384 proofs, and a function for tokens', async () => {
    const dpop = await generateProofKey('ES384');
    expect(dpop.privateKey.extractable).toBe(false);
    let token = '';
    const source = developmentToken('alice@north');
    await clientOf('x', { dpop, tokenSource: async (request) => (token = await source(request)) }).caller();
    const client = clientOf('x', { dpop, token: async () => token });
    expect(await client.request({ method: 'GET', path: '/v1/caller' })).toMatchObject({ tenant: 'north' });
  });

  test('a source that fails is named, with its cause', async () => {
    const cause = new Error('signed out');
    const client = clientOf('x', { tokenSource: () => Promise.reject(cause) });
    const error = await rejection(client.generateDataKey({ key: keyId, keyContext }));
    expect(error).toMatchObject({ code: 'ERR_TOKEN_UNAVAILABLE', cause });
    expect(await codeOf(clientOf('x', { token: 'no token' }).caller())).toBe('ERR_TOKEN_UNAVAILABLE');
  });

  test('§3.6 a clock that is off by half an hour is corrected; a stale nonce costs one more attempt', async () => {
    const { events, onEvent } = recorder();
    const client = clientOf('alice@north', { now: () => Date.now() + 1_800_000, onEvent });
    await client.generateDataKey({ key: keyId, keyContext });
    expect(events.filter(({ type }) => type === 'service-retry')).toEqual([]);
  });
});

describe('options', () => {
  const make = (options: object) => () => createKeyServiceClient({ url, pin, token: 'x', ...options } as never);

  test('wrong ones are named', () => {
    expect(make({})).not.toThrow();
    expect(make({ pin: undefined })).toThrow(/^pin must be/);
    expect(make({ pin: 'short' })).toThrow(/^pin must be/);
    expect(make({ pin: undefined, unsafeUnpinned: true })).not.toThrow();
    expect(make({ url: 'https://keys.example', pin: undefined, unsafeUnpinned: true })).toThrow(
      /^unsafeUnpinned must be/,
    );
    for (const wrong of ['http://keys.example', 'http://127.0.0.1.example', 'ftp://localhost', 'keys.example', '', 7]) {
      expect(make({ url: wrong })).toThrow(/^url must be/);
    }
    for (const right of ['http://localhost:1', 'http://[::1]:1', 'http://127.9.9.9', 'https://keys.example/base']) {
      expect(make({ url: right })).not.toThrow();
    }
    expect(make({ url: 'https://user@keys.example' })).toThrow(/^url must be without user/);
    expect(make({ token: undefined })).toThrow(/^token or tokenSource/);
    expect(make({ tokenSource: developmentToken('x') })).toThrow(/^token or tokenSource/);
    expect(make({ timeout: 0 })).toThrow(/^timeout must be/);
    expect(make({ retry: { limit: 99 } })).toThrow(/^retry.limit must be/);
    expect(make({ retry: { times: 9 } })).toThrow(/unknown option "times"/);
    expect(make({ pinned: pin })).toThrow(/unknown option "pinned"/);
  });

  test('a proof key that could be exported is refused', async () => {
    const generated = crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
    const error = await rejection(
      clientOf('alice@north', { dpop: (await generated) as CryptoKeyPair }).proofKeyThumbprint(),
    );
    expect(String(error)).toMatch(/not extractable/);
  });

  test('without a pin a loopback service is believed once', async () => {
    const client = clientOf('alice@north', { pin: undefined, unsafeUnpinned: true });
    expect((await client.connect()).serviceId).toBe('bulla-dev');
  });

  test('an abort ends the wait, and nothing else', async () => {
    const client = clientOf('alice@north');
    const reason = new Error('enough');
    const controller = new AbortController();
    const aborted = client.generateDataKey({ key: keyId, keyContext }, { signal: controller.signal });
    const other = client.generateDataKey({ key: keyId, keyContext });
    controller.abort(reason);
    await expect(aborted).rejects.toBe(reason);
    expect((await other).keyId).toBe(keyId);
    expect(isBullaError(await rejection(client.connect({ signal: AbortSignal.abort() })))).toBe(false);
  });
});

describe('arguments that are the mistakes of their caller', () => {
  const post = { method: 'POST', path: '/v1/keys', body: {} } as const;
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;
  test.each<[string, object]>([
    ['body', { method: 'GET', path: '/v1/keys', body: {} }],
    ['body', { ...post, body: cyclic }],
    ['ifMatch', { ...post, ifMatch: 'a\r\nb' }],
    ['ifMatch', { ...post, ifMatch: 'ä' }],
    ['ifMatch', { ...post, ifMatch: '' }],
    ['idempotencyKey', { ...post, idempotencyKey: 'import 7' }],
    ['idempotencyKey', { ...post, idempotencyKey: 'ä' }],
    ['idempotencyKey', { ...post, idempotencyKey: 'a'.repeat(65) }],
    ['idempotencyKey', { ...post, idempotencyKey: '' }],
    ...['/v1/./keys', '/v1/../keys', '/v1/keys/..', '/v1/keys/.?limit=1', '/v1//keys', '/v1/', '/v1/keys/', 'v1'].map(
      (path): [string, object] => ['path', { method: 'GET', path }],
    ),
  ])('%s: nothing is sent for %o', async (name, request) => {
    const { events, onEvent } = recorder();
    const error = await rejection(clientOf('admin@north', { onEvent }).request(request as never));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(new RegExp(`^${name}`));
    expect(events).toEqual([]);
  });

  test('of the control plane', async () => {
    const { events, onEvent } = recorder();
    const keys = keyManagement(clientOf('admin@north', { onEvent }));
    const calls: readonly (readonly [RegExp, () => Promise<unknown>])[] = [
      [/^name must be/, () => keys.setAlias('', keyId)],
      [/^key must be/, () => keys.setAlias('orders', '')],
      [/^name must be/, () => keys.deleteAlias('')],
      [/^path must be/, () => keys.describe('')],
      [/^path must be/, () => keys.describe('..')],
      [/^deletion must be/, () => keys.approveDeletion(keyId, undefined as never)],
      [/^deletion.days must be/, () => keys.approveDeletion(keyId, { version: null } as never)],
      [/^idempotencyKey must be/, () => keys.create({ idempotencyKey: 'a b' })],
    ];
    for (const [message, call] of calls) {
      const error = await rejection(call());
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).toMatch(message);
    }
    expect(events).toEqual([]);
  });

  test('a proof key that could not be made is the failure of the calls that need it, not of the process', async () => {
    const unhandled: unknown[] = [];
    const listener = (event: { reason?: unknown }) => unhandled.push(event.reason ?? event);
    const target = globalThis as unknown as EventTarget & { process?: NodeJS.Process };
    if (target.process?.on) target.process.on('unhandledRejection', listener);
    else target.addEventListener('unhandledrejection', listener as never);
    const locked = new Error('the key store is locked');
    const client = clientOf('alice@north', { dpop: Promise.reject(locked) });
    // Rejections that nobody handles are reported with the end of a task.
    await new Promise((resolve) => setTimeout(resolve));
    await new Promise((resolve) => setTimeout(resolve));
    expect(await rejection(client.proofKeyThumbprint())).toBe(locked);
    expect(unhandled).toEqual([]);
    if (target.process?.off) target.process.off('unhandledRejection', listener);
    else target.removeEventListener('unhandledrejection', listener as never);
  });
});
