// Drizzle over the seam: its columns are those of the plain table, and know nothing of encryption.

import {
  and,
  asc,
  count,
  desc,
  eq,
  gt,
  inArray,
  isNotNull,
  isNull,
  like,
  lt,
  ne,
  not,
  or,
  relations,
  sql,
} from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import {
  alias,
  bigint,
  boolean,
  customType,
  date,
  doublePrecision,
  integer,
  json,
  numeric,
  pgTable,
  text,
  timestamp,
  union,
  uuid,
} from 'drizzle-orm/pg-core';
import { ormTests } from './orm.ts';

const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });
const patient = pgTable('patient', {
  id: integer('id').primaryKey().generatedByDefaultAsIdentity(),
  name: text('name'),
  email: text('email').unique(),
  note: text('note'),
  born: timestamp('born', { withTimezone: true }),
  visits: bigint('visits', { mode: 'bigint' }),
  weight: doublePrecision('weight'),
  active: boolean('active'),
  record: json('record'),
  picture: bytea('picture'),
  price: numeric('price'),
});
const visit = pgTable('visit', {
  id: uuid('id').primaryKey().defaultRandom(),
  clinic: text('clinic').notNull().default('north'),
  patient: integer('patient').references(() => patient.id),
  day: date('day'),
  diagnosis: text('diagnosis'),
});
const patientRelations = relations(patient, ({ many }) => ({ visits_: many(visit) }));
const visitRelations = relations(visit, ({ one }) => ({
  patient_: one(patient, { fields: [visit.patient], references: [patient.id] }),
}));
const schema = { patient, visit, patientRelations, visitRelations };
const openDrizzle = (pool: Parameters<typeof drizzle>[0]) => drizzle(pool as never, { schema });
type Db = ReturnType<typeof openDrizzle>;

ormTests<Db>('drizzle', {
  open: async (on, isSealed) => ({
    orm: openDrizzle((isSealed ? on.sealed : on.plain) as never),
    close: async () => undefined,
  }),
  right: {
    'select all': (db) => db.select().from(patient).orderBy(patient.id),
    'select some': (db) => db.select({ a: patient.email, b: patient.id }).from(patient).orderBy(desc(patient.id)),
    'where eq': (db) => db.select().from(patient).where(eq(patient.email, 'alice@example')),
    'where eq of a bigint': (db) => db.select().from(patient).where(eq(patient.visits, 7n)).orderBy(patient.id),
    'where eq, nothing found': (db) => db.select().from(patient).where(eq(patient.email, 'nobody')),
    'where inArray': (db) =>
      db
        .select()
        .from(patient)
        .where(inArray(patient.email, ['alice@example', 'bob@example']))
        .orderBy(patient.id),
    'where and': (db) =>
      db
        .select()
        .from(patient)
        .where(and(eq(patient.email, 'bob@example'), gt(patient.id, 1))),
    'where or of one column': (db) =>
      db
        .select({ id: patient.id })
        .from(patient)
        .where(or(eq(patient.email, 'alice@example'), eq(patient.email, 'bob@example')))
        .orderBy(asc(patient.id)),
    'where isNull': (db) => db.select().from(patient).where(isNull(patient.email)),
    'where isNotNull': (db) => db.select().from(patient).where(isNotNull(patient.note)).orderBy(patient.id),
    'limit and offset': (db) => db.select().from(patient).orderBy(patient.id).limit(1).offset(1),
    count: (db) => db.select({ n: count() }).from(patient).where(eq(patient.email, 'alice@example')),
    'count of a column': (db) => db.select({ n: count(patient.email) }).from(patient),
    $count: (db) => db.$count(patient, eq(patient.email, 'alice@example')),
    'inner join': (db) => db.select().from(patient).innerJoin(visit, eq(visit.patient, patient.id)).orderBy(patient.id),
    'left join': (db) => db.select().from(patient).leftJoin(visit, eq(visit.patient, patient.id)).orderBy(patient.id),
    'join with a search': (db) =>
      db
        .select({ email: patient.email, diagnosis: visit.diagnosis })
        .from(visit)
        .innerJoin(patient, eq(visit.patient, patient.id))
        .where(eq(visit.diagnosis, 'gout')),
    'self join by alias': (db) => {
      const other = alias(patient, 'other');
      return db
        .select({ a: patient.email, b: other.email })
        .from(patient)
        .innerJoin(other, lt(patient.id, other.id))
        .orderBy(patient.id, other.id);
    },
    'subquery with its key': (db) => {
      const sub = db.select({ id: patient.id, email: patient.email }).from(patient).where(gt(patient.id, 1)).as('sub');
      return db.select().from(sub).orderBy(sub.id);
    },
    with: (db) => {
      const known = db.$with('known').as(db.select().from(patient).where(eq(patient.email, 'bob@example')));
      return db.with(known).select().from(known);
    },
    'exists by a subquery': (db) =>
      db
        .select({ day: visit.day })
        .from(visit)
        .where(
          inArray(visit.patient, db.select({ id: patient.id }).from(patient).where(eq(patient.email, 'bob@example'))),
        ),
    findFirst: (db) => db.query.patient.findFirst({ where: eq(patient.email, 'alice@example') }),
    'findMany with columns': (db) =>
      db.query.patient.findMany({ columns: { id: true, note: true }, orderBy: [asc(patient.id)], limit: 2 }),
    'raw sql with a parameter': async (db) =>
      (await db.execute(sql`select id, note from patient where email = ${'alice@example'}`)).rows,
    'raw select *': async (db) => (await db.execute(sql`select * from ${patient} order by ${patient.id}`)).rows,
    'selectDistinct of plain columns': (db) =>
      db.selectDistinct({ name: patient.name }).from(patient).orderBy(patient.name),
    'for update': (db) => db.select().from(patient).where(eq(patient.id, 1)).for('update'),
    'insert returning': (db) =>
      db
        .insert(patient)
        .values({ name: 'New', email: 'new@example', born: new Date(0), visits: 1n })
        .returning(),
    'insert of several': (db) =>
      db
        .insert(patient)
        .values([
          { name: 'A', email: 'a@x', record: { a: [1] } },
          { name: 'B', note: 'b', active: false, price: '1.10' },
        ])
        .returning({ id: patient.id, email: patient.email, record: patient.record }),
    'insert with a uuid that the database makes': async (db) => {
      const rows = await db.insert(visit).values({ patient: 1, diagnosis: 'new' }).returning();
      return rows.map(({ id, ...row }) => [typeof id, row]);
    },
    'insert on conflict do nothing': (db) =>
      db.insert(patient).values({ id: 1, email: 'x@y' }).onConflictDoNothing().returning(),
    'insert on conflict (email) do nothing': (db) =>
      db
        .insert(patient)
        .values({ email: 'bob@example', note: 'x' })
        .onConflictDoNothing({ target: patient.email })
        .returning({ email: patient.email }),
    'upsert on the key': (db) =>
      db
        .insert(patient)
        .values({ id: 1, name: 'A', email: 'x@y' })
        .onConflictDoUpdate({ target: patient.id, set: { email: 'x@y', name: 'B' } })
        .returning(),
    'upsert on the key by excluded': (db) =>
      db
        .insert(patient)
        .values([
          { id: 1, email: 'x@y' },
          { id: 9, email: 'z@y' },
        ])
        .onConflictDoUpdate({ target: patient.id, set: { email: sql`excluded.email` } })
        .returning({ id: patient.id, email: patient.email }),
    'update by key': (db) => db.update(patient).set({ note: 'n', born: null }).where(eq(patient.id, 1)).returning(),
    'update by a search': (db) =>
      db.update(patient).set({ note: 'n' }).where(eq(patient.email, 'bob@example')).returning(),
    'update of all': (db) => db.update(patient).set({ active: true, price: '3.00' }),
    'update of a tenant’s rows': (db) => db.update(visit).set({ diagnosis: 'x' }).where(eq(visit.clinic, 'north')),
    'delete by a search': (db) => db.delete(visit).where(eq(visit.diagnosis, 'gout')).returning({ d: visit.diagnosis }),
    transaction: (db) =>
      db.transaction(async (tx) => {
        await tx.update(patient).set({ note: 'in' }).where(eq(patient.id, 1));
        await tx.transaction((inner) => inner.insert(patient).values({ id: 8, email: 'inner@x' }));
        return tx.select({ note: patient.note }).from(patient).orderBy(patient.id);
      }),
    'transaction that is rolled back': (db) =>
      db
        .transaction(async (tx) => {
          await tx.update(patient).set({ note: 'in' }).where(eq(patient.id, 1));
          tx.rollback();
        })
        .catch((error: Error) => error.message),
    prepared: async (db) => {
      const prepared = db
        .select()
        .from(patient)
        .where(eq(patient.email, sql.placeholder('email')))
        .prepare('by_email');
      return [await prepared.execute({ email: 'alice@example' }), await prepared.execute({ email: 'bob@example' })];
    },
  },
  refused: {
    orderBy: (db) => db.select().from(patient).orderBy(patient.email),
    ne: (db) => db.select().from(patient).where(ne(patient.email, 'a')),
    not: (db) =>
      db
        .select()
        .from(patient)
        .where(not(eq(patient.email, 'a'))),
    like: (db) => db.select().from(patient).where(like(patient.email, 'a%')),
    gt: (db) =>
      db
        .select()
        .from(patient)
        .where(gt(patient.born, new Date(0))),
    'a column without an index': (db) => db.select().from(patient).where(eq(patient.note, 'nuts')),
    'or with something else': (db) =>
      db
        .select()
        .from(patient)
        .where(or(eq(patient.email, 'a'), eq(patient.name, 'Bob'))),
    'a function': (db) => db.select({ e: sql`lower(${patient.email})` }).from(patient),
    selectDistinct: (db) => db.selectDistinct({ e: patient.email }).from(patient),
    groupBy: (db) => db.select({ e: patient.email, n: count() }).from(patient).groupBy(patient.email),
    union: (db) => union(db.select({ e: patient.email }).from(patient), db.select({ e: visit.diagnosis }).from(visit)),
    'subquery without its key': (db) => {
      const sub = db.select({ email: patient.email }).from(patient).as('sub');
      return db.select().from(sub);
    },
    'relational query with': (db) => db.query.patient.findMany({ with: { visits_: true } }),
    'upsert on the unique email': (db) =>
      db
        .insert(patient)
        .values({ email: 'bob@example', note: 'x' })
        .onConflictDoUpdate({ target: patient.email, set: { note: 'x' } }),
    'update by an expression': (db) => db.update(patient).set({ note: sql`${patient.note} || 'x'` }),
    'insert from a select': (db) =>
      db.insert(patient).select(db.select().from(patient).where(eq(patient.id, 1)) as never),
  },
});
