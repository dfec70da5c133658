/** The control plane over HTTP, `docs/key-service.md` §7, on both stores. */

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { maintainKeys } from '../../src/operations/keys/maintain.ts';
import type { TestClient } from '../support/client.ts';
import { adminRoles, type Harness, startHarness, storeKinds, userRoles } from '../support/harness.ts';
import { withSql } from '../support/tamper.ts';

const day = 86_400_000;

describe.each(storeKinds)('%s', (kind) => {
  let harness: Harness;
  let admin: TestClient;
  let clockOffset = 0;

  beforeAll(async () => {
    harness = await startHarness({ kind });
    admin = await harness.client(adminRoles);
  });
  afterAll(() => harness.stop());

  async function newKey(body: object = {}) {
    const reply = await admin.call('POST', '/v1/keys', body);
    expect(reply.status, JSON.stringify(reply.body)).toBe(201);
    return reply.body;
  }
  const post = (key: string, verb: string, body: object, client = admin) =>
    client.call('POST', `/v1/keys/${key}/${verb}`, body);
  const upkeep = () => maintainKeys({ ...harness.service, clock: () => Date.now() + clockOffset });

  it('§7.1 §7.4 creates and describes', async () => {
    const key = await newKey({ alias: 'first', description: 'd', rotation: { max_age_days: 90 } });
    expect(key).toMatchObject({
      tenant: 'north',
      state: 'enabled',
      aliases: ['first'],
      rotation: { max_age_days: 90, max_uses: null },
    });
    const described = await admin.call('GET', '/v1/keys/alias:first');
    expect(described.body).toEqual(key);
    expect(described.headers.get('etag')).toBe('"1"');
    expect((await admin.call('POST', '/v1/keys', { alias: 'first' })).body.code).toBe('alias-taken');
    const south = await harness.client(adminRoles, { tenant: 'south' });
    expect((await south.call('POST', '/v1/keys', { alias: 'first' })).status).toBe(201);
    expect((await south.call('GET', `/v1/keys/${key.key_id}`)).body.code).toBe('not-allowed');
  });

  it('§7.3 lists in pages', async () => {
    await newKey();
    await newKey();
    const first = await admin.call('GET', '/v1/keys?limit=1');
    const second = await admin.call('GET', `/v1/keys?limit=1&after=${first.body.next}`);
    expect(second.body.keys[0].key_id > first.body.keys[0].key_id).toBe(true);
    expect((await admin.call('GET', '/v1/keys?limit=0')).status).toBe(400);
    expect((await admin.call('GET', '/v1/keys?foo=0')).body.detail).toContain('unknown field');
    const twice = await admin.call('GET', '/v1/keys?limit=1&limit=2');
    expect([twice.status, twice.body.detail]).toEqual([400, 'limit: occurs twice']);
    expect((await admin.call('GET', '/v1/keys?limit=1&after=a&after=a')).status).toBe(400);
  });

  it('§7.3 a page has 100 keys unless it is said otherwise', async () => {
    const lister = await harness.client(adminRoles, { tenant: 'south' });
    for (let i = 0; i < 101; i++) expect((await lister.call('POST', '/v1/keys', {})).status).toBe(201);
    const { body } = await lister.call('GET', '/v1/keys');
    expect([body.keys.length, body.next]).toEqual([100, body.keys[99].key_id]);
  });

  it('§7.2 of concurrent rotations one wins', async () => {
    const { key_id } = await newKey();
    const replies = await Promise.all(Array.from({ length: 5 }, () => post(key_id, 'rotate', { from_version: 1 })));
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409]);
    expect((await admin.call('GET', `/v1/keys/${key_id}`)).body.newest_version).toBe(2);
  });

  it('§7.1 If-Match of a moved alias is about the key that it moves to', async () => {
    const [holder, target] = [await newKey({ alias: 'moving' }), await newKey()];
    await post(holder.key_id, 'disable', {});
    const mover = await harness.client(['alias-mover']);
    const put = (match: string) =>
      mover.call('PUT', '/v1/aliases/moving', { key: target.key_id }, { headers: { 'If-Match': match } });
    const refused = await put('"2"');
    expect([refused.status, refused.body.revision]).toEqual([412, 1]);
    expect(await put('"1"')).toMatchObject({ status: 200, body: { key_id: target.key_id, aliases: ['moving'] } });
    const remove = (match: string) =>
      admin.call('DELETE', '/v1/aliases/moving', undefined, { headers: { 'If-Match': match } });
    expect((await remove('"1"')).status).toBe(412);
    expect((await remove('"2"')).status).toBe(200);
  });

  it('§7.1 If-Match takes one strong tag or *', async () => {
    const { key_id } = await newKey();
    const disable = async (match: string) =>
      (await admin.call('POST', `/v1/keys/${key_id}/disable`, {}, { headers: { 'If-Match': match } })).status;
    for (const match of ['W/"1"', '"1", "2"', '1', '"01"', '']) expect(await disable(match), match).toBe(412);
    expect(await disable('"1"')).toBe(200);
    expect(await disable('*')).toBe(200);
  });

  it('§7.1 If-Match', async () => {
    const { key_id } = await newKey();
    const headers = { 'If-Match': '"1"' };
    expect((await admin.call('POST', `/v1/keys/${key_id}/disable`, {}, { headers })).status).toBe(200);
    expect((await admin.call('POST', `/v1/keys/${key_id}/enable`, {}, { headers })).body.code).toBe(
      'precondition-failed',
    );
  });

  it('§7.2 idempotency keys', async () => {
    const headers = { 'Idempotency-Key': `once-${kind}` };
    const first = await admin.call('POST', '/v1/keys', { description: 'a' }, { headers });
    const again = await admin.call('POST', '/v1/keys', { description: 'a' }, { headers });
    expect(again.body).toEqual(first.body);
    expect(again.status).toBe(201);
    expect((await admin.call('POST', '/v1/keys', { description: 'b' }, { headers })).body.code).toBe(
      'idempotency-conflict',
    );
    const at = { headers: { 'Idempotency-Key': `at-once-${kind}` } };
    const replies = await Promise.all([1, 2, 3, 4].map(() => admin.call('POST', '/v1/keys', {}, at)));
    expect(replies.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
    expect(new Set(replies.map(({ body }) => body.key_id)).size).toBe(1);
    const other = await harness.client(adminRoles, { sub: 'another' });
    expect((await other.call('POST', '/v1/keys', { description: 'a' }, { headers })).body.key_id).not.toBe(
      first.body.key_id,
    );
  });

  it('§7.2 imports key material, which then unwraps', async () => {
    const requestId = randomBytes(16).toString('base64url');
    const importer = await harness.client(['key-importer']);
    const { salt, sealed } = importer.sealForRequest('/v1/keys/import', requestId, [
      { key: randomBytes(32), context: {} },
    ]);
    const body = { salt, sealed_key: sealed[0], description: 'imported' };
    const reply = await importer.call('POST', '/v1/keys/import', body, { claims: { bulla_request: requestId } });
    expect(reply.status, JSON.stringify(reply.body)).toBe(201);
    expect(reply.body.origin).toBe('imported');
    expect((await admin.call('POST', '/v1/keys/import', body)).body.code).toBe('not-allowed');
    const wrong = await importer.call('POST', '/v1/keys/import', body);
    expect(wrong.body.code).toBe('transport-failed');
    const alice = await harness.client(userRoles);
    const made = await alice.call('POST', `/v1/keys/${reply.body.key_id}/generate-data-key`, { items: [{}] });
    expect(made.body.results[0].wrapped_key).toBeDefined();
  });

  it('§7.2 aliases move', async () => {
    const [a, b] = [await newKey(), await newKey()];
    const mover = await harness.client(['alias-mover']);
    const put = (key: string, by = mover) => by.call('PUT', '/v1/aliases/travelling', { key });
    expect((await put(a.key_id, admin)).body.aliases).toEqual(['travelling']);
    expect((await put(b.key_id, admin)).body.code).toBe('not-allowed');
    expect((await put(b.key_id)).body.aliases).toEqual(['travelling']);
    expect((await admin.call('GET', `/v1/keys/${a.key_id}`)).body.aliases).toEqual([]);
    expect((await admin.call('DELETE', '/v1/aliases/travelling')).body.key_id).toBe(b.key_id);
    expect((await admin.call('DELETE', '/v1/aliases/travelling')).body.code).toBe('not-allowed');
    // Taken away first, it is moved all the same, also to a new key.
    expect((await put(a.key_id, admin)).body.code).toBe('not-allowed');
    expect((await admin.call('POST', '/v1/keys', { alias: 'travelling' })).body.code).toBe('not-allowed');
    expect((await put(b.key_id, admin)).status).toBe(200);
    expect((await put(a.key_id)).status).toBe(200);
    expect((await admin.call('DELETE', '/v1/aliases/travelling')).status).toBe(200);
    expect((await admin.call('PUT', '/v1/aliases/UPPER', { key: a.key_id })).status).toBe(400);
  });

  it('§7.2 the floor only rises', async () => {
    const { key_id } = await newKey();
    await post(key_id, 'rotate', { from_version: 1 });
    expect((await post(key_id, 'raise-floor', { floor: 2 })).body.floor).toBe(2);
    expect((await post(key_id, 'raise-floor', { floor: 1 })).body.code).toBe('state-conflict');
    expect((await post(key_id, 'raise-floor', { floor: 3 })).body.code).toBe('state-conflict');
  });

  it('§7.2 marking the active version rotates it out', async () => {
    const { key_id } = await newKey();
    const { body } = await post(key_id, 'mark-compromised', { version: 1 });
    expect(body.versions.map(({ state }: { state: string }) => state)).toEqual(['compromised', 'active']);
    expect((await post(key_id, 'enable', { version: 1 })).body.code).toBe('state-conflict');
  });

  it('§7.2 a deletion takes two, and time; then the material is gone', async () => {
    const { key_id } = await newKey();
    const approver = await harness.client(['deletion-approver']);
    const same = await harness.client(['deletion-approver'], { sub: adminRoles.join('+') });
    expect((await post(key_id, 'approve-deletion', { version: null, days: 7 }, approver)).body.code).toBe(
      'state-conflict',
    );
    expect((await post(key_id, 'schedule-deletion', { days: 6 })).status).toBe(400);
    const asked = await post(key_id, 'schedule-deletion', { days: 7 });
    expect(asked.body.versions[0].state).toBe('active');
    expect((await post(key_id, 'approve-deletion', { version: null, days: 7 })).body.code).toBe('not-allowed');
    expect((await post(key_id, 'approve-deletion', { version: null, days: 7 }, same)).body.code).toBe('state-conflict');
    // It is another deletion that was shown to the approver.
    for (const other of [
      { version: 1, days: 7 },
      { version: null, days: 8 },
    ])
      expect((await post(key_id, 'approve-deletion', other, approver)).body.code).toBe('state-conflict');
    expect((await post(key_id, 'approve-deletion', {}, approver)).status).toBe(400);
    expect((await post(key_id, 'approve-deletion', { version: null, days: 7 }, approver)).body.versions[0].state).toBe(
      'destroy-scheduled',
    );
    expect((await post(key_id, 'rotate', { from_version: 1 })).body.code).toBe('state-conflict');
    expect(await upkeep()).toBe(0);
    clockOffset = 8 * day;
    expect(await upkeep()).toBe(1);
    clockOffset = 0;
    const { body } = await admin.call('GET', `/v1/keys/${key_id}`);
    expect(body.versions[0].state).toBe('destroyed');
    expect((await harness.store.findKey('north', key_id))?.versions[0]?.material).toBeNull();
    expect((await post(key_id, 'cancel-deletion', {})).body.code).toBe('state-conflict');
  });

  it('§7.2 rotates by age and by uses, once', async () => {
    const byAge = await newKey({ rotation: { max_age_days: 1 } });
    const byUses = await newKey({ rotation: { max_uses: 3 } });
    const alice = await harness.client(userRoles);
    await alice.call('POST', `/v1/keys/${byUses.key_id}/generate-data-key`, { items: [{}, {}, {}] });
    const { database, rootKey, issuer } = harness;
    const replicas = await Promise.all([1, 2].map(() => startHarness({ database, rootKey, issuer })));
    clockOffset = 2 * day;
    const counts = await Promise.all([
      upkeep(),
      upkeep(),
      ...replicas.map(({ service }) => maintainKeys({ ...service, clock: () => Date.now() + clockOffset })),
    ]);
    clockOffset = 0;
    for (const replica of replicas) await replica.stop();
    // The timer of a replica may have been first.
    expect(counts.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(2);
    for (const { key_id } of [byAge, byUses]) {
      expect((await admin.call('GET', `/v1/keys/${key_id}`)).body.newest_version).toBe(2);
    }
  });

  it('§7.2 a key that somebody changed in the store does not keep the others from their rotation', async () => {
    const rotation = { max_age_days: 1 };
    const [changed, other] = [await newKey({ rotation }), await newKey({ rotation })].sort((a, b) =>
      a.key_id < b.key_id ? -1 : 1,
    );
    const setFloor = (floor: number) =>
      withSql(harness.database, (sql) => sql('update keys set floor = ? where id = ?', floor, changed.key_id));
    await setFloor(7);
    clockOffset = 2 * day;
    await expect(upkeep()).rejects.toThrow(/changed in the store/);
    clockOffset = 0;
    expect((await admin.call('GET', `/v1/keys/${other.key_id}`)).body.newest_version).toBe(2);
    expect((await admin.call('GET', `/v1/keys/${changed.key_id}`)).status).toBe(503);
    await setFloor(1);
    expect((await admin.call('GET', `/v1/keys/${changed.key_id}`)).body.newest_version).toBe(1);
    clockOffset = 2 * day;
    expect(await upkeep()).toBeGreaterThan(0);
    clockOffset = 0;
  });

  it('encryptors administer nothing', async () => {
    const { key_id } = await newKey();
    const alice = await harness.client(userRoles);
    for (const [verb, body] of [
      ['rotate', { from_version: 1 }],
      ['disable', {}],
      ['schedule-deletion', { days: 7 }],
    ] as const) {
      expect((await post(key_id, verb, body, alice)).body.code).toBe('not-allowed');
    }
    expect((await alice.call('POST', '/v1/keys', {})).body.code).toBe('not-allowed');
    expect((await alice.call('GET', '/v1/keys')).body.code).toBe('not-allowed');
    expect((await alice.call('GET', '/v1/audit/checkpoint')).body.code).toBe('not-allowed');
  });

  it('§9.1 says who calls', async () => {
    const { body, macOk } = await admin.call('GET', '/v1/caller');
    expect(body).toMatchObject({ tenant: 'north', roles: [...adminRoles].sort() });
    expect(macOk).toBe(true);
  });
});
