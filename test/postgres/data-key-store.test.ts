import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createDatabase } from '../../key-service/test/support/postgres.ts';
import { fieldsSql, postgresDataKeyStore } from '../../src/fields/postgres.ts';
import { createFieldEncryption, type DataKeyRow, defineFields, encrypted } from '../../src/fields.ts';
import { failureOf, tenantKeyring } from '../fields/support.ts';

const fields = defineFields({ note: { row: 'id', subject: 'person', columns: { text: encrypted.string() } } });
let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: pg.Pool;
beforeAll(async () => {
  database = await createDatabase(inject('postgresUrl'));
  pool = new pg.Pool({ connectionString: database.url, max: 10 });
  await pool.query('create table note (id int primary key, person text, text bytea)');
  for (const statement of fieldsSql(fields)) await pool.query(statement);
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const encryption = () =>
  createFieldEncryption({
    fields,
    keyring: (of) => tenantKeyring(of),
    dataKeys: postgresDataKeyStore(pool),
    tenant: 'north',
  });

describe('postgresDataKeyStore', () => {
  test('§4.1 one row a key, and definitions that are compared', async () => {
    const rows = Array.from({ length: 300 }, (_, id) => ({ id, person: `p${id % 30}`, text: 'x' }));
    const sealed = await encryption().seal('note', rows);
    expect(await encryption().open('note', sealed)).toEqual(rows);
    const { rows: keys } = await pool.query('select * from bulla_data_keys');
    expect(keys).toHaveLength(30);
    expect(keys[0]).toMatchObject({ tenant: 'north', purpose: 'data', field: null, version: 0, state: 'active' });
    expect((await pool.query('select * from bulla_field_schemas')).rows).toEqual([
      { field: 'note.text', version: 1, definition: 'string' },
    ]);
  });

  test('§4.6 of 20 writers at once all use one key', async () => {
    const rows = await Promise.all(
      Array.from(
        { length: 20 },
        async (_, id) => (await encryption().seal('note', [{ id, person: 'new', text: 'x' }]))[0],
      ),
    );
    expect(new Set(rows.map((row) => row?.text.slice(3, 19).join())).size).toBe(1);
    await encryption().open(
      'note',
      rows.map((row) => ({ ...row })),
    );
  });

  test('§4.7 a retired key makes room for another', async () => {
    const store = postgresDataKeyStore(pool);
    const slot = { tenant: 'north', subject: 'aged', purpose: 'data', field: null, version: 0 } as const;
    const row = (byte: number): DataKeyRow => ({
      ...slot,
      id: new Uint8Array(16).fill(byte),
      created: byte,
      state: 'active',
      wrapped: Uint8Array.of(1),
      receipt: null,
    });
    expect(await store.add([row(1)], [])).toEqual([row(1)]);
    expect(await store.add([row(2)], [])).toEqual([row(1)]);
    expect(await store.add([row(3)], [row(1).id])).toEqual([row(3)]);
    expect(await store.bySlot([slot])).toEqual([row(3)]);
    expect((await store.byId([row(1).id])).map(({ state }) => state)).toEqual(['retired']);
  });

  test('§7.2 a shredded subject gets no key, whichever call is faster', async () => {
    await encryption().seal('note', [{ id: 1, person: 'gone', text: 'x' }]);
    const [result, ...writers] = await Promise.allSettled([
      encryption().shred({ tenant: 'north', subject: 'gone', revoke: false }),
      ...Array.from({ length: 8 }, () => encryption().seal('note', [{ id: 1, person: 'gone', text: 'x' }])),
    ]);
    expect(result?.status).toBe('fulfilled');
    expect(writers).toHaveLength(8);
    const { rows } = await pool.query(`select state, wrapped from bulla_data_keys where subject = 'gone'`);
    expect(rows).toEqual([{ state: 'shredded', wrapped: null }]);
    const error = await failureOf(encryption().seal('note', [{ id: 1, person: 'gone', text: 'x' }]));
    expect(error.code).toBe('ERR_FIELD_SHREDDED');
  });
});
