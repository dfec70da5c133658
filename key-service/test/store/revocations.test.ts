/** Revocations and lists of tombstones in the store, on both databases: times, quotas, and what somebody changes; `docs/key-service.md` §7.7, §7.10, §11.11. */

import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Problem } from '../../src/errors.ts';
import { digestOf, type RevocationRecord } from '../../src/model/revocations.ts';
import { emptyHead } from '../../src/model/tombstones.ts';
import { openStore } from '../../src/open-store.ts';
import type { Actor } from '../../src/operations/actor.ts';
import {
  approve,
  approveEnd,
  askForRevocation,
  type RevocationWork,
  undo,
} from '../../src/operations/revocations/revoke.ts';
import { runMigrations } from '../../src/store/migrations.ts';
import { postgresEngine } from '../../src/store/postgres.ts';
import { RevokedCache } from '../../src/store/revoked-cache.ts';
import { sqliteEngine } from '../../src/store/sqlite.ts';
import type { Store, TableRow } from '../../src/store/store.ts';
import { newDatabase, storeKinds, type TestDatabase } from '../support/harness.ts';
import { withSql } from '../support/tamper.ts';
import { addTenants } from '../support/tenants.ts';

const macKey = new Uint8Array(32).fill(3);
const day = 86_400;
const start = 1_790_000_000;
const tombstone = (n: number) => new Uint8Array(32).fill(n);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => tombstone(from + i));

function person(name: string, tenant = 'north'): Actor {
  const may = () => true;
  return { tenant, principal: `issuer|${name}`, identity: name, mayKey: may, mayData: may, mayService: may };
}
const [anna, ben, carl] = [person('anna'), person('ben'), person('carl')];

describe.each(storeKinds)('%s', (kind) => {
  let database: TestDatabase;
  let store: Store;
  const reopen = (): Store => {
    const again = openStore({ store: database.config });
    again.unlock(macKey);
    return again;
  };
  beforeEach(async () => {
    database = await newDatabase(kind);
    store = reopen();
    await store.migrate();
    await addTenants(store, 'north', 'south');
  });
  afterEach(async () => {
    await store.close();
    await database.remove();
  });

  const as = <T>(actor: Actor, now: number, run: (work: RevocationWork) => Promise<T>, perDay = 1000): Promise<T> =>
    store.change(actor.tenant, (change) => run({ change, actor, now, perDay }));
  const ask = (tombstones: readonly Uint8Array<ArrayBuffer>[], now = start, perDay = 1000, actor = anna) =>
    as(actor, now, (work) => askForRevocation(work, { tombstones, keys: ['key-a'] }), perDay);
  const confirm = ({ id, tombstones }: RevocationRecord, now = start, perDay = 1000, actor = ben) =>
    as(actor, now, (work) => approve(work, id, tombstones.length), perDay);
  const revoke = async (tombstones: readonly Uint8Array<ArrayBuffer>[]) => confirm(await ask(tombstones));
  const cacheOf = (of = store) => new RevokedCache(of, (_, work) => work());
  const codeOf = async (work: Promise<unknown>): Promise<string> => {
    const error = await work.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    return error instanceof Problem ? error.code : String(error);
  };

  it('§7.7 is approved within seven days, and asked for again after them', async () => {
    const asked = await ask([tombstone(1)]);
    expect(await codeOf(confirm(asked, start + 7 * day))).toBe('state-conflict');
    expect((await ask([tombstone(1)], start + 7 * day - 1)).id).toBe(asked.id);
    const again = await ask([tombstone(1)], start + 7 * day);
    expect(again.id).not.toBe(asked.id);
    expect(await confirm(again, start + 14 * day - 1)).toMatchObject({ approvedBy: 'issuer|ben', leaf: 1 });
    expect((await ask([tombstone(1)], start + 900 * day)).id).toBe(again.id);
  });

  it('§7.7 is undone within seven days of the approval, not after them', async () => {
    const { id } = await confirm(await ask([tombstone(1)]), start + day);
    const end = start + 8 * day;
    const undoAt = (now: number) => as(anna, now, (work) => undo(work, id));
    const finishAt = (now: number) => as(carl, now, (work) => approveEnd(work, id, 1));
    expect(await codeOf(undoAt(end))).toBe('state-conflict');
    await undoAt(end - 2);
    expect(await codeOf(undoAt(end - 2))).toBe('state-conflict');
    expect(await codeOf(finishAt(end))).toBe('state-conflict');
    expect((await cacheOf().read('north')).keys.has(tombstone(1))).toBe(true);
    expect(await finishAt(end - 1)).toMatchObject({ undo: { undone: end - 1, approvedBy: 'issuer|carl' } });
    expect((await cacheOf().read('north')).keys).toMatchObject({ isEmpty: true });
  });

  it('§7.10 counts 24 hours, of what is asked for and of what is approved', async () => {
    const [first, second] = [await ask(range(0, 3), start, 5), await ask(range(3, 5), start + 10, 5)];
    expect(await codeOf(ask([tombstone(9)], start + day - 1, 5))).toBe('rate-limited');
    const third = await ask(range(9, 12), start + day, 5);
    // Approved together they would be eight in a day, although no day asked for more than five.
    await confirm(first, start + day, 5);
    await confirm(second, start + day, 5);
    expect(await codeOf(confirm(third, start + day + 1, 5))).toBe('rate-limited');
    expect((await ask([tombstone(20)], start + day, 1, person('dora', 'south'))).tenant).toBe('south');
    await confirm(third, start + 2 * day, 5);
    expect((await cacheOf().read('north')).total).toBe(8);
  });

  it('§11.11 the list leads to its hash: SHA-384 over the last, the tombstone and whether it stands', async () => {
    const { id } = await revoke(range(1, 3));
    await as(anna, start, (work) => undo(work, id));
    await as(carl, start, (work) => approveEnd(work, id, 2));
    let hash: Uint8Array = new Uint8Array(48);
    for (const [n, stands] of [
      [1, 1],
      [2, 1],
      [1, 0],
      [2, 0],
    ] as const)
      hash = createHash('sha384').update(hash).update(tombstone(n)).update(Uint8Array.of(stands)).digest();
    const { head, entries } = await store.tombstones('north', emptyHead);
    expect([head.total, Buffer.from(head.hash)]).toEqual([4, Buffer.from(hash)]);
    expect(entries.map(({ stands }) => stands)).toEqual([true, true, false, false]);
    await store.verifyKeys();
  });

  it('§11.11 reads long lists in pages, and on where it ended', async () => {
    const many = Array.from({ length: 2_345 }, (_, n) => {
      const bytes = new Uint8Array(32);
      new DataView(bytes.buffer).setUint32(0, n);
      return bytes;
    });
    await store.change('north', (change) =>
      change.addTombstones(many.map((one) => ({ tombstone: one, stands: true }))),
    );
    const cache = cacheOf();
    const views = await Promise.all([cache.read('north'), cache.read('south'), cache.read('north')]);
    expect(views.map(({ total }) => total)).toEqual([2_345, 0, 2_345]);
    expect(many.every((one) => views[0]?.keys.has(one))).toBe(true);
    expect(views[1]?.keys.isEmpty).toBe(true);
    await revoke([tombstone(7)]);
    expect((await cache.read('north')).keys.has(tombstone(7))).toBe(true);
    await store.verifyKeys();
  });

  describe('§11.11 somebody changes the database', () => {
    const edits: [string, ...string[]][] = [
      ['a tombstone is deleted', 'delete from tombstones where seq = 2'],
      ['the last tombstone is deleted', 'delete from tombstones where seq = 3'],
      [
        'the first is deleted and the others move up',
        'delete from tombstones where seq = 1',
        'update tombstones set seq = seq - 1',
      ],
      ['a tombstone stands no more', 'update tombstones set stands = 0 where seq = 2'],
      ['a tombstone is of another tenant', "update tombstones set tenant = 'south' where seq = 3"],
      [
        'a tombstone is added',
        'insert into tombstones select tenant, 4, tombstone, stands from tombstones where seq = 1',
      ],
      [
        'the list is shorter, its head too',
        'delete from tombstones where seq = 3',
        'update tombstone_heads set total = 2',
      ],
      ['there is no list', 'delete from tombstones', 'delete from tombstone_heads'],
    ];

    it.each(edits)(
      '%s: found at the start, by a first reader, and by one that has read it before',
      async (_, ...statements) => {
        await revoke(range(1, 4));
        const [seen, unseen] = [cacheOf(), reopen()];
        await seen.read('north');
        await withSql(database, async (sql) => {
          for (const statement of statements) await sql(statement);
        });
        await expect(unseen.verifyKeys()).rejects.toThrow(/tombstones was changed|older than the state/);
        if (statements.length < 2 || !statements[1]?.startsWith('delete')) {
          await expect(cacheOf(unseen).read('north')).rejects.toThrow(/tombstones was changed/);
        }
        // A replica that has read it goes on refusing, or refuses to work.
        const view = await seen.read('north').catch((error: unknown) => String(error));
        if (typeof view === 'string') expect(view).toMatch(/changed|put back/);
        else expect(range(1, 4).every((one) => view.keys.has(one))).toBe(true);
        await unseen.close();
      },
    );

    it.each([
      ['a revocation is deleted', 'delete from revocations'],
      ['a revocation is given to somebody else', "update revocations set tenant = 'south'"],
      ['a revocation was asked for later', 'update revocations set requested = requested + 1'],
      ['a revocation is of fewer data keys', 'update revocations set data_keys = 1'],
      [
        'a revocation was asked for by somebody else',
        "update revocations set record = replace(record, 'anna', 'carl')",
      ],
    ])('%s: found at the start, and not worked with', async (_, statement) => {
      const asked = await ask(range(1, 4));
      await withSql(database, async (sql) => void (await sql(statement)));
      await expect(store.verifyKeys()).rejects.toThrow(/revocation was changed|older than the state/);
      expect(await codeOf(confirm(asked))).toMatch(/not-allowed|changed/);
    });

    it('an older revocation is put back: found at the start, and by a replica that has seen the newer one', async () => {
      const asked = await ask(range(1, 4));
      const [before] = await withSql(database, (sql) => sql('select * from revocations'));
      await confirm(asked);
      await withSql(database, async (sql) => {
        const { revoked, record, revision, mac } = before ?? {};
        const values = [revoked, record, revision, mac] as (string | number | null)[];
        await sql('update revocations set revoked = ?, record = ?, revision = ?, mac = ?', ...values);
      });
      expect(await codeOf(confirm(asked, start, 1000, carl))).toMatch(/put back/);
      const other = reopen();
      await expect(other.verifyKeys()).rejects.toThrow(/older than the state/);
      await other.close();
    });
  });

  it('§11.3 a change that fails half way leaves nothing of it', async () => {
    const asked = await ask(range(1, 4));
    const failing = store.change('north', async (change) => {
      await approve({ change, actor: ben, now: start, perDay: 1000 }, asked.id, 3);
      throw new TypeError('on purpose');
    });
    await expect(failing).rejects.toThrow('on purpose');
    expect((await store.findRevocation('north', asked.id))?.revoked).toBeNull();
    expect((await cacheOf().read('north')).total).toBe(0);
    await store.verifyKeys();
    expect((await confirm(asked)).revoked).toBe(start);
  });

  it('§11.3 a request that was decided on a shorter list is decided again', async () => {
    const { epoch } = await store.head('north');
    const commit = (n: number, tombstones?: boolean) => ({
      ...{ epoch, keys: [], proof: { id: `proof-${kind}-${n}`, expires: 1000 }, use: undefined, uses: [] },
      ...{ tombstones, entry: { tenant: 'north', bytes: new TextEncoder().encode(`entry ${n}`) } },
    });
    await revoke([tombstone(1)]);
    expect(await store.commit('north', [commit(1, true), commit(2)])).toEqual(['stale', 'late']);
    const { epoch: now } = await store.head('north');
    expect(await store.commit('north', [{ ...commit(3, true), epoch: now }])).toEqual(['committed']);
  });

  it('§12.4 gets MACs under a new key, and §12.5 comes back from a backup', async () => {
    const next = new Uint8Array(32).fill(4);
    const { id } = await revoke(range(1, 4));
    await store.changeService((change) => change.replaceSecrets([], next));
    await expect(cacheOf().read('north')).rejects.toThrow(/changed/);
    store.unlock(next);
    await store.verifyKeys();
    const rows: TableRow[] = [];
    await store.dump(async (row) => void rows.push(row));
    const other = await newDatabase(kind === 'sqlite' ? 'postgres' : 'sqlite');
    const copy = openStore({ store: other.config });
    copy.unlock(next);
    await copy.migrate();
    const backup = async function* () {
      yield* rows;
    };
    await copy.load(backup());
    await copy.verifyKeys();
    expect(
      range(1, 4).every(
        (
          (keys) => (one: Uint8Array) =>
            keys.has(one)
        )((await cacheOf(copy).read('north')).keys),
      ),
    ).toBe(true);
    expect(await copy.findRevocation('north', id)).toEqual(await store.findRevocation('north', id));
    await copy.close();
    await other.remove();
  });

  it('§12.1 comes to a database of schema 2', async () => {
    const old = await newDatabase(kind);
    const { config } = old;
    const engine =
      'sqlite' in config ? sqliteEngine(config.sqlite) : postgresEngine((config as { postgres: string }).postgres);
    await engine.write((tx) => runMigrations(tx, engine.dialect, { until: 2 }));
    await engine.close();
    const migrated = openStore({ store: config });
    migrated.unlock(macKey);
    await expect(migrated.assertMigrated()).rejects.toThrow(/schema 2, not 5/);
    await migrated.migrate();
    await migrated.assertMigrated();
    await addTenants(migrated, 'north');
    await migrated.change('north', (change) => change.addTombstones([{ tombstone: tombstone(1), stands: true }]));
    await migrated.verifyKeys();
    await migrated.close();
    await old.remove();
  });

  it('the same data keys in another order have the same digest', () => {
    expect(digestOf(range(1, 4))).toBe(digestOf(range(1, 4).reverse()));
    expect(digestOf(range(1, 4))).not.toBe(digestOf(range(1, 5)));
  });
});
