// Hand-written statements on both databases: right, or refused. A third outcome fails.

import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { withTenant } from '../../src/fields/postgres.ts';
import { type Clinic, openClinic } from './clinic.ts';

let on: Clinic;
beforeAll(async () => {
  on = await openClinic();
});
afterAll(() => on?.close());

const people = [
  [1, 'Alice', 'alice@example', 'pollen', 7n],
  [2, 'Bob', 'bob@example', null, 7n],
  [3, 'Eve', null, 'nuts', -1n],
  [4, 'Zoë', 'zoë@example', 'it’s \\ "quoted"', null],
] as const;
const insert = 'insert into patient (id, name, email, note, visits) values ($1, $2, $3, $4, $5)';

beforeEach(async () => {
  for (const pool of [on.sealed, on.plain]) {
    await pool.query('truncate patient, visit restart identity');
    for (const person of people) await pool.query(insert, [...person]);
    await pool.query(`select setval(pg_get_serial_sequence('patient', 'id'), 4)`);
    await pool.query(
      "insert into visit (id, clinic, patient, day, diagnosis) values ('0190a3c2-7f6e-7cc3-98c4-dc0c0c07398f', 'north', 1, '2026-01-02', 'hay fever')",
    );
  }
});

async function same(text: string, values: readonly unknown[] = []): Promise<void> {
  const [sealed, plain] = [await on.sealed.query(text, [...values]), await on.plain.query(text, [...values])];
  expect(sealed.rows).toEqual(plain.rows);
  expect([sealed.rowCount, sealed.command]).toEqual([plain.rowCount, plain.command]);
  expect(sealed.fields.map(({ name, dataTypeID }) => [name, dataTypeID])).toEqual(
    plain.fields.map(({ name, dataTypeID }) => [name, dataTypeID]),
  );
}

/** All rows, as both see them. */
async function sameAfter(): Promise<void> {
  await same('select id, name, email, note, born, visits, weight, active, price from patient order by id');
}

describe('§6.4 §5.8 reading', () => {
  test.each([
    ['select * from patient order by id'],
    ['select id, email from patient order by id'],
    ['select email from patient order by id'],
    ['select email as e, note as "n n" from public.patient order by name'],
    ['select p.*, p.email as again from patient p order by p.id'],
    ['select "p"."email" from "public"."patient" as "p" where "p"."id" = $1', [1]],
    ['select id from patient where email = $1', ['alice@example']],
    ['select id from patient where $1 = email', ['alice@example']],
    ['select id, note from patient where email = $1 and name = $2', ['alice@example', 'Alice']],
    ['select id from patient where email = $1', ['nobody@example']],
    ['select id from patient where email = $1', [null]],
    ["select id, email from patient where email = 'zoë@example'"],
    ["select id, 'é' as é from patient where name = 'Zoë' and email = 'zoë@example'"],
    ['select id from patient where email in ($1, $2) order by id', ['alice@example', 'bob@example']],
    ["select id from patient where email in ('alice@example', $1) order by id", ['bob@example']],
    ['select id from patient where email = any($1) order by id', [['alice@example', 'bob@example', 'x']]],
    ['select id from patient where email = any($1)', [[]]],
    ['select id from patient where visits = $1 order by id', [7]],
    ['select id from patient where visits = 7 order by id'],
    ['select id from patient where visits = -1'],
    ['select id from patient where email = $1 or email = $2 order by id', ['alice@example', 'bob@example']],
    ['select id from patient where (email = $1 or visits = $2) and id > $3 order by id', ['alice@example', '7', 0]],
    ['select id from patient where email is null'],
    ['select id from patient where note is not null and email is not null order by id'],
    ['select count(email), count(*), count(p.note) as n from patient p'],
    ['select count(*) from patient where email = $1', ['alice@example']],
    ['select count(*) from patient where visits = $1 group by name order by name', ['7']],
    ['select upper(name), id from patient where email = $1', ['alice@example']],
    ['select name, row_number() over (order by id) from patient where email = $1', ['alice@example']],
    ['select id, email from patient order by 1 desc limit $1 offset $2', [2, 1]],
    ['select distinct name from patient where visits = $1 order by name', ['7']],
    ['select p.email, v.day from patient p join visit v on v.patient = p.id'],
    ['select p.email, v.day from patient p left join visit v on v.patient = p.id order by p.id'],
    ['select v.day, p.email from visit v right join patient p on v.patient = p.id order by p.id'],
    ['select p.email, v.day from patient p join visit v on v.patient = p.id and p.email = $1', ['alice@example']],
    ['select a.email, b.email as other from patient a, patient b where a.id = 1 and b.id = 2'],
    ['select a.id from patient a join patient b on a.id = b.id where a.email = $1 and b.email = $1', ['bob@example']],
    ['select x.email, x.id from (select id, email from patient where name = $1) x', ['Bob']],
    ['select e from (select id, email as e from patient) x order by id'],
    ['with x as (select * from patient where email = $1) select id, email from x', ['bob@example']],
    ['with x as (select id, name, email from patient) select x.email from x where x.name = $1', ['Bob']],
    ['select name from patient p where exists (select from visit v where v.patient = p.id)'],
    ['select day from visit where patient in (select id from patient where email = $1)', ['alice@example']],
    [
      'select id, is_it.* from patient, lateral (select name = $1 as yes) is_it where email = $2',
      ['Bob', 'bob@example'],
    ],
    ['select id is distinct from 1 as other, email from patient where id = 2'],
    ['select id, email from patient for update'],
    ['select diagnosis from visit where diagnosis = $1', ['hay fever']],
    ['select x.* from (select * from patient) x order by x.id'],
    ['with x as (select * from patient) select * from x order by id'],
    ['select *, v.day as again from visit v where v.diagnosis = $1', ['hay fever']],
    ['select 1 as one'],
    ['select $1::int + 1 as two', [1]],
    ['select name from patient order by name'],
    ['show server_version_num'],
  ] as [string, unknown[]?][])('%s', (text, values) => same(text, values));
});

describe('§6.6 writing', () => {
  test.each([
    ['insert into patient (id, email) values ($1, $2)', [9, 'x@y']],
    ['insert into patient (name, email) values ($1, $2) returning id, email', ['New', 'x@y']],
    [
      'insert into patient (name, email) values ($1, $2), ($3, $4), ($5, null) returning *',
      ['A', 'a@b', 'B', 'b@b', 'C'],
    ],
    [
      'insert into patient (id, name, email) values (default, $1, $2), (default, $3, $4) returning id',
      ['A', 'a@b', 'B', 'b@b'],
    ],
    ['insert into patient (id, email, note) values (9, $1, $1) returning email, note', ['same']],
    ["insert into patient (id, email, note) values (9, 'it''s', 'lit') returning email"],
    ['insert into patient (id, name) values ($1, $2) returning email', [9, 'x']],
    ['insert into patient (name) select name from patient where id = 1 returning name'],
    ['insert into patient default values returning id'],
    ['insert into patient (id, email) values ($1, $2) on conflict do nothing returning id', [1, 'x']],
    ['insert into patient (email) values ($1) on conflict (email) do nothing returning email', ['bob@example']],
    ['insert into patient (email, note) values ($1, $2) on conflict ("email") do nothing returning note', ['n@x', 'n']],
    [
      'insert into patient (email, name) values ($1, $2) on conflict (email) do update set name = excluded.name returning *',
      ['bob@example', 'Robert'],
    ],
    [
      'insert into patient (id, email) values ($1, $2) on conflict (id) do update set email = excluded.email returning id, email',
      [1, 'x'],
    ],
    [
      'insert into patient (id, email) values ($1, $2) on conflict (id) do update set email = $2, name = $3 returning *',
      [1, 'x', 'n'],
    ],
    ['update patient set email = $1 where id = $2 returning email', ['new@example', 1]],
    ["update patient set note = 'literal', name = $1 where id in ($2)", ['Al', 1]],
    ['update patient set note = null, email = null where name <> $1', ['Bob']],
    ['update patient set name = $1 where email = $2 returning id', ['Found', 'bob@example']],
    ['update patient p set note = $1 from visit v where p.id = 1 and v.patient = p.id returning p.note, v.day', ['n']],
    ['update patient set note = $1 where id = 1 returning old.note as before, new.note, id', ['new']],
    ['update patient set note = $1 where name = $2 returning old.note', ['new', 'Bob']],
    ['delete from patient where id = 2 returning old.email, old.id'],
    ['update patient set note = $1', ['all']],
    ['update patient set note = $1 where id in ($2, $3) returning id, note', ['x', 1, 2]],
    ['update patient set note = $1 where email = $2 returning *', ['x', 'bob@example']],
    ['update patient set note = $1, email = null, name = $2 where name = $3 or name = $2', ['x', 'n', 'Bob']],
    ['update patient set note = $1, record = $2 where visits = $3 and id > $4', ['x', { a: 'b' }, 7, 1]],
    ["update patient set note = 'it''s', visits = -5 where name like 'A%' or name like 'B%'"],
    ['update patient set note = $1 where false', ['x']],
    ['update patient as p set note = $1 from visit as v where v.patient = p.id returning p.note, v.day', ['n']],
    ['update only patient set note = $1 where id is distinct from 1', ['n']],
    [
      'update visit set diagnosis = $1 where id = $2 returning diagnosis',
      ['x', '0190a3c2-7f6e-7cc3-98c4-dc0c0c07398f'],
    ],
    [
      "update visit set diagnosis = $1 where clinic = 'north' and id = $2",
      ['x', '0190a3c2-7f6e-7cc3-98c4-dc0c0c07398f'],
    ],
    ['update visit set diagnosis = $1 where diagnosis = $2 returning *', ['x', 'hay fever']],
    ['delete from patient where email = $1 returning name, email', ['bob@example']],
    ['delete from patient where visits = $1', ['7']],
    ['with gone as (delete from patient where id = 2 returning id, email) select email from gone'],
  ] as [string, unknown[]?][])('%s', async (text, values) => {
    for (const pool of [on.sealed, on.plain]) await pool.query('delete from visit where patient <> 1');
    if (/^(delete|with)/.test(text)) for (const pool of [on.sealed, on.plain]) await pool.query('delete from visit');
    await same(text, values);
    await sameAfter();
  });

  test('§3.1 every type, from what drivers send, comes back as from a plain column', async () => {
    const text =
      'insert into patient (id, born, visits, weight, active, record, picture, price) values ($1, $2, $3, $4, $5, $6, $7, $8) returning *';
    const rows = [
      [10, new Date('2026-01-02T03:04:05.678Z'), 5, 1.5, true, { a: [1, null] }, Buffer.from([0xf9, 0x80, 1]), '1.50'],
      [11, '2026-01-02 03:04:05+00', '5', '1.5', 'false', '{"a":1}', Buffer.alloc(0), 2],
      [12, '2026-01-02', 5n, -0.1, 'f', 'null', '\\xff00', '-0.10'],
      [13, null, null, null, null, null, null, null],
    ] as unknown[][];
    for (const pool of [on.sealed, on.plain]) await pool.query(`set timezone to 'UTC'`);
    for (const row of rows) {
      const [sealed, plain] = [await on.sealed.query(text, row), await on.plain.query(text, row)];
      // The JSON value null is NULL in JavaScript.
      expect(sealed.rows).toEqual(plain.rows);
    }
    const array = {
      text: 'select id, born, visits, weight, active, record, picture, price from patient where id >= 10 order by id',
      rowMode: 'array' as const,
    };
    expect((await on.sealed.query(array)).rows).toEqual((await on.plain.query(array)).rows);
  });

  test('a duplicate is refused by the unique index', async () => {
    await expect(
      on.sealed.query('insert into patient (id, email) values (9, $1)', ['bob@example']),
    ).rejects.toMatchObject({ code: '23505' });
  });

  test('prepared statements by name, callbacks, transactions', async () => {
    const client = await on.sealed.connect();
    try {
      const query = { name: 'by-email', text: 'select id from patient where email = $1' };
      for (const email of ['alice@example', 'bob@example']) {
        expect((await client.query({ ...query, values: [email] })).rows).toHaveLength(1);
      }
      await client.query('begin');
      const all = [
        client.query('update patient set note = $1 where id = 1', ['changed']),
        client.query('select note from patient where id = 1'),
        client.query('rollback'),
      ] as const;
      expect((await all[1]).rows).toEqual([{ note: 'changed' }]);
      await all[2];
      const rows = await new Promise((resolve, reject) => {
        client.query('select note from patient where id = $1', [1], (error, result) =>
          error ? reject(error) : resolve(result.rows),
        );
      });
      expect(rows).toEqual([{ note: 'pollen' }]);
    } finally {
      client.release();
    }
  });
});

describe('what the client of an application may do', () => {
  const id = '0190a3c2-7f6e-7cc3-98c4-dc0c0c07398f';

  test('§2.2 §6.6 a row of another tenant is neither read nor written', async () => {
    await withTenant('south', async () => {
      const text = 'insert into visit (clinic, patient, diagnosis) values ($1, 1, $2)';
      await expect(on.sealed.query(text, ['north', 'x'])).rejects.toMatchObject({ code: 'ERR_FIELD_TENANT' });
      await on.sealed.query(text, ['south', 'of south']);
      for (const statement of [
        `update visit set diagnosis = 'x' where id = '${id}'`,
        `update visit set diagnosis = 'x'`,
        `update visit set diagnosis = 'x' where clinic = 'north' and id = '${id}'`,
        'select diagnosis from visit',
      ]) {
        await expect(on.sealed.query(statement)).rejects.toMatchObject({ code: 'ERR_FIELD_TENANT' });
      }
      const found = await on.sealed.query('select clinic from visit where diagnosis = $1', ['of south']);
      expect(found.rows).toEqual([{ clinic: 'south' }]);
    });
    expect((await on.sealed.query('select id from visit where diagnosis = $1', ['of south'])).rows).toEqual([]);
  });

  test('parameters are taken when the call is made', async () => {
    const client = await on.sealed.connect();
    try {
      const picture = Buffer.from('before');
      const [born, record, ids] = [new Date(0), { a: 1 }, ['alice@example']];
      const first = client.query('update patient set picture = $1, born = $2, record = $3 where id = 1', [
        ...[picture, born, record],
      ]);
      const second = client.query('select id from patient where email = any($1)', [ids]);
      picture.fill(0);
      born.setTime(1);
      record.a = 2;
      ids[0] = 'bob@example';
      await first;
      expect((await second).rows).toEqual([{ id: 1 }]);
      const { rows } = await client.query('select picture, born, record from patient where id = 1');
      expect(rows).toEqual([{ picture: Buffer.from('before'), born: new Date(0), record: { a: 1 } }]);
    } finally {
      client.release();
    }
  });

  test('§6.4 a name stands for one text, however long it is', async () => {
    const client = await on.sealed.connect();
    try {
      const long = 'a'.repeat(60);
      for (const [i, column] of ['note', 'email', 'note', 'email'].entries()) {
        const query = {
          name: `${long}${i % 2}`,
          text: `select ${column} as it from patient where id = $1`,
          values: [1],
        };
        expect((await client.query(query)).rows).toEqual([{ it: i % 2 === 0 ? 'pollen' : 'alice@example' }]);
      }
    } finally {
      client.release();
    }
  });

  test('callbacks, parsers of the client and of the query, and results in binary', async () => {
    const types = { getTypeParser: () => (text: string) => `<${text}>` };
    const query = { text: 'select id, visits from patient where id = $1', values: [1] };
    const typed: object = { ...query, types };
    expect((await on.sealed.query(typed as pg.QueryConfig)).rows).toEqual([{ id: '<1>', visits: '<7>' }]);
    const client = await on.sealed.connect();
    try {
      client.setTypeParser(20, (text) => BigInt(text));
      const parsed = await client.query(query);
      expect(parsed.rows).toEqual([{ id: 1, visits: 7n }]);
      const told = await new Promise<unknown>((resolve) => {
        const callback = (_: unknown, result: { rows: unknown }) => resolve(result.rows);
        const config: object = { ...query, callback };
        client.query(config as pg.QueryConfig);
      });
      expect(told).toEqual([{ id: 1, visits: 7n }]);
      const failed = await new Promise((resolve) => client.query('select email || name from patient', resolve));
      expect(failed).toMatchObject({ code: 'ERR_FIELD_QUERY' });
      const binary = { text: 'select email from patient', binary: true };
      await expect(client.query(binary)).rejects.toMatchObject({ code: 'ERR_FIELD_QUERY' });
    } finally {
      client.release(true);
    }
  });

  test('what cannot be parsed is refused without a word of it', async () => {
    const query = on.sealed.query("selekt 'a secret'");
    await expect(query).rejects.toMatchObject({
      code: 'ERR_FIELD_QUERY',
      message: expect.not.stringContaining('secret'),
    });
    const other = on.sealed.query("select 'a secret' 'x' y z");
    await expect(other).rejects.toMatchObject({ message: expect.not.stringMatching(/secret|"/) });
  });

  test('an error of the server leaves the transaction to its savepoint', async () => {
    const client = await on.sealed.connect();
    try {
      await client.query('begin');
      await client.query('savepoint one');
      const twice = client.query('insert into patient (id, email) values (9, $1)', ['bob@example']);
      await expect(twice).rejects.toMatchObject({ code: '23505' });
      await expect(client.query('select email from patient')).rejects.toMatchObject({ code: '25P02' });
      await client.query('rollback to savepoint one');
      await client.query('insert into patient (id, email) values (9, $1)', ['new@example']);
      await client.query('commit');
    } finally {
      client.release();
    }
    expect((await on.sealed.query('select email from patient where id = 9')).rows).toEqual([{ email: 'new@example' }]);
  });

  test('§6.6 an update seals for many rows, and says so where they are too many', async () => {
    await on.raw.query('insert into patient (id, name) select 100 + n, $1 from generate_series(1, 10001) n', ['many']);
    const update = (limit: number) =>
      on.sealed.query('update patient set note = $1 where name = $2 and id <= $3', ['same', 'many', limit]);
    await expect(update(20_000)).rejects.toMatchObject({ code: 'ERR_FIELD_LIMIT' });
    expect((await update(600)).rowCount).toBe(500);
    const { rows } = await on.sealed.query(
      'select distinct on (id) id from patient where note is not null and id > 100',
    );
    expect(rows).toHaveLength(500);
    const notes = await on.sealed.query('select note from patient where name = $1 and note is not null', ['many']);
    expect(new Set(notes.rows.map(({ note }) => note))).toEqual(new Set(['same']));
  });
});

describe('§6.5 refusing', () => {
  test.each([
    ['select id from patient where email like $1', ['a%']],
    ['select id from patient where email <> $1', ['a']],
    ['select id from patient where not (email = $1)', ['a']],
    ['select id from patient where email not in ($1)', ['a']],
    ['select id from patient where email > $1', ['a']],
    ['select id from patient where email between $1 and $2', ['a', 'b']],
    ['select id from patient where lower(email) = $1', ['a']],
    ['select id from patient where email = lower($1)', ['a']],
    ['select id from patient where email = $1::text', ['a']],
    ['select id from patient where email = name'],
    ['select id from patient where note = $1', ['a']],
    ['select id from patient where email = $1 or name = $2', ['a', 'b']],
    ['select id from patient where (email, name) = ($1, $2)', ['a', 'b']],
    ['select id from patient where case when email = $1 then true end', ['a']],
    ['select id, email = $1 as is_it from patient', ['a']],
    ['select id from patient order by email'],
    ['select j.id from (patient a join visit b on true) as j where j.email = $1', ['a']],
    ['select id from patient a join visit b using (id) as j where a.note = $1', ['a']],
    ['select j.x from (patient a cross join visit b) as j (x, y, z) where z = $1', ['a']],
    ['with x as (select id, email from patient) select a from x as y (a, b) where b = $1', ['a']],
    ['update patient set name = $1 returning old.email = $2', ['a', 'b']],
    ['update patient set name = $1 returning lower(new.email)', ['a']],
    ['select id, email from patient order by 2'],
    ['select id, email as e from patient order by e'],
    ['select * from patient order by 1'],
    ['select id, p.* from patient p order by 2'],
    ['select email, count(*) from patient group by 1'],
    ['select email as e, count(*) from patient group by rollup (e)'],
    ['select distinct on (1) email, id from patient'],
    ['select email from patient group by email'],
    ['select distinct email from patient'],
    ['select count(distinct email) from patient'],
    ['select max(email) from patient'],
    ['select lower(email) from patient'],
    ['select email || name from patient'],
    ['select coalesce(email, note) from patient'],
    ['select email::text from patient'],
    ["select encode(email, 'base64') from patient"],
    ['select row_to_json(p) from patient p'],
    ['select p from patient p'],
    ['select to_json(patient) from patient'],
    ['select json_agg(email) from patient'],
    ['select (select email from patient where id = 1)'],
    ['select array(select email from patient)'],
    ['select email from patient union select email from patient'],
    ['select * from patient union all select * from patient'],
    ['select x.email from (select email from patient) x'],
    ['select id from (select id, email as e from patient) x where e = $1', ['a']],
    ['with x as (select id, email from patient) select id from x where x.email = $1', ['a']],
    ['with x (a, b) as (select id, email from patient) select b from x'],
    ['select id from patient p (a, b, c) where c = $1', ['a']],
    ['select a.id from patient a join patient b on a.email = b.email'],
    ['select a.id from patient a join patient b using (email)'],
    ['select a.id from patient a natural join visit b'],
    ['select * from patient a, patient b'],
    ['insert into patient values ($1, $2)', [9, 'x']],
    ['insert into patient (id, email) select id + 10, email from patient'],
    ['insert into visit (diagnosis) select note from patient'],
    ['insert into patient (id, email) values ($1, lower($2))', [9, 'x']],
    ['insert into patient (id, email) values ($1, $2::text)', [9, 'x']],
    ['insert into patient (id, email) values (1 + 1, $1)', ['x']],
    ['insert into visit (patient, diagnosis) values (1, $1) on conflict (diagnosis) do nothing', ['x']],
    ['insert into patient (email) values ($1) on conflict (email) do update set email = excluded.email', ['x']],
    [
      'insert into patient (email, note) values ($1, $2) on conflict (email_idx) do update set note = excluded.note',
      ['bob@example', 'x'],
    ],
    ['insert into patient (id, email) values ($1, $2) on conflict (id) do update set email = excluded.note', [1, 'x']],
    ['with x as (update patient set note = $1 returning id) select id from x', ['x']],
    ['with x as (select 1) update patient set note = $1 from x', ['x']],
    ['update patient set note = name where id = 1'],
    ['update patient set note = email where id = 1'],
    ['update patient set id = $1 where id = 1', [8]],
    ['update patient set (note, name) = (select $1, $2) where id = 1', ['a', 'b']],
    ['select id from patient tablesample system (100) where email = $1', ['a']],
    ['select id into other from patient'],
    ['select * into other from patient'],
    ['copy patient (email) to stdout'],
    ['create table other as select * from patient'],
    ['declare c cursor for select * from patient'],
    ['prepare x as select * from patient'],
    ['select id from patient; select email from patient'],
    ['merge into patient p using visit v on v.patient = p.id when matched then update set note = $1', ['x']],
  ] as [string, unknown[]?][])('%s', async (text, values = []) => {
    await expect(on.sealed.query(text, [...values])).rejects.toMatchObject({
      name: 'FieldError',
      code: 'ERR_FIELD_QUERY',
    });
    await sameAfter();
  });

  test('§6.4 views, partitions and functions that show an encrypted table, made before and after the first use', async () => {
    await on.raw.query('create or replace view patients as select * from patient');
    await on.raw.query('create or replace view named as select name from patients');
    await on.raw.query('create table child () inherits (patient)');
    await on.raw.query('create function everybody() returns setof patient language sql as $$ select * from patient $$');
    for (const text of [
      'select * from patients',
      `select id from patients where email = 'alice@example'`,
      'select name from public.named',
      'select name from visit v join named n on true',
      `select id from child where email = 'alice@example'`,
      `select id from everybody() where email = 'alice@example'`,
      'select everybody()',
      `insert into child (id, email) values (1, 'plain')`,
    ]) {
      await expect(on.sealed.query(text)).rejects.toMatchObject({ code: 'ERR_FIELD_QUERY' });
    }
    await on.raw.query('drop table child; drop function everybody; drop view named; drop view patients');
  });

  test('§6.3 a record that comes through a function or JSON is not handed out', async () => {
    const body = 'returns text language sql as $$ select %(p) from patient p where id = 1 $$';
    for (const expression of ['to_json', 'email::text']) {
      const selected = expression === 'to_json' ? 'to_json(p)::text' : 'p.email::text';
      await on.raw.query(`create or replace function shown() ${body.replace('%(p)', selected)}`);
      await expect(on.sealed.query('select shown()')).rejects.toMatchObject({ code: 'ERR_FIELD_OPAQUE' });
    }
    await on.raw.query('drop function shown');
  });

  test('a cursor over an encrypted table', async () => {
    const client = await on.sealed.connect();
    for (const text of [
      'select * from patient',
      'SELECT * FROM PATIENT',
      'select * from U&"p\\0061tient"',
      undefined,
    ]) {
      const cursor = { text, submit: () => undefined };
      expect(() => client.query(cursor as never)).toThrow(expect.objectContaining({ code: 'ERR_FIELD_QUERY' }));
    }
    client.release();
  });
});

describe('what the database sees', () => {
  test('§5.7 records, and generated columns of their tags; no plaintext gets in by another connection', async () => {
    const { rows } = await on.raw.query('select email, email_idx, note from patient order by id');
    expect(rows[0].email[0]).toBe(0xf9);
    expect(rows[0].email_idx).toEqual(rows[0].email.subarray(3, 15));
    expect([rows[2].email, rows[2].email_idx, rows[1].note]).toEqual([null, null, null]);
    for (const cell of ['alice@example', '', '\\xf9', '\\xf98001ff', `\\xf90001${'00'.repeat(56)}`]) {
      const write = on.raw.query('update patient set note = $1::bytea where id = 1', [
        cell.startsWith('\\') ? cell : Buffer.from(cell),
      ]);
      await expect(write).rejects.toMatchObject({ code: expect.stringMatching(/23514|2202E/) });
    }
    await on.raw.query(`update patient set email = '\\xf98001' where id = 1`);
    expect((await on.raw.query('select email_idx from patient where id = 1')).rows).toEqual([{ email_idx: null }]);
  });

  test('§5.8 a faked index column answers no search', async () => {
    await on.raw.query('alter table patient alter column email_idx drop expression');
    try {
      const { rows } = await on.raw.query('select email_idx from patient where id = 1');
      await on.raw.query('update patient set email_idx = null where id = 1');
      await on.raw.query('update patient set email_idx = $1 where id = 2', [rows[0].email_idx]);
      const search = on.sealed.query('select id, name from patient where email = $1', ['alice@example']);
      await expect(search).rejects.toMatchObject({ code: 'ERR_FIELD_TAG', row: ['2'] });
    } finally {
      await on.raw.query('alter table patient drop column email_idx');
      const { fieldsSql } = await import('../../src/fields/postgres.ts');
      const { clinic } = await import('./clinic.ts');
      for (const statement of fieldsSql(clinic)) if (statement.includes('"email_idx"')) await on.raw.query(statement);
    }
  });

  test('§1.6 a record that was copied to another row is refused', async () => {
    await on.raw.query('update patient set note = (select note from patient where id = 3) where id = 1');
    const read = on.sealed.query('select note from patient order by id');
    await expect(read).rejects.toMatchObject({ code: 'ERR_FIELD_OPEN', row: ['1'] });
  });
});
