/** What operators set for a tenant, on both stores: limits, and its end; `docs/key-service.md` §12.10 and §12.11. */

import { afterEach, describe, expect, it } from 'vitest';
import { encodeEntry, type LogEntry } from '../../src/model/entry.ts';
import type { KeyRecord } from '../../src/model/keys.ts';
import { approveClosing, askClosing, cancelClosing, setLimits, type TenantRecord } from '../../src/model/tenants.ts';
import { openStore } from '../../src/open-store.ts';
import { operatorActor } from '../../src/operations/actor.ts';
import { closeTenants } from '../../src/operations/close-tenants.ts';
import { createKey } from '../../src/operations/keys/create.ts';
import { maintainKeys } from '../../src/operations/keys/maintain.ts';
import { compromiseVersion, rotateKey } from '../../src/operations/keys/rotate.ts';
import type { KeyWork } from '../../src/operations/keys/target.ts';
import { operateTenant } from '../../src/operations/operate-tenant.ts';
import { TenantRecords } from '../../src/operations/tenant-records.ts';
import { openSecrets } from '../../src/secrets/secrets.ts';
import type { Store } from '../../src/store/store.ts';
import { adminRoles, type Harness, type StoreKind, startHarness, storeKinds, userRoles } from '../support/harness.ts';
import { putBack, snapshotOf, withSql } from '../support/tamper.ts';

const day = 86_400_000;
let cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
});

async function start(kind: StoreKind, clock?: () => number) {
  const harness = await startHarness({ kind, ...(clock ? { clock } : {}) });
  cleanUp.push(() => harness.stop());
  const { service } = harness;
  const operate = (tenant: string, operation: string, work: (record: TenantRecord) => TenantRecord) => {
    const entry = (log: string, name: string, change: object) =>
      encodeEntry({
        time: 1,
        tenant: log,
        principal: 'operator|x',
        operation: name,
        status: 200,
        change: { ...change },
      });
    return operateTenant({ changes: service.changes, tenant, operation, asked: {}, entry }, work);
  };
  return { harness, operate };
}

/** A clock that stands still, so that all requests are in one window. */
const frozen = (): (() => number) => {
  const now = Date.now();
  return () => now;
};

const caller = async (harness: Harness, tenant: string): Promise<string> => {
  const client = await harness.client(userRoles, { tenant });
  const { status, body } = await client.call('GET', '/v1/caller');
  return status === 200 ? 'ok' : `${status} ${body.code}`;
};

const operations = async ({ store }: Harness, log: string): Promise<string[]> =>
  (await store.entries(log, 0, 1000)).map(({ entry }) => JSON.parse(Buffer.from(entry).toString()).operation);

describe.each(storeKinds)('§12.10 %s: limits of one tenant', (kind) => {
  it('hold for it and for no other, and are leaves of both logs', async () => {
    const { harness, operate } = await start(kind, frozen());
    await operate('north', 'set-limits', (record) => setLimits(record, { itemsPerMinute: 2 }));
    expect([await caller(harness, 'north'), await caller(harness, 'north')]).toEqual(['ok', 'ok']);
    expect(await caller(harness, 'north')).toBe('429 rate-limited');
    for (let n = 0; n < 3; n += 1) expect(await caller(harness, 'south')).toBe('ok');
    expect(await operations(harness, 'north')).toContain('set-limits');
    expect(await operations(harness, '')).toContain('set-limits');
    await harness.store.verifyKeys();
  });

  it('are set with both leaves, or not at all', async () => {
    const { harness } = await start(kind);
    const { changes } = harness.service;
    const entry = (log: string, operation: string): LogEntry => {
      if (log === '') throw new TypeError('on purpose');
      return encodeEntry({ time: 1, tenant: log, principal: 'operator|x', operation, status: 200 });
    };
    const act = { changes, tenant: 'north', operation: 'set-limits', asked: {}, entry };
    const setting = operateTenant(act, (record) => setLimits(record, { itemsPerMinute: 2 }));
    await expect(setting).rejects.toThrow('on purpose');
    expect((await harness.store.findTenant('north')).revision).toBe(0);
    expect(await operations(harness, 'north')).not.toContain('set-limits');
  });

  it('are remembered by the process that set them', async () => {
    const { harness, operate } = await start(kind);
    const tables = ['states', 'log_leaves', 'log_nodes', 'tenant_records'];
    const rows = await snapshotOf(harness.database, tables);
    await operate('north', 'set-limits', (record) => setLimits(record, { itemsPerMinute: 2 }));
    await putBack(harness.database, rows);
    await expect(harness.store.head('north')).rejects.toThrow(/went back/);
    await expect(harness.store.findTenant('north')).rejects.toThrow(/put back/);
  });

  it('those of revocations, too, and what was taken back is as configured', async () => {
    const { harness, operate } = await start(kind);
    const { limits } = harness.service.config;
    const fresh = () =>
      new TenantRecords(harness.store, { defaults: limits, clock: Date.now, admit: (_, work) => work() });
    await operate('north', 'set-limits', (record) => setLimits(record, { revokedDataKeysPerDay: 5 }));
    expect(await fresh().limitsOf('north')).toEqual({ itemsPerMinute: 600_000, revokedDataKeysPerDay: 5 });
    await operate('north', 'set-limits', (record) => setLimits(record, { revokedDataKeysPerDay: null }));
    expect(await fresh().limitsOf('north')).toEqual({ itemsPerMinute: 600_000, revokedDataKeysPerDay: 1000 });
  });

  it.each([
    "update tenant_records set record = replace(record, '2', '9')",
    'update tenant_records set revision = 7',
    'delete from tenant_records',
  ])('§11.2 a record that somebody changed is not gone by: %s', async (statement) => {
    const { harness, operate } = await start(kind);
    await operate('north', 'set-limits', (record) => setLimits(record, { itemsPerMinute: 2 }));
    await withSql(harness.database, (sql) => sql(statement));
    await expect(harness.store.findTenant('north')).rejects.toThrow(/changed|put back/);
    const store = openStore({ store: harness.database.config });
    cleanUp.push(() => store.close());
    await openSecrets(store, harness.rootKey);
    expect([...(await store.haltRefused({ keys: true })).keys()]).toEqual(['north']);
  });
});

describe.each(storeKinds)('§12.11 %s: the end of a tenant', (kind) => {
  it('takes two operators and days; then its keys are destroyed, and its log stays', async () => {
    let now = Date.now();
    const { harness, operate } = await start(kind, () => now);
    const seconds = () => Math.floor(now / 1000);
    const { service, store } = harness;
    const admin = await harness.client(adminRoles);
    for (let n = 0; n < 3; n += 1) await admin.call('POST', '/v1/keys', {});
    const [one, other] = ['operator|one', 'operator|other'];
    const ask = () => operate('north', 'ask-close-tenant', (r) => askClosing(r, { by: one, now: seconds(), days: 7 }));
    const approve = (by: string, days: number) =>
      operate('north', 'approve-close-tenant', (r) => approveClosing(r, { by, now: seconds(), days }));
    await expect(approve(other, 7)).rejects.toThrow(/Nobody has asked/);
    await ask();
    await expect(ask()).rejects.toThrow(/asked for already, by operator\|one/);
    await expect(approve(one, 7)).rejects.toThrow(/another operator/);
    await expect(approve(other, 8)).rejects.toThrow(/7 days/);
    now += 8 * day;
    await expect(approve(other, 7)).rejects.toThrow(/Nobody has asked/);
    await ask();
    await approve(other, 7);
    await expect(approve(other, 7)).rejects.toThrow(/approved already/);
    await operate('north', 'cancel-close-tenant', (r) => cancelClosing(r, seconds()));
    await ask();
    await approve(other, 7);
    const fresh = () =>
      new TenantRecords(store, { defaults: service.config.limits, clock: () => now, admit: (_, work) => work() });
    now += 7 * day - 1000;
    await fresh().limitsOf('north');
    const parts = { ...service, time: { assertAgrees: () => undefined } };
    expect(await closeTenants(parts)).toBe(0);
    now += 1000;
    await expect(fresh().limitsOf('north')).rejects.toThrow(/closed/);
    await expect(operate('north', 'cancel-close-tenant', (r) => cancelClosing(r, seconds()))).rejects.toThrow(
      /is closed/,
    );
    await closeTenants(parts);
    const versions = (await store.listKeys('north', '', 10)).flatMap((key) => key.versions);
    expect(versions.map(({ state, material }) => [state, material])).toEqual(Array(3).fill(['destroyed', null]));
    expect(
      (await operations(harness, 'north')).filter((name) => /destroy-key|close-tenant/.test(name)).slice(-4),
    ).toEqual([...['destroy-key', 'destroy-key', 'destroy-key', 'close-tenant']]);
    expect(await closeTenants(parts)).toBe(0);
    await store.verifyKeys();
    await service.changes.publish();
    expect((await store.publishedSlot('north'))?.head.tree.size).toBe((await store.head('north')).tree.size);
    expect(await store.tenants()).toContain('north');
  });

  it('no change that was on its way makes key material for it, whatever the clock of its replica says', async () => {
    let now = Date.now();
    const { harness, operate } = await start(kind, () => now);
    const { service, store } = harness;
    const seconds = () => Math.floor(now / 1000);
    const { materials, changes } = service;
    const make = (at: number, work: (work: KeyWork) => Promise<KeyRecord>, tenant = 'north') =>
      changes.run(tenant, (change) => work({ change, actor: operatorActor(tenant, 'x'), materials, now: at }));
    const create = (work: KeyWork) => createKey(work, {});
    const { id: key } = await make(seconds(), (work) => createKey(work, { maxAgeDays: 1 }));
    await make(seconds(), create, 'south');
    await operate('north', 'ask', (record) => askClosing(record, { by: 'a', now: seconds(), days: 7 }));
    await operate('north', 'approve', (record) => approveClosing(record, { by: 'b', now: seconds(), days: 7 }));
    const behind = seconds();
    now += 7 * day;
    await expect(make(seconds(), create)).rejects.toThrow(/closed/);
    await expect(make(seconds(), (work) => rotateKey(work, key))).rejects.toThrow(/closed/);
    await expect(make(seconds(), (work) => compromiseVersion(work, key, 1))).rejects.toThrow(/closed/);

    const steady = { ...service, time: { assertAgrees: () => undefined } };
    expect(await maintainKeys(steady)).toBe(0);

    // One is made while the others are destroyed.
    let late = 1;
    const listKeys: typeof store.listKeys = async (...range) => {
      const page = await store.listKeys(...range);
      if (page.length === 0 && late > 0) {
        late -= 1;
        await make(behind, create);
      }
      return page;
    };
    const parts = {
      ...steady,
      store: {
        findTenant: (tenant: string) => store.findTenant(tenant),
        closingTenants: (at: number) => store.closingTenants(at),
        listKeys,
      } as Store,
    };
    await closeTenants(parts);
    expect(late).toBe(0);
    expect((await store.findTenant('north')).closing?.closed).toBeNull();
    await closeTenants(parts);
    expect((await store.findTenant('north')).closing?.closed).toBe(seconds());
    const versions = (await store.listKeys('north', '', 10)).flatMap((each) => each.versions);
    expect(versions.map(({ material }) => material)).toEqual([null, null]);
    await expect(make(behind, create)).rejects.toThrow(/closed/);
    expect((await operations(harness, 'north')).filter((name) => name === 'close-tenant')).toHaveLength(1);
  });

  it('its requests are refused, and those of others are not', async () => {
    const { harness, operate } = await start(kind);
    const seconds = Math.floor((Date.now() - 8 * day) / 1000);
    await operate('north', 'ask', (record) => askClosing(record, { by: 'a', now: seconds, days: 7 }));
    await operate('north', 'approve', (record) => approveClosing(record, { by: 'b', now: seconds, days: 7 }));
    const { size } = (await harness.store.head('north')).tree;
    expect([await caller(harness, 'north'), await caller(harness, 'south')]).toEqual(['403 not-allowed', 'ok']);
    const added = (await operations(harness, 'north')).slice(size);
    expect(added.filter((name) => name === 'caller')).toEqual([]);
  });
});
