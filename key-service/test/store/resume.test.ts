/** How what there is of a tenant is accepted, on both stores: it is looked at without a lock, and looked at again where it has changed; `docs/key-service.md` §12.9. */

import type { KyselyPlugin } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nextPublication } from '../../src/audit/publications.ts';
import { rootAt, rootOf } from '../../src/model/merkle.ts';
import type { Engine, Queries } from '../../src/store/engine.ts';
import type { Lost, LostOfService } from '../../src/store/published.ts';
import { SqlStore } from '../../src/store/sql-store.ts';
import type { Commit, Store } from '../../src/store/store.ts';
import { engineOf, keyRecord } from '../support/fixtures.ts';
import { newDatabase, storeKinds, type TestDatabase } from '../support/harness.ts';
import { putBack, type Snapshot, snapshotOf, withSql } from '../support/tamper.ts';
import { addTenants } from '../support/tenants.ts';

const entries = 300;
const ofTenants = ['states', 'log_leaves', 'log_nodes'];
const entryOf = (tenant: string) => ({ tenant, bytes: new TextEncoder().encode(JSON.stringify({ tenant })) });
const commit = (): Commit => ({
  ...{ epoch: undefined, proof: undefined, use: undefined, uses: [] },
  entry: entryOf('north'),
});

describe.each(storeKinds)('§12.9 %s: a tenant', (kind) => {
  let database: TestDatabase;
  let store: Store;
  let opened: Store[];
  const open = (change: (engine: Engine) => Partial<Engine> = () => ({})): Store => {
    const engine = engineOf(database);
    const one = new SqlStore({ ...engine, ...change(engine) });
    one.unlock(new Uint8Array(32).fill(3));
    opened.push(one);
    return one;
  };
  const publish = () => store.publish(nextPublication(Date.now()), Date.now());

  beforeEach(async () => {
    opened = [];
    database = await newDatabase(kind);
    store = open();
    await store.migrate();
    await addTenants(store, 'north', 'south');
  });
  afterEach(async () => {
    for (const one of opened) await one.close();
    await database.remove();
  });

  const resume = async (by: Store, accepts = true): Promise<Lost[]> => {
    const asked: Lost[] = [];
    const accept = (lost: Lost): boolean => {
      asked.push(lost);
      return accepts;
    };
    const lost = await by.resume('north', { next: nextPublication(Date.now()), accept, entry: entryOf });
    expect(asked.at(-1)).toEqual(lost);
    return asked;
  };

  const putNorthBack = (before: Snapshot): Promise<void> =>
    withSql(database, async (sql) => {
      for (const [table, rows] of before) {
        const column = table === 'states' ? 'tenant' : 'log';
        await sql(`delete from ${table} where ${column} = 'north'`);
        for (const row of rows.filter((each) => each[column] === 'north')) {
          const marks = Object.keys(row).map(() => '?');
          await sql(`insert into ${table} (${Object.keys(row)}) values (${marks})`, ...Object.values(row));
        }
      }
    });

  /** Gives the tenant a long log, whose last entry is published and then gone. */
  const lose = async (): Promise<void> => {
    await store.commit('north', Array.from({ length: entries }, commit));
    const before = await snapshotOf(database, ofTenants);
    await store.commit('north', [commit()]);
    await publish();
    await putNorthBack(before);
  };

  it('with a long log is looked at while others change what they like; under the lock few rows are read', async () => {
    await lose();
    await withSql(database, (sql) => sql("delete from log_nodes where log = 'north'"));
    let [reads, rows, locked] = [0, 0, false];
    const counting: KyselyPlugin = {
      transformQuery: ({ node }) => node,
      async transformResult({ result }) {
        rows += result.rows.length;
        return result;
      },
    };
    const operator = open((engine) => ({
      async read(work) {
        const result = await engine.read(work);
        expect(locked).toBe(false);
        reads += 1;
        await store.changeService(async () => undefined);
        return result;
      },
      write: (work, options) =>
        engine.write(async (tx: Queries) => {
          locked = true;
          try {
            return await work(tx.withPlugin(counting));
          } finally {
            locked = false;
          }
        }, options),
    }));
    expect(await resume(operator)).toEqual([
      expect.objectContaining({ entries: { known: entries + 2, there: entries + 1 }, forked: false }),
    ]);
    expect(reads).toBeGreaterThan(3);
    expect(rows).toBeLessThan(entries / 10);
    expect((await store.commit('north', [commit()]))[0]).toBe('committed');
    const { tree } = await store.head('north');
    expect(await rootAt((...range) => store.nodes('north', ...range), tree.size)).toEqual(rootOf(tree));
  });

  const nodesOf = (log: string) =>
    withSql(database, (sql) => sql('select level, idx, hash from log_nodes where log = ? order by level, idx', log));

  it.each([
    ['are as they should be', [], 0],
    ['are gone', ["delete from log_nodes where log = 'north'"], 1],
    [
      'were changed',
      [
        "update log_nodes set hash = log_leaves.hash from log_leaves where log_leaves.log = 'north' and log_nodes.log = 'north' and log_leaves.idx = log_nodes.idx and log_nodes.idx = 1",
      ],
      1,
    ],
    [
      'are too many',
      ['8, 2', '8, 7', '8, -1', '3, 0', '9, 0', '16, 0'].map(
        (place) =>
          `insert into log_nodes (log, level, idx, hash) select log, ${place}, hash from log_leaves where log = 'north' and idx = 0`,
      ),
      1,
    ],
  ])('whose stored nodes %s gets those that are others, and no more is written', async (_, statements, written) => {
    await store.commit('north', Array.from({ length: 2 * entries }, commit));
    const should = await nodesOf('north');
    const before = await snapshotOf(database, ofTenants);
    await store.commit('north', [commit()]);
    await publish();
    await putNorthBack(before);
    await withSql(database, async (sql) => {
      for (const statement of statements) await sql(statement);
    });
    let writes = 0;
    const counting: KyselyPlugin = {
      transformQuery({ node }) {
        const text = JSON.stringify(node);
        if (/log_nodes/.test(text) && /InsertQueryNode|delete from/.test(text)) writes += 1;
        return node;
      },
      transformResult: async ({ result }) => result,
    };
    const operator = open((engine) => ({
      write: (work, options) => engine.write((tx: Queries) => work(tx.withPlugin(counting)), options),
    }));
    await resume(operator);
    expect(writes).toBe(written);
    expect(should).toHaveLength(2);
    expect(await nodesOf('north')).toEqual(should);
  });

  it('that has lost more since it was looked at is looked at again', async () => {
    const before = await snapshotOf(database, ofTenants);
    await lose();
    let writes = 0;
    const operator = open((engine) => ({
      async write(work, options) {
        writes += 1;
        if (writes === 1) await putNorthBack(before);
        return engine.write(work, options);
      },
    }));
    const known = entries + 2;
    expect((await resume(operator)).map((lost) => lost.entries)).toEqual([
      { known, there: entries + 1 },
      { known, there: 1 },
    ]);
    expect((await store.head('north')).tree.size).toBe(2);
    await store.verifyHeads();
  });

  it('of which many keys were lost is resumed while a replica that knows of them goes on being asked for them', async () => {
    const ids = Array.from({ length: 130 }, (_, n) => `key-${String(n).padStart(3, '0')}`);
    const put = (disabled: boolean) =>
      store.change('north', async (change) => {
        for (const id of ids) await change.putKey((await change.findKey(id)) ?? keyRecord(id, { disabled }));
      });
    await put(false);
    const before = await snapshotOf(database, [...ofTenants, 'keys', 'key_versions', 'touched']);
    await put(true);
    await putBack(database, before);
    const replica = store;
    let asked = 0;
    const ask = async (): Promise<void> => {
      asked += 1;
      await expect(replica.findKey('north', ids[(asked * 37) % ids.length] ?? '')).rejects.toThrow(/put back/);
      await replica.shareMemory();
    };
    await ask();
    const operator = open((engine) => ({
      async read(work) {
        const result = await engine.read(work);
        await ask();
        return result;
      },
    }));
    expect(await resume(operator)).toEqual([expect.objectContaining({ keys: ids.slice(0, 100) })]);
    expect(asked).toBeGreaterThan(4);
    await replica.head('north');
    expect(await replica.findKey('north', ids[0] ?? '')).toMatchObject({ revision: 1 });
  });

  it.each([
    ['once', 2],
    ['whenever it is looked at', Number.POSITIVE_INFINITY],
  ])('that changes %s has lost nothing by that', async (often, last) => {
    await publish();
    let reads = 0;
    const operator = open((engine) => ({
      async read(work) {
        const result = await engine.read(work);
        reads += 1;
        if (reads <= last) {
          await store.change('north', async (change) => void (await change.putTenant(await change.findTenant())));
        }
        return result;
      },
    }));
    if (often === 'once') {
      expect(await resume(operator, false)).toEqual([
        expect.objectContaining({ entries: { known: 1, there: 1 }, changes: { known: 2, there: 2 }, forked: false }),
      ]);
    } else await expect(resume(operator, false)).rejects.toThrow(/it is not halted/);
  });

  it("and the service's own log, which grows while it is read, is looked at again", async () => {
    const before = await snapshotOf(database, ['heads', 'publications']);
    await publish();
    await putBack(database, before);
    let reads = 0;
    const operator = open((engine) => ({
      async read(work) {
        const result = await engine.read(work);
        reads += 1;
        if (reads === 1) await store.changeService(async (change) => change.append(entryOf('')));
        return result;
      },
    }));
    const terms = { next: nextPublication(Date.now()), accept: () => false, entry: () => entryOf('') };
    expect(await operator.resumeService(terms)).toMatchObject({
      ...{ entries: { known: 2, there: 2 }, state: { known: 2, there: 2 } },
      publications: { known: 0, there: null },
    });
  });

  it("and the service's own log, over which somebody publishes meanwhile, is looked at again", async () => {
    const before = await snapshotOf(database, ['heads', 'publications']);
    await publish();
    await putBack(database, before);
    let writes = 0;
    const operator = open((engine) => ({
      async write(work, options) {
        writes += 1;
        if (writes === 1) await accept(open());
        return engine.write(work, options);
      },
    }));
    const accept = async (by: Store): Promise<LostOfService[]> => {
      const asked: LostOfService[] = [];
      const terms = {
        next: nextPublication(Date.now()),
        accept: (lost: LostOfService) => asked.push(lost) > 0,
        entry: () => entryOf(''),
      };
      await by.resumeService(terms);
      return asked;
    };
    const [first, again, ...more] = await accept(operator);
    expect([first?.publications.there, again?.publications, more]).toEqual([null, { known: 2, there: 2 }, []]);
    expect(again?.entries).toEqual({ known: 3, there: 3 });
    await publish();
    await store.verifyHeads();
  });
});
