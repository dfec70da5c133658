// Hand-written statements on both databases: right, or refused. A third outcome fails.

import { describe, expect, test } from 'vitest';
import { on, sameAfter, withPeople } from './people.ts';

withPeople();

describe('§6.5 refusing', () => {
  test.each([
    ['select id from patient where email like $1', ['a%']],
    ['select id from patient where $1 like email', ['a%']],
    ['select id from patient where email = any($1)', ['{a,b}']],
    [
      'insert into visit (clinic, patient) with w as (select id from patient where lower(email) = $1) values (1, (select id from w))',
      ['a'],
    ],
    ['insert into visit (clinic, note) with w as (select email from patient) values (1, (select email from w))'],
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

  test('what reads rows by itself and is neither a cursor nor a stream', async () => {
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
