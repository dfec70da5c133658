/** The function of PostgreSQL that commits requests does what the transaction of SQLite does, for whatever it is given; `docs/key-service.md` §11.3. */

import { afterEach, expect, it } from 'vitest';
import type { KeyRecord } from '../../src/model/keys.ts';
import { rootOf } from '../../src/model/merkle.ts';
import { openStore } from '../../src/open-store.ts';
import type { Commit, Store } from '../../src/store/store.ts';
import { newDatabase, storeKinds, type TestDatabase } from '../support/harness.ts';
import { withSql } from '../support/tamper.ts';
import { addTenants } from '../support/tenants.ts';

const macKey = new Uint8Array(32).fill(3);
const bytes = (text: string) => new TextEncoder().encode(text);

let opened: { store: Store; database: TestDatabase }[] = [];
afterEach(async () => {
  for (const { store, database } of opened) {
    await store.close();
    await database.remove();
  }
  opened = [];
});

/** Numbers that look random and are the same each time. */
function numbersOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * below);
  };
}

function keyRecord(id: string): KeyRecord {
  const version = { version: 1, state: 'active', priorState: null, created: 100, uses: 0 } as const;
  return {
    ...{ id, tenant: 'north', description: '', disabled: false, newest: 1, floor: 1, created: 100, revision: 0 },
    ...({ maxAgeDays: null, maxUses: null, deletion: null, aliases: [], origin: 'generated' } as const),
    importedBy: null,
    versions: [{ ...version, material: bytes('material'), point: new Uint8Array(97) }],
  };
}

/** A request that may be late, stale, replayed, bound to another key or over its limit. */
function commitOf(below: (n: number) => number, n: number, epoch: number): Commit {
  const maybe = <T>(value: T): T | undefined => (below(4) > 0 ? value : undefined);
  const keys = Array.from({ length: below(3) }, () => `key-${below(3)}`);
  return {
    epoch: maybe(epoch - below(2)),
    keys: maybe(keys),
    tombstones: below(3) === 0,
    proof: maybe({ id: `proof-${below(40)}`, expires: 1000 }),
    use: maybe({ principal: `p${below(2)}`, window: 60 * below(2), items: 1 + below(5), limit: 25 }),
    entry: { tenant: 'north', bytes: bytes(`entry ${n} ${'x'.repeat(below(50))}`) },
    uses: Array.from({ length: below(3) }, () => ({ keyId: `key-${below(2)}`, version: 1, count: 1 + below(9) })),
    exchanged:
      below(5) === 0 ? { id: `token-${below(4)}`, proofKey: `proof key ${below(2)}`, expires: 900 } : undefined,
  };
}

/** A new store of each kind with some tenants. */
async function openStores(...tenants: readonly string[]): Promise<readonly Store[]> {
  for (const kind of storeKinds) {
    const database = await newDatabase(kind);
    const store = openStore({ store: database.config });
    opened.push({ store, database });
    store.unlock(macKey);
    await store.migrate();
    await addTenants(store, ...tenants);
  }
  return opened.map(({ store }) => store);
}

const rowsOf = (database: TestDatabase) =>
  withSql(database, async (sql) => {
    const of = async (text: string) => (await sql(text)).map((row) => Object.values(row).map((each) => String(each)));
    return [
      await of('select id, expires from proofs order by id'),
      await of('select tenant, principal, started, items from windows order by principal, started'),
      await of('select id, proof_key, expires from exchanged order by id'),
      await of('select key_id, version, uses from key_versions order by key_id'),
    ];
  });

it.each([1, 2, 3, 4, 5])('batches that begin with %i have the same results, rows and tree', async (seed) => {
  const stores = await openStores('north', 'south');
  const both = async <T>(work: (store: Store) => Promise<T>): Promise<T> => {
    const [one, other] = await Promise.all(stores.map(work));
    expect(other).toEqual(one);
    return one as T;
  };
  const below = numbersOf(seed);
  const seen = new Set<string>();
  for (const id of ['key-0', 'key-1']) await both((store) => store.change('north', (c) => c.putKey(keyRecord(id))));
  for (let round = 0, n = 0; round < 12; round += 1) {
    const { epoch } = await both((store) => store.head('north'));
    const batch = Array.from({ length: 1 + below(40) }, () => commitOf(below, n++, epoch));
    for (const result of await both((store) => store.commit('north', batch))) seen.add(result);
    if (round === 5) {
      const entry = { tombstone: new Uint8Array(32), stands: true };
      await both((store) => store.change('north', (change) => change.addTombstones([entry])));
    }
    if (round % 4 === 3) {
      await both(async (store) => {
        const key = (await store.findKey('north', 'key-1')) as KeyRecord;
        return (await store.change('north', (change) => change.putKey(key))).revision;
      });
    }
  }
  expect([...seen].sort()).toEqual(['bound', 'committed', 'late', 'limited', 'replayed', 'stale']);
  const { tree } = await both((store) => store.head('north'));
  expect(tree.size).toBeGreaterThan(20);
  expect(rootOf(tree)).toHaveLength(32);
  await both((store) => store.entries('north', 0, 1000));
  await both((store) => store.head('south'));
  const [one, other] = await Promise.all(opened.map(({ database }) => rowsOf(database)));
  expect(other).toEqual(one);
});

it('many leaves at once: nodes of every eighth level', async () => {
  for (const store of await openStores('north')) {
    for (const count of [1, 254, 1, 600]) {
      const batch = Array.from({ length: count }, (_, n): Commit => {
        const entry = { tenant: 'north', bytes: bytes(`${count} ${n}`) };
        return { epoch: undefined, proof: undefined, use: undefined, entry, uses: [] };
      });
      expect(await store.commit('north', batch)).toEqual(batch.map(() => 'committed'));
    }
  }
  const [one, other] = opened.map(({ store }) => store) as [Store, Store];
  expect(await other.head('north')).toEqual(await one.head('north'));
  expect(await one.nodes('north', 8, 0, 9)).toHaveLength(3);
  expect(await other.nodes('north', 8, 0, 9)).toEqual(await one.nodes('north', 8, 0, 9));
});
