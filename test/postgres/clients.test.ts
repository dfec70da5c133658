// What the client of an application may do with encrypted columns, and what the database sees of it.

import type pg from 'pg';
import { describe, expect, test } from 'vitest';
import { withTenant } from '../../src/fields/postgres.ts';
import { on, withPeople } from './people.ts';

withPeople();

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

  test('§2.2 a call that waits for a connection of its pool stays in its tenant', async () => {
    // More calls than connections, which are given back by calls of the other tenant.
    const inserts = Array.from({ length: 40 }, (_, i) => {
      const tenant = i % 2 === 0 ? 'north' : 'south';
      const values = [tenant, `of ${tenant}`];
      const text = 'insert into visit (clinic, patient, diagnosis) values ($1, 1, $2)';
      return withTenant(tenant, () => on.sealed.query(text, values));
    });
    await Promise.all(inserts);
    for (const tenant of ['north', 'south']) {
      const ask = async () => on.sealed.query('select clinic from visit where diagnosis = $1', [`of ${tenant}`]);
      expect((await withTenant(tenant, ask)).rows).toEqual(Array(20).fill({ clinic: tenant }));
    }
  });

  test('§2.2 what runs only once it is awaited runs in its tenant', async () => {
    const lazy = (text: string) => ({
      // biome-ignore lint/suspicious/noThenProperty: as the query builders of ORMs
      then: (...told: Parameters<Promise<pg.QueryResult>['then']>) => on.sealed.query(text).then(...told),
    });
    const text = "insert into visit (clinic, patient, diagnosis) values ('south', 1, 'later')";
    await withTenant('north', async () => {
      await withTenant('south', () => lazy(text));
    });
    const ask = async () => on.sealed.query('select clinic from visit where diagnosis = $1', ['later']);
    expect((await withTenant('south', ask)).rows).toEqual([{ clinic: 'south' }]);
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
