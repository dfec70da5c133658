import { beforeAll, describe, expect, test } from 'vitest';
import { decrypt, encrypt, inspect, rewrap } from '../../src/index.ts';
import type { Keyring } from '../../src/keyrings/custom.ts';
import { ecdhKeyring, generateEcdhKey } from '../../src/keyrings/ecdh.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import { keyManagement } from '../../src/service.ts';
import { codeOf } from '../support/data.ts';
import { clientOf, keyContext, newKey, recorder, textOf } from '../support/service-client.ts';

let keyId: string;
beforeAll(async () => {
  keyId = await newKey();
});

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
