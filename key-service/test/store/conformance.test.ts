/** The store: one suite for both databases, `docs/key-service.md` §11. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nextPublication } from '../../src/audit/publications.ts';
import type { KeyRecord } from '../../src/model/keys.ts';
import { rootOf } from '../../src/model/merkle.ts';
import { openStore } from '../../src/open-store.ts';
import { stateRow } from '../../src/store/rows.ts';
import type { Commit, Store, TableRow } from '../../src/store/store.ts';
import { keyRecord } from '../support/fixtures.ts';
import { newDatabase, storeKinds, type TestDatabase } from '../support/harness.ts';
import { putBack, snapshotOf, withSql } from '../support/tamper.ts';
import { addTenants } from '../support/tenants.ts';

const macKey = new Uint8Array(32).fill(3);
const bytes = (text: string) => new TextEncoder().encode(text);
let serial = 0;

function commit(change: Partial<Commit> = {}): Commit {
  serial += 1;
  const proof = { id: `proof-${serial}`, expires: 1000 };
  return {
    epoch: undefined,
    proof,
    use: undefined,
    entry: { tenant: 'north', bytes: bytes(JSON.stringify({ tenant: 'north', serial })) },
    uses: [],
    ...change,
  };
}

describe.each(storeKinds)('%s', (kind) => {
  let database: TestDatabase;
  let store: Store;
  const reopen = async (): Promise<Store> => {
    const again = openStore({ store: database.config });
    again.unlock(macKey);
    return again;
  };

  beforeEach(async () => {
    database = await newDatabase(kind);
    store = await reopen();
    await store.migrate();
    await addTenants(store, 'north', 'south');
  });
  afterEach(async () => {
    await store.close();
    await database.remove();
  });

  it('§8.7 a publication whose time is yet to come stops no other one', async () => {
    const publish = async (time: number) => (await store.publish(nextPublication(time), time - 10_000)).done;
    expect(await publish(1_000_000_000)).toBe('published');
    await store.commit('north', [commit()]);
    expect(await publish(1_000_005_000)).toBe('recent');
    expect(await publish(500_000_000)).toBe('published');
  });

  it('§8.7 numbers of more than 32 bits are published', async () => {
    const epoch = 2 ** 31;
    const { mac } = stateRow(macKey, {
      tenant: 'north',
      resumed: 0,
      epoch,
      revisions: 0,
      tree: { size: 0, hashes: [] },
    });
    await withSql(database, (sql) => sql("update states set epoch = ?, mac = ? where tenant = 'north'", epoch, mac));
    expect((await store.publish(nextPublication(1), 0)).done).toBe('published');
    expect((await store.publishedSlot('north'))?.head).toMatchObject({ tenant: 'north', epoch });
  });

  it('§11 migrates once, where several start at once', async () => {
    const others = await Promise.all([reopen(), reopen(), reopen()]);
    await Promise.all(others.map((other) => other.migrate()));
    await store.assertMigrated();
    await Promise.all(others.map((other) => other.close()));
  });

  it('refuses a database that is not migrated, and one that is newer', async () => {
    const empty = await newDatabase(kind);
    const other = openStore({ store: empty.config });
    await expect(other.assertMigrated()).rejects.toThrow(/migrate/);
    await other.close();
    await empty.remove();
    await tamper('insert into migrations values (99)');
    await expect(store.assertMigrated()).rejects.toThrow(/schema 99/);
    await expect(store.migrate()).rejects.toThrow(/schema 99/);
  });

  it('keeps the secrets that came first', async () => {
    await store.addSecrets([{ kind: 'mac', name: 'rows', sealed: bytes('first') }]);
    await store.addSecrets([{ kind: 'mac', name: 'rows', sealed: bytes('second') }]);
    expect(await store.secrets()).toEqual([{ kind: 'mac', name: 'rows', sealed: bytes('first') }]);
  });

  it('§7 keeps keys with versions and aliases, by tenant', async () => {
    const saved = await store.change('north', (change) => change.putKey(keyRecord('key-a', { aliases: ['orders'] })));
    expect(saved.revision).toBe(1);
    expect(await store.findKey('north', 'key-a')).toEqual(saved);
    expect(await store.findKey('north', 'alias:orders')).toEqual(saved);
    expect(await store.findKey('south', 'key-a')).toBeUndefined();
    expect(await store.findKey('south', 'alias:orders')).toBeUndefined();
    expect(await store.findKey('north', 'alias:other')).toBeUndefined();
    expect(await store.findKey('north', "key-' or 1=1")).toBeUndefined();
  });

  it('lists in pages', async () => {
    for (const id of ['key-c', 'key-a', 'key-b']) await store.change('north', (change) => change.putKey(keyRecord(id)));
    expect((await store.listKeys('north', '', 2)).map(({ id }) => id)).toEqual(['key-a', 'key-b']);
    expect((await store.listKeys('north', 'key-b', 2)).map(({ id }) => id)).toEqual(['key-c']);
    expect(await store.listKeys('south', '', 2)).toEqual([]);
  });

  it('§11.3 a change that fails leaves nothing behind', async () => {
    const failing = store.change('north', async (change) => {
      await change.putKey(keyRecord('key-a'));
      change.append({ tenant: 'north', bytes: bytes('leaf') });
      throw new TypeError('on purpose');
    });
    await expect(failing).rejects.toThrow('on purpose');
    expect(await store.findKey('north', 'key-a')).toBeUndefined();
    expect((await store.head('north')).tree.size).toBe(1);
    expect((await store.head('north')).epoch).toBe(0);
  });

  it('§11.3 a commit that was decided on an older epoch is stale', async () => {
    const { epoch } = await store.head('north');
    await store.change('north', (change) => change.putKey(keyRecord('key-a')));
    expect(await store.commit('north', [commit({ epoch }), commit({ epoch: epoch + 1 }), commit()])).toEqual([
      'stale',
      'committed',
      'committed',
    ]);
    expect((await store.head('north')).tree.size).toBe(3);
  });

  it('§11.3 one that was decided on keys that are still the same is not', async () => {
    const put = (id: string) => store.change('north', (change) => change.putKey(keyRecord(id)));
    const [one, other] = [await put('key-a'), await put('key-b')];
    const { epoch } = await store.head('north');
    const of = (...keys: KeyRecord[]) => commit({ epoch, keys: keys.map(({ id }) => id) });
    await store.change('north', (change) => change.putKey({ ...other, floor: other.floor }));
    const many = Array.from({ length: 1000 }, () => one);
    const batch = [of(one), of(other), of(one, other), of(), of(...many), commit({ epoch })];
    expect(await store.commit('north', batch)).toEqual(['late', 'stale', 'stale', 'late', 'late', 'stale']);
    expect((await store.head('north')).tree.size).toBe(4);
    const made = await put('key-c');
    expect(await store.commit('north', [of(one), of(made), of(other)])).toEqual(['late', 'stale', 'stale']);
    const tombstone = { tombstone: new Uint8Array(32), stands: true };
    await store.change('north', (change) => change.addTombstones([tombstone]));
    expect(await store.commit('north', [of(one), { ...of(one), tombstones: true }])).toEqual(['late', 'stale']);
    // As far as the changes since then are known.
    for (let n = 0; n < 70; n += 1) await put(`key-of-many-${n}`);
    const recent = await store.head('north');
    await put('key-d');
    expect(await store.commit('north', [of(one), { ...of(one), epoch: recent.epoch }])).toEqual(['stale', 'late']);
  });

  it.each([
    ["update touched set ids = '[]'"],
    ["update touched set ids = '{'"],
    ["update touched set ids = '[7, {}]'"],
    ['update touched set since = -1'],
    ["update touched set mac = ''"],
    ['delete from touched'],
  ])('§11.3 nothing is late by what somebody else wrote: %s', async (statement) => {
    const [one, other] = [
      await store.change('north', (change) => change.putKey(keyRecord('key-a'))),
      await store.change('north', (change) => change.putKey(keyRecord('key-b'))),
    ];
    const { epoch } = await store.head('north');
    await store.change('north', (change) => change.putKey(one));
    await tamper(statement);
    const commits = [commit({ epoch, keys: [one.id] }), commit({ epoch, keys: [other.id] }), commit()];
    const results = await store.commit('north', commits);
    for (const result of results.slice(0, 2)) expect(['stale', 'untrusted']).toContain(result);
    expect(results[2]).toBe('committed');
    await store.change('north', (change) => change.putKey(keyRecord('key-c')));
    const next = await store.head('north');
    await store.change('north', (change) => change.putKey(keyRecord('key-d')));
    expect(await store.commit('north', [commit({ epoch: next.epoch, keys: [other.id] })])).toEqual(['late']);
  });

  it('§11.3 an epoch that was lost is not the one with the same number that came after it', async () => {
    const put = (by: Store, id: string) => by.change('north', (change) => change.putKey(keyRecord(id)));
    const [one, other] = [await put(store, 'key-a'), await put(store, 'key-b')];
    const tables = ['states', 'log_leaves', 'log_nodes', 'keys', 'key_versions'];
    const before = await snapshotOf(database, tables);
    const lost = await reopen();
    await put(lost, 'key-c');
    const { epoch } = await lost.head('north');
    await put(lost, 'key-c2');
    const touched = await snapshotOf(database, ['touched']);
    await lost.close();
    await putBack(database, before);

    // Nobody remembers what was lost.
    const operator = await reopen();
    const entry = (tenant: string) => ({ tenant, bytes: bytes(JSON.stringify({ tenant })) });
    await operator.resume('north', { next: nextPublication(5), accept: () => true, entry });
    const { resumed, ...head } = await operator.head('north');
    expect(head.epoch).toBe(epoch);
    const keys = [other.id];
    expect(await operator.commit('north', [commit({ epoch, keys }), commit({ epoch, resumed, keys })])).toEqual([
      'stale',
      'committed',
    ]);
    await operator.change('north', (change) => change.putKey({ ...one, disabled: true }));
    const commits = () => [
      commit({ epoch, keys }),
      commit({ epoch, resumed, keys }),
      commit({ epoch, resumed, keys: [one.id] }),
    ];
    expect(await operator.commit('north', commits())).toEqual(['stale', 'late', 'stale']);
    // What the lost changes touched says nothing of these.
    expect(Number(touched.get('touched')?.[0]?.['epoch'])).toBe(epoch + 1);
    await putBack(database, touched);
    for (const result of await operator.commit('north', commits())) expect(['stale', 'untrusted']).toContain(result);
    await withSql(database, (sql) => sql('update touched set resumed = ?', resumed));
    for (const result of await operator.commit('north', commits())) expect(['stale', 'untrusted']).toContain(result);
    // Whatever the clock of the next one says.
    await operator.resume('north', { next: nextPublication(3), accept: () => true, entry });
    expect((await operator.head('north')).resumed).toBeGreaterThan(resumed);
    await operator.close();
  });

  it('§3.4 a proof is good once: in a batch, across batches, across connections', async () => {
    const first = commit();
    expect(await store.commit('north', [first, commit({ proof: first.proof })])).toEqual(['committed', 'replayed']);
    expect(await store.commit('north', [first])).toEqual(['replayed']);
    const other = await reopen();
    const same = commit();
    const results = (await Promise.all([store.commit('north', [same]), other.commit('north', [same])])).flat().sort();
    expect(results).toEqual(['committed', 'replayed']);
    expect(await store.change('north', (change) => change.claim(first.proof ?? { id: '', expires: 0 }))).toBe(false);
    await other.close();
    expect((await store.head('north')).tree.size).toBe(3);
  });

  it('limits the items of a window, shared by connections', async () => {
    const use = { principal: 'p', window: 60, items: 40, limit: 100 };
    const other = await reopen();
    expect(await store.commit('north', [commit({ use }), commit({ use })])).toEqual(['committed', 'committed']);
    expect(await other.commit('north', [commit({ use })])).toEqual(['limited']);
    expect(
      await other.commit('north', [
        commit({ use: { ...use, window: 120 } }),
        commit({ use: { ...use, principal: 'q' } }),
      ]),
    ).toEqual(['committed', 'committed']);
    await other.close();
  });

  it('counts uses without a new epoch', async () => {
    await store.change('north', (change) => change.putKey(keyRecord('key-a')));
    const { epoch } = await store.head('north');
    const uses = [{ keyId: 'key-a', version: 1, count: 3 }];
    await store.commit('north', [commit({ uses }), commit({ uses })]);
    expect((await store.findKey('north', 'key-a'))?.versions[0]?.uses).toBe(6);
    expect((await store.head('north')).epoch).toBe(epoch);
  });

  it('finds the keys whose rotation is due by age and by uses', async () => {
    await store.change('north', async (change) => {
      await change.putKey(keyRecord('key-age', { maxAgeDays: 1 }));
      await change.putKey(keyRecord('key-use', { maxUses: 5 }));
      await change.putKey(keyRecord('key-off', { maxUses: 5, disabled: true }));
      await change.putKey(keyRecord('key-none'));
    });
    expect(await store.dueKeys(200)).toEqual([]);
    const uses = ['key-use', 'key-off', 'key-none'].map((keyId) => ({ keyId, version: 1, count: 5 }));
    await store.commit('north', [commit({ uses })]);
    expect((await store.dueKeys(100 + 86_400)).map(({ id }) => id)).toEqual(['key-age', 'key-use']);
  });

  it('§8 grows one tree from many connections', async () => {
    const others = await Promise.all([reopen(), reopen()]);
    const batches = [store, ...others].flatMap((one) =>
      Array.from({ length: 10 }, () => one.commit('north', [commit(), commit(), commit()])),
    );
    await Promise.all(batches);
    const { tree } = await store.head('north');
    expect(tree.size).toBe(91);
    const entries = await store.entries('north', 0, 91);
    expect(entries.map(({ index }) => index)).toEqual(Array.from({ length: 91 }, (_, index) => index));
    await Promise.all(others.map((other) => other.close()));
  });

  it('stores every eighth level of the tree', async () => {
    await store.commit(
      'north',
      Array.from({ length: 600 }, () => commit()),
    );
    expect(await store.nodes('north', 8, 0, 10)).toHaveLength(2);
    expect(rootOf((await store.head('north')).tree)).toHaveLength(32);
  });

  it('§11.2 finds a changed row', async () => {
    const target = await store.change('north', (change) => change.putKey(keyRecord('key-a')));
    await tamper(`update keys set floor = 0 where id = '${target.id}'`);
    await expect(store.findKey('north', 'key-a')).rejects.toThrow(/changed/);
    await expect(store.verifyKeys()).rejects.toThrow(/changed/);
  });

  it.each([
    ["update key_versions set state = 'decrypt-only'", /changed/],
    ["update keys set tenant = 'south'", /changed/],
    ['update key_versions set version = 2', /changed/],
    ["insert into aliases values ('north', 'stolen', 'key-a')", /changed/],
    ['delete from key_versions; delete from keys', /older/],
    ["update states set epoch = 9 where tenant = 'north'", /changed/],
    ["update states set epoch = 0, revisions = 0, mac = '' where tenant = 'north'", /changed/],
    ["update states set epoch = 0, revisions = 0, mac = '' where tenant = ''", /went back/],
    ["update states set size = 7 where tenant = ''", /changed/],
    ["delete from states where tenant = 'north'", /removed/],
    ["delete from states where tenant = 'south'", /removed/],
    ["update states set tenant = 'west' where tenant = 'south'", /changed/],
  ])('§11.2 finds: %s', async (statement, message) => {
    await store.change('north', (change) => change.putKey(keyRecord('key-a')));
    await tamper(statement);
    await expect(store.verifyKeys()).rejects.toThrow(message);
  });

  it('§12.4 gives every row a MAC under a new key, with the new secrets or not at all', async () => {
    const next = new Uint8Array(32).fill(4);
    const answer = { bodyHash: 'h', status: 201, body: '{}' };
    await store.addSecrets([{ kind: 'mac', name: 'rows', sealed: bytes('old') }]);
    await store.change('north', async (change) => {
      for (const id of ['key-a', 'key-b']) await change.putKey(keyRecord(id, { aliases: [`of-${id}`] }));
      await change.putAnswer('answer', answer, 5000);
      change.append({ tenant: 'north', bytes: bytes('leaf') });
    });
    const before = await store.findKey('north', 'key-a');
    const { epoch } = await store.head('north');
    const renew = (fails: boolean) =>
      store.changeService(async (change) => {
        expect(change.size).toBe(0);
        await change.replaceSecrets([{ kind: 'mac', name: 'rows', sealed: bytes('new') }], next);
        change.append({ tenant: '', bytes: bytes('renewed') });
        if (fails) throw new TypeError('on purpose');
      });
    await expect(renew(true)).rejects.toThrow('on purpose');
    expect(await store.findKey('north', 'key-a')).toEqual(before);
    await renew(false);
    // A replica that still has the old key can do nothing more.
    const works = [
      () => store.findKey('north', 'key-a'),
      () => store.verifyKeys(),
      () => store.head('north'),
      () => store.commit('north', [commit()]),
    ];
    for (const work of works) await expect(work()).rejects.toThrow('somebody else');
    store.unlock(next);
    await store.verifyKeys();
    expect(await store.findKey('north', 'alias:of-key-a')).toEqual(before);
    expect(await store.change('north', (change) => change.findAnswer('answer'))).toEqual(answer);
    expect((await store.secrets()).map(({ sealed }) => sealed)).toEqual([bytes('new')]);
    // The function commits before the MAC is checked: a leaf of what was authorized, and not delivered.
    expect(await store.head('north')).toMatchObject({ epoch: epoch + 1, tree: { size: kind === 'sqlite' ? 2 : 3 } });
    expect(await store.commit('north', [commit({ epoch })])).toEqual(['stale']);
  });

  it('§12.4 gives no MAC to a row that somebody changed', async () => {
    await store.change('north', (change) => change.putKey(keyRecord('key-a')));
    const forger = await reopen();
    forger.unlock(new Uint8Array(32).fill(9));
    const next = new Uint8Array(32).fill(4);
    await expect(forger.changeService((change) => change.replaceSecrets([], next))).rejects.toThrow('somebody else');
    await forger.close();
    await tamper('delete from key_versions; delete from keys');
    const removed = store.changeService((change) => change.replaceSecrets([], next));
    await expect(removed).rejects.toThrow('older than the state');
    expect(await store.secrets()).toEqual([]);
  });

  it('§11.2 finds a key that was put back to an earlier revision', async () => {
    const first = await store.change('north', (change) => change.putKey(keyRecord('key-a')));
    const rows: TableRow[] = [];
    await store.dump(async (row) => void rows.push(row));
    const old = rows.find(({ table }) => table === 'keys')?.row;
    await store.change('north', (change) => change.putKey({ ...first, disabled: true }));
    await store.verifyKeys();
    await tamper(`update keys set disabled = 0, revision = 1, mac = '${old?.['mac']}'`);
    // §11.7 who has seen the newer one refuses it at its next use, and a process that starts finds it by the sum.
    await expect(store.findKey('north', 'key-a')).rejects.toThrow(/put back/);
    await expect(store.listKeys('north', '', 10)).rejects.toThrow(/put back/);
    await expect(store.change('north', (change) => change.findKey('key-a'))).rejects.toThrow(/put back/);
    const other = await reopen();
    await expect(other.verifyKeys()).rejects.toThrow(/older/);
    await other.close();
  });

  it('remembers answers, and forgets what has expired', async () => {
    const answer = { bodyHash: 'h', status: 201, body: '{}' };
    await store.change('north', (change) => change.putAnswer('a', answer, 500));
    expect(await store.change('north', (change) => change.findAnswer('a'))).toEqual(answer);
    await store.commit('north', [commit({ proof: { id: 'old', expires: 10 } })]);
    const row = { kid: 'k', serial: 1, point: bytes('p'), sealed: bytes('s'), created: 0, expires: 100 };
    await store.changeService((change) => change.putTransportKey(row));
    expect(await store.transportKeys()).toHaveLength(1);
    await store.expire(501);
    expect(await store.transportKeys()).toEqual([]);
    expect(await store.change('north', (change) => change.findAnswer('a'))).toBeUndefined();
    expect(await store.commit('north', [commit({ proof: { id: 'old', expires: 1000 } })])).toEqual(['committed']);
  });

  it('dumps everything, and loads it into an empty database only', async () => {
    await store.addSecrets([{ kind: 'mac', name: 'rows', sealed: bytes('sealed') }]);
    await store.change('north', (change) => change.putKey(keyRecord('key-a', { aliases: ['orders'] })));
    await store.commit(
      'north',
      Array.from({ length: 300 }, () => commit()),
    );
    const copyOf = await newDatabase(kind === 'sqlite' ? 'postgres' : 'sqlite');
    const copy = openStore({ store: copyOf.config });
    copy.unlock(macKey);
    await copy.migrate();
    const kept: TableRow[] = [];
    await store.dump(async (row) => void kept.push(row));
    const dumped = async function* () {
      yield* kept;
    };
    await copy.load(dumped());
    expect(await copy.findKey('north', 'alias:orders')).toEqual(await store.findKey('north', 'key-a'));
    expect(await copy.head('north')).toEqual(await store.head('north'));
    expect(await copy.entries('north', 0, 1000)).toEqual(await store.entries('north', 0, 1000));
    await copy.verifyKeys();
    await expect(copy.load(dumped())).rejects.toThrow(/not empty/);
    await copy.close();
    await copyOf.remove();
  });

  it('keeps what was committed, after it is opened again', async () => {
    await store.change('north', (change) => change.putKey(keyRecord('key-a')));
    await store.commit('north', [commit()]);
    const head = await store.head('north');
    await store.close();
    store = await reopen();
    expect(await store.head('north')).toEqual(head);
    expect(await store.findKey('north', 'key-a')).toBeDefined();
    await store.ping();
  });

  async function tamper(statement: string): Promise<void> {
    const { config } = database;
    if ('sqlite' in config) {
      const { DatabaseSync } = await import('node:sqlite');
      const raw = new DatabaseSync(config.sqlite, { timeout: 5000 });
      raw.exec(`pragma foreign_keys = off; ${statement}`);
      raw.close();
    } else if ('postgres' in config) {
      const { query } = await import('../support/postgres.ts');
      await query(
        config.postgres,
        statement.startsWith('update key_versions set version')
          ? `alter table key_versions drop constraint if exists key_versions_key_id_fkey; ${statement}`
          : statement,
      );
    }
  }
});
