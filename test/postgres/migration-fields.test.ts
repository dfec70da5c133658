// The SQL of migrations on a real PostgreSQL: what an old program may write at each step, and what becomes of it.

import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { migrationSql } from '../../src/fields/postgres.ts';
import { blindIndex, compoundIndex, defineFields, encrypted } from '../../src/fields.ts';
import { type Database, jobsOn, openDatabase, sqlState } from './migrating.ts';

const fields = defineFields({
  person: {
    row: ['id', 'part'],
    tenant: 'clinic',
    subject: 'who',
    table: 'clinic.Person$bulla$',
    columns: {
      mail: encrypted.string({
        ...{ column: 'mail_sealed', plain: 'ma"il' },
        index: [blindIndex({ unique: true }), compoundIndex({ name: 'both', with: ['price'] })],
      }),
      price: encrypted.decimal({ column: 'price_sealed', plain: 'price' }),
    },
  },
});
const name = 'clinic."Person$bulla$"';
const paths = ['person.mail', 'person.price'] as const;
let database: Database;
const query = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;

beforeAll(async () => {
  database = await openDatabase(inject('postgresUrl'));
  await query('create schema clinic');
  await database.step(fields, 'tables');
});
afterAll(() => database?.close());
beforeEach(async () => {
  await query(`drop table if exists ${name}`);
  await query(
    'drop function if exists clinic."bulla_Person$bulla$_mail_sealed", clinic."bulla_Person$bulla$_price_sealed"',
  );
  await query('truncate bulla_jobs, bulla_job_shards');
  await query(`create table ${name} (id int, part text, clinic text, who text, "ma""il" text, price numeric, other int,
    primary key (id, part))`);
  for (const path of paths) await database.step(fields, 'expand', path);
  await query(`insert into ${name} values (1, 'a', 'north', 'eve', 'x@example', 1.0)`);
  await seal();
});

/** Gives the one row its records. */
async function seal(): Promise<void> {
  const { encryption } = jobsOn(database.pool, fields);
  const rows = [{ id: 1, part: 'a', clinic: 'north', who: 'eve', mail: 'x@example', price: '1.0' }];
  const [sealed] = await encryption.seal('person', rows);
  await query(`update ${name} set mail_sealed = $1, price_sealed = $2`, [sealed?.mail, sealed?.price]);
}
const isSealed = async (column: string) =>
  (await query(`select ${column} is not null as found from ${name} limit 1`))[0]?.found;

describe('expand', () => {
  test('§10.1 §10.2 adds a column of its own, whose check holds for every write, and reads no old row', async () => {
    expect(await sqlState(query(`update ${name} set mail_sealed = 'x@example'`))).toBe('23514');
    expect(await sqlState(query(`insert into ${name} (id, part, mail_sealed) values (2, 'b', '\\xf9')`))).toBe('23514');
    const [check] = await query(
      `select convalidated from pg_constraint where conname = 'Person$bulla$_mail_sealed_sealed'`,
    );
    expect(check).toEqual({ convalidated: false });
    const [, ...rest] = migrationSql(fields, { step: 'expand', field: 'person.mail' });
    expect(rest.join()).not.toContain('ADD COLUMN');
    const [row] = await query(`select mail_sealed_idx, substring(mail_sealed from 4 for 12) as tag from ${name}`);
    expect(row?.mail_sealed_idx).toEqual(row?.tag);
  });

  const stale: readonly [what: string, set: string, mail: boolean, price: boolean][] = [
    ['the plaintext', `"ma""il" = 'y'`, false, true],
    ['the plaintext to NULL', '"ma""il" = null', false, true],
    ['another plaintext of its compound index', 'price = 2', false, false],
    ['a text that is equal by =', 'price = 1.00', false, false],
    ['the key', `part = 'b'`, false, false],
    ['the tenant', `clinic = 'south'`, false, false],
    ['the subject', `who = 'bob'`, false, false],
    ['nothing', `"ma""il" = "ma""il", price = price, id = id`, true, true],
    ['another column', 'other = 7', true, true],
  ];
  test.each(stale)('§10.3 an old program that changes %s', async (_what, set, mail, price) => {
    await query(`update ${name} set ${set}`);
    expect([await isSealed('mail_sealed'), await isSealed('price_sealed')]).toEqual([mail, price]);
  });

  test('§10.3 a statement that writes both keeps the record, on a replica and behind other triggers too', async () => {
    const [{ mail_sealed: record }] = (await query(`select mail_sealed from ${name}`)) as [{ mail_sealed: Buffer }];
    const changed = Buffer.from(record);
    changed[60] = (changed[60] as number) ^ 1;
    await query(`update ${name} set "ma""il" = 'y', mail_sealed = $1`, [changed]);
    expect(await isSealed('mail_sealed')).toBe(true);
    await query(
      `create function clinic.zz() returns trigger language plpgsql as $$ begin new.price := 5; return new; end $$`,
    );
    await query(`create trigger zzzz before update on ${name} for each row execute function clinic.zz()`);
    await query(`update ${name} set other = 1`);
    expect(await isSealed('price_sealed')).toBe(false);
    await query('drop function clinic.zz cascade');
    await seal();
    const client = await database.pool.connect();
    await client.query(`set session_replication_role = replica; set extra_float_digits = 0`);
    await client.query(`update ${name} set "ma""il" = 'z'`);
    await client.query('reset all');
    client.release();
    expect(await isSealed('mail_sealed')).toBe(false);
  });

  test('can be taken back', async () => {
    for (const path of paths) await database.step(fields, 'expand', path, true);
    const columns = await query(
      `select attname from pg_attribute where attrelid = '${name}'::regclass and attnum > 0 and not attisdropped`,
    );
    expect(columns.map(({ attname }) => attname)).toEqual(['id', 'part', 'clinic', 'who', 'ma"il', 'price', 'other']);
    await query(`update ${name} set "ma""il" = 'z'`);
  });
});

describe('switch', () => {
  test('§10.7 is refused where a row is not sealed; then an old program is refused, until it is taken back', async () => {
    await query(`insert into ${name} values (2, 'a', 'north', 'eve', 'z@example')`);
    expect(await sqlState(database.step(fields, 'switch', 'person.mail'))).toBe('23514');
    await query(`delete from ${name} where id = 2`);
    await database.step(fields, 'switch', 'person.mail');
    expect(await sqlState(query(`insert into ${name} values (2, 'a', 'north', 'eve', 'y')`))).toBe('23514');
    expect(await sqlState(query(`update ${name} set "ma""il" = 'y'`))).toBe('23514');
    await database.step(fields, 'switch', 'person.mail', true);
    await query(`update ${name} set "ma""il" = 'y'`);
  });
});

describe('contract', () => {
  const contract = () => database.step(fields, 'contract', 'person.price');
  const run = async (kind: 'verify' | 'backfill') => {
    const { jobs } = jobsOn(database.pool, fields);
    return jobs.run((await jobs.start({ kind, field: 'person.price' })).id);
  };

  test('§10.8 needs a record for each plaintext, and a verify without faults after the last backfill', async () => {
    await expect(contract()).rejects.toThrow('is not verified');
    await run('verify');
    await run('backfill');
    await expect(contract()).rejects.toThrow('is not verified');
    await query(`update ${name} set price = 7`);
    expect((await run('verify')).faults).toBe(1);
    await expect(contract()).rejects.toThrow('has plaintext without a record');
    await run('backfill');
    await query(`update ${name} set price = null, price_sealed = price_sealed || '\\x00'::bytea`);
    expect((await run('verify')).faults).toBe(1);
    await expect(contract()).rejects.toThrow('is not verified');
  });

  test('§10.8 refuses plaintext that is still written, then drops its column', async () => {
    await run('verify');
    const statements = migrationSql(fields, { step: 'contract', field: 'person.price' });
    await query(statements[0] as string);
    expect(await sqlState(query(`insert into ${name} (id, part, price) values (3, 'a', 7)`))).toBe('23514');
    expect(await sqlState(query(`update ${name} set price = 7`))).toBe('23514');
    await query(`update ${name} set other = 2`);
    await query(`insert into ${name} (id, part) values (3, 'a')`);
    await contract();
    const { jobs } = jobsOn(database.pool, fields);
    expect((await jobs.states())[1]).toEqual({ field: 'person.price', phase: 'sealed', validated: true });
    await query(`update ${name} set other = 3`);
    expect(await isSealed('price_sealed')).toBe(true);
  });

  test('has no way back, and a field without plaintext has no such steps', () => {
    expect(() => migrationSql(fields, { step: 'contract', field: 'person.mail', back: true })).toThrow(/^back must be/);
    const sealed = defineFields({ note: { row: 'id', columns: { text: encrypted.string() } } });
    for (const step of ['switch', 'contract'] as const)
      expect(() => migrationSql(sealed, { step, field: 'note.text' })).toThrow(/^plain of note.text must be/);
    expect(() => migrationSql(sealed, { step: 'expand', field: 'note.other' })).toThrow('one of note.text');
    expect(migrationSql(sealed, { step: 'expand', field: 'note.text' }).join()).not.toContain('TRIGGER');
    // The tags of one hold the other, which old programs would still change alone.
    expect(() => migrationSql(fields, { step: 'contract', field: 'person.mail' })).toThrow('without plain: price');
    const twice = { email: encrypted.string({ plain: 'mail' }), mail: encrypted.string() };
    expect(() => defineFields({ note: { row: 'id', columns: twice } })).toThrow('note.mail is named twice');
  });
});

test('the database says where each field stands, and what is missing', async () => {
  const { jobs } = jobsOn(database.pool, fields);
  const phases = async () => (await jobs.states()).map(({ phase }) => phase);
  expect(await phases()).toEqual(['plain', 'plain']);
  expect((await jobs.plan()).map(({ level }) => level)).toEqual(['warning', 'warning']);
  await database.step(fields, 'switch', 'person.price');
  expect(await phases()).toEqual(['plain', 'switched']);
  await query(`alter table ${name} enable trigger "~bulla_mail_sealed"`);
  await query(`alter table ${name} drop column mail_sealed_both`);
  const messages = (await jobs.plan()).filter(({ level }) => level === 'error').map(({ message }) => message);
  expect(messages).toEqual([
    'index column mail_sealed_both is not there: step rotate',
    'the trigger of step expand is not ENABLE ALWAYS',
  ]);
  await query(`drop table ${name}`);
  expect(await phases()).toEqual(['missing', 'missing']);
  expect((await jobs.plan()).map(({ message }) => message)).toEqual([
    'the table is not there',
    'the table is not there',
  ]);
});
