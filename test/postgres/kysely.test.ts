// Kysely over the seam: what it sends is answered as without encryption, or refused.

import { Kysely, PostgresDialect } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Clinic, openClinic } from './clinic.ts';

interface Patient {
  id?: number;
  name: string | null;
  email: string | null;
  note: string | null;
  born: Date | null;
}

let on: Clinic;
let sealed: Kysely<{ patient: Patient }>;
let plain: Kysely<{ patient: Patient }>;
beforeAll(async () => {
  on = await openClinic();
  sealed = new Kysely({ dialect: new PostgresDialect({ pool: on.sealed }) });
  plain = new Kysely({ dialect: new PostgresDialect({ pool: on.plain }) });
});
afterAll(() => on?.close());

type Database = Kysely<{ patient: Patient }>;

test.each<[string, (db: Database) => Promise<unknown>]>([
  [
    'insert with an id that the database makes',
    (db) =>
      db
        .insertInto('patient')
        .values([
          { name: 'A', email: 'a@x', note: 'n', born: new Date(0) },
          { name: 'B', email: 'b@x', note: null, born: null },
        ])
        .returning(['id', 'email'])
        .execute(),
  ],
  [
    'select by equality',
    (db) => db.selectFrom('patient').select(['name', 'note', 'born']).where('email', '=', 'a@x').executeTakeFirst(),
  ],
  [
    'select by in',
    (db) => db.selectFrom('patient').select('id').where('email', 'in', ['a@x', 'b@x']).orderBy('id').execute(),
  ],
  ['is null', (db) => db.selectFrom('patient').select('name').where('note', 'is', null).execute()],
  ['alias', (db) => db.selectFrom('patient as p').select('p.email as e').where('p.email', '=', 'b@x').execute()],
  [
    'or of two',
    (db) =>
      db
        .selectFrom('patient')
        .select('name')
        .where((eb) => eb.or([eb('email', '=', 'a@x'), eb('email', '=', 'b@x')]))
        .orderBy('name')
        .execute(),
  ],
  [
    'with',
    (db) =>
      db
        .with('x', (q) => q.selectFrom('patient').select(['id', 'email']).where('email', '=', 'a@x'))
        .selectFrom('x')
        .select('x.email')
        .execute(),
  ],
  [
    'update by key',
    (db) => db.updateTable('patient').set({ note: 'new' }).where('id', '=', 1).returning('note').execute(),
  ],
  [
    'update of many',
    (db) => db.updateTable('patient').set({ note: 'x' }).where('name', '=', 'A').returning(['id', 'note']).execute(),
  ],
  [
    'upsert on the key',
    (db) =>
      db
        .insertInto('patient')
        .values({ id: 1, name: 'A', email: 'c@x', note: null, born: null })
        .onConflict((oc) => oc.column('id').doUpdateSet((eb) => ({ email: eb.ref('excluded.email') })))
        .returning(['id', 'email'])
        .execute(),
  ],
  [
    'transaction',
    (db) =>
      db.transaction().execute(async (trx) => {
        await trx.updateTable('patient').set({ note: 'in' }).where('id', '=', 2).execute();
        return trx.selectFrom('patient').select('note').where('id', '=', 2).execute();
      }),
  ],
  [
    'count',
    (db) =>
      db
        .selectFrom('patient')
        .select((eb) => eb.fn.countAll().as('n'))
        .where('email', '=', 'c@x')
        .execute(),
  ],
  ['delete by equality', (db) => db.deleteFrom('patient').where('email', '=', 'b@x').returning('name').execute()],
])('%s', async (_, run) => {
  expect(await run(sealed)).toEqual(await run(plain));
});

test.each<[string, (db: Database) => Promise<unknown>]>([
  ['order', (db) => db.selectFrom('patient').select('id').orderBy('email').execute()],
  ['like', (db) => db.selectFrom('patient').select('id').where('email', 'like', 'a%').execute()],
  ['not equal', (db) => db.selectFrom('patient').select('id').where('email', '!=', 'a').execute()],
  ['distinct', (db) => db.selectFrom('patient').select('email').distinct().execute()],
])('%s is refused', async (_, run) => {
  await expect(run(sealed)).rejects.toMatchObject({ code: 'ERR_FIELD_QUERY' });
});
