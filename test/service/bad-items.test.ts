// One bad item is one bad item: calls of one tick travel together, and what one of them is wrong about is the failure of that one alone.

import { describe, expect, test } from 'vitest';
import { type BulkReport, type MessageItem, reencryptAll, rewrapAll } from '../../src/bulk.ts';
import { encrypt } from '../../src/index.ts';
import { createKeyServiceClient, type KeyServiceClient } from '../../src/service.ts';
import { fastKeyring } from '../support/data.ts';
import { b64, lyingKeyId, lyingService, lyingToken, lyingUrl } from '../support/lying-service.ts';

async function connected(): Promise<KeyServiceClient> {
  // Where it re-wraps, the truth has a wrapped key, too.
  const { fetch, pin } = await lyingService({
    results: (results) => results.map((result) => ({ wrapped_key: b64(new Uint8Array(81).fill(7)), ...result })),
  });
  const client = createKeyServiceClient({ url: lyingUrl, pin, fetch, token: lyingToken, retry: { limit: 0 } });
  await client.connect();
  return client;
}

const throwing = Object.defineProperty({}, 'purpose', {
  enumerable: true,
  get() {
    throw new Error('a getter of the application');
  },
});
/** Key contexts that no call may have. */
const contexts: readonly unknown[] = [
  undefined,
  null,
  'text',
  { purpose: 5 },
  { purpose: null },
  { purpose: 5n },
  { '': 'x' },
  { purpose: '\ud800' },
  { purpose: 'x'.repeat(1_025) },
  Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`n${i}`, ''])),
  new Map([['purpose', 'x']]),
  throwing,
];
const keys: readonly unknown[] = [undefined, 5, '', 'key-short', 'alias:', Symbol('key')];
const wrapped = { keyId: lyingKeyId, version: 1, method: 'service', wrappedKey: new Uint8Array(81).fill(7) } as const;
const target = { key: lyingKeyId, keyContext: {} };

const calls: Readonly<Record<string, (client: KeyServiceClient, keyContext: never, key: never) => Promise<unknown>>> = {
  generateDataKey: (client, keyContext, key) => client.generateDataKey({ key, keyContext }),
  generateWrappedDataKey: (client, keyContext, key) => client.generateWrappedDataKey({ key, keyContext }),
  wrapDataKey: (client, keyContext, key) => client.wrapDataKey(new Uint8Array(32), { key, keyContext }),
  unwrapDataKey: (client, keyContext) => client.unwrapDataKey({ ...wrapped, keyContext }),
  unwrapDataKeyBytes: (client, keyContext) => client.unwrapDataKeyBytes({ ...wrapped, keyContext }),
  'rewrapDataKey, its source': (client, keyContext) => client.rewrapDataKey({ ...wrapped, keyContext }),
  'rewrapDataKey, its target': (client, keyContext, key) =>
    client.rewrapDataKey({ ...wrapped, keyContext: {} }, { key, keyContext }),
};

describe.each(Object.entries(calls))('%s', (name, call) => {
  const takesKey = !/unwrap|source/.test(name);
  const bad = [
    ...contexts.map((keyContext) => [keyContext, lyingKeyId] as const),
    ...(takesKey ? keys.map((key) => [{}, key] as const) : []),
  ];

  test('calls beside one that is wrong succeed', async () => {
    const client = await connected();
    const good = () => client.generateDataKey(target);
    for (const [keyContext, key] of bad) {
      const settled = await Promise.allSettled([
        good(),
        call(client, keyContext as never, key as never),
        good(),
        call(client, {} as never, lyingKeyId as never),
      ]);
      const states = settled.map(({ status }) => status);
      expect(states, String(key)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    }
  });
});

describe.each(Object.entries({ rewrapAll, reencryptAll }))('%s', (_name, work) => {
  test.each<[string, () => Promise<object>]>([
    ['no message', async () => ({ message: new Uint8Array(100) })],
    ['an empty one', async () => ({ message: new Uint8Array(0) })],
    ['no bytes', async () => ({ message: 5 })],
    ['nothing', async () => ({})],
    ['a context that is a Map', async () => ({ message: await good(), context: new Map() })],
    ['another context', async () => ({ message: await good(), context: { a: '1' } })],
    ['a message of another key', async () => ({ message: await encrypt('x', { keyring: fastKeyring(8) }) })],
    [
      'a getter that throws',
      async () => Object.defineProperty({}, 'message', { get: () => (throwing as { purpose?: unknown }).purpose }),
    ],
  ])('an item that is %s fails alone', async (_what, make) => {
    const bad = Object.assign(await make(), { id: '2' }) as MessageItem;
    const items = [{ id: '1', message: await good() }, bad, { id: '3', message: await good() }];
    const written: string[] = [];
    const run = work as (items: MessageItem[], options: object) => Promise<BulkReport<MessageItem>>;
    const options = {
      from: keyring,
      to: keyring,
      write: async (_: unknown, { id }: { id: string }) => written.push(id),
    };
    const report = await run(items, options);
    expect(report).toMatchObject({ complete: true, done: 2, failed: 1, failures: [{ item: bad }] });
    expect(written.sort()).toEqual(['1', '3']);
  });
});

const keyring = fastKeyring();
const good = () => encrypt('x', { keyring });
