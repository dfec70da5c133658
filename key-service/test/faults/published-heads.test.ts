/** Published heads that somebody puts back while replicas run, together with the row that names their publication, on both stores; `docs/key-service.md` §11.7. */

import { afterEach, describe, expect, it } from 'vitest';
import { nextPublication } from '../../src/audit/publications.ts';
import { leafHash } from '../../src/model/merkle.ts';
import { openStore } from '../../src/open-store.ts';
import { openSecrets } from '../../src/secrets/secrets.ts';
import type { Store } from '../../src/store/store.ts';
import { adminRoles, type Harness, newDatabase, type StoreKind, startHarness, storeKinds } from '../support/harness.ts';
import { putBack, type Snapshot, snapshotOf, withSql } from '../support/tamper.ts';

let cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
});

const published = ['heads', 'publications'];
const ofService = [...published, 'states', 'log_leaves', 'log_nodes'];

/** A service that seldom publishes unless it is told to. */
async function start(kind: StoreKind) {
  const database = await newDatabase(kind);
  const config = { publication_seconds: 60 };
  const harness = await startHarness({ database, config });
  cleanUp.push(
    () => database.remove(),
    () => harness.stop(),
  );
  const admin = await harness.client(adminRoles);
  const newKey = async (): Promise<number> => (await admin.call('POST', '/v1/keys', {})).status;
  const copy = (tables: readonly string[]) => snapshotOf(database, tables);
  const leaves = () => withSql(database, (sql) => sql("select count(*) as n from log_leaves where log = ''"));
  return { harness, admin, newKey, copy, leaves, put: (rows: Snapshot) => putBack(database, rows) };
}

/** A process that has published nothing. */
async function stranger({ database, rootKey }: Harness): Promise<Store> {
  const store = openStore({ store: database.config });
  cleanUp.push(() => store.close());
  await openSecrets(store, rootKey);
  return store;
}

const publish = (store: Store, within = 0) => {
  const now = Date.now();
  return store.publish(nextPublication(now), now - within);
};
const readiness = async ({ url }: Harness): Promise<number> => (await fetch(`${url}/readyz`)).status;
const refused = async ({ service }: Harness): Promise<number | undefined> =>
  (await service.metrics.publicationRefused.get()).values[0]?.value;

describe.each(storeKinds)('§11.7 %s: published heads', (kind) => {
  it('that were put back with their publication are published over by nobody, until the newest are there again', async () => {
    const { harness, admin, newKey, copy, leaves, put } = await start(kind);
    const { changes } = harness.service;
    await newKey();
    await changes.publish();
    const before = await copy(published);
    await newKey();
    await changes.publish();
    const newest = await copy(published);
    const there = await leaves();
    expect([await readiness(harness), await refused(harness)]).toEqual([200, 0]);

    await put(before);
    await newKey();
    await expect(changes.publish()).rejects.toThrow(/put back/);
    await expect(publish(await stranger(harness))).rejects.toThrow(/put back/);
    expect(await leaves()).toEqual(there);
    expect(await copy(published)).toEqual(before);
    expect([await readiness(harness), await refused(harness)]).toEqual([503, 1]);
    expect(harness.logs.join('')).toMatch(/"level":60.*put back.*nothing is published/);
    for (const path of ['checkpoint', 'published']) {
      expect((await admin.call('GET', `/v1/audit/${path}`)).status).toBe(503);
    }
    expect(await newKey()).toBe(201);

    await put(newest);
    await changes.publish();
    expect([await readiness(harness), await refused(harness)]).toEqual([200, 0]);
    expect((await admin.call('GET', '/v1/audit/checkpoint')).status).toBe(200);
  });

  it('are not believed by what a leaf says that somebody has rewritten to fit them', async () => {
    const { harness, newKey, copy, leaves, put } = await start(kind);
    const { changes } = harness.service;
    await newKey();
    await changes.publish();
    const before = await copy(published);
    await newKey();
    await changes.publish();
    const there = await leaves();
    await withSql(harness.database, async (sql) => {
      const [old] = await sql(
        "select entry from log_leaves where log = '' and idx = ?",
        before.get('publications')?.[0]?.['idx'] as number,
      );
      const [{ idx } = {}] = await sql('select idx from publications');
      const entry = Uint8Array.from(old?.['entry'] as Uint8Array);
      await sql(
        "update log_leaves set entry = ?, hash = ? where log = '' and idx = ?",
        entry,
        leafHash(entry),
        idx as number,
      );
      for (const row of before.get('publications') ?? []) row['idx'] = idx as number;
    });
    await put(before);
    await expect(changes.publish()).rejects.toThrow(/changed/);
    await expect(publish(await stranger(harness))).rejects.toThrow(/changed/);
    expect(await leaves()).toEqual(there);
  });

  it("are remembered by a process that has only seen another one's publication", async () => {
    const { harness, newKey, copy, leaves, put } = await start(kind);
    const other = await stranger(harness);
    await publish(other);
    await harness.service.changes.publish();
    const before = await copy(ofService);
    await newKey();
    await harness.service.changes.publish();
    expect((await publish(other, 3_600_000)).done).toBe('recent');
    await put(before);
    const there = await leaves();
    await expect(other.head('')).rejects.toThrow(/went back/);
    await expect(publish(other)).rejects.toThrow(/went back/);
    // A log that has as many leaves again is another one.
    const third = await stranger(harness);
    while (Number((await leaves())[0]?.['n']) <= Number(there[0]?.['n']) + 3) await publish(third);
    await expect(publish(other)).rejects.toThrow(/forked|do not lead/);
  });
});
