/** The service's own log has gone back, and an operator accepts what was lost, on both stores; `docs/key-service.md` §12.9. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { CheckpointFile } from '../../src/audit/checkpoint-file.ts';
import { CheckpointedChanges } from '../../src/audit/checkpointed-changes.ts';
import { AuditLogs } from '../../src/audit/logs.ts';
import { nextPublication } from '../../src/audit/publications.ts';
import { encodeEntry } from '../../src/model/entry.ts';
import { leafHash } from '../../src/model/merkle.ts';
import { SlotTree, slotBytes } from '../../src/model/slots.ts';
import { openStore } from '../../src/open-store.ts';
import { resumeService } from '../../src/operations/resume-service.ts';
import { resumeTenant } from '../../src/operations/resume-tenant.ts';
import { verifyLogs } from '../../src/operations/verify-logs.ts';
import { openSecrets } from '../../src/secrets/secrets.ts';
import { headOf } from '../../src/store/heads.ts';
import type { Tables } from '../../src/store/tables.ts';
import {
  adminRoles,
  type Harness,
  newDatabase,
  type StoreKind,
  startHarness,
  storeKinds,
  userRoles,
} from '../support/harness.ts';
import { putBack, type Snapshot, snapshotOf, type Value, withSql } from '../support/tamper.ts';
import { addTenants } from '../support/tenants.ts';

let cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
});

const published = ['heads', 'publications'];
const everything = [
  ...[...published, 'states', 'log_leaves', 'log_nodes', 'keys', 'key_versions', 'aliases', 'touched', 'remembered'],
];

async function start(kind: StoreKind) {
  const database = await newDatabase(kind);
  const checkpoint = join(database.folder, 'checkpoint');
  const config = { checkpoint_file: checkpoint, publication_seconds: 60 };
  const harness = await startHarness({ database, config });
  cleanUp.push(
    () => database.remove(),
    () => harness.stop(),
  );
  const admin = await harness.client(adminRoles);
  const key: string = (await admin.call('POST', '/v1/keys', {})).body.key_id;
  const publish = () => harness.service.changes.publish();
  await publish();
  const entry = (tenant: string, operation: string, change: object) =>
    encodeEntry({ time: 1, tenant, principal: 'operator|x', operation, status: 200, change: { ...change } });
  const changes = async () => {
    const { store, logs } = await stranger(harness);
    return new CheckpointedChanges(store, logs.service, { file: new CheckpointFile(checkpoint) });
  };
  return {
    ...{ harness, admin, key, checkpoint, publish },
    copy: (tables: readonly string[]) => snapshotOf(database, tables),
    put: (rows: Snapshot) => putBack(database, rows),
    again: async (): Promise<Harness> => {
      const { rootKey, issuer } = harness;
      const other = await startHarness({ database, rootKey, issuer, config });
      cleanUp.push(() => other.stop());
      return other;
    },
    /** What `audit resume` does. */
    resume: async (acceptRollback: boolean) =>
      resumeService({ changes: await changes(), acceptRollback, entry: (...what) => entry('', ...what) }),
    resumeTenant: async () => resumeTenant({ changes: await changes(), tenant: 'north', acceptRollback: true, entry }),
  };
}

async function stranger({ database, rootKey }: Harness) {
  const store = openStore({ store: database.config });
  cleanUp.push(() => store.close());
  return { store, logs: new AuditLogs(store, await openSecrets(store, rootKey), 'bulla-test') };
}

async function generate(harness: Harness, key: string): Promise<string> {
  const user = await harness.client(userRoles);
  const { status, body } = await user.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] });
  return body.code ?? body.results[0].problem?.code ?? String(status);
}

const readiness = async ({ url }: Harness): Promise<number> => (await fetch(`${url}/readyz`)).status;
const sizeIn = (file: string): number => Number(readFileSync(file, 'utf8').split('\n')[1]);

/** What the leaves of the act say. */
async function acts(harness: Harness): Promise<unknown[]> {
  const { store } = await stranger(harness);
  const entries = (await store.entries('', 0, 1000)).map(({ entry }) => Buffer.from(entry).toString());
  return entries.filter((entry) => entry.includes('"resume-service"')).map((entry) => JSON.parse(entry).change);
}

const someEntry = () => encodeEntry({ time: 1, tenant: '', principal: 'x', operation: 'y', status: 200 });

interface StateOfService {
  readonly size: number;
  readonly columns: readonly Value[];
}

async function stateOf(copy: (tables: readonly string[]) => Promise<Snapshot>): Promise<StateOfService> {
  const rows = (await copy(['states'])).get('states') ?? [];
  const { size = null, frontier = null, mac = null } = rows.find(({ tenant }) => tenant === '') ?? {};
  return { size: Number(size), columns: [size, frontier, mac] };
}

async function putStateBack({ database }: Harness, { columns }: StateOfService): Promise<void> {
  await withSql(database, (sql) =>
    sql("update states set size = ?, frontier = ?, mac = ? where tenant = ''", ...columns),
  );
}

describe.each(storeKinds)("§12.9 %s: the service's own log", (kind) => {
  it('that lost publications in a failover goes on when that is accepted, and replicas with it', async () => {
    const { harness, admin, key, checkpoint, publish, copy, put, again, resume, resumeTenant } = await start(kind);
    const before = await copy(everything);
    const there = sizeIn(checkpoint);
    expect((await admin.call('POST', `/v1/keys/${key}/disable`, {})).status).toBe(200);
    await publish();
    await publish();
    await put(before);
    await expect(publish()).rejects.toThrow(/went back/);
    await expect(again()).rejects.toThrow(/older than the checkpoint/);
    expect(await readiness(harness)).toBe(503);

    const lost = {
      entries: { known: there + 2, there },
      state: { known: there, there },
      publications: { known: there - 1, there: there - 1 },
      tenants: { known: 2, there: 2 },
      forked: false,
    };
    expect(await resume(false)).toEqual({ lost, resumed: false });
    expect(await copy(everything)).toEqual(before);
    expect(sizeIn(checkpoint)).toBe(there + 2);
    expect(await resume(true)).toEqual({ lost, resumed: true });
    expect(await acts(harness)).toEqual([{ lost }]);
    // The newest publication has the leaf that one had which was lost.
    expect(sizeIn(checkpoint)).toBe(there + 2);

    await publish();
    expect([await readiness(harness), sizeIn(checkpoint)]).toEqual([200, there + 3]);
    expect(await generate(harness, key)).toBe('unavailable');
    await harness.store.shareMemory();
    expect(await resumeTenant()).toMatchObject({ resumed: true, lost: { keys: [key] } });
    for (const each of [harness, await again()]) {
      expect(await generate(each, key)).toBe('200');
      expect((await each.service.changes.publish()).size).toBe(0);
    }
    const { store, logs } = await stranger(harness);
    await verifyLogs(store, logs, logs.service.open(readFileSync(checkpoint, 'utf8')));
    expect(await resume(true)).toMatchObject({ resumed: false });
    expect(await acts(harness)).toHaveLength(1);
    // What was before is not put back again.
    await put(before);
    await expect(publish()).rejects.toThrow(/went back/);
  });

  it('beside which older heads were put back goes on with these when that is accepted', async () => {
    const { harness, admin, key, publish, copy, put, again, resume } = await start(kind);
    const before = await copy(published);
    const [{ idx: there } = {}] = before.get('publications') ?? [];
    expect((await admin.call('POST', `/v1/keys/${key}/disable`, {})).status).toBe(200);
    await publish();
    await put(before);
    await expect(publish()).rejects.toThrow(/put back/);
    await expect(again()).rejects.toThrow(/put back/);
    const publications = { known: Number(there) + 1, there: Number(there) };
    expect(await resume(true)).toMatchObject({ lost: { publications, forked: false }, resumed: true });
    await publish();
    for (const each of [harness, await again()]) expect(await generate(each, key)).toBe('key-disabled');
    const { store, logs } = await stranger(harness);
    await verifyLogs(store, logs);
  });

  it('that somebody forked is said to be, by the checkpoint and by what a replica remembers', async () => {
    const { harness, publish, copy, put, resume, checkpoint } = await start(kind);
    const before = await copy(everything);
    await publish();
    await put(before);
    const { store, logs } = await stranger(harness);
    const fresh = new CheckpointedChanges(store, logs.service);
    for (let n = 0; n < 3; n += 1) await fresh.publish();
    expect((await resume(false)).lost.forked).toBe(true);
    await expect(publish()).rejects.toThrow(/forked/);
    await harness.store.shareMemory();
    new CheckpointFile(checkpoint).replace((await logs.service.checkpoint()).note);
    expect((await resume(false)).lost.forked).toBe(true);
    expect(await resume(true)).toMatchObject({ resumed: true });
    await publish();
    expect(await readiness(harness)).toBe(200);
  });

  it.each([
    ['an entry that somebody changed', "update log_leaves set entry = hash where log = '' and idx = 1", /changed/],
    ['an entry that is missing', "delete from log_leaves where log = '' and idx = 1", /missing/],
    ['a state that somebody changed', "update states set size = 2 where tenant = ''", /changed/],
    ['a head that somebody changed', "update heads set epoch = 70 where tenant = 'south'", /changed/],
    ['a head that is gone', "delete from heads where tenant = 'south'", /heads/],
    ['a head that was never published and is gone', "delete from heads where tenant = 'late'", /heads/],
    ['entries that are gone', "delete from log_leaves where log = '' and idx > 3", /head/],
    ['a publication that is none', 'update publications set idx = 0', /no publication/],
  ])('with %s does not go on: nobody can accept that', async (_, statement, reason) => {
    const { harness, publish, copy, put, resume } = await start(kind);
    const before = await copy(published);
    await publish();
    await put(before);
    await addTenants(harness.store, 'late');
    await withSql(harness.database, (sql) => sql(statement));
    await expect(resume(true)).rejects.toThrow(reason);
    expect(await acts(harness)).toEqual([]);
  });

  it('with an entry that somebody changed together with its hashes does not go on, either', async () => {
    const { harness, resume } = await start(kind);
    await withSql(harness.database, async (sql) => {
      const bytes = new TextEncoder().encode('{"tenant":""}');
      await sql("update log_leaves set entry = ?, hash = ? where log = '' and idx = 1", bytes, leafHash(bytes));
    });
    await expect(resume(true)).rejects.toThrow(/do not lead to its head/);
  });

  it('whose state alone was put back goes on with what the checkpoint vouches for', async () => {
    const { harness, publish, copy, resume } = await start(kind);
    const state = await stateOf(copy);
    await harness.service.changes.runService(async (change) => change.append(someEntry()));
    await putStateBack(harness, state);
    const { size } = state;
    expect(await resume(true)).toMatchObject({
      lost: { entries: { known: size + 1, there: size + 1 }, state: { known: size + 1, there: size }, forked: false },
      resumed: true,
    });
    await publish();
    const fresh = await stranger(harness);
    await verifyLogs(fresh.store, fresh.logs);
  });

  it('with entries behind its state for which a leaf that a replica remembers is all that vouches does not go on', async () => {
    const { harness, publish, copy, resume } = await start(kind);
    const state = await stateOf(copy);
    for (let n = 0; n < 2; n += 1) await harness.store.changeService(async (change) => change.append(someEntry()));
    await putStateBack(harness, state);
    await expect(publish()).rejects.toThrow(/went back/);
    await harness.store.shareMemory();
    const remembered = (await copy(['remembered'])).get('remembered') ?? [];
    expect(remembered.map(({ size }) => Number(size))).toEqual([state.size + 2]);
    await expect(resume(true)).rejects.toThrow(new RegExp(`Nothing vouches for entry ${state.size} `));
    expect(await acts(harness)).toEqual([]);
  });

  it('with a publication that somebody made, over a log of a tenant that they cut, does not go on', async () => {
    const { harness, publish, copy, resume } = await start(kind);
    const { size } = await stateOf(copy);
    await withSql(harness.database, async (sql) => {
      const [{ hash: frontier = null } = {}] = await sql("select hash from log_leaves where log = 'north' and idx = 0");
      await sql("delete from log_leaves where log = 'north' and idx > 0");
      for (const table of ['states', 'heads']) {
        await sql(`update ${table} set size = 1, frontier = ? where tenant = 'north'`, frontier);
      }
      const heads = (await sql('select * from heads order by slot')) as unknown as Tables['heads'][];
      const { seed, entry } = nextPublication(Date.now());
      const tree = await SlotTree.over(
        heads.map((row) => leafHash(slotBytes(seed, headOf(row)))),
        async () => undefined,
      );
      const { bytes } = entry(tree.slots, tree.root);
      await sql("insert into log_leaves (log, idx, hash, entry) values ('', ?, ?, ?)", size, leafHash(bytes), bytes);
      await sql('update publications set idx = ?, seed = ?', size, seed);
    });
    await expect(publish()).rejects.toThrow(/put back/);
    const forged = await copy(everything);
    await expect(resume(true)).rejects.toThrow(new RegExp(`Nothing vouches for entry ${size} `));
    expect(await copy(everything)).toEqual(forged);
  });
});
