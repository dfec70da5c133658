/** Databases and backups of schema 3, which had one state and one log for all tenants, on both stores; `docs/key-service.md` §12.1. */

import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AuditLogs } from '../../src/audit/logs.ts';
import { IntegrityError, OperatorError } from '../../src/errors.ts';
import { openStore } from '../../src/open-store.ts';
import { verifyLogs } from '../../src/operations/verify-logs.ts';
import { softwareRootKey } from '../../src/seals/software.ts';
import { openerOf, openSecrets } from '../../src/secrets/secrets.ts';
import { moveLog } from '../../src/store/one-log.ts';
import type { Store } from '../../src/store/store.ts';
import { engineAt, type FixtureRow, fillAs, tableRowsOf } from '../support/fixtures.ts';
import { adminRoles, newDatabase, startHarness, storeKinds, type TestDatabase, userRoles } from '../support/harness.ts';
import { withSql } from '../support/tamper.ts';

interface Fixture {
  readonly keys: { readonly [tenant: string]: string };
  readonly wrapped: { readonly [tenant: string]: readonly string[] };
  readonly revocation: string;
  readonly checkpoint: string;
  readonly rows: readonly FixtureRow[];
}

const file = new URL('fixtures/schema-3.json', import.meta.url);
const { keys, wrapped, revocation, checkpoint, rows } = JSON.parse(readFileSync(file, 'utf8')) as Fixture;
const rootKey = softwareRootKey(new Uint8Array(32).fill(7));
const open = openerOf(rootKey);
const tableRows = tableRowsOf(rows);
const formerSize = Number(checkpoint.split('\n')[1]);

/** The database as the third schema left it. */
const fill = (database: TestDatabase) => fillAs(3, database, tableRows);

describe.each(storeKinds)('§12.1 a database of schema 3 on %s', (kind) => {
  let database: TestDatabase;
  let store: Store;

  beforeEach(async () => {
    database = await newDatabase(kind);
    store = openStore({ store: database.config });
  });
  afterEach(async () => {
    await store.close();
    await database.remove();
  });

  const expectDivided = async (): Promise<void> => {
    const logs = new AuditLogs(store, await openSecrets(store, rootKey), 'bulla-test');
    const { service } = logs;
    // What was signed before is continued by the log of the service, and each tenant's log begins with its head.
    expect(await verifyLogs(store, logs, service.open(checkpoint))).toBe(formerSize + 1 + 2);
    expect(await store.tenants()).toEqual(['north', 'south']);
    for (const tenant of ['north', 'south']) {
      const [first, ...others] = await store.entries(tenant, 0, 10);
      expect(others).toEqual([]);
      expect(JSON.parse(Buffer.from(first?.entry ?? []).toString())).toMatchObject({
        tenant,
        operation: 'begin-log',
        change: { service: { size: formerSize, root: expect.any(String) } },
      });
      expect(await store.findKey(tenant, 'alias:orders')).toMatchObject({ id: keys[tenant], newest: 2, revision: 2 });
    }
    expect(await store.findRevocation('south', revocation)).toMatchObject({ tenant: 'south', leaf: formerSize - 1 });
  };

  it('is taken along: each tenant has its state and its log, and everything is answered as before', async () => {
    await fill(database);
    await store.migrate(open);
    await expectDivided();
    const harness = await startHarness({ kind, database, rootKey });
    for (const tenant of ['north', 'south']) {
      const user = await harness.client(userRoles, { tenant });
      const items = (wrapped[tenant] ?? []).map((wrapped_key) => ({ version: 2, wrapped_key }));
      const { body } = await user.call('POST', `/v1/keys/${keys[tenant]}/unwrap`, { items });
      expect(body.results[0]).toMatchObject({ newest_version: 2, sealed_key: expect.any(String) });
      if (tenant === 'south') expect(body.results[1].problem.code).toBe('data-key-revoked');
      else expect(body.results[1].sealed_key).toEqual(expect.any(String));
      const auditor = await harness.client(adminRoles, { tenant });
      const former = await auditor.call('GET', `/v1/audit/service/entries/0/${formerSize}`);
      const seen = former.body.entries.flatMap(({ entry }: { entry?: string }) => entry ?? []);
      const tenants = seen.map((entry: string) => JSON.parse(Buffer.from(entry, 'base64url').toString()).tenant);
      expect(new Set(tenants)).toEqual(new Set([tenant]));
      expect(former.body.entries).toHaveLength(formerSize);
    }
    await harness.stop();
  });

  it('stays as it is without the root key, and with another one', async () => {
    await fill(database);
    await expect(store.migrate()).rejects.toThrow(OperatorError);
    const other = openerOf(softwareRootKey(new Uint8Array(32).fill(8)));
    await expect(store.migrate(other)).rejects.toThrow(IntegrityError);
    await expect(store.assertMigrated()).rejects.toThrow(/schema 3,/);
    await store.migrate(open);
    await expectDivided();
  });

  it('is not migrated beside a replica of before, which is named', async () => {
    await fill(database);
    const seen = (secondsAgo: number) => {
      const now = Math.floor(Date.now() / 1000);
      return withSql(database, async (sql) => {
        await sql('delete from replicas');
        await sql('insert into replicas (id, name, seen) values (?, ?, ?)', 'one', 'old-host/17', now - secondsAgo);
      });
    };
    await seen(3);
    const refused = store.migrate(open);
    await expect(refused).rejects.toThrow(OperatorError);
    await expect(refused).rejects.toThrow(
      /^Replicas serve this database: old-host\/17 \(seen \d+ s ago\)\. Stop all of them/,
    );
    await expect(store.assertMigrated()).rejects.toThrow(/schema 3,/);
    await seen(40);
    await store.migrate(open);
    await expectDivided();
  });

  it('of schema 4, which was never released, is refused', async () => {
    await fill(database);
    await withSql(database, (sql) => sql('insert into migrations values (4)'));
    await expect(store.migrate(open)).rejects.toThrow(/schema 4, which was never released/);
  });

  it.each([
    ['a key that somebody changed', `update keys set floor = 0 where id = '${keys['south']}'`],
    ['a state that somebody changed', 'update state set revisions = revisions + 1'],
    ['a log that somebody cut', 'update state set size = 7'],
    ['a key that is gone', `delete from keys where id = '${keys['north']}'`],
    ['a revocation that is gone', 'delete from revocations'],
    ['tombstones that are gone', 'delete from tombstones'],
  ])('stays as it is with %s', async (_, statement) => {
    await fill(database);
    await withSql(database, async (sql) => void (await sql(statement)));
    await expect(store.migrate(open)).rejects.toThrow(IntegrityError);
    await expect(store.assertMigrated()).rejects.toThrow(/schema 3,/);
  });

  if (kind === 'postgres') {
    /** Migrates while a replica of before is at something, begins something else once that waits, and gives what came of both. */
    const migrateBeside = async (work: string) => {
      await fill(database);
      const waiting = (count: number) => async () => {
        const text = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
        return (await withSql(database, (sql) => sql(text))).length === count;
      };
      return withSql(database, async (sql) => {
        await sql('begin');
        await sql(work);
        const migrating = store.migrate(open).catch((error: unknown) => error);
        await vi.waitUntil(waiting(1), { timeout: 60_000 });
        const later = withSql(database, (other) => other('update state set id = id')).catch(String);
        await vi.waitUntil(waiting(2), { timeout: 60_000 });
        await sql('commit');
        return { migrated: await migrating, later: await later };
      });
    };

    it('waits for what a replica of before is at, and counts what that left', async () => {
      const { migrated } = await migrateBeside('update state set revisions = revisions + 1');
      expect(migrated).toBeInstanceOf(IntegrityError);
      await expect(store.assertMigrated()).rejects.toThrow(/schema 3,/);
    });

    it('lets nothing through that a replica of before begins meanwhile', async () => {
      const { migrated, later } = await migrateBeside('update state set id = id');
      expect([migrated, later]).toEqual([undefined, expect.stringMatching(/does not exist/)]);
      await expectDivided();
    });
  }

  it('its log is moved in pages, and whole', async () => {
    const engine = await engineAt(3, database);
    const { int, bytes } = engine.dialect;
    await withSql(database, async (sql) => {
      await sql(`create table log_leaves (log text, idx ${int}, hash ${bytes}, entry ${bytes})`);
      await sql(`create table log_nodes (log text, level ${int}, idx ${int}, hash ${bytes})`);
      for (let n = 0; n < 10; n += 1) {
        await sql(
          'insert into audit_leaves (idx, hash, tenant, entry) values (?, ?, ?, ?)',
          n,
          Buffer.of(n),
          'x',
          Buffer.of(n),
        );
      }
      for (const [level, count] of [
        [8, 7],
        [16, 4],
        [24, 1],
      ] as const) {
        for (let n = 0; n < count; n += 1)
          await sql('insert into audit_nodes values (?, ?, ?)', level, n, Buffer.of(n));
      }
    });
    await engine.write((tx) => moveLog(tx, 3));
    await engine.close();
    const counts = await withSql(database, async (sql) => [
      await sql("select count(*) as n, sum(idx) as s from log_leaves where log = ''"),
      await sql("select level, count(*) as n from log_nodes where log = '' group by level order by level"),
    ]);
    expect(counts[0]?.map(({ n, s }) => [Number(n), Number(s)])).toEqual([[10, 45]]);
    expect(counts[1]?.map(({ level, n }) => [Number(level), Number(n)])).toEqual([
      [8, 7],
      [16, 4],
      [24, 1],
    ]);
  });

  it('is restored from its backup', async () => {
    await store.migrate(open);
    const backup = async function* () {
      yield* tableRows;
    };
    await expect(store.load(backup())).rejects.toThrow(OperatorError);
    await store.load(backup(), open);
    await expectDivided();
    const tables = await withSql(database, (sql) =>
      kind === 'sqlite'
        ? sql("select name from sqlite_master where type = 'table'")
        : sql("select tablename as name from pg_tables where schemaname = 'public'"),
    );
    expect(tables.map(({ name }) => name).filter((name) => /^(state|audit_)/.test(String(name)))).toEqual(['states']);
  });
});
