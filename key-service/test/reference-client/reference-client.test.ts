// The reference client against the development service, run as a process: all that docs/key-service.md says a client can do.

import { createDecipheriv, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isIncluded, leafHash, rootOf } from './audit.ts';
import { Client, Refused, wrapOffline } from './client.ts';
import type { Item } from './documents.ts';
import { concat, derive, lp, map, u16, u32, unb64 } from './encodings.ts';
import { devClient, type RunningService, startService } from './running-service.ts';

interface Key {
  readonly key_id: string;
  readonly tenant: string;
  readonly state: string;
  readonly newest_version: number;
  readonly floor: number;
  readonly revision: number;
  readonly aliases: readonly string[];
  readonly rotation: object;
  readonly deletion: object | null;
  readonly versions: readonly { version: number; state: string; uses: number }[];
}

const data = mkdtempSync(join(tmpdir(), 'bulla-reference-'));
let service: RunningService;
let admin: Client;
let alice: Client;

beforeAll(async () => {
  service = await startService(['dev', '--port', '0', '--data', data]);
  admin = devClient(service, 'admin@north');
  alice = devClient(service, 'alice@north');
});

afterAll(async () => {
  expect(await service?.stop()).toBe(0);
  rmSync(data, { recursive: true, force: true });
});

const context = { purpose: 'orders', '\uff5e': 'before', '\u{10000}': 'after' };
const createKey = (fields: object = {}): Promise<Key> => admin.call('POST', '/v1/keys', fields);
const change = (key: string, verb: string, body: object = {}): Promise<Key> => {
  return admin.call('POST', `/v1/keys/${key}/${verb}`, body);
};
const first = async (client: Client, operation: string, item: Item, key?: string) => {
  const [result] = await client.dataPlane(operation, [item], key);
  if (!result) throw new Error('no result');
  return result;
};
/** The code of the problem that a call is refused with, and that its MAC was verified. */
const refused = async (call: Promise<unknown>) => {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof Refused)) throw error ?? new Error('not refused');
  expect(error.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(error.problem).toMatchObject({ type: `urn:bulla:problem:${error.problem.code}`, title: expect.any(String) });
  return `${error.problem.status} ${error.problem.code}${error.authenticated ? '' : ' without a MAC'}`;
};

describe('§2 identity and discovery', () => {
  it('§2.1 a client refuses to work without a pin, and to plain HTTP beyond loopback', () => {
    const options = { url: service.url, pin: service.pin, tenant: 'north', token: async () => '' };
    expect(() => new Client({ ...options, pin: '' })).toThrow('pinned');
    expect(() => new Client({ ...options, url: 'http://keys.example' })).toThrow('loopback');
  });

  it('§2.3 §2.4 the document is signed by the pinned identity and says what a client needs', async () => {
    const document = await alice.discover();
    expect(document).toMatchObject({ iss: service.url, service_id: expect.any(String), audience: expect.any(String) });
    expect(document.token_endpoint).toBe(`${service.url}/v1/token`);
    expect(document.exp * 1000 - Date.now()).toBeLessThanOrEqual(3_600_000);
    for (const { key, exp } of document.transport_keys) {
      expect(unb64(key)).toHaveLength(97);
      expect(exp * 1000 - Date.now()).toBeLessThanOrEqual(24 * 3_600_000);
    }
    expect(document.limits).toEqual({
      items: 1000,
      body_bytes: 4_194_304,
      proof_seconds: 60,
      key_context_pairs: 64,
      key_context_name_bytes: 256,
      key_context_value_bytes: 1024,
    });
  });

  it('§2.4 another identity than the pinned one, another URL: nothing is sent', async () => {
    const stranger = devClient(service, 'alice@north', { pin: 'x'.repeat(43) });
    await expect(stranger.call('GET', '/v1/caller')).rejects.toThrow('another identity');
    const elsewhere = devClient(service, 'alice@north', { url: 'http://localhost:1', via: service.url });
    await expect(elsewhere.call('GET', '/v1/caller')).rejects.toThrow('another service');
  });
});

describe('§6 data plane', () => {
  it('§6.2 §6.3 generate, unwrap: the same data key, once with and once without plaintext', async () => {
    const { key_id } = await createKey();
    const generated = await first(alice, 'generate-data-key', { key_context: context }, key_id);
    expect(generated).toMatchObject({ key_id, version: 1, newest_version: 1, floor: 1 });
    expect(generated.data_key).toHaveLength(32);
    expect(unb64(generated.wrapped_key)).toHaveLength(81);
    const item = { version: 1, key_context: context, wrapped_key: generated.wrapped_key };
    expect((await first(alice, 'unwrap', item, key_id)).data_key).toEqual(generated.data_key);

    const blind = await first(alice, 'generate-data-key-without-plaintext', {}, key_id);
    expect(blind).not.toHaveProperty('sealed_key');
    const opened = await first(alice, 'unwrap', { version: 1, wrapped_key: blind.wrapped_key }, key_id);
    expect(opened.data_key).toHaveLength(32);
  });

  it('§4.5 wrap: a data key of the client, sealed on its way', async () => {
    const { key_id } = await createKey();
    const dataKeys = [randomBytes(32), randomBytes(32)];
    const items = dataKeys.map((data_key, i) => ({ data_key, key_context: { i: String(i) } }));
    const wrapped = await alice.dataPlane('wrap', items, key_id);
    const again = wrapped.map(({ wrapped_key }, i) => ({ version: 1, key_context: { i: String(i) }, wrapped_key }));
    const opened = await alice.dataPlane('unwrap', again, key_id);
    expect(opened.map(({ data_key }) => data_key)).toEqual(dataKeys);
  });

  it('§4.5 a sealed key of another place, context or request does not open: 422 transport-failed', async () => {
    const { key_id } = await createKey();
    const path = `/v1/keys/${key_id}/wrap`;
    const send = (index: number, said: object, sealed: Record<string, string>) =>
      alice.call<{ results: { problem?: { code: string } }[] }>('POST', path, (request) => {
        const sealer = alice.sealer(request);
        const sealed_key = sealer.seal(index, sealed, randomBytes(32));
        return { salt: sealer.salt, items: [{ key_context: said, sealed_key }] };
      });
    const code = async (answer: ReturnType<typeof send>) => (await answer).results[0]?.problem?.code;
    expect(await code(send(0, { a: 'b' }, { a: 'b' }))).toBeUndefined();
    expect(await code(send(1, { a: 'b' }, { a: 'b' }))).toBe('transport-failed');
    expect(await code(send(0, { a: 'b' }, { a: 'c' }))).toBe('transport-failed');
    const other = { id: 'another-request-id', path, session: await alice.session() };
    const sealer = alice.sealer(other);
    const sealed_key = sealer.seal(0, {}, randomBytes(32));
    const replayed = alice.call<{ results: { problem?: { code: string } }[] }>('POST', path, {
      salt: sealer.salt,
      items: [{ sealed_key }],
    });
    expect((await replayed).results[0]?.problem?.code).toBe('transport-failed');
  });

  it('§6.2 rotate, rewrap to the newest version, to another key and another key context', async () => {
    const [source, target] = [await createKey(), await createKey()];
    const old = await first(alice, 'generate-data-key', { key_context: context }, source.key_id);
    const rotated = await change(source.key_id, 'rotate', { from_version: 1 });
    expect(rotated.versions.map(({ state }) => state)).toEqual(['decrypt-only', 'active']);
    expect(await refused(change(source.key_id, 'rotate', { from_version: 1 }))).toBe('409 version-conflict');

    const item = { version: 1, key_context: context, wrapped_key: old.wrapped_key };
    const stale = await first(alice, 'unwrap', item, source.key_id);
    expect(stale).toMatchObject({ version: 1, newest_version: 2 });
    const newest = await first(alice, 'rewrap', item, source.key_id);
    expect(newest).toMatchObject({ key_id: source.key_id, version: 2, newest_version: 2 });
    const to = { key: target.key_id, key_context: { moved: 'yes' } };
    const moved = await first(alice, 'rewrap', { ...item, to }, source.key_id);
    expect(moved).toMatchObject({ key_id: target.key_id, version: 1, newest_version: 1 });
    const opened = await alice.dataPlane('unwrap', [
      { key: source.key_id, version: 2, key_context: context, wrapped_key: newest.wrapped_key },
      { key: target.key_id, version: 1, key_context: { moved: 'yes' }, wrapped_key: moved.wrapped_key },
    ]);
    expect(opened.map(({ data_key }) => data_key)).toEqual([old.data_key, old.data_key]);
  });

  it('§2.5 §5.4 §7.5 wraps offline to the published key; unwraps and rewraps that online', async () => {
    const { key_id } = await createKey({ alias: 'offline' });
    const document = await alice.publicKey('alias:offline');
    expect(document).toMatchObject({ tenant: 'north', key_id, newest_version: 1, floor: 1, serial: 1 });
    const dataKey = randomBytes(32);
    const item = wrapOffline(document, context, dataKey);
    expect(unb64(item.wrapped_key ?? '')).toHaveLength(145);
    expect((await first(alice, 'unwrap', item)).data_key).toEqual(dataKey);
    const { wrapped_key } = await first(alice, 'rewrap', item);
    const online = { version: 1, key_context: context, wrapped_key };
    expect((await first(alice, 'unwrap', online, key_id)).data_key).toEqual(dataKey);
    const { method: _, ...asService } = item;
    expect((await first(alice, 'unwrap', asService)).problem?.code).toBe('unwrap-failed');
  });

  it('§5.3 the bytes of a wrapped key open with imported key material as the page says', async () => {
    const material = randomBytes(32);
    const { key_id } = await devClient(service, 'importer@north').importKey<Key>({ alias: 'imported' }, material);
    const { service_id } = await alice.discover();
    const generated = await first(alice, 'generate-data-key', { key_context: context }, 'alias:imported');
    const bytes = unb64(generated.wrapped_key);
    expect(bytes[0]).toBe(1);
    const binding = concat(...['service', u16(1), service_id, key_id, u32(1), map(context)].map(lp));
    const key = derive(material, bytes.subarray(1, 33), 'bulla/v1 service wrap', ['north', binding], 32);
    const decipher = createDecipheriv('aes-256-gcm', key, Buffer.alloc(12)).setAAD(binding);
    decipher.setAuthTag(bytes.subarray(65));
    expect(concat(decipher.update(bytes.subarray(33, 65)), decipher.final())).toEqual(generated.data_key);
  });

  it('§6.1 a batch of mixed keys: a result or a problem for each item, in order', async () => {
    const [one, two] = [await createKey(), await createKey({ alias: 'two' })];
    const items = ['alias:two', one.key_id, 'alias:nobody', two.key_id].map((key) => ({ key }));
    const generated = await alice.dataPlane('generate-data-key', items);
    expect(generated.map(({ key_id, problem }) => problem?.code ?? key_id)).toEqual([
      two.key_id,
      one.key_id,
      'not-allowed',
      two.key_id,
    ]);
    const swapped = [1, 0, 3].map((i) => ({
      key: items[i]?.key ?? '',
      version: 1,
      wrapped_key: generated[i]?.wrapped_key ?? '',
    }));
    const opened = await alice.dataPlane('unwrap', [...swapped, { ...swapped[0], key: two.key_id, version: 1 }]);
    expect(opened.map(({ data_key, problem }) => problem?.code ?? data_key)).toEqual([
      generated[1]?.data_key,
      generated[0]?.data_key,
      generated[3]?.data_key,
      'unwrap-failed',
    ]);
  });

  it('§6.1 batches of 1,000 items, not of none and not of 1,001', async () => {
    const { key_id } = await createKey();
    const many = (n: number) => Array.from({ length: n }, (_, i) => ({ key_context: { i: String(i) } }));
    const results = await alice.dataPlane('generate-data-key', many(1000), key_id);
    expect(new Set(results.map(({ data_key }) => data_key?.toString('hex')))).toHaveProperty('size', 1000);
    expect(await refused(alice.dataPlane('generate-data-key', [], key_id))).toMatch(/^400 malformed-request/);
    expect(await refused(alice.dataPlane('generate-data-key', many(1001), key_id))).toMatch(/^400 malformed-request/);
  });
});

describe('§7 control plane', () => {
  it('§7.1 describes a key, and refuses a change with an If-Match that does not fit', async () => {
    const key = await createKey({ alias: 'described', description: 'of orders', rotation: { max_age_days: 90 } });
    expect(key).toEqual({
      key_id: expect.stringMatching(/^key-[a-z2-7]{26}$/),
      tenant: 'north',
      description: 'of orders',
      state: 'enabled',
      newest_version: 1,
      floor: 1,
      created: expect.any(Number),
      revision: 1,
      origin: 'generated',
      aliases: ['described'],
      rotation: { max_age_days: 90, max_uses: null },
      deletion: null,
      versions: [{ version: 1, state: 'active', created: expect.any(Number), uses: 0 }],
    });
    const path = `/v1/keys/${key.key_id}`;
    const matching = (match: string) => admin.call<Key>('POST', `${path}/disable`, {}, { 'if-match': match });
    expect(await refused(matching('"7"'))).toBe('412 precondition-failed');
    expect(await matching('"1"')).toMatchObject({ state: 'disabled', revision: 2 });
    expect(await admin.call('GET', path)).toMatchObject({ state: 'disabled' });
    expect(await change(key.key_id, 'enable')).toMatchObject({ state: 'enabled' });
    const policy = await change(key.key_id, 'rotation-policy', { max_age_days: null, max_uses: 1000 });
    expect(policy.rotation).toEqual({ max_age_days: null, max_uses: 1000 });
  });

  it('§7.3 lists the keys of the tenant, page by page', async () => {
    await createKey();
    type Page = { keys: Key[]; next: string | null };
    const all = await admin.call<Page>('GET', '/v1/keys');
    const paged: string[] = [];
    for (let after: string | null = ''; after !== null; ) {
      const query: string = after === '' ? '' : `&after=${after}`;
      const page: Page = await admin.call<Page>('GET', `/v1/keys?limit=2${query}`);
      paged.push(...page.keys.map(({ key_id }) => key_id));
      after = page.next;
    }
    expect(paged).toEqual(all.keys.map(({ key_id }) => key_id));
    expect(paged).toEqual([...paged].sort());
    expect(new Set(all.keys.map(({ tenant }) => tenant))).toEqual(new Set(['north']));
  });

  it('§7.2 aliases are set, moved and deleted', async () => {
    const [one, two] = [await createKey({ alias: 'moving' }), await createKey()];
    expect(await refused(createKey({ alias: 'moving' }))).toBe('409 alias-taken');
    const moved = await devClient(service, 'mover@north').call<Key>('PUT', '/v1/aliases/moving', { key: two.key_id });
    expect(moved).toMatchObject({ key_id: two.key_id, aliases: ['moving'] });
    expect(await admin.call<Key>('GET', `/v1/keys/${one.key_id}`)).toMatchObject({ aliases: [] });
    expect(await admin.call<Key>('DELETE', '/v1/aliases/moving')).toMatchObject({ key_id: two.key_id, aliases: [] });
    expect(await refused(admin.call('GET', '/v1/keys/alias:moving'))).toBe('403 not-allowed');
  });

  it('§5.2 §6.4 disabled, below the floor, compromised: 423 for unwrap, and what still can be rewrapped', async () => {
    const { key_id } = await createKey();
    const { wrapped_key } = await first(alice, 'generate-data-key', {}, key_id);
    const code = async (operation: string, client = alice) =>
      (await first(client, operation, { version: 1, wrapped_key }, key_id)).problem?.code;
    await change(key_id, 'rotate', { from_version: 1 });
    await change(key_id, 'disable', { version: 1 });
    expect(await code('unwrap')).toBe('version-unavailable');
    await change(key_id, 'enable', { version: 1 });
    await change(key_id, 'disable');
    expect(await code('unwrap')).toBe('key-disabled');
    await change(key_id, 'enable');
    expect(await change(key_id, 'raise-floor', { floor: 2 })).toMatchObject({ floor: 2 });
    expect(await refused(change(key_id, 'raise-floor', { floor: 1 }))).toMatch(/^409/);
    expect(await code('unwrap')).toBe('below-floor');
    expect(await code('rewrap')).toBeUndefined();
    await change(key_id, 'mark-compromised', { version: 1 });
    expect(await code('unwrap')).toBe('version-unavailable');
    expect(await code('rewrap')).toBe('version-unavailable');
    expect(await code('rewrap', devClient(service, 'recoverer@north'))).toBeUndefined();
  });

  it('§7.2 a deletion takes two principals, and can be cancelled', async () => {
    const { key_id } = await createKey();
    const { wrapped_key } = await first(alice, 'generate-data-key', {}, key_id);
    const approver = devClient(service, 'approver@north');
    const approve = () => approver.call<Key>('POST', `/v1/keys/${key_id}/approve-deletion`, { version: null, days: 7 });
    const asked = await change(key_id, 'schedule-deletion', { days: 7 });
    expect(asked.deletion).toMatchObject({ version: null, days: 7, approved_by: null, destroy_at: null });
    expect(asked.versions[0]?.state).toBe('active');
    expect(await refused(change(key_id, 'approve-deletion', { version: null, days: 7 }))).toBe('403 not-allowed');
    expect((await approve()).versions[0]?.state).toBe('destroy-scheduled');
    const unwrap = () => first(alice, 'unwrap', { version: 1, wrapped_key }, key_id);
    expect((await unwrap()).problem?.code).toBe('version-unavailable');
    expect(await change(key_id, 'cancel-deletion')).toMatchObject({ deletion: null, versions: [{ state: 'active' }] });
    expect((await unwrap()).data_key).toHaveLength(32);
  });

  it('§7.2 an idempotency key gives the same answer for the same body, a conflict for another', async () => {
    const create = (body: object, client = admin) =>
      client.call<Key>('POST', '/v1/keys', body, { 'idempotency-key': 'once' });
    const once = await create({ description: 'a' });
    expect(await create({ description: 'a' })).toEqual(once);
    expect(await refused(create({ description: 'b' }))).toBe('409 idempotency-conflict');
    const south = devClient(service, 'admin@south');
    expect((await create({ description: 'a' }, south)).key_id).not.toBe(once.key_id);
  });

  it('§7.2 an import that is repeated with its idempotency key makes one key', async () => {
    const material = randomBytes(32);
    const importer = devClient(service, 'importer@north');
    const send = () =>
      importer.call<Key>(
        'POST',
        '/v1/keys/import',
        (request) => {
          const sealer = importer.sealer(request);
          return { salt: sealer.salt, sealed_key: sealer.seal(0, {}, material) };
        },
        { 'idempotency-key': 'import-once' },
      );
    const once = await send();
    expect(await send()).toEqual(once);
  });
});

describe('§8 audit log', () => {
  it('§8.3 §8.4 every entry is in the tree, and each checkpoint continues the ones before', async () => {
    const older = await admin.checkpoint();
    const { key_id } = await createKey();
    await alice.dataPlane('generate-data-key', [{ key_context: { canary: 'in the log?' } }], key_id);
    const newer = await admin.checkpoint();
    expect(newer.size).toBeGreaterThanOrEqual(older.size + 2);
    expect(await admin.verifyConsistency(older, newer)).toBe(true);
    expect(await admin.verifyConsistency({ ...older, root: randomBytes(32) }, newer)).toBe(false);
    expect(await admin.verifyConsistency({ ...older, size: older.size - 1 }, newer)).toBe(false);

    const entries = await admin.entries(0, newer.size);
    expect(entries.map(({ index }) => index)).toEqual(Array.from({ length: newer.size }, (_, i) => i));
    expect(rootOf(entries.map(({ leaf }) => leaf))).toEqual(newer.root);
    for (const { leaf, index } of entries.slice(-4)) {
      expect(await admin.verifyInclusion(leaf, index, newer)).toBe(true);
      expect(await admin.verifyInclusion(leafHash(Buffer.from('forged')), index, newer)).toBe(false);
    }
    const last = entries.map(({ entry }) => entry?.toString() ?? '').findLast((text) => text.includes('generate'));
    expect(JSON.parse(last ?? '')).toMatchObject({
      tenant: 'north',
      operation: 'generate-data-key',
      status: 200,
      proof_key: alice.jkt,
      items: [{ n: 1, key: key_id, version: 1, context: expect.any(String), outcome: 'ok' }],
    });
    expect(last).not.toContain('canary');
  });

  it('§8.4 consistency and inclusion between all small sizes', async () => {
    const { size } = await admin.checkpoint();
    const leaves = (await admin.entries(0, size)).map(({ leaf }) => leaf);
    const tree = (n: number) => ({ size: n, root: rootOf(leaves.slice(0, n)) });
    for (let n = 1; n <= 9; n++) {
      for (let m = n; m <= 9; m++) expect(await admin.verifyConsistency(tree(n), tree(m)), `${n} ${m}`).toBe(true);
      for (let i = 0; i < n; i++) {
        expect(await admin.verifyInclusion(leaves[i] ?? Buffer.alloc(0), i, tree(n)), `${i} ${n}`).toBe(true);
      }
    }
    expect(isIncluded(leaves[0] ?? Buffer.alloc(0), 0, tree(2), [])).toBe(false);
  });

  it('§8.1 each tenant has a log of its own, which begins with the head of the service', async () => {
    const { key_id } = await createKey();
    const south = devClient(service, 'admin@south');
    const [ours, theirs] = [await admin.checkpoint(), await south.checkpoint()];
    expect(theirs.root).not.toEqual(ours.root);
    const entries = await south.entries(0, theirs.size);
    const seen = entries.map(({ entry }) => JSON.parse(entry?.toString() ?? '{}'));
    expect(new Set(seen.map(({ tenant }) => tenant))).toEqual(new Set(['south']));
    expect(seen[0]).toMatchObject({ operation: 'begin-log', change: { service: { size: 0 } } });
    expect(JSON.stringify(seen)).not.toContain(key_id);
  });

  it('§8.4 a tenant sees hashes of the log of the service, not entries', async () => {
    const south = devClient(service, 'admin@south');
    const tree = await south.checkpoint('/service');
    const entries = await south.entries(0, tree.size, '/service');
    expect(rootOf(entries.map(({ leaf }) => leaf))).toEqual(tree.root);
    expect(entries.filter(({ entry }) => entry)).toEqual([]);
    const seen = await admin.entries(0, tree.size, '/service');
    const operations = seen.map(({ entry }) => JSON.parse(entry?.toString() ?? '{}').operation);
    expect(operations.slice(0, 3)).toEqual(['create-tenant', 'create-tenant', 'publish']);
  });

  it('§8.7 who knows this page alone verifies a head up to a checkpoint of the service, and learns nothing of others', async () => {
    const south = devClient(service, 'admin@south');
    const verified = async () => {
      const tree = await south.checkpoint('/service');
      return { tree, head: await south.published(tree) };
    };
    // The service may publish between the two.
    let found = await verified().catch(() => undefined);
    while (!found) found = await verified().catch(() => undefined);
    const { tree: older, head } = found;
    const now = await south.checkpoint();
    expect(await south.verifyConsistency(head, now)).toBe(true);
    expect(await south.verifyConsistency({ ...head, root: randomBytes(32) }, now)).toBe(false);
    expect(await south.verifyConsistency(older, await south.checkpoint('/service'), '/service')).toBe(true);
    const answer = await south.call<{ entry: string; head: string }>('GET', '/v1/audit/published');
    for (const text of [answer.entry, answer.head]) expect(unb64(text).toString()).not.toContain('north');
    await expect(south.published({ ...older, root: randomBytes(32) })).rejects.toThrow(/no leaf|malformed/);
  });
});

describe('§9 other endpoints', () => {
  it('§9.1 the caller', async () => {
    const caller = await alice.call<{ principal: string }>('GET', '/v1/caller');
    expect(caller).toMatchObject({ tenant: 'north', roles: ['decryptor', 'encryptor', 'rewrapper'] });
    expect(caller.principal).toMatch(/\|alice@north$/);
  });

  it('§9.2 §9.3 health, readiness, metrics and the OpenAPI document', async () => {
    for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json']) {
      expect((await fetch(service.url + path)).status, path).toBe(200);
    }
    const openapi = (await (await fetch(`${service.url}/openapi.json`)).json()) as { openapi: string };
    expect(openapi.openapi).toMatch(/^3\.1/);
  });

  it('§1.4 §10 no such path, no such method, an unknown field', async () => {
    for (const [method, path, status, code] of [
      ['GET', '/v1/nothing', 404, 'not-found'],
      ['DELETE', '/v1/caller', 405, 'method-not-allowed'],
    ] as const) {
      const response = await fetch(service.url + path, { method });
      expect(response.status).toBe(status);
      expect(await response.json()).toMatchObject({ type: `urn:bulla:problem:${code}`, status, code });
    }
    const typo = alice.call('POST', '/v1/data-keys/unwrap', { items: [{ key_contxt: {} }] });
    const error = await typo.catch((reason: unknown) => reason);
    if (!(error instanceof Refused)) throw error;
    expect(error.problem.errors?.map(({ path }) => path)).toContain('items.0.key_contxt');
  });
});
