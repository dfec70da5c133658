// 200 tables and 2,000 statements: each is analysed once, however often and by how many at once it is sent, and what is kept has a bound; docs/fields.md §6.4.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { createDatabase } from '../../key-service/test/support/postgres.ts';
import { engineOf } from '../../src/fields/encryption.ts';
import { Seam } from '../../src/fields/postgres/seam.ts';
import { encryptedPool, fieldsSql, postgresDataKeyStore } from '../../src/fields/postgres.ts';
import { blindIndex, createFieldEncryption, defineFields, encrypted } from '../../src/fields.ts';
import { tenantKeyring } from '../fields/support.ts';

const parsed = vi.hoisted(() => [] as string[]);
vi.mock('libpg-query', async (original) => {
  const library = await original<typeof import('libpg-query')>();
  return {
    ...library,
    parseSync(text: string) {
      parsed.push(text);
      return library.parseSync(text);
    },
  };
});

const tables = Array.from({ length: 200 }, (_, i) => `table_${i}`);
const fields = defineFields(
  Object.fromEntries(
    tables.map((name) => [
      name,
      { row: 'id', columns: { email: encrypted.string({ index: [blindIndex()] }), note: encrypted.string() } },
    ]),
  ),
);
/** Ten statements on a table, with their values, and what each of the ones that read finds after the first. */
const statementsOn = (table: string): readonly [text: string, values: unknown[], rows?: object[]][] => [
  [`insert into ${table} (id, email, note) values (1, $1, $2) on conflict (id) do nothing`, [`a@${table}`, 'note']],
  [`select email, note from ${table} where id = $1`, [1], [{ email: `a@${table}`, note: 'note' }]],
  [`select id from ${table} where email = $1`, [`a@${table}`], [{ id: 1 }]],
  [`select id, email from ${table} where email in ($1, $2)`, ['x', `a@${table}`], [{ id: 1, email: `a@${table}` }]],
  [`select count(*)::int as n from ${table} where email = any($1)`, [[`a@${table}`]], [{ n: 1 }]],
  [
    `select a.note from ${table} a join table_0 b on a.id = b.id where a.email = $1`,
    [`a@${table}`],
    [{ note: 'note' }],
  ],
  [`update ${table} set note = $1 where id = $2`, ['note', 1]],
  [`select id from ${table} where note is not null`, [], [{ id: 1 }]],
  [`with found as (select id, note from ${table} where id = $1) select note from found`, [1], [{ note: 'note' }]],
  [`delete from ${table} where email = $1`, ['nobody']],
];
const all = tables.flatMap(statementsOn);
const catalogQueries: string[] = [];
let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: pg.Pool;
let sealed: pg.Pool;

class CountingClient extends pg.Client {
  override query(...args: never[]): never {
    const [first] = args as unknown as [string | { text?: string }];
    const text = typeof first === 'string' ? first : (first.text ?? '');
    if (text.includes('pg_class')) catalogQueries.push(text);
    return super.query(...(args as [never])) as never;
  }
}

beforeAll(async () => {
  database = await createDatabase(inject('postgresUrl'));
  pool = new pg.Pool({ connectionString: database.url, max: 4 });
  for (const table of tables) await pool.query(`create table ${table} (id int primary key, email bytea, note bytea)`);
  for (const statement of fieldsSql(fields)) await pool.query(statement);
  sealed = encryptedPool(new pg.Pool({ connectionString: database.url, max: 8, Client: CountingClient }), encryption());
});
afterAll(async () => {
  await sealed.end();
  await pool.end();
  await database.drop();
});

const encryption = () =>
  createFieldEncryption({
    fields,
    keyring: tenantKeyring,
    dataKeys: postgresDataKeyStore(pool),
    tenant: 'north',
  });

test('§6.4 2,000 statements on 200 tables are analysed once each', async () => {
  expect(new Set(all.map(([text]) => text)).size).toBe(2_000);
  const [first] = all;
  await sealed.query(first?.[0] ?? '', first?.[1]);
  for (const table of tables) await sealed.query(...(statementsOn(table)[0] as [string, unknown[]]));
  for (let round = 0; round < 2; round++) {
    // Each from two callers at once.
    for (let from = 0; from < all.length; from += 20) {
      const some = all.slice(from, from + 20);
      const results = await Promise.all([...some, ...some].map(([text, values]) => sealed.query(text, values)));
      for (const [i, { rows }] of results.entries()) {
        const [text, , expected] = some[i % some.length] ?? [];
        if (expected !== undefined) expect([text, rows]).toEqual([text, expected]);
      }
    }
    expect(parsed).toHaveLength(2_000);
    expect(new Set(parsed).size).toBe(2_000);
  }
  // The catalog, and each name of a relation or function once.
  expect(catalogQueries.length).toBeLessThan(250);
});

test('§6.4 the plans that are kept have a bound, and so has the memory', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const seam = new Seam(engineOf(encryption()));
  const run = async (text: string, values: readonly unknown[]) =>
    (await pool.query({ text, values: [...values], rowMode: 'array' })).rows;
  const plan = (n: number) =>
    seam.plan(`select id, email, note from table_${n % 200} where email = $1 and ${n} = $2`, run);
  const fill = async (from: number) => {
    for (let n = from; n < from + 10_000; n++) await plan(n);
    collect();
    return process.memoryUsage().heapUsed;
  };
  parsed.length = 0;
  const full = await fill(0);
  const again = await fill(10_000);
  expect(parsed).toHaveLength(20_000);
  expect(again - full).toBeLessThan(20_000_000);
  for (let n = 10_000; n < 20_000; n++) await plan(n);
  expect(parsed).toHaveLength(20_000);
  await plan(0);
  expect(parsed).toHaveLength(20_001);
  // What does not come again, or is very long, is not kept.
  for (const text of [
    "select id from table_1 where email = 'a@example'",
    `select id from table_1 where id = $1${' '.repeat(20_000)}`,
  ]) {
    const before = parsed.length;
    for (let i = 0; i < 3; i++) await seam.plan(text, run);
    expect([text.trim(), parsed.length - before]).toEqual([text.trim(), 3]);
  }
});

test('callers of one moment share an analysis; one that fails is made again for the others', async () => {
  const seam = new Seam(engineOf(encryption()));
  const works = async (text: string, values: readonly unknown[]) =>
    (await pool.query({ text, values: [...values], rowMode: 'array' })).rows;
  await seam.plan('select 1', works);
  parsed.length = 0;
  await Promise.all(Array.from({ length: 5 }, () => seam.plan('select id from table_4 where email = $1', works)));
  expect(parsed).toHaveLength(1);
  const broken = () => Promise.reject(new Error('connection lost'));
  const text = 'select id from table_3 where email = $1';
  const [lost, other] = await Promise.allSettled([seam.plan(text, broken), seam.plan(text, works)]);
  expect([lost.status, other.status]).toEqual(['rejected', 'fulfilled']);
});
