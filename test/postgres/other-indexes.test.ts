// Prefix, bucket and compound indexes through the seam: each statement beside a database without encryption; docs/fields.md §6.4 and §6.5.

import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createDatabase } from '../../key-service/test/support/postgres.ts';
import { encryptedPool, fieldsSql, postgresDataKeyStore } from '../../src/fields/postgres.ts';
import {
  blindIndex,
  bucketIndex,
  compoundIndex,
  createFieldEncryption,
  defineFields,
  encrypted,
  prefixIndex,
} from '../../src/fields.ts';
import { tenantKeyring } from '../fields/support.ts';

const fields = defineFields({
  person: {
    row: 'id',
    columns: {
      name: encrypted.string({ index: [prefixIndex({ lengths: [2, 4] }), blindIndex()] }),
      nick: encrypted.string({ index: [prefixIndex({ lengths: [2], normalize: ['lower'] })] }),
      // Few bits: most of what it finds is something else.
      city: encrypted.string({ index: [bucketIndex({ bits: 4 })] }),
      status: encrypted.string({ index: [compoundIndex({ name: 'state', with: ['active', 'rank'] })] }),
      active: encrypted.boolean(),
      rank: encrypted.number(),
      note: encrypted.string(),
    },
  },
});
const names = ['Anna', 'Anne', 'An', 'A', 'Annegret', 'a_na', 'a%na', 'An\\na', 'Zoë', 'Zoe', '', null];
const people = Array.from({ length: 120 }, (_, i) => {
  const name = names[i % names.length] as string | null;
  return [i, name, name, `city ${i % 40}`, i % 2 ? 'in' : 'out', i % 3 === 0, i % 5, i % 7 ? 'n' : null] as const;
});

let databases: Awaited<ReturnType<typeof createDatabase>>[];
let plain: pg.Pool;
let raw: pg.Pool;
let sealed: pg.Pool;
const columns = ['name', 'nick', 'city', 'status', 'active', 'rank', 'note'];

beforeAll(async () => {
  databases = [await createDatabase(inject('postgresUrl')), await createDatabase(inject('postgresUrl'))];
  const [first, second] = databases.map(({ url }) => url);
  plain = new pg.Pool({ connectionString: first });
  raw = new pg.Pool({ connectionString: second });
  await plain.query(
    'create table person (id int primary key, name text, nick text, city text, status text, active boolean, rank float8, note text)',
  );
  await raw.query(`create table person (id int primary key, ${columns.map((name) => `${name} bytea`)})`);
  for (const statement of fieldsSql(fields)) await raw.query(statement);
  const encryption = createFieldEncryption({
    ...{ fields, keyring: tenantKeyring, dataKeys: postgresDataKeyStore(raw), tenant: 'north' },
  });
  sealed = encryptedPool(new pg.Pool({ connectionString: second }), encryption);
  const insert = `insert into person (id, ${columns}) values ($1, $2, $3, $4, $5, $6, $7, $8)`;
  for (const pool of [plain, sealed]) for (const person of people) await pool.query(insert, [...person]);
});
afterAll(async () => {
  await Promise.all([plain.end(), raw.end(), sealed.end()]);
  for (const database of databases) await database.drop();
});

/** The same answer in both databases, of at least so many rows. */
async function same(text: string, values: unknown[], least = 1): Promise<void> {
  const [one, other] = [await sealed.query(text, values), await plain.query(text, values)];
  expect([text, values, one.rows]).toEqual([text, values, other.rows]);
  expect(one.rowCount).toBe(other.rowCount);
  expect(one.rows.length).toBeGreaterThanOrEqual(least);
}
const refused = async (text: string, values: unknown[] = []) => {
  const error = await sealed.query(text, values).then(
    () => undefined,
    (thrown: { code?: string; message: string }) => thrown,
  );
  expect([text, error?.code]).toEqual([text, 'ERR_FIELD_QUERY']);
  return error?.message ?? '';
};

describe('§6.4 LIKE with a beginning', () => {
  test.each(['An%', 'Ann%', 'Anne%', 'Anneg%', 'Zo%', 'Zoë%%', 'a\\_%', 'a\\%n%', 'An\\\\%'])('%s', async (pattern) => {
    await same('select id, name from person where name like $1 order by id', [pattern]);
    await same('select p.note from person p join person q on q.id = p.id where p.name like $1 order by p.id', [
      pattern,
    ]);
    await same(`select id from person where id < 60 and (name like '${pattern}') order by id`, []);
    await same('select * from person where name ~~ $1 and id > $2 order by id', [pattern, 5]);
  });

  test.each(['name::text', 'person.name::text', '"person"."name" :: TEXT'])(
    'of the column read as %s',
    async (column) => {
      await same(`select id, name from person where ${column} like $1 order by id`, ['Anne%']);
      await same(`select * from person where id > $2 and (${column} ~~ $1) order by id offset $3`, ['Zo%', 5, 0]);
      await same(`select id, name from person where name = $2 and ${column} like $1 order by id`, ['An%', 'Anna']);
    },
  );

  test('of a pattern that the statement makes, in brackets or not', async () => {
    for (const pattern of ["($1 || '%')", "$1 || '%'", '(($2))']) {
      const values = pattern.includes('$2') ? ['x', 'Anne%'] : ['Anne'];
      const more = pattern.includes('$2') ? ' and $1::text is not null' : '';
      await same(`select id, name from person where name::text like ${pattern}${more} order by id`, values);
      await same(`select id from person where (name like ${pattern}) and id < 60${more} order by id`, values);
    }
    await same(`select id from person where name like ($1 || '%')`, [null], 0);
    await same(`select id from person where name like ($1 || '%') order by id`, ['An\\\\']);
  });

  test.each(["('%' || $1)", "('%' || $1 || '%')", "($1 || '_')", "($1 || '%x')", 'lower($1)', "($1 || '%'::text)"])(
    'is refused for the pattern %s',
    async (pattern) => {
      expect(await refused(`select id from person where name::text like ${pattern}`, ['Ann'])).toMatch(
        /beginning alone/,
      );
    },
  );

  test('what there is not, and NULL', async () => {
    await same('select id from person where name like $1', ['Annx%'], 0);
    await same('select id from person where name like $1', [null], 0);
  });

  test('of a prefix that is normalized, in any case', async () => {
    const ask = (text: string, pattern: string) =>
      sealed.query(`select count(*) over () from (select 1) x`).then(() => sealed.query(text, [pattern]));
    const { rows } = await plain.query("select id, nick from person where lower(nick) like 'ann%' order by id");
    for (const operator of ['like', 'ilike']) {
      for (const pattern of ['ann%', 'ANN%']) {
        const found = await ask(`select id, nick from person where nick ${operator} $1 order by id`, pattern);
        expect(found.rows).toEqual(rows);
      }
    }
  });

  test.each([
    ['select id from person where name like $1', ['%a'], /beginning/],
    ['select id from person where name like $1', ['A%a%'], /beginning/],
    ['select id from person where name like $1', ['Ann_'], /beginning/],
    ['select id from person where name like $1', ['Anna'], /beginning/],
    ['select id from person where name ilike $1', ['An%'], /LIKE/],
    ["select id from person where name like $1 escape '!'", ['An%'], /./],
    ['select id from person where name not like $1', ['An%'], /./],
    ['select id from person where $1 like nick', ['an%'], /LIKE/],
    ['select id from person where city like $1', ['ci%'], /prefixIndex/],
    ['select id from person where name like $1 limit 5', ['An%'], /LIMIT/],
    ['select id from person where name like $1 offset 5', ['An%'], /LIMIT/],
    ['select count(*) from person where name like $1', ['An%'], /count/],
    ['select id, row_number() over () from person where name like $1', ['An%'], /window/],
    ['select id from person where name like $1 or name like $2', ['An%', 'Zo%'], /two statements/],
    ['select id from (select id, name from person where name like $1) p', ['An%'], /outermost/],
    ['delete from person where name like $1', ['An%'], /outermost/],
    ['select id from person where name > $1', ['An'], /opening/],
    ['select id from person where name::text > $1', ['An'], /opening/],
    ['select id from person where name::text = $1', ['Anna'], /opening/],
    ['select id from person where cast(name as text) like $1', ['An%'], /column::text/],
    ['select id from person where (name)::text like $1', ['An%'], /column::text/],
    ['select id from person where name::varchar like $1', ['An%'], /opening/],
    ['select id from person where name::text not like $1', ['An%'], /opening/],
    ['select id from person where name::text like $1 offset $2', ['An%', 5], /OFFSET/],
    ['select id from person where rank::text like $1', ['1%'], /opening/],
    ['select id from person where city::text ilike $1', ['ci%'], /blindIndex that is normalized/],
    ['select id from person where nick ilike $1', ['anna'], /whole value by =/],
  ] as const)('is refused in %s with %j', async (text, values, instead) => {
    expect(await refused(text, [...values])).toMatch(instead);
  });

  test('asks for the greatest length that the beginning has', async () => {
    await raw.query('alter table person alter column name_prefix2 drop expression');
    await raw.query('update person set name_prefix2 = null');
    await same('select id, name from person where name like $1 order by id', ['Anne%']);
    await same('select id, name from person where name like $1 order by id', ['Annegret%']);
    expect((await sealed.query('select id from person where name like $1', ['An%'])).rows).toEqual([]);
  });

  test('a beginning that is too short says so', async () => {
    for (const pattern of ['A%', '%']) {
      const asked = sealed.query('select id from person where name like $1', [pattern]);
      await expect(asked).rejects.toMatchObject({ code: 'ERR_FIELD_VALUE' });
    }
  });
});

describe('§6.5 equality by a bucket index', () => {
  test('finds what is equal and nothing else', async () => {
    // 40 cities in 16 buckets.
    const { rows } = await raw.query('select count(distinct city_idx)::int as n from person');
    expect(rows[0].n).toBeLessThanOrEqual(16);
    await same('select id, city from person where city = $1 order by id', ['city 1']);
    await same('select id from person where city in ($1, $2) order by id', ['city 1', 'city 7']);
    await same('select id from person where city = any($1) order by id', [['city 1', 'city 7', 'city 99']]);
    await same(
      'select p.id, q.id as other from person p join person q on q.id = p.id + 1 where p.city = $1 order by 1',
      ['city 3'],
    );
    await same('select id from person where city = $1', ['nowhere'], 0);
    await same("select id from person where city = 'city 5' and note is not null order by id", []);
  });

  test.each([
    ['select count(*) from person where city = $1', /count/],
    ['select id from person where city = $1 limit 1', /LIMIT/],
    ['update person set note = null where city = $1', /outermost/],
    ['select id from person where city = $1 or name = $1', /two statements/],
    ['select id from person where id in (select id from person where city = $1)', /outermost/],
    ['select id from person where not (city = $1)', /./],
  ])('is refused in %s', async (text, instead) => {
    expect(await refused(text, ['city 1'])).toMatch(instead);
  });
});

describe('§6.4 equality of all columns of a compound index', () => {
  test('in any order, with other conditions, aliases, constants and NULL', async () => {
    const where = 'status = $1 and active = $2 and rank = $3';
    await same(`select id from person where ${where} order by id`, ['in', true, 1]);
    await same(
      'select p.id, p.status from person p where p.rank = $3 and $2 = p.active and (p.status = $1) order by id',
      ['in', false, 2],
    );
    await same(`select count(*)::int as n from person where ${where}`, ['out', true, 0]);
    await same(
      `select id from person where ${where} and id > $4 and name = $5 order by id`,
      ['in', true, 4, 3, 'Zoe'],
      0,
    );
    await same("select id from person where status = 'in' and active = true and rank = 1 order by id", []);
    await same(`select id from person where ${where} limit 1`, ['in', true, 1]);
    await same(`select id, $1::text as said from person where ${where} order by id`, ['in', true, 1]);
    for (const values of [
      [null, true, 1],
      ['in', null, 1],
      ['in', true, null],
    ]) {
      await same(`select id from person where ${where}`, values, 0);
    }
    await same('select id from person where status = $1 and active = $2 and rank = $3', ['nothing', true, 1], 0);
  });

  test('selects rows of UPDATE and DELETE', async () => {
    const where = 'status = $1 and active = $2 and rank = $3';
    for (const pool of [sealed, plain]) {
      const changed = await pool.query(`update person set note = 'changed' where ${where}`, ['in', true, 3]);
      expect(changed.rowCount).toBe(4);
      expect((await pool.query(`delete from person where ${where}`, ['out', true, 4])).rowCount).toBe(4);
    }
    await same('select id, note from person where note is not null order by id', []);
  });

  test.each([
    'select id from person where status = $1 and active = true',
    'select id from person where status = $1',
    'select id from person where rank = 1 and status <> $1',
    'select id from person where status = $1 and (active = true or rank = 1)',
    'select id from person where not (status = $1 and active = true and rank = 1)',
  ])('is refused where one is missing: %s', async (text) => {
    await refused(text, ['in']);
  });

  test('§5.8 a tag that was put elsewhere is noticed', async () => {
    await sealed.query('alter table person alter column status_state drop expression');
    await sealed.query('update person set status_state = (select status_state from person where id = 1) where id = 2');
    const asked = sealed.query('select id from person where status = $1 and active = $2 and rank = $3', [
      'in',
      false,
      1,
    ]);
    await expect(asked).rejects.toMatchObject({ code: 'ERR_FIELD_TAG' });
  });
});
