/** A tenant that has gone back, and an operator who accepts what was lost, on both stores; `docs/key-service.md` §12.9. */

import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { CheckpointFile } from '../../src/audit/checkpoint-file.ts';
import { CheckpointedChanges } from '../../src/audit/checkpointed-changes.ts';
import { AuditLogs } from '../../src/audit/logs.ts';
import { encodeEntry } from '../../src/model/entry.ts';
import { openStore } from '../../src/open-store.ts';
import { isAnything, resumeTenant } from '../../src/operations/resume-tenant.ts';
import { verifyLogs } from '../../src/operations/verify-logs.ts';
import { openSecrets } from '../../src/secrets/secrets.ts';
import type { Store } from '../../src/store/store.ts';
import {
  adminRoles,
  type Harness,
  newDatabase,
  type StoreKind,
  startHarness,
  storeKinds,
  userRoles,
} from '../support/harness.ts';
import { type Row, withSql } from '../support/tamper.ts';

let cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
});

const ofNorth: [string, string][] = [
  ['states', "tenant = 'north'"],
  ['log_leaves', "log = 'north'"],
  ['log_nodes', "log = 'north'"],
  ['aliases', "tenant = 'north'"],
  ['key_versions', "key_id in (select id from keys where tenant = 'north')"],
  ['keys', "tenant = 'north'"],
];

async function start(kind: StoreKind) {
  const database = await newDatabase(kind);
  const config = { checkpoint_file: join(database.folder, 'checkpoint'), publication_seconds: 60 };
  const harness = await startHarness({ database, config });
  cleanUp.push(
    () => database.remove(),
    () => harness.stop(),
  );
  const admin = await harness.client(adminRoles);
  const key: string = (await admin.call('POST', '/v1/keys', {})).body.key_id;
  await harness.service.changes.publish();
  const copied = () =>
    withSql(database, (sql) => Promise.all(ofNorth.map(([table, of]) => sql(`select * from ${table} where ${of}`))));
  const putBack = (rows: readonly Row[][]) =>
    withSql(database, async (sql) => {
      for (const [table, of] of ofNorth) await sql(`delete from ${table} where ${of}`);
      for (const [n, [table]] of ofNorth.entries()) {
        for (const row of rows[n] ?? []) {
          const marks = Object.keys(row).map(() => '?');
          await sql(`insert into ${table} (${Object.keys(row)}) values (${marks})`, ...Object.values(row));
        }
      }
    });
  const again = async (): Promise<Harness> => {
    const { rootKey, issuer } = harness;
    const other = await startHarness({ database, rootKey, issuer, config });
    cleanUp.push(() => other.stop());
    return other;
  };
  /** What the command does. */
  const resume = async (acceptRollback: boolean) => {
    const { store, logs } = await stranger(harness);
    const changes = new CheckpointedChanges(store, logs.service, { file: new CheckpointFile(config.checkpoint_file) });
    const entry = (tenant: string, operation: string, change: object) =>
      encodeEntry({ time: 1, tenant, principal: 'operator|x', operation, status: 200, change: { ...change } });
    return resumeTenant({ changes, tenant: 'north', acceptRollback, entry });
  };
  return { harness, admin, key, copied, putBack, again, resume };
}

async function stranger({ database, rootKey }: Harness): Promise<{ store: Store; logs: AuditLogs }> {
  const store = openStore({ store: database.config });
  cleanUp.push(() => store.close());
  return { store, logs: new AuditLogs(store, await openSecrets(store, rootKey), 'bulla-test') };
}

async function generate(harness: Harness, key: string): Promise<string> {
  const user = await harness.client(userRoles);
  const { status, body } = await user.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] });
  return body.code ?? body.results[0].problem?.code ?? String(status);
}

const lastOf = async (store: Store, log: string, operation: string) => {
  const entries = (await store.entries(log, 0, 1000)).map(({ entry }) => JSON.parse(Buffer.from(entry).toString()));
  return entries.filter((entry) => entry.operation === operation);
};

describe.each(storeKinds)('§12.9 %s: a tenant that has gone back', (kind) => {
  it('is halted by every replica once one remembers more, and goes on when that is accepted', async () => {
    const { harness, admin, key, copied, putBack, again, resume } = await start(kind);
    const rows = await copied();
    const { epoch, tree } = await harness.store.head('north');
    const other: string = (await admin.call('POST', '/v1/keys', {})).body.key_id;
    expect((await admin.call('POST', `/v1/keys/${key}/disable`, {})).status).toBe(200);
    expect(await generate(harness, key)).toBe('key-disabled');
    const { size } = (await harness.store.head('north')).tree;
    await putBack(rows);
    expect(await generate(harness, key)).toBe('unavailable');
    await harness.store.shareMemory();
    const replica = await again();
    expect(await generate(replica, key)).toBe('unavailable');
    expect((await fetch(`${replica.url}/readyz`)).status).toBe(200);

    const lost = {
      entries: { known: size, there: tree.size },
      epochs: { known: epoch + 2, there: epoch },
      changes: { known: 3, there: 1 },
      keys: [key, other].sort(),
      forked: false,
    };
    expect(await resume(false)).toEqual({ tenant: 'north', lost, resumed: false });
    expect(await generate(replica, key)).toBe('unavailable');
    expect(await resume(true)).toEqual({ tenant: 'north', lost, resumed: true });

    for (const each of [harness, replica]) expect(await generate(each, key)).toBe('200');
    expect((await admin.call('POST', `/v1/keys/${key}/disable`, {})).status).toBe(200);
    for (const each of [harness, replica]) expect(await generate(each, key)).toBe('key-disabled');
    expect((await harness.service.logs.of('north').checkpoint()).size).toBeGreaterThan(tree.size);
    expect([...(await harness.service.changes.publish())]).toEqual([]);
    const { store, logs } = await stranger(harness);
    expect((await lastOf(store, 'north', 'resume-tenant')).map(({ change }) => change)).toEqual([{ lost }]);
    expect((await lastOf(store, '', 'resume-tenant')).map(({ change }) => change)).toEqual([{ tenant: 'north', lost }]);
    await verifyLogs(store, logs);
    expect(isAnything((await resume(true)).lost)).toBe(false);
    expect(await lastOf(store, 'north', 'resume-tenant')).toHaveLength(1);
  });

  it('whose end was published is resumed where nobody remembers it, and what was before is not put back again', async () => {
    const { harness, admin, key, copied, putBack, again, resume } = await start(kind);
    const rows = await copied();
    expect((await admin.call('POST', `/v1/keys/${key}/disable`, {})).status).toBe(200);
    await harness.service.changes.publish();
    await harness.stop();
    cleanUp.splice(1, 1);
    await putBack(rows);
    expect(await resume(true)).toMatchObject({ lost: { keys: [], changes: { known: 2, there: 1 } }, resumed: true });
    const replica = await again();
    expect(await generate(replica, key)).toBe('200');
    await putBack(rows);
    expect(await generate(replica, key)).toBe('unavailable');
    expect(await generate(await again(), key)).toBe('unavailable');
  });

  it('is decided on what there is, though a replica has keys at hand of a lost epoch with the same number', async () => {
    const { harness, admin, key, copied, putBack, again, resume } = await start(kind);
    const { epoch } = await harness.store.head('north');
    const rows = await copied();
    await admin.call('POST', '/v1/keys', {});
    await harness.service.changes.publish();
    for (let n = 0; n < 2; n += 1) await admin.call('POST', '/v1/keys', {});
    expect(await generate(harness, key)).toBe('200');
    await putBack(rows);
    expect(await resume(true)).toMatchObject({ resumed: true, lost: { epochs: { known: epoch + 1, there: epoch } } });
    const other = await (await again()).client(adminRoles);
    expect((await other.call('POST', `/v1/keys/${key}/disable`, {})).status).toBe(200);
    expect((await harness.store.head('north')).epoch).toBe(epoch + 3);
    expect(await generate(harness, key)).toBe('key-disabled');
  });

  it.each([
    ['a key that somebody changed', 'update keys set floor = 7'],
    ['an entry that somebody changed', "update log_leaves set entry = hash where log = 'north' and idx = 1"],
    ['an entry that is missing', "delete from log_leaves where log = 'north' and idx = 1"],
  ])('with %s is not resumed: nobody can accept that', async (_, statement) => {
    const { harness, admin, key, resume } = await start(kind);
    await admin.call('POST', `/v1/keys/${key}/disable`, {});
    await harness.service.changes.publish();
    await withSql(harness.database, (sql) => sql(statement));
    await expect(resume(true)).rejects.toThrow(/changed|missing/);
  });

  it('a state that is gone is made again from keys and log', async () => {
    const { harness, key, again, resume } = await start(kind);
    await withSql(harness.database, (sql) => sql("delete from states where tenant = 'north'"));
    expect(await resume(true)).toMatchObject({ lost: { entries: { known: 2, there: 2 } }, resumed: true });
    for (const each of [harness, await again()]) expect(await generate(each, key)).toBe('200');
  });
});
