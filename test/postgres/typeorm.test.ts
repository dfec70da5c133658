// TypeORM over the seam.

import pg from 'pg';
import { DataSource, EntitySchema, Equal, ILike, In, IsNull, LessThan, Like, MoreThan, Not } from 'typeorm';
import { encryptedPg } from '../../src/fields/postgres.ts';
import { ormTests, rowsOf } from './orm.ts';

interface Patient {
  id: number;
  name: string | null;
  email: string | null;
  note: string | null;
  born: Date | null;
  visits: string | null;
  weight: number;
  active: boolean | null;
  record: object | null;
  picture: Buffer | null;
  price: string | null;
  visitsOf?: Visit[];
}
interface Visit {
  id: string;
  clinic: string;
  day: string | null;
  diagnosis: string | null;
  patient?: Patient | null;
}

const nullable = { nullable: true } as const;
const patient = new EntitySchema<Patient>({
  name: 'patient',
  columns: {
    id: { type: 'int', primary: true, generated: true },
    name: { type: 'text', ...nullable },
    email: { type: 'text', unique: true, ...nullable },
    note: { type: 'text', ...nullable },
    born: { type: 'timestamptz', ...nullable },
    visits: { type: 'bigint', ...nullable },
    weight: { type: 'double precision', ...nullable },
    active: { type: 'boolean', ...nullable },
    record: { type: 'json', ...nullable },
    picture: { type: 'bytea', ...nullable },
    price: { type: 'numeric', ...nullable },
  },
  relations: { visitsOf: { type: 'one-to-many', target: 'visit', inverseSide: 'patient', cascade: true } },
});
const visit = new EntitySchema<Visit>({
  name: 'visit',
  columns: {
    id: { type: 'uuid', primary: true, generated: 'uuid' },
    clinic: { type: 'text', default: 'north' },
    day: { type: 'date', ...nullable },
    diagnosis: { type: 'text', ...nullable },
  },
  relations: {
    patient: { type: 'many-to-one', target: 'patient', joinColumn: { name: 'patient' }, inverseSide: 'visitsOf' },
  },
});

ormTests<DataSource>('typeorm', {
  async open(on, isSealed) {
    const driver = isSealed ? encryptedPg(pg, on.encryption) : pg;
    const url = isSealed ? on.url : on.plainUrl;
    const orm = new DataSource({ type: 'postgres', url, driver, entities: [patient, visit], installExtensions: false });
    await orm.initialize();
    return { orm, close: () => orm.destroy() };
  },
  right: {
    find: (db) => db.getRepository(patient).find({ order: { id: 'ASC' } }),
    findBy: (db) => db.getRepository(patient).findBy({ email: 'alice@example' }),
    findOneBy: (db) => db.getRepository(patient).findOneBy({ email: 'bob@example' }),
    'findOneBy id': (db) => db.getRepository(patient).findOneBy({ id: 3 }),
    'findOneBy, nothing': (db) => db.getRepository(patient).findOneBy({ email: 'nobody' }),
    findOneOrFail: (db) => db.getRepository(patient).findOneOrFail({ where: { email: 'bob@example' } }),
    Equal: (db) => db.getRepository(patient).findBy({ email: Equal('bob@example') }),
    In: (db) =>
      db.getRepository(patient).find({ where: { email: In(['alice@example', 'bob@example']) }, order: { id: 'ASC' } }),
    IsNull: (db) => db.getRepository(patient).findBy({ email: IsNull() }),
    'Not IsNull': (db) => db.getRepository(patient).find({ where: { note: Not(IsNull()) }, order: { id: 'ASC' } }),
    'select of columns': (db) =>
      db.getRepository(patient).find({ select: { id: true, email: true }, order: { id: 'DESC' } }),
    'take and skip': (db) => db.getRepository(patient).find({ order: { id: 'ASC' }, take: 1, skip: 1 }),
    relations: (db) =>
      db.getRepository(patient).find({ relations: { visitsOf: true }, order: { id: 'ASC', visitsOf: { day: 'ASC' } } }),
    'relations the other way': (db) =>
      db.getRepository(visit).find({ relations: { patient: true }, order: { day: 'ASC' } }),
    'relations with take': (db) =>
      db.getRepository(patient).find({ relations: { visitsOf: true }, order: { id: 'ASC' }, take: 2 }),
    'where of a relation': (db) => db.getRepository(visit).findBy({ patient: { email: 'bob@example' } }),
    count: (db) => db.getRepository(patient).countBy({ email: 'bob@example' }),
    findAndCount: (db) => db.getRepository(patient).findAndCount({ where: { email: 'bob@example' } }),
    existsBy: (db) => db.getRepository(patient).existsBy({ email: 'bob@example' }),
    'query builder': (db) =>
      db
        .getRepository(patient)
        .createQueryBuilder('p')
        .leftJoinAndSelect('p.visitsOf', 'v')
        .where('p.email = :email', { email: 'bob@example' })
        .getMany(),
    'query builder, raw rows': (db) =>
      db.getRepository(patient).createQueryBuilder('p').select(['p.id', 'p.note']).orderBy('p.id').getRawMany(),
    'query builder, in': (db) =>
      db
        .getRepository(patient)
        .createQueryBuilder('p')
        .where('p.email IN (:...emails)', { emails: ['alice@example', 'x'] })
        .getMany(),
    query: (db) => db.query('select id, email from patient where email = $1', ['alice@example']),
    'save of a new one': (db) =>
      db.getRepository(patient).save({ name: 'New', email: 'new@x', born: new Date(0), record: { a: 1 }, visits: '5' }),
    'save with a cascade': (db) =>
      db
        .getRepository(patient)
        .save({ email: 'new@x', visitsOf: [{ diagnosis: 'new', day: '2026-02-03' }] })
        .then(({ email, visitsOf }) => [email, visitsOf?.map(({ diagnosis }) => diagnosis)]),
    'save of several': (db) => db.getRepository(patient).save([{ email: 'a@x' }, { note: 'b' }]),
    'save of a changed one': async (db) => {
      const repository = db.getRepository(patient);
      const found = await repository.findOneByOrFail({ email: 'bob@example' });
      found.note = 'changed';
      found.price = '9.90';
      return repository.save(found);
    },
    'save of an unchanged one writes nothing': async (db) => {
      const repository = db.getRepository(patient);
      return repository.save(await repository.findOneByOrFail({ id: 1 }));
    },
    insert: (db) => db.getRepository(patient).insert({ email: 'new@x', active: false, weight: 1.5 }),
    'insert of several': (db) => db.getRepository(patient).insert([{ email: 'a@x' }, { email: 'b@x', note: 'n' }]),
    'update by key': (db) => db.getRepository(patient).update(1, { note: 'n', picture: Buffer.from([1, 2]) }),
    'update by several keys': (db) => db.getRepository(patient).update([1, 2], { note: 'n' }),
    'update by a search': (db) => db.getRepository(patient).update({ email: 'bob@example' }, { note: 'n' }),
    'update to null': (db) => db.getRepository(patient).update({ id: MoreThan(0) }, { note: null }),
    'upsert on the key': (db) => db.getRepository(patient).upsert({ id: 1, email: 'x@x', note: 'n' }, ['id']),
    'delete by a search': (db) => db.getRepository(visit).delete({ diagnosis: 'gout' }),
    remove: async (db) => {
      const found = await db.getRepository(visit).findOneByOrFail({ diagnosis: 'gout' });
      return (await db.getRepository(visit).remove(found)).diagnosis;
    },
    transaction: (db) =>
      db.transaction(async (manager) => {
        await manager.getRepository(patient).update(1, { note: 'in' });
        return manager.getRepository(patient).findOneBy({ id: 1 });
      }),
    rollback: (db) =>
      db
        .transaction(async (manager) => {
          await manager.getRepository(patient).update(1, { note: 'in' });
          throw new Error('no');
        })
        .catch((error: Error) => error.message),
    'pessimistic lock': (db) =>
      db.transaction((manager) =>
        manager.getRepository(patient).findOne({ where: { id: 1 }, lock: { mode: 'pessimistic_write' } }),
      ),
    stream: async (db) => rowsOf(await db.getRepository(patient).createQueryBuilder('p').orderBy('p.id').stream()),
  },
  refused: {
    Like: (db) => db.getRepository(patient).findBy({ email: Like('a%') }),
    ILike: (db) => db.getRepository(patient).findBy({ email: ILike('a%') }),
    Not: (db) => db.getRepository(patient).findBy({ email: Not('a') }),
    'Not In': (db) => db.getRepository(patient).findBy({ email: Not(In(['a'])) }),
    MoreThan: (db) => db.getRepository(patient).findBy({ visits: MoreThan('1') }),
    LessThan: (db) => db.getRepository(patient).findBy({ born: LessThan(new Date()) }),
    'a column without an index': (db) => db.getRepository(patient).findBy({ note: 'nuts' }),
    'or of two columns': (db) => db.getRepository(patient).findBy([{ email: 'a' }, { name: 'Bob' }]),
    order: (db) => db.getRepository(patient).find({ order: { email: 'ASC' } }),
    sum: (db) => db.getRepository(patient).sum('weight'),
    maximum: (db) => db.getRepository(patient).maximum('weight'),
    increment: (db) => db.getRepository(patient).increment({ id: 1 }, 'visits', 1),
    'upsert on the unique email': (db) =>
      db.getRepository(patient).upsert({ email: 'bob@example', note: 'n' }, ['email']),
    'group by': (db) =>
      db.getRepository(patient).createQueryBuilder('p').select('p.email').groupBy('p.email').getRawMany(),
    lower: (db) => db.getRepository(patient).createQueryBuilder('p').where('lower(p.email) = :e', { e: 'a' }).getMany(),
    'update by an expression': (db) => db.getRepository(patient).update(1, { note: () => `note || 'x'` }),
  },
});
