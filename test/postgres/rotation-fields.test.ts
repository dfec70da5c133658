// Rotation of data keys, indexes and the keys that wrap, while an application writes.

import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { KeyServiceError } from '../../src/errors.ts';
import { encryptedPool, postgresDataKeyStore } from '../../src/fields/postgres.ts';
import { blindIndex, createFieldEncryption, defineFields, encrypted, type Fields } from '../../src/fields.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import { failureOf } from '../fields/support.ts';
import { type Database, jobsOn, openDatabase, openPool, sqlState } from './migrating.ts';

const mail = (options: Parameters<typeof encrypted.string>[0]) =>
  defineFields({
    account: { row: 'id', tenant: 'clinic', columns: { mail: encrypted.string(options) } },
  });
const index = (version: number) => blindIndex<string>({ unique: true, version });
const first = mail({ index: [index(1)] });
const both = mail({ version: 2, index: [index(2), index(1)], earlier: { 1: [index(1)] } });
const second = mail({ version: 3, index: [index(2)], earlier: { 2: [index(2), index(1)] } });

const rows = 800;
const path = 'account.mail';
let database: Database;
const query = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;
beforeEach(async () => {
  database = await openDatabase(inject('postgresUrl'));
  await query('create table account (id int primary key, clinic text not null default $$north$$)');
  await database.step(first, 'tables');
  await database.step(first, 'expand', path);
  await insert(
    first,
    Array.from({ length: rows }, (_, i) => i),
  );
});
afterEach(() => database?.close());

async function insert(fields: Fields, ids: readonly number[], mailOf = (id: number) => `m${id}`): Promise<void> {
  const { encryption } = jobsOn(database.pool, fields);
  const given = ids.map((id) => ({ id, clinic: 'north', mail: mailOf(id) }));
  const sealed = (await encryption.seal('account', given as never)) as unknown as { id: number; mail: Uint8Array }[];
  await query('insert into account (id, mail) select * from unnest($1::int[], $2::bytea[])', [
    sealed.map(({ id }) => id),
    sealed.map(({ mail: record }) => Buffer.from(record)),
  ]);
}

const run = async (fields: Fields, kind: 'reencrypt' | 'reindex' | 'verify', options: object = {}) => {
  const { jobs } = jobsOn(database.pool, fields, options);
  const { id } = await jobs.start({ kind, field: path });
  return jobs.run(id, { workers: 2, batch: 100 });
};
const findable = async (fields: Fields) => {
  const encryption = createFieldEncryption({
    ...{ fields, dataKeys: postgresDataKeyStore(database.pool), tenant: 'north' },
    keyring: (tenant) =>
      aesKeyring({ keyId: 'fields', key: new Uint8Array(32).fill(7), keyContext: { use: 'bulla-fields', tenant } }),
  });
  const pool = encryptedPool(openPool(database.url, 1), encryption);
  try {
    const wanted = [0, 1, 399, rows - 1].map((id) => `m${id}`);
    return (await pool.query('select id from account where mail = any($1) order by id', [wanted])).rows.map(
      ({ id }) => id,
    );
  } finally {
    await pool.end();
  }
};

test('§10.12 reencrypt leaves nothing under a data key from before, and touches no row twice', async () => {
  const [before] = await query(`select id, created::float8 from bulla_data_keys where purpose = 'data'`);
  expect(await run(first, 'reencrypt')).toMatchObject({ state: 'done', rows, written: 0 });
  const notBefore = new Date((before?.created as number) + 1);
  expect(await run(first, 'reencrypt', { notBefore })).toMatchObject({ state: 'done', written: rows, faults: 0 });
  expect(await query('select id from account where substring(mail from 16 for 16) = $1', [before?.id])).toEqual([]);
  expect(await run(first, 'reencrypt', { notBefore })).toMatchObject({ written: 0, pass: 1 });
  expect(await run(first, 'verify')).toMatchObject({ rows, faults: 0 });
  expect(await query('select count(distinct mail_idx)::int as tags from account')).toEqual([{ tags: rows }]);
});

test('§10.12 a cell that does not open is a fault and stays, and the others are sealed again', async () => {
  await query('update account set mail = mail || $1 where id in (5, 700)', [Buffer.of(1)]);
  await query('update account set mail = null where id = 6');
  const kept = await query('select mail from account where id = 5');
  const { jobs } = jobsOn(database.pool, first, { notBefore: new Date(Date.now() + 1) });
  const { id } = await jobs.start({ kind: 'reencrypt', field: path, shards: 1 });
  expect(await jobs.run(id)).toMatchObject({ state: 'done', written: rows - 3, faults: 2 });
  expect(await jobs.faults(id)).toEqual(['5', '700'].map((row) => ({ row: [row], fault: 'ERR_FIELD_OPEN' })));
  expect(await query('select mail from account where id = 5')).toEqual(kept);
});

test('§10.12 a cell that the application changes meanwhile keeps what it wrote', async () => {
  let changed = false;
  const { jobs } = jobsOn(database.pool, both, {
    async keyring(tenant) {
      if (!changed) {
        changed = true;
        await query('delete from account where id < 10');
        await insert(first, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], (id) => `new${id}`);
      }
      return aesKeyring({
        keyId: 'fields',
        key: new Uint8Array(32).fill(7),
        keyContext: { use: 'bulla-fields', tenant },
      });
    },
  });
  await database.step(both, 'rotate', path);
  const { id } = await jobs.start({ kind: 'reindex', field: path, shards: 1 });
  expect(await jobs.run(id)).toMatchObject({ state: 'done', pass: 2, missed: 10, written: rows });
  expect(await findable(both)).toEqual([399, rows - 1]);
});

test('§10.9 an index is rotated, and at no moment a duplicate gets in or a row is not found', async () => {
  const duplicate = async (fields: Fields) => sqlState(insert(fields, [5_000], () => 'm399'));
  expect(await duplicate(first)).toBe('23505');
  await database.step(both, 'rotate', path);
  expect([await duplicate(first), await duplicate(both)]).toEqual(['23505', '23505']);
  const { jobs } = jobsOn(database.pool, both);
  const { id } = await jobs.start({ kind: 'reindex', field: path });
  const outcomes = new Set<unknown>();
  const tried: Promise<void>[] = [];
  const running = jobs.run(id, {
    batch: 40,
    onProgress() {
      for (const fields of [first, both]) tried.push(duplicate(fields).then((code) => void outcomes.add(code)));
    },
  });
  expect(await findable(both)).toEqual([0, 1, 399, rows - 1]);
  expect(await running).toMatchObject({ state: 'done', written: rows });
  await Promise.all(tried);
  expect([...outcomes]).toEqual(['23505']);
  expect(tried.length).toBeGreaterThan(20);
  expect(await query(`select id from account where get_byte(mail, 2) <> 2`)).toEqual([]);
  expect([await findable(both), await run(both, 'verify')]).toMatchObject([[0, 1, 399, rows - 1], { faults: 0 }]);
  await database.step(second, 'rotate', path);
  expect(await duplicate(second)).toBe('23505');
  expect(await run(second, 'reindex')).toMatchObject({ state: 'done', written: rows });
  expect([await findable(second), await run(second, 'verify')]).toMatchObject([[0, 1, 399, rows - 1], { faults: 0 }]);
});

test('§10.13 rewrap moves data keys to another key, writes no other table, and passes over forged rows', async () => {
  const under = (byte: number) => (tenant: string) =>
    aesKeyring({
      keyId: `kek${byte}`,
      key: new Uint8Array(32).fill(byte),
      keyContext: { use: 'bulla-fields', tenant },
    });
  const old = (tenant: string) =>
    aesKeyring({ keyId: 'fields', key: new Uint8Array(32).fill(7), keyContext: { use: 'bulla-fields', tenant } });
  const written = async () =>
    (await query(`select n_tup_upd::int as rows from pg_stat_user_tables where relname = 'account'`))[0];
  const many = jobsOn(database.pool, first).encryption;
  await many.seal(
    'account',
    Array.from({ length: 150 }, (_, i) => ({ id: i, clinic: `clinic${i}`, mail: 'x' })),
  );
  await query(`update bulla_data_keys set version = 3 where tenant = 'clinic7' and purpose = 'data'`);
  await query(`update bulla_data_keys set wrapped = '\\x00' where tenant = 'clinic8' and purpose = 'data'`);
  await query(`update bulla_data_keys k set wrapped = o.wrapped from bulla_data_keys o
    where k.tenant = 'clinic9' and k.purpose = 'data' and o.tenant = 'clinic9' and o.purpose = 'index'`);
  const before = await written();
  const total = 302;
  const revoked = async () => Promise.reject(new KeyServiceError('ERR_DATA_KEY_REVOKED', 'revoked'));
  const { jobs } = jobsOn(database.pool, first, {
    keyring: (tenant) => (tenant === 'clinic10' ? { ...old(tenant), unwrapDataKey: revoked } : old(tenant)),
    rewrapTo: under(8),
  });
  expect(await jobs.estimate({ kind: 'rewrap' })).toMatchObject({ rows: total, dataKeys: total });
  const { id } = await jobs.start({ kind: 'rewrap' });
  expect(await jobs.run(id, { batch: 50, workers: 2 })).toMatchObject({ state: 'done', written: total - 5, faults: 5 });
  expect((await jobs.faults(id)).map(({ fault }) => fault).sort()).toEqual([
    ...Array(3).fill('ERR_FIELD_KEY'),
    ...Array(2).fill('ERR_FIELD_SHREDDED'),
  ]);
  expect(await written()).toEqual(before);
  const again = jobsOn(database.pool, first, { keyring: under(8) });
  const repeated = await again.jobs.start({ kind: 'rewrap' });
  expect(await again.jobs.run(repeated.id)).toMatchObject({ written: 0, faults: 5 });
  const verify = await again.jobs.start({ kind: 'verify', field: path });
  expect(await again.jobs.run(verify.id)).toMatchObject({ rows, faults: 0 });
  const lost = jobsOn(database.pool, first, { keyring: old });
  const cell = (await query('select id, clinic, mail from account where id = 1')) as { id: number }[];
  expect((await failureOf(lost.encryption.open('account', cell))).message).toMatch(/does not unwrap/);
  const both = jobsOn(database.pool, first, { keyring: (tenant) => anyOf(under(8)(tenant), old(tenant)) });
  expect(await both.encryption.open('account', cell)).toMatchObject([{ id: 1, mail: 'm1' }]);
});
