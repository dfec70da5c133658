// Threats: a caller of another tenant, and wrapped keys that are taken elsewhere or changed.

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, Refused, wrapOffline } from '../reference-client/client.ts';
import type { Item, Result } from '../reference-client/documents.ts';
import { b64, unb64 } from '../reference-client/encodings.ts';
import { ProofKey, verdict } from './support/raw.ts';
import { ending, type Key, only, outcome, World } from './support/world.ts';

let world: World;
let alice: Client;
let bob: Client;
let north: Key;
let south: Key;
let secret: Result;
const context = { customer: '4711', purpose: 'orders' };

beforeAll(async () => {
  world = await World.start();
  [alice, bob] = [world.client('alice@north'), world.client('alice@south')];
  north = await world.createKey({ alias: 'orders' });
  south = await world.createKey({ alias: 'ours' }, 'south');
  secret = await only(alice, 'generate-data-key', { key_context: context }, north.key_id);
});

afterAll(() => world?.remove());

const item = (more: object = {}): Item => ({
  version: 1,
  key_context: context,
  wrapped_key: secret.wrapped_key,
  ...more,
});

/** The exact body of the refusal of a request. */
const refusal = async (call: Promise<unknown>): Promise<object> => {
  const error = await call.catch((reason: unknown) => reason);
  if (!(error instanceof Refused)) throw new Error('not refused');
  expect(error.authenticated).toBe(true);
  return error.problem;
};

describe('a caller of another tenant', () => {
  const nobody = `key-${'a'.repeat(26)}`;

  it('§6.4 cannot tell a key of others from one that does not exist: items', async () => {
    for (const operation of ['generate-data-key', 'generate-data-key-without-plaintext', 'unwrap', 'rewrap', 'wrap']) {
      const rest = operation === 'unwrap' || operation === 'rewrap' ? item() : {};
      const data_key = operation === 'wrap' ? { data_key: randomBytes(32) } : {};
      const items = [north.key_id, 'alias:orders', nobody, 'alias:nobody'].map((key) => ({
        key,
        ...rest,
        ...data_key,
      }));
      const results = await bob.dataPlane(operation, items);
      for (const { problem } of results) expect(problem).toEqual(results[2]?.problem);
      expect(results.map(outcome), operation).toEqual(Array.from({ length: 4 }, () => '403 not-allowed'));
    }
  });

  it('§6.4 nor in the path of a request, for reading and for changing', async () => {
    const [admin, approver] = [world.client('admin@south'), world.client('approver@south')];
    const changes: [string, object][] = [
      ['rotate', { from_version: 1 }],
      ['disable', {}],
      ['enable', {}],
      ['mark-compromised', { version: 1 }],
      ['raise-floor', { floor: 1 }],
      ['rotation-policy', { max_age_days: 1, max_uses: null }],
      ['schedule-deletion', { days: 7 }],
      ['cancel-deletion', {}],
    ];
    const calls = (key: string): Promise<object>[] => [
      refusal(admin.call('GET', `/v1/keys/${key}`)),
      refusal(admin.call('GET', `/v1/keys/${key}/public`)),
      ...changes.map(([verb, body]) => refusal(admin.call('POST', `/v1/keys/${key}/${verb}`, body))),
      refusal(approver.call('POST', `/v1/keys/${key}/approve-deletion`, { version: null, days: 7 })),
      refusal(admin.call('PUT', '/v1/aliases/stolen', { key })),
    ];
    const [others, none, alias] = await Promise.all(
      [north.key_id, nobody, 'alias:orders'].map((key) => Promise.all(calls(key))),
    );
    expect(others).toEqual(none);
    expect(alias).toEqual(none);
    expect(new Set(none?.map((problem) => (problem as { code: string }).code))).toEqual(new Set(['not-allowed']));
    expect(await refusal(admin.call('DELETE', '/v1/aliases/orders'))).toEqual(
      await refusal(admin.call('DELETE', '/v1/aliases/nobody')),
    );
    expect(await world.client('admin@north').call('GET', '/v1/keys/alias:orders')).toMatchObject({
      key_id: north.key_id,
      state: 'enabled',
      aliases: ['orders'],
      deletion: null,
      rotation: { max_age_days: null, max_uses: null },
      versions: [{ version: 1, state: 'active' }],
    });
  });

  it('has aliases of its own, of the same name', async () => {
    const ours = await world.createKey({ alias: 'orders' }, 'south');
    const { key_id } = await only(bob, 'generate-data-key', {}, 'alias:orders');
    expect(key_id).toBe(ours.key_id);
    expect((await only(alice, 'generate-data-key', {}, 'alias:orders')).key_id).toBe(north.key_id);
  });

  it('does not see keys of others in lists', async () => {
    const { keys } = await world.client('admin@south').call<{ keys: Key[] }>('GET', '/v1/keys?limit=1000');
    expect(new Set(keys.map(({ tenant }) => tenant))).toEqual(new Set(['south']));
    const after = await world.client('admin@south').call<{ keys: Key[] }>('GET', `/v1/keys?after=${north.key_id}`);
    expect(after.keys.every(({ tenant }) => tenant === 'south')).toBe(true);
  });

  it('cannot unwrap the wrapped keys of others with keys of its own', async () => {
    expect(outcome(await only(bob, 'unwrap', item(), south.key_id))).toBe('422 unwrap-failed');
    const document = await alice.publicKey(north.key_id);
    const offline = wrapOffline(document, context, randomBytes(32));
    expect(outcome(await only(bob, 'unwrap', offline))).toBe('403 not-allowed');
    expect(outcome(await only(bob, 'unwrap', { ...offline, key: south.key_id }))).toBe('422 unwrap-failed');
  });

  it('cannot rewrap from, nor to, a key of others', async () => {
    const own = await only(bob, 'generate-data-key', { key_context: context }, south.key_id);
    const items = [north.key_id, nobody].flatMap((target) => [
      { key: south.key_id, ...item({ wrapped_key: own.wrapped_key, to: { key: target } }) },
      { key: target, ...item({ to: { key: south.key_id } }) },
      { key: south.key_id, ...item({ to: { key: target } }) },
    ]);
    const results = (await bob.dataPlane('rewrap', items)).map(outcome);
    expect(results.slice(0, 2)).toEqual(['403 not-allowed', '403 not-allowed']);
    expect(results[2]).toMatch(/^4(22|03) /);
    expect(results.slice(3)).toEqual(results.slice(0, 3));
  });

  it('a token that says another tenant than its issuer may speak for is refused', async () => {
    const token = async ({ jkt }: Client): Promise<string> => world.south.token('alice@north', jkt);
    const forger = world.client('alice@north', { token });
    expect(await ending(forger.call('GET', '/v1/caller'))).toBe('401 token-tenant');
  });
});

describe('a wrapped key that was changed', () => {
  const verdicts = async (items: readonly Item[], key?: string): Promise<string[]> =>
    (await alice.dataPlane('unwrap', items, key)).map(outcome);

  it('§6.4 another key context: 422, one code and one body for all', async () => {
    const contexts = [
      {},
      { ...context, customer: '4712' },
      { ...context, extra: '' },
      { customer: context.customer },
      { customer: 'orders', purpose: '4711' },
      { purpose: 'orders', customer: '4711 ' },
      { Customer: '4711', purpose: 'orders' },
    ];
    const results = await alice.dataPlane(
      'unwrap',
      contexts.map((key_context) => item({ key_context })),
      north.key_id,
    );
    expect(new Set(results.map(outcome))).toEqual(new Set(['422 unwrap-failed']));
    expect(new Set(results.map(({ problem }) => JSON.stringify(problem))).size).toBe(1);
    const reordered = item({ key_context: { purpose: 'orders', customer: '4711' } });
    expect(await verdicts([reordered], north.key_id)).toEqual(['ok']);
  });

  it('another version, another key: 422', async () => {
    const { key_id } = await world.createKey();
    await world.change(key_id, 'rotate', { from_version: 1 });
    const { wrapped_key } = await only(alice, 'generate-data-key', {}, key_id);
    const versions = [1, 2, 3, 2 ** 31, 2 ** 32 - 1].map((version) => ({ version, wrapped_key }));
    const expected = ['422 unwrap-failed', 'ok', ...Array.from({ length: 3 }, () => '422 unwrap-failed')];
    expect(await verdicts(versions, key_id)).toEqual(expected);
    expect(await verdicts([item()], key_id)).toEqual(['422 unwrap-failed']);
  });

  it('every flipped byte, cut and lengthened: 422 or malformed, never a key', async () => {
    const bytes = unb64(secret.wrapped_key);
    const flipped = Array.from(bytes, (_, i) => {
      const changed = Buffer.from(bytes);
      changed.writeUInt8((bytes[i] ?? 0) ^ 1, i);
      return item({ wrapped_key: b64(changed) });
    });
    expect(new Set(await verdicts(flipped, north.key_id))).toEqual(new Set(['422 unwrap-failed']));
    for (const text of [
      `${secret.wrapped_key}=`,
      `${secret.wrapped_key} `,
      `${secret.wrapped_key.slice(0, -1)}*`,
      '',
    ]) {
      const [result] = await Promise.allSettled([verdicts([item({ wrapped_key: text })], north.key_id)]);
      expect(result.status === 'rejected' || result.value[0] === '422 unwrap-failed', text).toBe(true);
    }
  });

  it('§6.1 §6.4 one wrapped key of another length (format.md allows 1 to 8,192 bytes) fails alone, not its whole batch', async () => {
    for (const length of [1, 80, 82, 8192]) {
      const hostile = item({ wrapped_key: b64(Buffer.alloc(length, 1)) });
      const answers = await verdicts([item(), hostile, item()], north.key_id).catch(String);
      expect(answers, String(length)).toEqual(['ok', '422 unwrap-failed', 'ok']);
    }
  });

  it('an offline wrap that was changed: key context, version, ephemeral key, a point off the curve: 422', async () => {
    const { key_id } = await world.createKey();
    const offline = wrapOffline(await alice.publicKey(key_id), context, randomBytes(32));
    const other = wrapOffline(await alice.publicKey(key_id), context, randomBytes(32));
    await world.change(key_id, 'rotate', { from_version: 1 });
    const bytes = unb64(offline.wrapped_key ?? '');
    const flip = (i: number): Item => {
      const changed = Buffer.from(bytes);
      changed.writeUInt8((bytes[i] ?? 0) ^ 1, i);
      return { ...offline, wrapped_key: b64(changed) };
    };
    const swapped = Buffer.concat([unb64(other.wrapped_key ?? '').subarray(0, 97), bytes.subarray(97)]);
    const zero = Buffer.concat([Buffer.of(4), Buffer.alloc(96), bytes.subarray(97)]);
    const changed = [
      { ...offline, key_context: {} },
      { ...offline, version: 2 },
      { ...offline, key: north.key_id },
      flip(0),
      flip(50),
      flip(96),
      flip(97),
      flip(144),
      { ...offline, wrapped_key: b64(swapped) },
      { ...offline, wrapped_key: b64(zero) },
    ];
    expect(new Set(await verdicts(changed))).toEqual(new Set(['422 unwrap-failed']));
    expect(await verdicts([offline])).toEqual(['ok']);
  });

  it('§5.5 key contexts at and beyond the limits', async () => {
    const pairs = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`name${i}`, '']));
    const generate = (key_context: object): Promise<string> =>
      ending(alice.call('POST', `/v1/keys/${north.key_id}/generate-data-key`, { items: [{ key_context }] }));
    for (const good of [
      {},
      pairs(64),
      { ['n'.repeat(256)]: 'v'.repeat(1024) },
      { ['é'.repeat(128)]: 'é'.repeat(512) },
    ]) {
      expect(await generate(good)).toBe('ok');
    }
    const bad = [
      pairs(65),
      { ['n'.repeat(257)]: '' },
      { n: 'v'.repeat(1025) },
      { ['é'.repeat(129)]: '' },
      { n: 'é'.repeat(513) },
      { '': 'x' },
      { n: '\ud800' },
      { '\udc00': 'x' },
      { n: 1 },
      { n: null },
      { n: { toString: 'x' } },
      ['x'],
    ];
    for (const each of bad) expect(await generate(each), JSON.stringify(each)).toBe('400 malformed-request');
  });

  it('§5.5 names that JavaScript treats as its own are names like others', async () => {
    const odd = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}');
    const path = `/v1/keys/${north.key_id}`;
    type Results = { results: Result[] };
    // Written by hand: an object with __proto__ survives no spread.
    const { results } = await alice.call<Results>('POST', `${path}/generate-data-key`, {
      items: [{ key_context: odd }],
    });
    const wrapped_key = results[0]?.wrapped_key;
    const again = (key_context: object) =>
      alice.call<Results>('POST', `${path}/unwrap`, { items: [{ version: 1, key_context, wrapped_key }] });
    expect((await again(odd)).results.map(outcome)).toEqual(['ok']);
    const without = { constructor: 'b', toString: 'c' };
    expect((await again(without)).results.map(outcome)).toEqual(['422 unwrap-failed']);
  });
});

describe('duties that are separate', () => {
  it('who administers keys unwraps nothing; who unwraps administers nothing; nobody approves a deletion of their own', async () => {
    const admin = world.client('admin@north');
    for (const operation of ['generate-data-key', 'unwrap', 'rewrap']) {
      const what = operation === 'generate-data-key' ? {} : item();
      expect(outcome(await only(admin, operation, what, north.key_id)), operation).toBe('403 not-allowed');
    }
    expect(await ending(alice.call('POST', '/v1/keys', {}))).toBe('403 not-allowed');
    expect(await ending(alice.call('POST', `/v1/keys/${north.key_id}/disable`, {}))).toBe('403 not-allowed');
    expect(await ending(alice.call('GET', '/v1/audit/checkpoint'))).toBe('403 not-allowed');
    const key = new ProofKey();
    const token = world.north.token('alice@north', key.jkt);
    expect(await verdict(world.running.url, { key, token, path: '/metrics' })).toBe('403 not-allowed');
    expect((await fetch(`${world.running.url}/metrics`)).status).toBe(401);
    const both = async ({ jkt }: Client): Promise<string> =>
      world.north.token('eve@north', jkt, { groups: ['admin', 'approver'] });
    const eve = world.client('eve@north', { token: both });
    const { key_id } = await eve.call<Key>('POST', '/v1/keys', {});
    await eve.call('POST', `/v1/keys/${key_id}/schedule-deletion`, { days: 7 });
    expect(await ending(eve.call('POST', `/v1/keys/${key_id}/approve-deletion`, { version: null, days: 7 }))).toBe(
      '403 not-allowed',
    );
  });

  it('roles that together would both administer and unwrap give neither (or the token is refused)', async () => {
    const token = async ({ jkt }: Client): Promise<string> =>
      world.north.token('root@north', jkt, { groups: ['admin', 'user'] });
    const root = world.client('root@north', { token });
    const unwrapped = await only(root, 'unwrap', item(), north.key_id).then(outcome, String);
    const administered = await ending(
      root.call('POST', `/v1/keys/${north.key_id}/rotation-policy`, { max_age_days: 90, max_uses: null }),
    );
    expect([unwrapped, administered]).not.toEqual(['ok', 'ok']);
  });
});
