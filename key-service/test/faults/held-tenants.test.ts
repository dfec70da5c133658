/** A tenant whose state somebody holds for long, on PostgreSQL: what operators do to it keeps nobody's publication waiting; `docs/key-service.md` §12.9 and §12.10. */

import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nextPublication } from '../../src/audit/publications.ts';
import { encodeEntry } from '../../src/model/entry.ts';
import { setLimits } from '../../src/model/tenants.ts';
import { postgresEngine } from '../../src/store/postgres.ts';
import { SqlStore } from '../../src/store/sql-store.ts';
import type { Store } from '../../src/store/store.ts';
import { newDatabase, type TestDatabase } from '../support/harness.ts';
import { putBack, snapshotOf } from '../support/tamper.ts';
import { addTenants } from '../support/tenants.ts';

// Above what the test takes: who waits for a lock does not give up.
const patience = 120_000;
const entryOf = (tenant: string) => encodeEntry({ time: 1, tenant, principal: 'x', operation: 'y', status: 200 });

let database: TestDatabase;
let opened: Store[];
let holder: pg.Client;

beforeEach(async () => {
  opened = [];
  database = await newDatabase('postgres');
  const store = open();
  await store.migrate();
  await addTenants(store, 'north');
  holder = new pg.Client({ connectionString: (database.config as { postgres: string }).postgres });
  await holder.connect();
});
afterEach(async () => {
  await holder.end();
  for (const one of opened) await one.close();
  await database.remove();
});

/** `began` is told of each transaction that writes. */
function open(began: () => void = () => undefined): Store {
  const engine = postgresEngine((database.config as { postgres: string }).postgres, { statementMs: patience });
  const store = new SqlStore({
    ...engine,
    write: (work, options) => {
      began();
      return engine.write(work, options);
    },
  });
  store.unlock(new Uint8Array(32).fill(3));
  opened.push(store);
  return store;
}

const setLimit = (store: Store) =>
  store.changeService(async (service) => {
    await service.changeTenant('north', async (change) => {
      await change.putTenant(setLimits(await change.findTenant(), { itemsPerMinute: 2 }));
      change.append(entryOf('north'));
    });
    service.append(entryOf(''));
  });
const resume = (store: Store) =>
  store.resume('north', { next: nextPublication(Date.now()), accept: () => true, entry: entryOf });

describe('§12.10 while somebody holds the state of a tenant', () => {
  it.each([
    ['setting something for it', setLimit],
    ['resuming it', resume],
  ])('%s keeps no publication waiting, and is done once it is let go', async (_, act) => {
    const store = open();
    const before = await snapshotOf(database, ['states', 'log_leaves', 'log_nodes']);
    await store.change('north', async (change) => change.append(entryOf('north')));
    await store.publish(nextPublication(Date.now()), Date.now());
    if (act === resume) {
      const north = (rows: readonly { readonly [column: string]: unknown }[]) =>
        rows.filter((row) => row['tenant'] === 'north' || row['log'] === 'north');
      const rest = await snapshotOf(database, ['states', 'log_leaves', 'log_nodes']);
      for (const [table, rows] of before) {
        const others = (rest.get(table) ?? []).filter((row) => north([row]).length === 0);
        await putBack(database, new Map([[table, [...others, ...(north(rows) as typeof rows)]]]));
      }
    }
    await holder.query('begin');
    await holder.query("select 1 from states where tenant = 'north' for update");
    let tries = 0;
    let triedTwice: () => void = () => undefined;
    const twice = new Promise<void>((resolve) => {
      triedTwice = resolve;
    });
    const operator = open(() => {
      tries += 1;
      if (tries === 2) triedTwice();
    });
    const done = act(operator);
    await Promise.race([twice, done]);
    for (let n = 0; n < 3; n += 1) {
      expect((await store.publish(nextPublication(Date.now()), Date.now() + 1)).done).toBe('published');
    }
    await holder.query('rollback');
    await done;
    expect((await open().head('north')).tree.size).toBeGreaterThan(1);
  });
});
