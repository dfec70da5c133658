/** Publishing the heads of many tenants, on both stores: without a lock, in pieces, from a tree that is kept; `docs/key-service.md` §8.7. */

import type { KyselyPlugin } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nextPublication } from '../../src/audit/publications.ts';
import { decodeBase64url } from '../../src/lib/bytes.ts';
import { serviceLog } from '../../src/model/entry.ts';
import { leafHash, verifyInclusion } from '../../src/model/merkle.ts';
import { openStore } from '../../src/open-store.ts';
import { SqlStore } from '../../src/store/sql-store.ts';
import type { Store } from '../../src/store/store.ts';
import { engineOf } from '../support/fixtures.ts';
import { newDatabase, storeKinds, type TestDatabase } from '../support/harness.ts';
import { withSql } from '../support/tamper.ts';
import { addTenants } from '../support/tenants.ts';

const tenants = Array.from({ length: 300 }, (_, n) => `tenant-${n}`);
const append = (store: Store, tenant: string, text: string) =>
  store.change(tenant, async (change) => change.append({ tenant, bytes: new TextEncoder().encode(text) }));

describe.each(storeKinds)('§8.7 %s', (kind) => {
  let database: TestDatabase;
  let store: Store;
  let opened: Store[];
  let time = 1_000_000;
  const open = (): Store => {
    const one = openStore({ store: database.config });
    one.unlock(new Uint8Array(32).fill(3));
    opened.push(one);
    return one;
  };
  const publish = (by: Store) => {
    time += 1000;
    return by.publish(nextPublication(time), time - 1);
  };

  beforeEach(async () => {
    opened = [];
    database = await newDatabase(kind);
    store = open();
    await store.migrate();
    await addTenants(store, ...tenants);
  });
  afterEach(async () => {
    for (const one of opened) await one.close();
    await database.remove();
  });

  /** The size that a slot proves, up to the leaf that it names. */
  const proven = async (by: Store, tenant: string): Promise<number> => {
    const slot = await by.publishedSlot(tenant);
    if (!slot) throw new Error('not published');
    const [entry] = await by.entries(serviceLog, slot.leaf, slot.leaf + 1);
    const { change } = JSON.parse(Buffer.from(entry?.entry ?? []).toString());
    const root = decodeBase64url(change.root) ?? new Uint8Array();
    expect(change.tenants).toBe(slot.slots);
    expect(verifyInclusion(leafHash(slot.bytes), slot.slot, slot.slots, slot.proof, root)).toBe(true);
    const { tenant: named, size } = JSON.parse(Buffer.from(slot.bytes).toString());
    expect([named, size]).toEqual([tenant, slot.head.tree.size]);
    return size;
  };

  it('the state of the service is not locked while a publication is computed', async () => {
    let done = false;
    const publishing = publish(store).finally(() => {
      done = true;
    });
    let changes = 0;
    while (!done) {
      await store.changeService(async () => undefined);
      // SQLite alone never leaves this turn of the event loop.
      await new Promise((resolve) => setImmediate(resolve));
      changes += 1;
    }
    expect((await publishing).done).toBe('published');
    expect(changes).toBeGreaterThan(2);
  });

  it.each([
    ['publishing', (by: Store) => publish(by)],
    ['reading a slot', (by: Store) => by.publishedSlot('tenant-7')],
    ['checking all heads', (by: Store) => by.verifyHeads()],
  ])('%s gives others their turn', async (what, work) => {
    await publish(store);
    let [turns, done] = [0, false];
    const count = (): void => {
      turns += 1;
      if (!done) setImmediate(count);
    };
    setImmediate(count);
    await work(open());
    done = true;
    expect(turns).toBeGreaterThanOrEqual(what === 'checking all heads' ? 2 : tenants.length / 50);
  });

  it('each process proves what is newest, no matter which of them published it', async () => {
    const other = open();
    await publish(store);
    expect(await proven(store, 'tenant-3')).toBe(1);
    await append(other, 'tenant-3', 'more');
    await publish(other);
    for (const by of [store, other, open()]) {
      expect(await proven(by, 'tenant-3')).toBe(2);
      expect(await proven(by, 'tenant-299')).toBe(1);
    }
    await addTenants(other, 'late');
    expect(await store.publishedSlot('late')).toBeUndefined();
    expect(await store.publishedSlot('nobody')).toBeUndefined();
    await publish(store);
    expect(await proven(other, 'late')).toBe(1);
  });

  it('of two that publish at once one does, or each in its turn: no head is lost', async () => {
    const other = open();
    for (let round = 0; round < 3; round += 1) {
      await append(store, 'tenant-3', `round ${round}`);
      await Promise.all([publish(store), publish(other), append(other, 'tenant-9', `round ${round}`)]);
    }
    await publish(store);
    expect([await proven(other, 'tenant-3'), await proven(other, 'tenant-9')]).toEqual([4, 4]);
    await open().verifyHeads();
  });

  it('a publication by another process while heads are read refuses nobody', async () => {
    await publish(store);
    await append(store, 'tenant-3', 'one');
    const engine = engineOf(database);
    let published = false;
    const meanwhile: KyselyPlugin = {
      transformQuery: ({ node }) => node,
      async transformResult({ result }) {
        if (published || !result.rows.some((row) => 'slot' in row)) return result;
        published = true;
        await append(store, 'tenant-3', 'two');
        await publish(store);
        return result;
      },
    };
    const checking = new SqlStore({ ...engine, read: (work) => engine.read((db) => work(db.withPlugin(meanwhile))) });
    opened.push(checking);
    checking.unlock(new Uint8Array(32).fill(3));
    expect([...(await checking.haltRefused({ keys: false }))]).toEqual([]);
    expect(published).toBe(true);
    expect(await proven(checking, 'tenant-3')).toBe(3);
  });

  it.each([
    ["update heads set size = 0 where tenant = 'tenant-3'"],
    ["update heads set epoch = 7 where tenant = 'tenant-3'"],
    ["update heads set slot = 700 where tenant = 'tenant-3'"],
  ])('a head that somebody changed is not proved, nor published over: %s', async (statement) => {
    await publish(store);
    await proven(store, 'tenant-3');
    await withSql(database, (sql) => sql(statement));
    expect(await proven(store, 'tenant-4')).toBe(1);
    await expect(proven(store, 'tenant-3')).rejects.toThrow(/changed|not published/);
    await expect(publish(store)).rejects.toThrow(/changed/);
    await expect(open().publishedSlot('tenant-4')).rejects.toThrow(/changed/);
  });
});
