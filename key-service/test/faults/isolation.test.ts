// Tenants side by side: what stops one tenant's transactions stops nobody else's; `docs/key-service.md` §11.3, §11.5, §12.7.

import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { encodeEntry } from '../../src/model/entry.ts';
import { openStore } from '../../src/open-store.ts';
import { CommitQueue } from '../../src/store/commit-queue.ts';
import type { Commit, CommitResult, ServiceChange, Store } from '../../src/store/store.ts';
import type { TestClient } from '../support/client.ts';
import { adminRoles, type Harness, newDatabase, startHarness, storeKinds, userRoles } from '../support/harness.ts';
import { query } from '../support/postgres.ts';
import { withSql } from '../support/tamper.ts';
import { addTenants } from '../support/tenants.ts';

let cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
});

interface Tenant {
  readonly admin: TestClient;
  readonly user: TestClient;
  readonly key: string;
}

async function enter(harness: Harness, tenant: string): Promise<Tenant> {
  const admin = await harness.client(adminRoles, { tenant });
  const user = await harness.client(userRoles, { tenant });
  return { admin, user, key: (await admin.call('POST', '/v1/keys', {})).body.key_id };
}

const generate = async ({ user, key }: Tenant): Promise<number> =>
  (await user.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] })).status;

describe('§11.3 on PostgreSQL, while the row of one tenant is locked', () => {
  let harness: Harness;
  let north: Tenant;
  let south: Tenant;
  let url: string;

  beforeEach(async () => {
    harness = await startHarness({ kind: 'postgres' });
    cleanUp.push(() => harness.stop());
    [north, south] = [await enter(harness, 'north'), await enter(harness, 'south')];
    url = (harness.database.config as { postgres: string }).postgres;
    const holder = new pg.Client({ connectionString: url });
    await holder.connect();
    await holder.query('begin');
    await holder.query(`select * from states where tenant = 'south' for update`);
    cleanUp.push(async () => {
      await holder.query('rollback');
      await holder.end();
    });
  });

  /** Connections of the service that wait for a lock. */
  const waiting = async (): Promise<number> => {
    const rows = await query(
      url,
      `select count(*) as n from pg_stat_activity where application_name = 'bulla-key-service' and wait_event_type = 'Lock' and datname = current_database()`,
    );
    return Number(rows[0]?.['n']);
  };

  it('all others are answered: data keys, changes, listings, the log, and readiness', async () => {
    const stuck = Array.from({ length: 20 }, () => generate(south));
    const changes = Array.from({ length: 20 }, () => south.admin.call('POST', '/v1/keys', {}));
    while ((await waiting()) < 2) await sleep(5);
    for (let i = 0; i < 5; i += 1) expect(await generate(north)).toBe(200);
    expect((await north.admin.call('POST', '/v1/keys', {})).status).toBe(201);
    expect((await north.admin.call('GET', '/v1/keys')).body.keys).toHaveLength(2);
    expect((await north.admin.call('GET', '/v1/audit/checkpoint')).status).toBe(200);
    expect((await fetch(`${harness.url}/readyz`)).status).toBe(200);
    // A commit and a change: a quarter of eight connections.
    expect(await waiting()).toBe(2);
    for (const status of await Promise.all(stuck)) expect([200, 503]).toContain(status);
    for (const { status } of await Promise.all(changes)) expect([201, 429, 503]).toContain(status);
  });

  it('the heads of all others are published', async () => {
    const slot = async () => (await north.admin.call('GET', '/v1/audit/published')).body;
    const { leaf } = await slot();
    expect(await generate(north)).toBe(200);
    await harness.service.changes.publish();
    expect((await slot()).leaf).toBeGreaterThan(leaf);
  });
});

describe('§12.4 on PostgreSQL, what concerns the secrets of all', () => {
  const works: [string, (change: ServiceChange) => Promise<unknown>][] = [
    ['sealing them again', (change) => change.reseal(async ({ sealed }) => sealed)],
    ['replacing them', (change) => change.replaceSecrets([], new Uint8Array(32).fill(4))],
    ['retiring replicas', (change) => change.retireReplicas()],
  ];
  it.each(works)('%s waits for the change that a tenant has begun, and comes before the next', async (_, work) => {
    const database = await newDatabase('postgres');
    const [one, other] = [openStore({ store: database.config }), openStore({ store: database.config })];
    cleanUp.push(
      () => database.remove(),
      () => one.close(),
      () => other.close(),
    );
    for (const store of [one, other]) store.unlock(new Uint8Array(32).fill(3));
    await one.migrate();
    await addTenants(one, 'north', 'south');
    const order: string[] = [];
    let finish = () => {};
    const begun = one.change('south', async () => {
      order.push('begun');
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      order.push('finished');
    });
    while (order.length === 0) await sleep(1);
    const all = other.changeService(work).then(() => order.push('all'));
    const { postgres } = database.config as { postgres: string };
    const locks = `select count(*) as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    while (Number((await query(postgres, locks))[0]?.['n']) === 0) await sleep(5);
    finish();
    await Promise.all([begun, all]);
    expect(order).toEqual(['begun', 'finished', 'all']);
  });
});

describe.each(storeKinds)('§11.7 %s: the state of one tenant was put back', (kind) => {
  it('it is halted, and no other', async () => {
    const harness = await startHarness({ kind });
    cleanUp.push(() => harness.stop());
    const [north, south] = [await enter(harness, 'north'), await enter(harness, 'south')];
    const tables = ['states', 'log_leaves'];
    const of = (table: string) => `${table === 'states' ? 'tenant' : 'log'} = 'south'`;
    const before = await withSql(harness.database, (sql) =>
      Promise.all(tables.map((table) => sql(`select * from ${table} where ${of(table)}`))),
    );
    expect(await generate(south)).toBe(200);
    expect((await south.admin.call('POST', `/v1/keys/${south.key}/disable`, {})).status).toBe(200);
    await harness.service.changes.publish();
    await withSql(harness.database, async (sql) => {
      for (const [n, table] of tables.entries()) {
        await sql(`delete from ${table} where ${of(table)}`);
        for (const row of before[n] ?? []) {
          const marks = Object.keys(row).map(() => '?');
          await sql(`insert into ${table} (${Object.keys(row)}) values (${marks})`, ...Object.values(row));
        }
      }
    });
    expect(await generate(south)).toBe(503);
    expect((await south.admin.call('POST', '/v1/keys', {})).status).toBe(503);
    expect((await south.admin.call('GET', '/v1/audit/checkpoint')).status).toBe(503);
    expect(await generate(north)).toBe(200);
    expect((await north.admin.call('POST', '/v1/keys', {})).status).toBe(201);
    expect((await fetch(`${harness.url}/readyz`)).status).toBe(200);
    // Its head stays as it was published, and the others' go on.
    const { leaf } = (await north.admin.call('GET', '/v1/audit/published')).body;
    expect([...(await harness.service.changes.publish()).keys()]).toEqual(['south']);
    expect((await north.admin.call('GET', '/v1/audit/published')).body.leaf).toBeGreaterThan(leaf);
    expect(harness.logs.join('')).toContain('"level":60');
  });
});

describe('§12.7 a page of many keys', () => {
  it('is checked in pieces: others get their turn in between', async () => {
    const harness = await startHarness({ kind: 'sqlite' });
    cleanUp.push(() => harness.stop());
    const { admin, key } = await enter(harness, 'north');
    const one = await harness.store.findKey('north', key);
    await harness.store.change('north', async (change) => {
      for (let n = 0; n < 300 && one; n += 1) {
        const id = `key-${String(n).padStart(26, 'a')}`;
        await change.putKey({ ...one, id, revision: 0 });
      }
    });
    let [turns, counting] = [0, true];
    const count = () => {
      turns += 1;
      if (counting) setImmediate(count);
    };
    setImmediate(count);
    expect(await harness.store.listKeys('north', '', 1000)).toHaveLength(301);
    counting = false;
    expect(turns).toBeGreaterThan(5);
    expect((await admin.call('GET', '/v1/keys?limit=1000')).body.keys).toHaveLength(301);
  });
});

describe('§12.7 the queue for commits', () => {
  it('has one transaction of a tenant at a time, and those of others beside it', async () => {
    const open: { tenant: string; size: number; done: (results: CommitResult[]) => void }[] = [];
    const store = {
      connections: 8,
      commit: (tenant: string, batch: readonly Commit[]) =>
        new Promise<CommitResult[]>((done) => open.push({ tenant, size: batch.length, done })),
    } as unknown as Store;
    const queue = new CommitQueue(store);
    const entry = (tenant: string) =>
      encodeEntry({ time: 1, tenant, principal: 'x|y', operation: 'caller', status: 200 });
    const ask = (tenant: string) =>
      queue.submit({ epoch: undefined, proof: undefined, use: undefined, entry: entry(tenant), uses: [] });
    const running = () => open.map(({ tenant, size }) => `${tenant} ${size}`);
    const settle = async () => {
      for (let i = 0; i < 4; i += 1) await new Promise((resolve) => setImmediate(resolve));
    };
    const asked = [ask('south')];
    await settle();
    for (let i = 0; i < 9; i += 1) asked.push(ask('south'));
    for (const tenant of ['north', 'west', 'east']) asked.push(ask(tenant));
    await settle();
    // Three of eight connections are for commits.
    expect(running()).toEqual(['south 1', 'north 1', 'west 1']);
    open.splice(1, 1)[0]?.done(['committed']);
    await settle();
    expect(running()).toEqual(['south 1', 'west 1', 'east 1']);
    open.shift()?.done(['committed']);
    await settle();
    expect(running()).toEqual(['west 1', 'east 1', 'south 9']);
    for (const { size, done } of open) done(Array(size).fill('committed'));
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['committed']));
    await queue.drained();
  });
});
