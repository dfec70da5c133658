// Beginnings with white space, searched for through the seam, and what cannot answer them; docs/fields.md §5.4 and §6.8.

import pg from 'pg';
import QueryStream from 'pg-query-stream';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { encryptedPool, fieldsSql } from '../../src/fields/postgres.ts';
import { defineFields, encrypted, prefixIndex } from '../../src/fields.ts';
import { type Database, jobsOn, openDatabase, transaction } from './migrating.ts';

const prefix = prefixIndex({ lengths: [2, 3], normalize: ['trim', 'lower'] });
const fields = defineFields({ place: { row: 'id', columns: { name: encrypted.string({ index: [prefix] }) } } });
const names = ['ab cd', '  ab', 'abc', 'ab ', ' Ab  x', 'a b', 'ab\tcd', 'AB'];

let database: Database;
let pool: pg.Pool;
beforeAll(async () => {
  database = await openDatabase(inject('postgresUrl'));
  await database.pool.query('create table place (id int primary key, name bytea)');
  await transaction(database.pool, fieldsSql(fields));
  const { encryption } = jobsOn(database.pool, fields, { tenant: 'north' });
  pool = encryptedPool(new pg.Pool({ connectionString: database.url, max: 2 }), encryption);
  for (const [id, name] of names.entries())
    await pool.query('insert into place (id, name) values ($1, $2)', [id, name]);
});
afterAll(async () => {
  await pool.end();
  await database.close();
});

const found = async (pattern: string) =>
  (await pool.query('select name from place where name like $1 order by id', [pattern])).rows.map(({ name }) => name);

test.each([
  ['ab%', ['ab cd', '  ab', 'abc', 'ab ', ' Ab  x', 'ab\tcd', 'AB']],
  // White space in the middle of a value counts; what a value ends with does not.
  ['ab %', ['ab cd', ' Ab  x']],
  ['ab  %', [' Ab  x']],
  ['ab c%', ['ab cd']],
  ['ab\t%', ['ab\tcd']],
  // What stands before a value counts neither in it nor in a beginning.
  ['  AB %', ['ab cd', ' Ab  x']],
  ['a %', ['a b']],
])('§5.4 LIKE %j finds %j', async (pattern, expected) => {
  expect(await found(pattern)).toEqual(expected);
});

test('§5.4 white space alone is no beginning', async () => {
  await expect(found('   %')).rejects.toMatchObject({ code: 'ERR_FIELD_VALUE' });
});

test('§6.8 a stream, which would end where rows are dropped, is refused', async () => {
  const client = await pool.connect();
  try {
    const read = async () => {
      const stream = new QueryStream('select id from place where name like $1 order by id', ['ab c%']);
      for await (const _ of client.query(stream)) throw new Error('a row came');
    };
    await expect(read()).rejects.toMatchObject({ code: 'ERR_FIELD_QUERY', message: expect.stringMatching(/stream/) });
    expect((await client.query('select id from place where name like $1', ['ab c%'])).rows).toEqual([{ id: 0 }]);
  } finally {
    client.release();
  }
});
