// Shredding a subject while fields are migrated: no plaintext is left where it is said that a subject was shredded; docs/fields.md §7.8.

import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { postgresCells } from '../../src/fields/postgres.ts';
import { blindIndex, compoundIndex, defineFields, encrypted, type Fields } from '../../src/fields.ts';
import { failureOf } from '../fields/support.ts';
import { type Database, jobsOn, openDatabase } from './migrating.ts';

const columns = {
  diagnosis: encrypted.string({
    ...{ column: 'diagnosis_sealed', plain: 'diagnosis' },
    index: [blindIndex(), compoundIndex({ name: 'both', with: ['note'] })],
  }),
  note: encrypted.string({ column: 'note_sealed', plain: 'note' }),
};
const fields = defineFields({ visit: { row: 'id', tenant: 'clinic', subject: 'patient', columns } });
/** Nothing in a row says whose it is. */
const untenanted = defineFields({ visit: { row: 'id', subject: 'patient', columns } });
const paths = ['visit.diagnosis', 'visit.note'];

let database: Database;
beforeEach(async () => {
  database = await openDatabase(inject('postgresUrl'));
  await database.pool.query(
    'create table visit (id int primary key, clinic text, patient int, diagnosis text, note text)',
  );
  await database.step(fields, 'tables');
  for (const path of paths) await database.step(fields, 'expand', path);
  await database.pool.query(`insert into visit values
    (1, 'north', 7, 'asthma', 'inhale'), (2, 'north', 7, 'gout', null), (3, 'north', 8, 'flu', 'rest'), (4, 'south', 7, 'cold', 'tea')`);
});
afterEach(() => database.close());

const all = async () => (await database.pool.query('select * from visit order by id')).rows;
const seven = { tenant: 'north', subject: '7', revoke: false };
const marker = Buffer.from([0xf9, 0x80, 1]);
const bare = { diagnosis: null, note: null, diagnosis_sealed: marker };
const run = async (of: Fields, kind: 'backfill' | 'verify', options: object = {}) => {
  const { jobs } = jobsOn(database.pool, of, options);
  const ended = [];
  for (const field of paths) ended.push(await jobs.run((await jobs.start({ kind, field })).id));
  return ended;
};

describe('§7.8 plaintext of a subject', () => {
  test('goes where nothing was sealed yet, and nobody else’s does', async () => {
    const before = await all();
    const { jobs } = jobsOn(database.pool, fields);
    const { revoke: _, ...about } = seven;
    expect(await jobs.estimateShred(about)).toEqual({ state: 'active', dataKeys: 0, rows: 2 });
    expect(await jobs.shred(seven)).toMatchObject({ state: 'shredded', rows: 2, remaining: [] });
    const [one, two, ...others] = await all();
    expect(one).toMatchObject({ ...bare, note_sealed: marker });
    // NULL stays NULL.
    expect(two).toMatchObject({ ...bare, note_sealed: null });
    expect(others).toEqual(before.slice(2));
    expect(await jobs.shred(seven)).toMatchObject({ state: 'shredded', rows: 0, remaining: [] });
  });

  test('goes beside its records, and what is left of the migration finds no fault', async () => {
    await run(fields, 'backfill');
    const { jobs, encryption } = jobsOn(database.pool, fields);
    expect(await jobs.shred(seven)).toMatchObject({ state: 'shredded', rows: 2, remaining: [] });
    const [one, two] = await all();
    expect(one).toMatchObject({
      ...bare,
      note_sealed: marker,
      diagnosis_sealed_idx: null,
      diagnosis_sealed_both: null,
    });
    expect(two).toMatchObject({ ...bare, note_sealed: null });
    const sealed = { id: 1, clinic: 'north', patient: 7, diagnosis: one.diagnosis_sealed };
    expect((await failureOf(encryption.open('visit', [sealed]))).code).toBe('ERR_FIELD_SHREDDED');
    for (const { faults } of await run(fields, 'verify')) expect(faults).toBe(0);
    // An old program writes it again: the next call finds it.
    await database.pool.query("update visit set diagnosis = 'again' where id = 1");
    expect(await jobs.shred(seven)).toMatchObject({ state: 'shredded', rows: 1, remaining: [] });
    expect((await all())[0]).toEqual(one);
  });

  test('that a constraint keeps is told of, and the subject is not said to be shredded', async () => {
    await run(fields, 'backfill');
    await database.pool.query('alter table visit alter column diagnosis set not null');
    const { jobs } = jobsOn(database.pool, fields);
    const left = { table: 'public.visit', column: 'diagnosis', holds: 'plaintext', rows: 2 };
    expect(await jobs.shred(seven)).toMatchObject({ state: 'remaining', rows: 2, remaining: [left] });
    expect((await all())[0]).toMatchObject({ ...bare, diagnosis: 'asthma', note_sealed: marker });
    await database.pool.query('alter table visit alter column diagnosis drop not null');
    expect(await jobs.shred(seven)).toMatchObject({ state: 'shredded', rows: 2, remaining: [] });
    expect((await all())[0]).toMatchObject({ ...bare, note_sealed: marker });
  });

  test('of rows that name no tenant is cleared where the program’s only tenant is that one, and told of elsewhere', async () => {
    const left = paths.map((path) => ({
      ...{ table: 'public.visit', column: path.slice(6), holds: 'plaintext', rows: path === 'visit.note' ? 2 : 3 },
    }));
    const unknown = await jobsOn(database.pool, untenanted).jobs.shred(seven);
    expect(unknown).toMatchObject({ state: 'remaining', rows: 0, remaining: left });
    const other = await jobsOn(database.pool, untenanted, { tenant: 'south' }).jobs.shred(seven);
    expect(other).toMatchObject({ state: 'shredded', rows: 0 });
    expect((await all()).every(({ diagnosis }) => diagnosis !== null)).toBe(true);
    const own = await jobsOn(database.pool, untenanted, { tenant: 'north' }).jobs.shred(seven);
    expect(own).toMatchObject({ state: 'shredded', rows: 3, remaining: [] });
    expect((await all()).map(({ diagnosis }) => diagnosis)).toEqual([null, null, 'flu', null]);
  });

  test('is not passed over where no cells are given', async () => {
    const { encryption } = jobsOn(database.pool, fields);
    await expect(encryption.shred(seven)).rejects.toThrow(/^subject\.cells must be given/);
    expect((await database.pool.query('select from bulla_data_keys')).rowCount).toBe(0);
    const cells = postgresCells(database.pool);
    expect(await encryption.shred({ ...seven, cells })).toMatchObject({ state: 'shredded', rows: 2 });
  });
});
