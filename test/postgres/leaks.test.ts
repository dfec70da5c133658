// What PostgreSQL gets to see: neither values nor data keys, in its files, in its WAL or in its log of all statements. And two things that must hold whatever is rolled back or races.

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PostgresServer, query, startPostgres } from '../../key-service/test/support/postgres.ts';
import { encryptedPool, fieldsSql, postgresDataKeyStore, withTenant } from '../../src/fields/postgres.ts';
import { blindIndex, createFieldEncryption, defineFields, encrypted, prefixIndex } from '../../src/fields.ts';
import { tenantKeyring } from '../fields/support.ts';
import { openPool } from './migrating.ts';

const fields = defineFields({
  patient: {
    ...{ row: 'id', tenant: 'clinic' },
    columns: {
      email: encrypted.string({ index: [blindIndex({ unique: true }), prefixIndex({ lengths: [4] })] }),
      note: encrypted.string(),
      record: encrypted.json({ pad: 64 }),
    },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'bulla-leaks-'));
/** All of 32 bytes that was drawn at random: data keys and salts. */
const drawn: Uint8Array[] = [];
/** What the server wrote to its log. */
const logged: string[] = [];
let server: PostgresServer;
let raw: pg.Pool;
let sealed: pg.Pool;

const encryption = () =>
  createFieldEncryption({
    ...{ fields, keyring: tenantKeyring, dataKeys: postgresDataKeyStore(raw), tenant: 'north' },
    random(length) {
      const bytes = crypto.getRandomValues(new Uint8Array(length));
      if (length === 32) drawn.push(bytes.slice());
      return bytes;
    },
  });

beforeAll(async () => {
  server = await startPostgres({ own: true, hasty: true, folder, onLog: (text) => logged.push(text) });
  for (const setting of ["log_statement = 'all'", "log_error_verbosity = 'verbose'"]) {
    await query(server.url, `alter system set ${setting}`);
  }
  await query(server.url, 'select pg_reload_conf()');
  raw = openPool(server.url);
  await raw.query(
    'create table patient (id int primary key, clinic text default $$north$$, email bytea, note bytea, record bytea, plain text)',
  );
  for (const statement of fieldsSql(fields)) await raw.query(statement);
  sealed = encryptedPool(openPool(server.url), encryption());
});
afterAll(async () => {
  await Promise.all([raw.end(), sealed.end()]);
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The files of a folder, whatever is in them. */
function filesIn(path: string): string[] {
  return readdirSync(path).flatMap((name) => {
    const full = join(path, name);
    return statSync(full).isDirectory() ? filesIn(full) : [full];
  });
}

/** Which of some secrets stand in the server's files, its WAL and its log, in any encoding. */
function whereIs(secrets: readonly Uint8Array[]): Map<string, number[]> {
  const sources = ['base', 'pg_wal'].map((name): [string, Buffer[]] => {
    return [name, filesIn(join(folder, 'data', name)).map((path) => readFileSync(path))];
  });
  const forms = secrets.map((secret) => {
    const bytes = Buffer.from(secret);
    // Without the last characters of base64, which depend on what follows.
    const base64 = bytes.toString('base64').replace(/=*$/, '').slice(0, -2);
    return [bytes, bytes.toString('hex'), bytes.toString('hex').toUpperCase(), base64];
  });
  const isIn = (contents: readonly Buffer[], each: (typeof forms)[number]) =>
    contents.some((content) => each.some((form) => content.includes(form)));
  return new Map(
    [...sources, ['log', [Buffer.from(logged.join(''))]] as [string, Buffer[]]].map(([name, contents]) => [
      name,
      forms.flatMap((each, i) => (isIn(contents, each) ? [i] : [])),
    ]),
  );
}

test('§6.4 of 200 planted values none is in the files, the WAL or the log, and no data key is', async () => {
  const planted = Array.from({ length: 200 }, (_, i) => `secret${i}-${crypto.randomUUID().slice(0, 13)}`);
  for (let i = 0; i < 200; i += 5) {
    const [email, note, literal, changed, searched] = planted.slice(i, i + 5) as [
      string,
      string,
      string,
      string,
      string,
    ];
    const insert = 'insert into patient (id, email, note, record) values ($1, $2, $3, $4)';
    await sealed.query(insert, [i, email, note, { a: [note] }]);
    await sealed.query(`insert into patient (id, note) values (${i + 1}, '${literal}')`);
    await sealed.query('update patient set note = $1 where email = $2', [changed, email]);
    await sealed.query(`select note from patient where email in ($1, '${searched}') or email = any($2)`, [
      email,
      [searched],
    ]);
    await sealed.query('select note from patient where email like $1', [`${searched}%`]);
    await sealed.query(
      'insert into patient (id, note) values ($1, $2) on conflict (id) do update set note = excluded.note',
      [i, changed],
    );
    // What fails is logged with its parameters.
    await expect(sealed.query(insert, [i + 2, email, note, null])).rejects.toMatchObject({ code: '23505' });
    await expect(sealed.query(`select id from patient where note = '${literal}'`)).rejects.toMatchObject({
      code: 'ERR_FIELD_QUERY',
    });
    await expect(sealed.query(`select nonsense from patient where email = '${email}'`)).rejects.toMatchObject({
      code: '42703',
    });
    const { rows } = await sealed.query('select note from patient where id in ($1, $2) order by id', [i, i + 1]);
    expect(rows).toEqual([{ note: changed }, { note: literal }]);
  }
  // One that is not encrypted is found, so that the search is seen to find.
  const control = `control-${crypto.randomUUID()}`;
  await raw.query('update patient set plain = $1 where id = 0', [control]);
  await raw.query('checkpoint');
  const encoder = new TextEncoder();
  // A wrapped key has a salt in it, which is no secret: 32 bytes behind their tag and length.
  const { rows: keys } = await raw.query('select wrapped from bulla_data_keys');
  const salts = keys.map(({ wrapped }: { wrapped: Buffer }) => {
    const at = wrapped.indexOf(Buffer.from('540a20', 'hex')) + 3;
    return wrapped.subarray(at, at + 32).toString('hex');
  });
  const dataKeys = drawn.filter((bytes) => !salts.includes(Buffer.from(bytes).toString('hex')));
  expect([dataKeys.length, salts.length]).toEqual([2, 2]);
  const found = whereIs([...planted.map((text) => encoder.encode(text)), ...dataKeys, encoder.encode(control)]);
  const only = [planted.length + dataKeys.length];
  expect([...found]).toEqual([
    ['base', only],
    ['pg_wal', only],
    ['log', only],
  ]);
});

describe('§4.6 data keys', () => {
  test('one that was made for a transaction that is rolled back opens what is sealed afterwards, in a cold process too', async () => {
    await withTenant('south', async () => {
      const client = await sealed.connect();
      await client.query('begin');
      await client.query("insert into patient (id, clinic, note) values (2000, 'south', $1)", ['lost']);
      await client.query('rollback');
      client.release();
      await sealed.query("insert into patient (id, clinic, note) values (2001, 'south', $1)", ['kept']);
    });
    const cold = encryptedPool(openPool(server.url), encryption());
    const ask = () => cold.query("select note from patient where clinic = 'south'");
    expect((await withTenant('south', ask)).rows).toEqual([{ note: 'kept' }]);
    await cold.end();
  });
});

describe('§6.6 50 upserts at once', () => {
  const upsert = (target: string) =>
    Promise.allSettled(
      Array.from({ length: 50 }, (_, i) =>
        sealed.query(
          `insert into patient (id, email, note) values ($1, $2, $3) on conflict (${target}) do update set note = excluded.note`,
          [target === 'id' ? 3000 : 3001 + i, target === 'id' ? `u${i}@example` : 'same@example', `n${i}`],
        ),
      ),
    );

  test('on the primary key leave a row that opens', async () => {
    expect((await upsert('id')).filter(({ status }) => status === 'rejected')).toEqual([]);
    const { rows } = await sealed.query('select email, note from patient where id = 3000');
    expect(rows).toEqual([{ email: expect.stringMatching(/^u\d+@example$/), note: expect.stringMatching(/^n\d+$/) }]);
  });

  test('on the unique encrypted field are refused, since a value would land in another row', async () => {
    for (const result of await upsert('email')) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ERR_FIELD_QUERY' } });
    }
    expect((await sealed.query('select id from patient where email = $1', ['same@example'])).rows).toEqual([]);
  });
});
