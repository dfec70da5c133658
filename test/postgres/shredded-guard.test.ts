// Programs that have not heard of a shredded subject yet: what they write of it is refused by the database; docs/fields.md §7.9.

import pg from 'pg';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { encryptedPool, fieldsSql, migrationSql, postgresCells, withTenant } from '../../src/fields/postgres.ts';
import { blindIndex, defineFields, encrypted } from '../../src/fields.ts';
import { type Database, jobsOn, openDatabase, transaction } from './migrating.ts';

const fields = defineFields({
  visit: {
    ...{ row: 'id', tenant: 'clinic', subject: 'patient' },
    columns: { diagnosis: encrypted.string({ index: [blindIndex()] }), note: encrypted.string({ key: 'field' }) },
  },
});
const insert = "insert into visit (id, clinic, patient, diagnosis, note) values ($1, 'north', $2, $3, $4)";
const shredded = { code: 'ERR_FIELD_SHREDDED' };
const guarded = { code: '23514', constraint: 'bulla_shredded' };

let database: Database;
let pools: pg.Pool[];
beforeEach(async () => {
  database = await openDatabase(inject('postgresUrl'));
  pools = [];
  await database.pool.query(
    'create table visit (id int primary key, clinic text, patient int, diagnosis bytea, note bytea)',
  );
  await transaction(database.pool, fieldsSql(fields));
});
afterEach(async () => {
  for (const pool of pools) await pool.end();
  await database.close();
});

/** A process of its own, with an encrypted pool. */
function application() {
  const { encryption, jobs } = jobsOn(database.pool, fields);
  const pool = encryptedPool(new pg.Pool({ connectionString: database.url, max: 2 }), encryption);
  pools.push(pool);
  return { encryption, jobs, pool };
}
const shred = () => {
  const cells = postgresCells(database.pool);
  return application().encryption.shred({ tenant: 'north', subject: '7', revoke: false, cells });
};
const lengths = async () =>
  (await database.pool.query('select id, octet_length(diagnosis) as d, octet_length(note) as n from visit order by id'))
    .rows;

describe('§7.9 a process with the data keys of a shredded subject in its cache', () => {
  test('writes no cell of the subject, by whatever statement, and others as before', async () => {
    const { pool, encryption } = application();
    for (const [id, patient] of [7, 8].entries()) await pool.query(insert, [id, patient, 'gout', 'x']);
    const [late] = await encryption.seal('visit', [{ id: 5, clinic: 'north', patient: 7, diagnosis: 'd', note: 'n' }]);
    const other = application();
    await other.pool.query('select diagnosis from visit');
    expect(await shred()).toMatchObject({ state: 'shredded', rows: 1, remaining: [] });
    const before = await lengths();

    await expect(pool.query(insert, [2, 7, 'flu', null])).rejects.toMatchObject(shredded);
    await expect(other.pool.query(insert, [2, 7, null, 'rest'])).rejects.toMatchObject(shredded);
    await expect(
      application().pool.query("update visit set note = 'x' where id = 0 and clinic = 'north' and patient = 7"),
    ).rejects.toMatchObject(shredded);
    const cell = Buffer.from(late?.diagnosis ?? []);
    await expect(database.pool.query(insert, [5, 7, cell, null])).rejects.toMatchObject(guarded);
    await expect(database.pool.query('update visit set note = $1 where id = 0', [cell])).rejects.toMatchObject(guarded);
    expect(await lengths()).toEqual(before);
    await pool.query(insert, [3, 8, 'flu', 'rest']);
    const ask = () => pool.query("select note from visit where clinic = 'north' and diagnosis = 'flu'");
    expect((await withTenant('north', ask)).rows).toEqual([{ note: 'rest' }]);
  });

  test('is waited for where its transaction has written some, which are then replaced', async () => {
    const { pool } = application();
    await pool.query(insert, [1, 7, 'gout', 'x']);
    const client = await pool.connect();
    await client.query('begin');
    await client.query(insert, [2, 7, 'flu', 'rest']);
    let isDone = false;
    const shredding = shred().finally(() => {
      isDone = true;
    });
    const waiting =
      "select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    await expect.poll(async () => (await database.pool.query(waiting)).rows[0]?.n, { timeout: 60_000 }).toBe(1);
    expect(isDone).toBe(false);
    await client.query('commit');
    client.release();
    expect(await shredding).toMatchObject({ state: 'shredded', rows: 2, remaining: [] });
    expect(await lengths()).toEqual([1, 2].map((id) => ({ id, d: 3, n: 3 })));
  });

  test('in a database without the trigger: another call finds what it wrote', async () => {
    await database.pool.query('drop trigger "~bulla~key_diagnosis" on visit; drop trigger "~bulla~key_note" on visit');
    const { pool, jobs } = application();
    await pool.query(insert, [1, 7, 'gout', 'x']);
    expect(await shred()).toMatchObject({ state: 'shredded', rows: 1 });
    await pool.query(insert, [2, 7, 'gout', 'x']);
    const about = { tenant: 'north', subject: '7' };
    expect(await jobs.estimateShred(about)).toEqual({ state: 'shredded', dataKeys: 2, rows: 1 });
    expect(await shred()).toMatchObject({ state: 'shredded', rows: 1, remaining: [] });
    expect(await lengths()).toEqual([1, 2].map((id) => ({ id, d: 3, n: 3 })));
    expect((await jobs.plan()).filter(({ message }) => message.includes('shredded subjects'))).toMatchObject([
      { level: 'warning', field: 'visit.diagnosis' },
      { level: 'warning', field: 'visit.note' },
    ]);
  });
});

test('§7.9 a cell that stays as it is keeps nobody from changing its row', async () => {
  const { pool, encryption } = application();
  await pool.query(insert, [1, 7, 'gout', 'x']);
  await pool.query(insert, [2, 8, 'flu', 'y']);
  // Rows that somebody merged by hand.
  await database.pool.query('update visit set note = (select note from visit where id = 1) where id = 2');
  await database.pool.query('alter table visit disable trigger user');
  await shred();
  await database.pool.query('update visit set note = $1 where id = 2', [await sealedFor7(encryption)]);
  await database.pool.query('alter table visit enable trigger user');
  await database.pool.query("update visit set clinic = 'north', note = note where id = 2");
  await expect(
    database.pool.query('update visit set note = $1 where id = 2', [await sealedFor7(encryption)]),
  ).rejects.toMatchObject(guarded);
});

/** A record of the subject by a process that has not heard yet. */
async function sealedFor7(encryption: ReturnType<typeof application>['encryption']): Promise<Buffer> {
  const [row] = await encryption.seal('visit', [{ id: 2, clinic: 'north', patient: 7, diagnosis: null, note: 'n' }]);
  return Buffer.from(row?.note ?? []);
}

test('names of triggers and functions stay apart, however long those of tables and columns are', () => {
  const [table, column] = ['patient_medical_history_consultation_records', 'primary_diagnosis'];
  const long = defineFields({
    visit: {
      ...{ table, row: 'id', tenant: 'clinic', subject: 'patient' },
      columns: {
        code: encrypted.string({ column: `${column}_code` }),
        text: encrypted.string({ column: `${column}_text` }),
      },
    },
  });
  const functions = fieldsSql(long).flatMap(
    (statement) => /CREATE OR REPLACE FUNCTION (\S+)\(\)/.exec(statement)?.[1] ?? [],
  );
  expect(new Set(functions).size).toBe(2);
  for (const name of functions) {
    const own = /^"public"\."(.+)"$/.exec(name)?.[1] ?? '';
    expect(own).toMatch(/^bulla_patient_medical/);
    expect(Buffer.byteLength(own)).toBeLessThanOrEqual(63);
  }
});

test('§7.9 jobs that have not heard of it seal the other rows, and tell of plaintext that is left', async () => {
  const migrated = defineFields({
    letter: {
      ...{ row: 'id', tenant: 'clinic', subject: 'patient' },
      columns: { text: encrypted.string({ column: 'text_sealed', plain: 'text' }) },
    },
  });
  await database.step(migrated, 'tables');
  await database.pool.query('create table letter (id int primary key, clinic text, patient int, text text)');
  await database.step(migrated, 'expand', 'letter.text');
  const { encryption, jobs } = jobsOn(database.pool, migrated);
  await encryption.seal('letter', [{ id: 0, clinic: 'north', patient: 7, text: 'warm' }]);
  const cells = postgresCells(database.pool);
  await jobsOn(database.pool, migrated).encryption.shred({ tenant: 'north', subject: '7', revoke: false, cells });
  await database.pool.query(
    `insert into letter select i, 'north', 6 + i % 3, 'text ' || i from generate_series(1, 30) i`,
  );
  const ended = await jobs.run((await jobs.start({ kind: 'backfill', field: 'letter.text', shards: 1 })).id);
  expect(ended).toMatchObject({ state: 'done', written: 20, faults: 10 });
  const faults = await jobs.faults(ended.id);
  expect(new Set(faults.map(({ fault }) => fault))).toEqual(new Set(['ERR_FIELD_SHREDDED']));
  const { rows } = await database.pool.query('select patient from letter where text_sealed is null group by patient');
  expect(rows).toEqual([{ patient: 7 }]);

  const names = async () =>
    (
      await database.pool.query(
        "select tgname as n from pg_trigger where tgname like '%text%' union select proname from pg_proc where proname like 'bulla_letter%'",
      )
    ).rows;
  expect(await names()).toHaveLength(4);
  expect(migrationSql(migrated, { step: 'expand', field: 'letter.text', back: true }).join()).toContain('DROP');
  await database.step(migrated, 'expand', 'letter.text', true);
  expect(await names()).toEqual([]);
});
