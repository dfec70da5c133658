// MikroORM over the seam.

import { defineEntity, MikroORM, p } from '@mikro-orm/postgresql';
import type pg from 'pg';
import { encryptedPool } from '../../src/fields/postgres.ts';
import { ormTests, rowsOf } from './orm.ts';

const Patient = defineEntity({
  name: 'Patient',
  tableName: 'patient',
  properties: {
    id: p.integer().primary().autoincrement(),
    name: p.text().nullable(),
    email: p.text().unique().nullable(),
    note: p.text().nullable(),
    born: p.datetime().columnType('timestamptz').nullable(),
    visits: p.bigint().nullable(),
    weight: p.double().nullable(),
    active: p.boolean().nullable(),
    record: p.json<{ a?: number; blood?: string }>().columnType('json').nullable(),
    picture: p.blob().nullable(),
    price: p.decimal('string').nullable(),
    visitsOf: () => p.oneToMany(Visit).mappedBy('patient'),
  },
});
const Visit = defineEntity({
  name: 'Visit',
  tableName: 'visit',
  properties: {
    id: p.uuid().primary().defaultRaw('gen_random_uuid()'),
    clinic: p.text().default('north'),
    day: p.date().nullable(),
    diagnosis: p.text().nullable(),
    patient: () => p.manyToOne(Patient).fieldName('patient').nullable(),
  },
});

const asc = { id: 'asc' } as const;

ormTests<MikroORM>('mikro-orm', {
  async open(on, isSealed) {
    const onPoolCreated = (pool: pg.Pool) => (isSealed ? encryptedPool(pool, on.encryption) : pool);
    const orm = await MikroORM.init({
      clientUrl: isSealed ? on.url : on.plainUrl,
      entities: [Patient, Visit],
      driverOptions: { onPoolCreated },
      discovery: { warnWhenNoEntities: false },
      allowGlobalContext: false,
    });
    return { orm, close: () => orm.close() };
  },
  right: {
    findAll: ({ em }) => em.fork().findAll(Patient, { orderBy: asc }),
    find: ({ em }) => em.fork().find(Patient, { email: 'alice@example' }),
    'find by two': ({ em }) => em.fork().find(Patient, { email: 'alice@example', name: 'Alice' }),
    'find, nothing': ({ em }) => em.fork().find(Patient, { email: 'nobody' }),
    'find of a number': ({ em }) => em.fork().find(Patient, { visits: 7n }, { orderBy: asc }),
    $in: ({ em }) => em.fork().find(Patient, { email: ['alice@example', 'bob@example'] }, { orderBy: asc }),
    '$or of one column': ({ em }) =>
      em.fork().find(Patient, { $or: [{ email: 'alice@example' }, { email: 'bob@example' }] }, { orderBy: asc }),
    null: ({ em }) => em.fork().find(Patient, { email: null }),
    '$ne null': ({ em }) => em.fork().find(Patient, { note: { $ne: null } }, { orderBy: asc }),
    findOne: ({ em }) => em.fork().findOne(Patient, { email: 'bob@example' }),
    'findOne by key': ({ em }) => em.fork().findOne(Patient, 1),
    findOneOrFail: ({ em }) => em.fork().findOneOrFail(Patient, { email: 'bob@example' }),
    fields: ({ em }) => em.fork().find(Patient, {}, { fields: ['id', 'email'], orderBy: asc }),
    'limit and offset': ({ em }) => em.fork().find(Patient, {}, { orderBy: asc, limit: 1, offset: 1 }),
    count: ({ em }) => em.fork().count(Patient, { email: 'bob@example' }),
    findAndCount: ({ em }) => em.fork().findAndCount(Patient, { email: 'bob@example' }),
    populate: ({ em }) => em.fork().find(Visit, {}, { populate: ['patient'], orderBy: { day: 'asc' } }),
    'populate, joined': ({ em }) =>
      em.fork().find(Visit, {}, { populate: ['patient'], strategy: 'joined', orderBy: { day: 'asc' } }),
    'populate of many': ({ em }) => em.fork().find(Patient, {}, { populate: ['visitsOf'], orderBy: asc }),
    'populate of many, by selects': ({ em }) =>
      em.fork().find(Patient, {}, { populate: ['visitsOf'], strategy: 'select-in', orderBy: asc }),
    'where of a relation': ({ em }) => em.fork().find(Visit, { patient: { email: 'bob@example' } }),
    'query builder': ({ em }) =>
      em.fork().createQueryBuilder(Patient, 'p').select(['id', 'email']).where({ email: 'bob@example' }).execute(),
    'create and flush': async ({ em }) => {
      const own = em.fork();
      own.create(Patient, { name: 'New', email: 'new@x', born: new Date(0), record: { a: 1 }, visits: 3n });
      own.create(Patient, { name: 'Two', note: 'n' });
      await own.flush();
    },
    'create with a relation': async ({ em }) => {
      const own = em.fork();
      const made = own.create(Patient, { email: 'new@x' });
      own.create(Visit, { diagnosis: 'new', patient: made, clinic: 'north', day: '2026-03-01' } as never);
      await own.flush();
    },
    'change and flush': async ({ em }) => {
      const own = em.fork();
      const found = await own.findOneOrFail(Patient, { email: 'bob@example' });
      Object.assign(found, { note: 'changed', price: '9.90' });
      await own.flush();
      return found;
    },
    'flush of an unchanged one': async ({ em }) => {
      const own = em.fork();
      const found = await own.findOneOrFail(Patient, 1);
      await own.flush();
      return found;
    },
    insert: ({ em }) => em.fork().insert(Patient, { email: 'new@x', weight: 1.5 }),
    insertMany: ({ em }) => em.fork().insertMany(Patient, [{ email: 'a@x' }, { email: 'b@x' }]),
    nativeUpdate: ({ em }) => em.fork().nativeUpdate(Patient, { id: 1 }, { note: 'n', active: false }),
    'nativeUpdate by a search': ({ em }) => em.fork().nativeUpdate(Patient, { email: 'bob@example' }, { note: 'n' }),
    nativeDelete: ({ em }) => em.fork().nativeDelete(Visit, { diagnosis: 'gout' }),
    'upsert on the key': async ({ em }) => {
      await em.fork().upsert(Patient, { id: 1, email: 'x@x', note: 'n' });
    },
    remove: async ({ em }) => {
      const own = em.fork();
      await own.remove(await own.findOneOrFail(Visit, { diagnosis: 'gout' })).flush();
    },
    transactional: ({ em }) =>
      em.fork().transactional(async (own) => {
        const found = await own.findOneOrFail(Patient, 1, { lockMode: 4 });
        found.note = 'in';
        await own.flush();
        return own.count(Patient, { email: 'alice@example' });
      }),
    rollback: ({ em }) =>
      em
        .fork()
        .transactional(async (own) => {
          await own.nativeUpdate(Patient, { id: 1 }, { note: 'in' });
          throw new Error('no');
        })
        .catch((error: Error) => error.message),
    execute: ({ em }) => em.fork().execute('select id, email from patient where email = ?', ['bob@example']),
    stream: ({ em }) => rowsOf(em.fork().stream(Patient, { orderBy: { id: 'asc' } })),
  },
  refused: {
    $ne: ({ em }) => em.fork().find(Patient, { email: { $ne: 'a' } }),
    $like: ({ em }) => em.fork().find(Patient, { email: { $like: 'a%' } }),
    $nin: ({ em }) => em.fork().find(Patient, { email: { $nin: ['a'] } }),
    $gt: ({ em }) => em.fork().find(Patient, { visits: { $gt: 1n } }),
    '$or of two columns': ({ em }) => em.fork().find(Patient, { $or: [{ email: 'a' }, { name: 'Bob' }] }),
    'a column without an index': ({ em }) => em.fork().find(Patient, { note: 'nuts' }),
    orderBy: ({ em }) => em.fork().find(Patient, {}, { orderBy: { email: 'asc' } }),
    'json path': ({ em }) => em.fork().find(Patient, { record: { blood: 'A' } } as never),
    'raw order': ({ em }) => em.fork().execute('select * from patient order by email'),
    'upsert on the unique email': ({ em }) => em.fork().upsert(Patient, { email: 'bob@example', note: 'n' }),
  },
});
