// Hand-written statements on both databases: right, or refused. A third outcome fails.

import { describe, expect, test } from 'vitest';
import { sqlState } from './migrating.ts';
import { on, same, sameAfter, withPeople } from './people.ts';

withPeople();

test.each([
  ['update patient set note = $1 where id = 1 returning old.note as before, new.note, id', ['new']],
  ['update patient set note = $1 where name = $2 returning old.note', ['new', 'Bob']],
  ['delete from patient where id = 2 returning old.email, old.id'],
])('§6.6 what PostgreSQL 18 can return, and older ones refuse: %s', async (text, values: unknown[] = []) => {
  const { rows } = await on.plain.query("select current_setting('server_version_num')::int as version");
  if (rows[0].version >= 180_000) await same(text, values);
  else for (const pool of [on.sealed, on.plain]) expect(await sqlState(pool.query(text, values))).toBe('42P01');
  await sameAfter();
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
