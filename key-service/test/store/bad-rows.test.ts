/** One row of a key that somebody changed, on both stores: it stops the use of that key and of no other; `docs/key-service.md` §11.2. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Commit } from '../../src/store/store.ts';
import {
  adminRoles,
  type Harness,
  newDatabase,
  startHarness,
  storeKinds,
  type TestDatabase,
  userRoles,
} from '../support/harness.ts';
import { withSql } from '../support/tamper.ts';

const edits: [string, string][] = [
  ['a MAC that fails', 'update keys set floor = 7'],
  ['a deletion that is no JSON', "update keys set deletion = '{'"],
  ['a number beyond all numbers', 'update keys set floor = 9223372036854775807'],
  ['no versions', 'delete from key_versions'],
  ['material of nobody', 'update key_versions set material = point'],
];
const where = (statement: string, key: string): string =>
  `${statement} where ${statement.includes('key_versions') ? 'key_id' : 'id'} = '${key}'`;

describe.each(storeKinds)('§11.2 %s: one bad row of a key', (kind) => {
  let database: TestDatabase;
  let harness: Harness;
  let bad: string;
  let good: string;

  beforeEach(async () => {
    database = await newDatabase(kind);
    harness = await startHarness({ database });
    const admin = await harness.client(adminRoles);
    const make = async () => (await admin.call('POST', '/v1/keys', {})).body.key_id;
    [bad, good] = [await make(), await make()];
  });
  afterEach(async () => {
    await harness.stop();
    await database.remove();
  });

  const generate = async (...keys: string[]): Promise<string[]> => {
    const user = await harness.client(userRoles);
    const items = keys.map((key) => ({ key }));
    const { status, body } = await user.call('POST', '/v1/data-keys/generate-data-key', { items });
    if (status !== 200) return [`${status} ${body.code}`];
    return body.results.map(({ problem }: { problem?: { code: string } }) => problem?.code ?? 'ok');
  };

  it.each(edits)('%s: its items fail, and no other of their batch', async (_, statement) => {
    await withSql(database, (sql) => sql(where(statement, bad)));
    expect(await generate(good, bad, bad, good)).toEqual(['ok', 'unavailable', 'unavailable', 'ok']);
    expect(harness.logs.filter((line) => line.includes('not to be trusted'))).toHaveLength(1);
    expect(await generate(good)).toEqual(['ok']);
    const [last] = await harness.store.entries('north', (await harness.store.head('north')).tree.size - 2, 1000);
    expect(JSON.parse(Buffer.from(last?.entry ?? []).toString()).items).toMatchObject([
      { n: 1, key: good, outcome: 'ok' },
      { n: 2, key: bad, outcome: 'unavailable' },
      { n: 1, key: good, outcome: 'ok' },
    ]);
  });

  it.each(edits)('%s: the requests of its transaction on other keys are committed', async (_, statement) => {
    const { store } = harness;
    const { epoch } = await store.head('north');
    await (await harness.client(adminRoles)).call('POST', '/v1/keys', {});
    await withSql(database, (sql) => sql(where(statement, bad)));
    const before = (await store.head('north')).tree.size;
    let n = 0;
    const on = (...ids: string[]): Commit => {
      n += 1;
      const entry = { tenant: 'north', bytes: new TextEncoder().encode(`entry ${n}`) };
      return { epoch, keys: ids, proof: undefined, use: undefined, entry, uses: [] };
    };
    const results = await store.commit('north', [on(good), on(bad), on(good, bad), on(good)]);
    expect([results[0], results[3]]).toEqual(['late', 'late']);
    expect((await store.head('north')).tree.size).toBeGreaterThanOrEqual(before + 2);
  });

  it('§11.7 rows that were put back: requests on them are not answered, and those beside them are', async () => {
    const { store } = harness;
    const { epoch } = await store.head('north');
    const [row] = await withSql(database, (sql) => sql('select disabled, revision, mac from keys where id = ?', bad));
    await (await harness.client(adminRoles)).call('POST', `/v1/keys/${bad}/disable`, {});
    await store.findKeys('north', [bad, good]);
    const { disabled = 0, revision = 0, mac = '' } = row ?? {};
    await withSql(database, (sql) =>
      sql('update keys set disabled = ?, revision = ?, mac = ? where id = ?', disabled, revision, mac, bad),
    );
    const on = (id: string, text: string): Commit => {
      const entry = { tenant: 'north', bytes: new TextEncoder().encode(text) };
      return { epoch, keys: [id], proof: undefined, use: undefined, entry, uses: [] };
    };
    const results = await store.commit('north', [on(good, 'a'), on(bad, 'b'), on(good, 'c')]);
    expect([results[0], results[2]]).toEqual(['late', 'late']);
    expect(results[1]).toBe('stale');
    // What was committed is remembered: a database that has lost it has gone back.
    const { size } = (await store.head('north')).tree;
    await withSql(database, (sql) => sql("delete from log_leaves where log = 'north' and idx = ?", size - 1));
    await expect(store.head('north')).rejects.toThrow(/forked/);
  });
});
