// Cursors and streams over encrypted tables, beside a database without encryption; docs/fields.md §6.8.

import { createRequire } from 'node:module';
import type pg from 'pg';
import QueryStream from 'pg-query-stream';
import { describe, expect, test } from 'vitest';
import { withTenant } from '../../src/fields/postgres.ts';
import { on, withPeople } from './people.ts';

interface Cursor {
  read(rows: number): Promise<Record<string, unknown>[]>;
  on(event: 'row', told: (row: Record<string, unknown>) => void): void;
  close(): Promise<void>;
}
/** `pg-cursor` has no types. */
const CursorClass = createRequire(import.meta.url)('pg-cursor') as new (
  text: string,
  values?: unknown[],
  config?: object,
) => Cursor;

withPeople();

const open = (client: pg.PoolClient, text: string, values?: unknown[], config?: object): Cursor =>
  client.query(new CursorClass(text, values, config) as never) as unknown as Cursor;

/** Works with a connection, which must answer another statement afterwards. */
async function withClient<Result>(work: (client: pg.PoolClient) => Promise<Result>, pool = on.sealed): Promise<Result> {
  const client = await pool.connect();
  try {
    const result = await work(client);
    expect((await client.query('select id, note from patient where id = 3')).rows).toEqual([{ id: 3, note: 'nuts' }]);
    return result;
  } finally {
    client.release();
  }
}

/** All batches of a cursor, up to an empty one. */
async function batches(cursor: Cursor, size: number): Promise<unknown[][]> {
  const all: unknown[][] = [];
  for (let rows = await cursor.read(size); rows.length > 0; rows = await cursor.read(size)) all.push(rows);
  return all;
}

describe('a cursor', () => {
  test.each([1, 2, 3, 4, 5, 100])('gives in batches of %i what it gives without encryption', async (size) => {
    for (const [text, values, config] of [
      ['select * from patient order by id'],
      ['select note, name as who from patient where id < $1 order by id desc', [4]],
      [
        'select p.email, v.diagnosis, v.day from patient p join visit v on v.patient = p.id where p.email = $1',
        ['alice@example'],
      ],
      ['select email, visits, born from patient order by id', [], { rowMode: 'array' }],
      ['select id from patient where email in ($1, $2) order by id', ['bob@example', 'zoë@example']],
      ['select 1 as one, count(*) as n from patient'],
      ['select email from patient where false'],
    ] as [string, unknown[]?, object?][]) {
      const [sealed, plain] = [on.sealed, on.plain].map((pool) =>
        withClient((client) => batches(open(client, text, values, config), size), pool),
      );
      expect(await sealed).toEqual(await plain);
    }
  });

  test('is opened in the tenant of the call, and sent in its turn', async () => {
    await withClient(async (client) => {
      const text = 'insert into visit (clinic, patient, diagnosis) values ($1, 1, $2)';
      const inserted = withTenant('south', () => client.query(text, ['south', 'of south']));
      const cursor = withTenant('south', () => open(client, "select diagnosis from visit where clinic = 'south'"));
      const after = client.query('select name from patient where email = $1', ['bob@example']);
      await inserted;
      expect(await cursor.read(10)).toEqual([{ diagnosis: 'of south' }]);
      expect((await after).rows).toEqual([{ name: 'Bob' }]);
      const foreign = open(client, "select diagnosis from visit where clinic = 'south'");
      await expect(foreign.read(10)).rejects.toMatchObject({ code: 'ERR_FIELD_TENANT' });
    });
  });

  test('in a transaction, closed before its end, beside others', async () => {
    await withClient(async (client) => {
      await client.query('begin');
      const cursor = open(client, 'select id, note from patient order by id');
      expect(await cursor.read(1)).toEqual([{ id: 1, note: 'pollen' }]);
      await cursor.close();
      await client.query('update patient set note = $1 where id = 1', ['changed']);
      expect(await open(client, 'select note from patient where id = 1').read(2)).toEqual([{ note: 'changed' }]);
      await client.query('rollback');
    });
  });

  test('a record that does not open fails its whole batch, with the row, and none before it', async () => {
    await on.raw.query('update patient set note = (select note from patient where id = 1) where id = 3');
    const client = await on.sealed.connect();
    try {
      const cursor = open(client, 'select id, note from patient order by id');
      const told: unknown[] = [];
      cursor.on('row', ({ id }) => told.push(id));
      expect(await cursor.read(1)).toEqual([{ id: 1, note: 'pollen' }]);
      await expect(cursor.read(2)).rejects.toMatchObject({ code: 'ERR_FIELD_OPEN', row: ['3'] });
      await expect(cursor.read(2)).rejects.toMatchObject({ code: 'ERR_FIELD_OPEN', row: ['3'] });
      expect(told).toEqual([1]);
      await cursor.close();
      // In the last batch as well.
      const last = open(client, 'select id, note from patient where id = 3');
      await expect(last.read(10)).rejects.toMatchObject({ code: 'ERR_FIELD_OPEN', row: ['3'] });
      await last.close();
      expect((await client.query('select name, note from patient where id = 1')).rows).toEqual([
        { name: 'Alice', note: 'pollen' },
      ]);
    } finally {
      client.release();
    }
  });

  test('§6.3 what cannot be traced is not handed through', async () => {
    await on.raw.query(
      "create or replace function shown() returns setof text language sql as 'select p.note::text from patient p'",
    );
    await withClient(async (client) => {
      const cursor = open(client, 'select shown()');
      await expect(cursor.read(10)).rejects.toMatchObject({ code: 'ERR_FIELD_OPAQUE' });
    });
    await on.raw.query('drop function shown');
  });

  test.each([
    ['select lower(email) from patient', []],
    ['select email from patient order by email', []],
    ['insert into patient (id, email) values (9, $1) returning id', ['x@example']],
    ['update patient set note = $1 where id = 1 returning id', ['x']],
    ['update patient set note = $1 where name = $2', ['x', 'Bob']],
    ['select id from patient where email = any($1)', [['a', 'b']]],
    ['selekt', []],
  ])('is refused for %s, and nothing is sent', async (text, values) => {
    await withClient(async (client) => {
      await expect(open(client, text, values).read(1)).rejects.toMatchObject({ code: 'ERR_FIELD_QUERY' });
    });
    expect((await on.plain.query('select id, note from patient order by id')).rows).toEqual(
      (await on.sealed.query('select id, note from patient order by id')).rows,
    );
  });

  test('in binary is refused', async () => {
    const client = await on.sealed.connect();
    try {
      Object.assign(client, { binary: true });
      await expect(open(client, 'select note from patient').read(1)).rejects.toMatchObject({ code: 'ERR_FIELD_QUERY' });
    } finally {
      client.release(true);
    }
  });

  test('an error of the server is its own', async () => {
    await withClient(async (client) => {
      const cursor = open(client, 'select id / 0, note from patient');
      await expect(cursor.read(1)).rejects.toMatchObject({ code: '22012' });
    });
  });
});

describe('a stream', () => {
  const manyRows = 1_000;
  const fill = async () => {
    for (const pool of [on.sealed, on.plain]) {
      const text = `insert into patient (id, name) select 100 + n, 'many' from generate_series(1, ${manyRows}) n`;
      await pool.query(text);
      await pool.query('update patient set note = $1 where id > 100', ['same']);
    }
  };

  test.each([1, 7, 100, 5_000])('of batches of %i gives what it gives without encryption', async (batchSize) => {
    await fill();
    const read = async (pool: pg.Pool) =>
      withClient(async (client) => {
        const rows: unknown[] = [];
        const text = 'select id, note, email from patient where id > $1 order by id';
        for await (const row of client.query(new QueryStream(text, [1], { batchSize }))) rows.push(row);
        return rows;
      }, pool);
    const [sealed, plain] = [await read(on.sealed), await read(on.plain)];
    expect(sealed).toHaveLength(manyRows + 3);
    expect(sealed).toEqual(plain);
  });

  test('asks for no more than is read', async () => {
    await fill();
    await withClient(async (client) => {
      const stream = new QueryStream('select id, note from patient order by id', [], { batchSize: 10 });
      let handed = 0;
      const { handleDataRow } = stream;
      stream.handleDataRow = (message: unknown) => {
        handed++;
        handleDataRow(message);
      };
      for await (const { note } of client.query(stream)) {
        expect(note).toBe('pollen');
        break;
      }
      expect(handed).toBeLessThanOrEqual(30);
      expect(stream.destroyed).toBe(true);
    });
  });

  test('ends with an error that names the row, and the connection goes on', async () => {
    await fill();
    await on.raw.query('update patient set note = (select note from patient where id = 1) where id = 500');
    await withClient(async (client) => {
      const ids: number[] = [];
      const stream = client.query(new QueryStream('select id, note from patient order by id', [], { batchSize: 50 }));
      const read = async () => {
        for await (const { id } of stream) ids.push(id);
      };
      await expect(read()).rejects.toMatchObject({ code: 'ERR_FIELD_OPEN', row: ['500'] });
      expect(ids.length % 50).toBe(0);
      expect(Math.max(...ids)).toBeLessThan(500);
    });
  });

  test('is refused as a query is', async () => {
    await withClient(async (client) => {
      const read = async () => {
        for await (const _ of client.query(new QueryStream('select max(email) from patient'))) throw new Error('a row');
      };
      await expect(read()).rejects.toMatchObject({ code: 'ERR_FIELD_QUERY' });
    });
  });
});
