// Answers that are authentic and wrong: what a service that is broken, or not honest, may send. A typed error, nothing released, nothing cached.

import { describe, expect, test, vi } from 'vitest';
import { cachingKeyring } from '../../src/cache.ts';
import { decrypt, encrypt, isBullaError } from '../../src/index.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import { createKeyServiceClient } from '../../src/service.ts';
import { codeOf, rejection } from '../support/data.ts';
import {
  b64,
  type Lies,
  lyingKeyId,
  lyingService,
  lyingToken,
  lyingUrl,
  type Result,
} from '../support/lying-service.ts';

const keyContext = { purpose: 'test' };

async function clientOf(lies: Lies = {}) {
  const service = await lyingService(lies);
  const { fetch, pin } = service;
  const client = createKeyServiceClient({ url: lyingUrl, pin, fetch, token: lyingToken, retry: { limit: 0 } });
  const generate = () => client.generateDataKey({ key: lyingKeyId, keyContext });
  const wrappedKey = new Uint8Array(81).fill(7);
  const unwrap = () =>
    client.unwrapDataKey({ keyId: lyingKeyId, version: 1, keyContext, method: 'service', wrappedKey });
  return { client, generate, unwrap, lies: service.lies };
}

const edit = (change: (result: Result) => object) => (results: Result[]) =>
  results.map((result) => ({ ...result, ...change(result) }));

test('the truth passes', async () => {
  const { client, generate, unwrap } = await clientOf();
  expect(await Promise.all([generate(), generate(), unwrap()])).toMatchObject([
    { version: 1 },
    { keyId: lyingKeyId },
    {},
  ]);
  expect(await client.keyDocument(lyingKeyId)).toMatchObject({ version: 1, serviceId: 'lying' });
});

describe('§6.1, §6.2 results', () => {
  const always: [string, NonNullable<Lies['results']>][] = [
    ['none', () => []],
    ['one too few', (results) => results.slice(1)],
    ['one too many', (results) => [...results, results[0]]],
    ['no array', () => ({})],
    ['no objects', (results) => results.map(() => null)],
    ['in another order', (results) => results.toReversed()],
    ['the same one twice', (results) => results.map(() => results[0])],
    ['another key', edit(() => ({ key_id: 'key-bbbbbbbbbbbbbbbbbbbbbbbbbb' }))],
    ['no key', edit(() => ({ key_id: undefined }))],
    ['another version', edit(() => ({ version: 2, newest_version: 2 }))],
    ['a version beyond the newest', edit(() => ({ version: 2 }))],
    ['version 0', edit(() => ({ version: 0 }))],
    ['a version that is no integer', edit(() => ({ version: 1.5 }))],
    ['a floor beyond the newest', edit(() => ({ floor: 2 }))],
    ['no floor', edit(() => ({ floor: undefined }))],
    ['no data key', edit(() => ({ sealed_key: undefined }))],
    ['a data key of 31 bytes', edit(({ sealed_key = '' }) => ({ sealed_key: sealed_key.slice(0, 62) }))],
    ['a data key that is not sealed for this', edit(() => ({ sealed_key: b64(new Uint8Array(48)) }))],
    [
      'a data key that is not base64url',
      edit(({ sealed_key = '' }) => ({ sealed_key: `${sealed_key.slice(0, -1)}=` })),
    ],
    ['a problem without a status', edit(() => ({ problem: { code: 'not-allowed' } }))],
    ['a problem that is none', edit(() => ({ problem: 'no' }))],
  ];

  test.each(always)('%s', async (_what, results) => {
    const { generate, unwrap } = await clientOf({ results });
    for (const call of [generate, unwrap]) {
      const outcomes = await Promise.allSettled([call(), call(), call()]);
      for (const outcome of outcomes) {
        expect(outcome.status).toBe('rejected');
        const { reason } = outcome as PromiseRejectedResult;
        expect([isBullaError(reason), reason.code]).toEqual([true, 'ERR_SERVICE_ANSWER']);
      }
    }
  });

  test.each([
    ['a wrapped key of another length', edit(() => ({ wrapped_key: b64(new Uint8Array(80)) }))],
    ['another wrapped key than the data key came with', edit(() => ({ wrapped_key: b64(new Uint8Array(81)) }))],
    ['a version that is not the newest', edit(() => ({ newest_version: 2 }))],
  ])('generated: %s', async (_what, results) => {
    const { generate } = await clientOf({ results });
    expect(await codeOf(generate())).toBe('ERR_SERVICE_ANSWER');
  });

  test('one wrong result spoils all: the others are not released either', async () => {
    const results: Lies['results'] = ([first, ...others]) => [
      { ...first, sealed_key: b64(new Uint8Array(48)) },
      ...others,
    ];
    const { generate } = await clientOf({ results });
    const outcomes = await Promise.allSettled([generate(), generate()]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  test('a wrong data key does not open the message, and is not kept', async () => {
    const { client, lies } = await clientOf();
    const keyring = cachingKeyring(serviceKeyring({ client, keyId: lyingKeyId, keyContext }), { pollInterval: 0 });
    const message = await encrypt('x', { keyring });
    keyring.cache.invalidate();
    await decrypt(message, { keyring });
    keyring.cache.invalidate();
    lies.results = edit(() => ({ problem: { status: 422, code: 'unwrap-failed' } }));
    expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_DECRYPTION_FAILED');
    expect(keyring.cache.size).toBe(0);
    // The data key is 32 times 9; this context makes it the wrong one for the commitment.
    delete lies.results;
    const other = await encrypt('x', { keyring, context: { a: '1' } });
    expect(await codeOf(decrypt(other, { keyring, context: { a: '2' } }))).toBe('ERR_DECRYPTION_FAILED');
    // Nobody waits for what a keyring does with it.
    await vi.waitFor(() => expect(keyring.cache.counters.evictions.failed).toBe(1), 60_000);
  });
});

const firstKey = (claims: Record<string, unknown>) => (claims['transport_keys'] as [object])[0];

describe('§2.3 signed documents', () => {
  const past = Math.floor(Date.now() / 1000) - 7_200;
  const lies: [string, Lies['discovery'], string][] = [
    ['for another address', () => ({ iss: 'https://other.example' }), 'ERR_SERVICE_IDENTITY'],
    ['expired', () => ({ iat: past, exp: past + 3_600 }), 'ERR_SERVICE_IDENTITY'],
    ['not valid yet', () => ({ iat: past + 14_400, exp: past + 18_000 }), 'ERR_SERVICE_IDENTITY'],
    ['without an end', () => ({ exp: undefined }), 'ERR_SERVICE_ANSWER'],
    ['without transport keys', () => ({ transport_keys: [] }), 'ERR_SERVICE_ANSWER'],
    ['without limits', () => ({ limits: null }), 'ERR_SERVICE_ANSWER'],
    ['without a service id', () => ({ service_id: '' }), 'ERR_SERVICE_ANSWER'],
    ['a serial that is none', () => ({ serial: -1 }), 'ERR_SERVICE_ANSWER'],
    [
      'a transport key off the curve',
      (claims) => ({
        transport_keys: [
          { ...firstKey(claims), key: b64(Uint8Array.from({ length: 97 }, (_, i) => (i === 0 ? 4 : 1))) },
        ],
      }),
      'ERR_SERVICE_IDENTITY',
    ],
    [
      'a transport key under the id of another',
      (claims) => ({ transport_keys: [{ ...firstKey(claims), kid: 'A'.repeat(43) }] }),
      'ERR_SERVICE_IDENTITY',
    ],
    [
      'a transport key that has expired',
      (claims) => ({ transport_keys: [{ ...firstKey(claims), exp: past }] }),
      'ERR_SERVICE_IDENTITY',
    ],
    [
      'a transport key that is kept for two days',
      (claims) => ({ transport_keys: [{ ...firstKey(claims), exp: past + 3 * 86_400 }] }),
      'ERR_SERVICE_IDENTITY',
    ],
  ];

  test.each(lies)('%s', async (_what, discovery, code) => {
    const { client } = await clientOf(discovery === undefined ? {} : { discovery });
    expect(await codeOf(client.connect())).toBe(code);
  });

  test('an older one than was seen before', async () => {
    const { client, lies: told } = await clientOf();
    told.discovery = () => ({ serial: 10, exp: Math.floor(Date.now() / 1000) + 30 });
    await client.connect();
    // It ends so soon that the next call fetches another.
    told.discovery = () => ({ serial: 9 });
    expect(await rejection(client.connect())).toMatchObject({
      code: 'ERR_SERVICE_IDENTITY',
      message: expect.stringContaining('older'),
    });
    told.discovery = () => ({ serial: 11 });
    expect((await client.connect()).serial).toBe(11);
  });

  test.each<[string, Lies['document'], string]>([
    ['of another key', () => ({ key_id: 'key-bbbbbbbbbbbbbbbbbbbbbbbbbb' }), 'ERR_SERVICE_ANSWER'],
    ['without the newest version', () => ({ newest_version: 2 }), 'ERR_SERVICE_IDENTITY'],
    ['a floor beyond the newest', () => ({ floor: 2 }), 'ERR_SERVICE_ANSWER'],
    [
      'a point off the curve',
      () => ({ keys: [{ version: 1, key: b64(new Uint8Array(97).fill(4)) }] }),
      'ERR_SERVICE_IDENTITY',
    ],
    ['expired', () => ({ iat: past, exp: past + 60 }), 'ERR_SERVICE_IDENTITY'],
    ['from elsewhere', () => ({ iss: 'https://other.example' }), 'ERR_SERVICE_IDENTITY'],
  ])('the document of a key: %s', async (_what, document, code) => {
    const { client } = await clientOf(document === undefined ? {} : { document });
    expect(await codeOf(client.keyDocument(lyingKeyId))).toBe(code);
    const keyring = serviceKeyring({ client, keyId: lyingKeyId, keyContext, mode: 'offline' });
    expect(await codeOf(encrypt('x', { keyring }))).toBe(code);
  });
});
