/** Revoking data keys over HTTP: two persons, whatever wrapping is shown, and a receipt in the log; `docs/key-service.md` §7.6 to §7.10. */

import { createHash, hkdfSync, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importEcdhPublicKey } from '../../../src/keyrings/ecdh.ts';
import { wrapTo } from '../../../src/keyrings/wrap-to.ts';
import { leafHash, verifyInclusion } from '../../src/model/merkle.ts';
import type { Store } from '../../src/store/store.ts';
import { createProofKey, type Reply, TestClient } from '../support/client.ts';
import {
  adminRoles,
  createTestIssuer,
  type Harness,
  issuerConfig,
  startHarness,
  storeKinds,
  type TestIssuer,
  userRoles,
} from '../support/harness.ts';

const context = { use: 'bulla-fields', tenant: 'north' };
const otherIssuer = 'https://contractors.test';
const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');

interface Item {
  readonly key: string;
  readonly version: number;
  readonly key_context: Record<string, string>;
  readonly wrapped_key: string;
  readonly method?: string;
}

describe.each(storeKinds)('%s', (kind) => {
  let harness: Harness;
  let corporate: TestIssuer;
  let contractors: TestIssuer;
  let admin: TestClient;
  let alice: TestClient;
  let revoker: TestClient;
  let approver: TestClient;
  let auditor: TestClient;
  let key: string;
  /** Held while a test wants requests to wait before they are recorded. */
  let gate: Promise<void> | undefined;
  let waiting = 0;

  beforeAll(async () => {
    [corporate, contractors] = [await createTestIssuer(), await createTestIssuer()];
    const person = { claim: 'employee', domain: 'corp' };
    harness = await startHarness({
      kind,
      issuer: corporate,
      config: {
        issuers: [
          { ...issuerConfig(corporate.jwk), person },
          { ...issuerConfig(contractors.jwk), issuer: otherIssuer, person },
        ],
      },
      wrapStore: gated,
    });
    [admin, alice] = [await client(adminRoles, 'E-1'), await client(userRoles, 'E-2')];
    revoker = await client(['data-key-revoker'], 'E-3');
    approver = await client(['revocation-approver'], 'E-4');
    auditor = await client(['auditor'], 'E-5');
    key = await newKey();
  });
  afterAll(() => harness.stop());

  const gated = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const member = Reflect.get(target, name, target) as unknown;
        if (typeof member !== 'function') return member;
        if (name !== 'commit') return member.bind(target);
        return async (...args: unknown[]) => {
          waiting += 1;
          await gate;
          waiting -= 1;
          return member.apply(target, args);
        };
      },
    });

  async function client(
    roles: readonly string[],
    employee: string,
    more: { tenant?: string; contractor?: boolean } = {},
  ) {
    const { tenant = 'north', contractor = false } = more;
    const made = new TestClient(harness.url, await createProofKey(), tenant);
    await made.discover();
    const claims = { employee, ...(contractor ? { iss: otherIssuer } : {}) };
    const issuer = contractor ? contractors : corporate;
    made.token = await issuer.token({ roles, tenant, sub: employee, jkt: made.proofKey.thumbprint, claims });
    return made;
  }

  async function newKey(by = admin): Promise<string> {
    return (await by.call('POST', '/v1/keys', {})).body.key_id;
  }

  async function newItem(of = key): Promise<{ item: Item; dataKey: Buffer }> {
    const reply = await alice.call('POST', `/v1/keys/${of}/generate-data-key`, { items: [{ key_context: context }] });
    const { wrapped_key, version } = reply.body.results[0];
    return {
      item: { key: of, version, key_context: context, wrapped_key },
      dataKey: reply.openResult(0, context, wrapped_key),
    };
  }

  const ask = (items: readonly Item[], by = revoker) => by.call('POST', '/v1/revocations', { items });
  const approve = (id: string, data_keys = 1, by = approver) =>
    by.call('POST', `/v1/revocations/${id}/approve`, { data_keys });

  async function revoke(...items: readonly Item[]): Promise<Reply['body']> {
    const asked = await ask(items);
    expect([asked.status, asked.body.state]).toEqual([200, 'requested']);
    const approved = await approve(asked.body.revocation_id, asked.body.data_keys);
    expect([approved.status, approved.body.state]).toEqual([200, 'revoked']);
    return approved.body;
  }

  const use = async (operation: 'unwrap' | 'rewrap', items: readonly object[], by = alice): Promise<string[]> => {
    const { body } = await by.call('POST', `/v1/data-keys/${operation}`, { items });
    return body.results.map((result: { problem?: { code: string; status: number } }) =>
      result.problem ? `${result.problem.status} ${result.problem.code}` : 'ok',
    );
  };
  const refused = '423 data-key-revoked';

  async function wrapped(dataKey: Uint8Array, by = alice, of = key, key_context: Item['key_context'] = context) {
    const bulla_request = b64(randomBytes(16));
    const path = `/v1/keys/${of}/wrap`;
    const { salt, sealed } = by.sealForRequest(path, bulla_request, [{ key: dataKey, context: key_context }]);
    const body = { items: [{ key_context, sealed_key: sealed[0] }], salt };
    const reply = await by.call('POST', path, body, { claims: { bulla_request } });
    const { version, wrapped_key } = reply.body.results[0];
    return { key: of, version, key_context, wrapped_key };
  }

  describe('§7.6 a data key that was revoked', () => {
    it('is refused alone: the other items of its batch are not touched', async () => {
      const [one, other] = [await newItem(), await newItem()];
      await revoke(one.item);
      expect(await use('unwrap', [other.item, one.item, other.item])).toEqual(['ok', refused, 'ok']);
      expect(await use('rewrap', [other.item, one.item])).toEqual(['ok', refused]);
    });

    it('is refused under every wrapping: older, of another version, key context, key and method', async () => {
      const { item, dataKey } = await newItem();
      const fresh = await newKey();
      const rewrap = async (to: object) => {
        const { body } = await alice.call('POST', '/v1/data-keys/rewrap', { items: [{ ...item, to }] });
        return body.results[0];
      };
      const elsewhere = await rewrap({ key: fresh, key_context: { tenant: 'north' } });
      await admin.call('POST', `/v1/keys/${key}/rotate`, { from_version: item.version });
      const newer = await rewrap({});
      const document = (await alice.call('GET', `/v1/keys/${key}/public`)).body.document;
      const claims = JSON.parse(Buffer.from(document.split('.')[1], 'base64url').toString());
      const [{ version, key: published }] = claims.keys;
      const { point } = await importEcdhPublicKey(`bullapk1.${published}`);
      const identity = { keyId: key, version, serviceId: 'bulla-test', keyContext: context };
      const { wrapping } = await wrapTo('service-ecdh', point, identity, new Uint8Array(dataKey));
      if (wrapping.method !== 'service-ecdh') throw new Error('another method');
      const all = [
        item,
        { ...item, version: newer.version, wrapped_key: newer.wrapped_key },
        { key: fresh, version: 1, key_context: { tenant: 'north' }, wrapped_key: elsewhere.wrapped_key },
        {
          ...item,
          version,
          method: 'service-ecdh',
          wrapped_key: b64(Buffer.concat([wrapping.ephemeralKey, wrapping.sealedKey])),
        },
      ];
      expect(await use('unwrap', all)).toEqual(all.map(() => 'ok'));
      await revoke(all[1] as Item);
      expect(await use('unwrap', all)).toEqual(all.map(() => refused));
      expect(await use('rewrap', all)).toEqual(all.map(() => refused));
      expect(await use('rewrap', [{ ...item, to: { key: fresh } }])).toEqual([refused]);
      // What somebody makes of the data key afterwards is wrapped, and does not unwrap.
      expect(await use('unwrap', [await wrapped(dataKey)])).toEqual([refused]);
    });

    it('is known by its tombstone, which is of one tenant', async () => {
      const { item, dataKey } = await newItem();
      const south = await client(userRoles, 'E-6', { tenant: 'south' });
      const southKey = await newKey(await client(adminRoles, 'E-7', { tenant: 'south' }));
      const theirs = await wrapped(dataKey, south, southKey, {});
      const { tombstones } = await revoke(item);
      const field = Buffer.concat([Buffer.from([0, 0, 0, 5]), Buffer.from('north')]);
      const info = Buffer.concat([Buffer.from('bulla/v1 tombstone\0'), createHash('sha384').update(field).digest()]);
      const expected = Buffer.from(hkdfSync('sha384', dataKey, Buffer.alloc(0), info, 32));
      expect(tombstones).toEqual([b64(expected)]);
      expect(await use('unwrap', [theirs], south)).toEqual(['ok']);
      expect(await use('unwrap', [item])).toEqual([refused]);
    });

    it('§11.3 is not released to a request that was decided before and is recorded after', async () => {
      const [one, other] = [await newItem(), await newItem()];
      const asked = (await ask([one.item])).body;
      let open: () => void = () => undefined;
      gate = new Promise((resolve) => {
        open = resolve;
      });
      const early = use('unwrap', [one.item, other.item]);
      while (waiting === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      const approved = await approve(asked.revocation_id);
      expect(approved.body.state).toBe('revoked');
      gate = undefined;
      open();
      expect(await early).toEqual([refused, 'ok']);
    });
  });

  describe('§7.7 a revocation', () => {
    it('takes two persons', async () => {
      const { item } = await newItem();
      for (const by of [alice, admin, approver, auditor]) {
        const reply = await ask([item], by);
        expect([reply.status, reply.body.code]).toEqual([403, 'not-allowed']);
      }
      const asked = (await ask([item])).body;
      const both = await client(['data-key-revoker', 'revocation-approver'], 'E-8');
      const same = await client(['revocation-approver'], 'E-3', { contractor: true });
      for (const by of [alice, admin, revoker, auditor, both]) {
        const reply = await approve(asked.revocation_id, 1, by);
        expect([reply.status, reply.body.code]).toEqual([403, 'not-allowed']);
      }
      expect((await approve(asked.revocation_id, 1, same)).body.code).toBe('state-conflict');
      expect(await use('unwrap', [item])).toEqual(['ok']);
      expect((await approve(asked.revocation_id)).body.approved_by).toContain('E-4');
      expect(await use('unwrap', [item])).toEqual([refused]);
    });

    it('is approved for as many data keys as were asked for, and once', async () => {
      const items = [(await newItem()).item, (await newItem()).item];
      const asked = (await ask([...items, items[0] as Item])).body;
      expect(asked.data_keys).toBe(2);
      for (const n of [1, 3]) expect((await approve(asked.revocation_id, n)).body.code).toBe('state-conflict');
      expect(await use('unwrap', items)).toEqual(['ok', 'ok']);
      expect((await approve(asked.revocation_id, 2)).status).toBe(200);
      expect((await approve(asked.revocation_id, 2)).body.code).toBe('state-conflict');
      expect(await use('unwrap', items)).toEqual([refused, refused]);
    });

    it('that is asked for again is the same, under whatever wrapping', async () => {
      const items = [(await newItem()).item, (await newItem()).item] as const;
      const { revocation_id } = (await ask(items)).body;
      const { body } = await alice.call('POST', '/v1/data-keys/rewrap', { items: [items[0]] });
      const again = { ...items[0], version: body.results[0].version, wrapped_key: body.results[0].wrapped_key };
      expect((await ask([items[1], again])).body.revocation_id).toBe(revocation_id);
      await approve(revocation_id, 2);
      expect((await ask(items)).body).toMatchObject({ revocation_id, state: 'revoked' });
      expect((await ask([items[0]])).body.revocation_id).not.toBe(revocation_id);
    });

    it('fails as a whole where an item does not open, or is not allowed', async () => {
      const { item } = await newItem();
      const wrong = { ...item, key_context: { ...context, use: 'other' } };
      const failed = await ask([item, wrong]);
      expect([failed.status, failed.body.code, failed.body.item]).toEqual([422, 'unwrap-failed', 1]);
      const nobody = await ask([{ ...item, key: 'alias:none' }, item]);
      expect([nobody.status, nobody.body.code, nobody.body.item]).toEqual([403, 'not-allowed', 0]);
      const foreign = await ask([{ ...item, key_context: { tenant: 'south' } }]);
      expect(foreign.body.code).toBe('not-allowed');
      for (const items of [[], Array.from({ length: 101 }, () => item)]) expect((await ask(items)).status).toBe(400);
    });

    it('is possible in every state of key and version but destroyed', async () => {
      const of = await newKey();
      const items = [];
      for (let version = 1; version <= 3; version += 1) {
        items.push((await newItem(of)).item);
        await admin.call('POST', `/v1/keys/${of}/rotate`, { from_version: version });
      }
      await admin.call('POST', `/v1/keys/${of}/mark-compromised`, { version: 1 });
      await admin.call('POST', `/v1/keys/${of}/disable`, { version: 2 });
      await admin.call('POST', `/v1/keys/${of}/raise-floor`, { floor: 4 });
      await admin.call('POST', `/v1/keys/${of}/disable`, {});
      await revoke(...items);
      await admin.call('POST', `/v1/keys/${of}/enable`, {});
      await admin.call('POST', `/v1/keys/${of}/enable`, { version: 2 });
      expect(await use('rewrap', [items[1] as Item, items[2] as Item])).toEqual([refused, refused]);
      expect(await use('rewrap', [items[0] as Item], await client(['recoverer'], 'E-9'))).toEqual([refused]);
    });

    it('is nobody else’s', async () => {
      const { item } = await newItem();
      const { revocation_id } = (await ask([item])).body;
      const south = await client(['revocation-approver'], 'E-10', { tenant: 'south' });
      for (const id of [revocation_id, 'rev-aaaaaaaaaaaaaaaaaaaaaaaaaa', 'rev-1', '%00']) {
        expect((await approve(id, 1, south)).body.code, id).toBe('not-allowed');
        expect((await south.call('GET', `/v1/revocations/${id}`)).body.code, id).toBe('not-allowed');
      }
      expect((await alice.call('GET', `/v1/revocations/${revocation_id}`)).body.code).toBe('not-allowed');
      for (const by of [revoker, approver, auditor])
        expect((await by.call('GET', `/v1/revocations/${revocation_id}`)).body.state).toBe('requested');
    });

    it('is undone by two persons', async () => {
      const { item } = await newItem();
      const revoked = await revoke(item);
      const path = `/v1/revocations/${revoked.revocation_id}`;
      const finish = (by: TestClient, data_keys = 1) => by.call('POST', `${path}/approve-undo`, { data_keys });
      expect((await finish(approver)).body.code).toBe('state-conflict');
      expect((await approver.call('POST', `${path}/undo`, {})).body.code).toBe('not-allowed');
      expect((await revoker.call('POST', `${path}/undo`, {})).body.undo.requested_by).toContain('E-3');
      expect(await use('unwrap', [item])).toEqual([refused]);
      const same = await client(['revocation-approver'], 'E-3', { contractor: true });
      expect((await finish(same)).body.code).toBe('state-conflict');
      expect((await finish(revoker)).body.code).toBe('not-allowed');
      expect((await finish(approver, 2)).body.code).toBe('state-conflict');
      expect((await finish(approver)).body).toMatchObject({ state: 'undone', until: null });
      expect(await use('unwrap', [item])).toEqual(['ok']);
      expect((await finish(approver)).body.code).toBe('state-conflict');
      expect((await ask([item])).body.revocation_id).not.toBe(revoked.revocation_id);
    });

    it('that is undone frees nothing that another one holds', async () => {
      const [one, other] = [(await newItem()).item, (await newItem()).item];
      const first = await revoke(one, other);
      await revoke(one);
      const path = `/v1/revocations/${first.revocation_id}`;
      await revoker.call('POST', `${path}/undo`, {});
      expect((await approver.call('POST', `${path}/approve-undo`, { data_keys: 2 })).status).toBe(200);
      expect(await use('unwrap', [one, other])).toEqual([refused, 'ok']);
    });
  });

  it('§7.8 is described as it is', async () => {
    const { item } = await newItem();
    const asked = (await ask([item])).body;
    expect(asked).toEqual({
      revocation_id: expect.stringMatching(/^rev-[a-z2-7]{26}$/),
      tenant: 'north',
      state: 'requested',
      data_keys: 1,
      tombstones: [expect.stringMatching(/^[\w-]{43}$/)],
      keys: [key],
      requested_by: expect.stringContaining('|E-3'),
      requested: expect.any(Number),
      ...{ approved_by: null, revoked: null, leaf: null, undo: null },
      until: asked.requested + 7 * 86_400,
    });
    const approved = (await approve(asked.revocation_id)).body;
    const { revoked, leaf } = approved;
    const by = { approved_by: expect.stringContaining('|E-4'), revoked: expect.any(Number), leaf: expect.any(Number) };
    expect(approved).toEqual({ ...asked, state: 'revoked', ...by, until: revoked + 7 * 86_400 });
    expect(leaf).toBeGreaterThan(0);
  });

  it('§7.11 are listed a page at a time, by state, and only to those who may describe them', async () => {
    const [south, southApprover, southRevoker] = await Promise.all([
      client(userRoles, 'E-20', { tenant: 'south' }),
      client(['revocation-approver'], 'E-21', { tenant: 'south' }),
      client(['data-key-revoker'], 'E-22', { tenant: 'south' }),
    ]);
    const of = await newKey(await client(adminRoles, 'E-23', { tenant: 'south' }));
    const made = await south.call('POST', `/v1/keys/${of}/generate-data-key`, {
      items: Array.from({ length: 5 }, () => ({})),
    });
    const ids: string[] = [];
    for (const { wrapped_key } of made.body.results) {
      ids.push((await ask([{ key: of, version: 1, key_context: {}, wrapped_key }], southRevoker)).body.revocation_id);
    }
    const [undone = '', revoked = '', half = ''] = ids;
    for (const id of [undone, revoked, half]) expect((await approve(id, 1, southApprover)).status).toBe(200);
    for (const id of [undone, half]) await southRevoker.call('POST', `/v1/revocations/${id}/undo`, {});
    await southApprover.call('POST', `/v1/revocations/${undone}/approve-undo`, { data_keys: 1 });

    const page = (query: string, by = southApprover) => by.call('GET', `/v1/revocations${query}`);
    const walk = async (state = '') => {
      const found: Reply['body'][] = [];
      for (let after = ''; ; ) {
        const { body } = await page(`?limit=2${state}${after === '' ? '' : `&after=${after}`}`);
        expect(body.revocations.length).toBeLessThanOrEqual(2);
        found.push(...body.revocations);
        if (body.next === null) return found;
        after = body.next;
      }
    };
    const all = await walk();
    expect(all.map(({ revocation_id }) => revocation_id)).toEqual([...ids].sort());
    expect(all[0]).toEqual((await page(`/${all[0].revocation_id}`)).body);
    const states = Object.fromEntries(all.map(({ revocation_id, state }) => [revocation_id, state]));
    expect([states[undone], states[revoked], states[half]]).toEqual(['undone', 'revoked', 'revoked']);
    for (const state of ['requested', 'revoked', 'undone']) {
      const some = (await walk(`&state=${state}`)).map(({ revocation_id }) => revocation_id);
      expect(some).toEqual([...ids].sort().filter((id) => states[id] === state));
    }
    expect((await page('')).body).toMatchObject({ revocations: all, next: null });
    expect((await page('', southRevoker)).status).toBe(200);
    for (const wrong of ['?limit=0', '?limit=1001', '?state=none', '?after=key-1', '?before=x']) {
      expect([wrong, (await page(wrong)).status]).toEqual([wrong, 400]);
    }
    for (const by of [south, alice]) expect((await page('', by)).body.code).toBe('not-allowed');
    const ours = (await approver.call('GET', '/v1/revocations?limit=1000')).body.revocations;
    expect(ours.every(({ tenant }: { tenant: string }) => tenant === 'north')).toBe(true);
  });

  it('§7.9 has its receipt in the log', async () => {
    const { item } = await newItem();
    const { leaf, revocation_id, tombstones } = await revoke(item);
    const { body } = await auditor.call('GET', `/v1/audit/entries/${leaf}/${leaf + 1}`);
    const bytes = Buffer.from(body.entries[0].entry, 'base64url');
    const entry = JSON.parse(bytes.toString());
    expect(entry).toMatchObject({ tenant: 'north', operation: 'approve-revocation', status: 200 });
    expect(entry.principal).toContain('|E-4');
    expect(entry.change).toEqual({ revocation: revocation_id, data_keys: 1, tombstones });
    const note: string = (await auditor.call('GET', '/v1/audit/checkpoint')).body.checkpoint;
    const [, size = '', root = ''] = note.split('\n');
    const { proof } = (await auditor.call('GET', `/v1/audit/inclusion/${leaf}/${size}`)).body;
    const hashes = proof.map((hash: string) => Uint8Array.from(Buffer.from(hash, 'base64url')));
    const rootHash = Uint8Array.from(Buffer.from(root, 'base64'));
    expect(verifyInclusion(leafHash(bytes), leaf, Number(size), hashes, rootHash)).toBe(true);
    await revoker.call('POST', `/v1/revocations/${revocation_id}/undo`, {});
    await approver.call('POST', `/v1/revocations/${revocation_id}/approve-undo`, { data_keys: 1 });
    const all = await auditor.call('GET', `/v1/audit/entries/${leaf - 1}/${leaf + 40}`);
    const operations = all.body.entries
      .map((one: { entry: string }) => JSON.parse(Buffer.from(one.entry, 'base64url').toString()))
      .filter((one: { change?: { revocation?: string } }) => one.change?.revocation === revocation_id)
      .map((one: { operation: string }) => one.operation);
    expect(operations).toEqual(['revoke-data-key', 'approve-revocation', 'undo-revocation', 'approve-undo']);
  });
});

describe.each(storeKinds)('§7.10 the quota of a day on %s', (kind) => {
  it('is a tenant’s, for asking and for approving', async () => {
    const harness = await startHarness({ kind, config: { limits: { revoked_data_keys_per_day: 3 } } });
    const [admin, alice] = [await harness.client(adminRoles), await harness.client(userRoles)];
    const [revoker, approver] = [
      await harness.client(['data-key-revoker']),
      await harness.client(['revocation-approver']),
    ];
    const { key_id: key } = (await admin.call('POST', '/v1/keys', {})).body;
    const made = await alice.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}, {}, {}, {}] });
    const items = made.body.results.map(({ wrapped_key }: { wrapped_key: string }) => ({
      key,
      version: 1,
      wrapped_key,
    }));
    const ask = (some: readonly object[]) => revoker.call('POST', '/v1/revocations', { items: some });
    expect((await ask(items)).status).toBe(429);
    const first = await ask(items.slice(0, 2));
    expect(first.status).toBe(200);
    const more = await ask(items.slice(2));
    expect([more.status, more.body.code]).toEqual([429, 'rate-limited']);
    expect(Number(more.headers.get('retry-after'))).toBeGreaterThan(3600);
    // Asking again for the same is no more.
    expect((await ask(items.slice(0, 2))).status).toBe(200);
    expect((await ask(items.slice(2, 3))).status).toBe(200);
    const { revocation_id } = first.body;
    expect((await approver.call('POST', `/v1/revocations/${revocation_id}/approve`, { data_keys: 2 })).status).toBe(
      200,
    );
    await harness.stop();
  });
});
