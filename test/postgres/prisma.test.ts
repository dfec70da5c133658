// Prisma 7 over the seam, by its adapter for `pg`: its client is generated from prisma/schema.prisma.

import { PrismaPg } from '@prisma/adapter-pg';
import { ormTests, type Work } from './orm.ts';
import { generateClient, type Prisma } from './prisma/generate.ts';

const PrismaClient = await generateClient('schema.prisma', 'prisma');

const orderBy = { id: 'asc' };
const email = 'bob@example';
const right: Record<string, Work<Prisma>> = {
  findMany: (db) => db.patient.findMany({ orderBy }),
  'findMany where': (db) => db.patient.findMany({ where: { email } }),
  'findMany where equals': (db) => db.patient.findMany({ where: { email: { equals: email } } }),
  'findMany where and': (db) => db.patient.findMany({ where: { email, name: 'Bob' } }),
  'findMany where in': (db) => db.patient.findMany({ where: { email: { in: [email, 'alice@example'] } }, orderBy }),
  'findMany where in one': (db) => db.patient.findMany({ where: { email: { in: [email] } } }),
  'findMany where of a bigint': (db) => db.patient.findMany({ where: { visits: 7n }, orderBy }),
  'findMany where OR of one column': (db) =>
    db.patient.findMany({ where: { OR: [{ email }, { email: 'alice@example' }] }, orderBy }),
  'findMany where null': (db) => db.patient.findMany({ where: { email: null } }),
  'findMany where not null': (db) => db.patient.findMany({ where: { note: { not: null } }, orderBy }),
  'findMany, take and skip': (db) => db.patient.findMany({ orderBy, take: 1, skip: 1 }),
  'findMany, cursor by the key': (db) => db.patient.findMany({ orderBy, cursor: { id: 2 } }),
  'findMany select': (db) => db.patient.findMany({ orderBy, select: { email: true } }),
  'findMany distinct of a plain column': (db) => db.patient.findMany({ distinct: ['name'], orderBy }),
  'findUnique by key': (db) => db.patient.findUnique({ where: { id: 1 } }),
  'findUnique by email': (db) => db.patient.findUnique({ where: { email } }),
  'findUnique, several at once': (db) =>
    Promise.all([email, 'alice@example', 'x'].map((mail) => db.patient.findUnique({ where: { email: mail } }))),
  findUniqueOrThrow: (db) =>
    db.patient.findUniqueOrThrow({ where: { email: 'nobody' } }).catch((error: { code: string }) => error.code),
  findFirst: (db) => db.patient.findFirst({ where: { email } }),
  count: (db) => db.patient.count({ where: { email } }),
  'count of columns': (db) => db.patient.count({ select: { _all: true, email: true } }),
  include: (db) => db.patient.findMany({ include: { visitsOf: true }, orderBy }),
  'include the other way': (db) => db.visit.findMany({ include: { patient: true }, orderBy: { day: 'asc' } }),
  'include with select': (db) =>
    db.visit.findMany({ select: { diagnosis: true, patient: { select: { note: true } } }, orderBy: { day: 'asc' } }),
  some: (db) => db.patient.findMany({ where: { visitsOf: { some: { clinic: 'north' } } }, orderBy }),
  none: (db) => db.patient.findMany({ where: { visitsOf: { none: {} } }, orderBy }),
  is: (db) => db.visit.findMany({ where: { patient: { is: { name: 'Bob' } } } }),
  fluent: (db) => db.patient.findUnique({ where: { email } }).visitsOf(),
  '_count of a relation': (db) => db.patient.findMany({ include: { _count: { select: { visitsOf: true } } }, orderBy }),
  'groupBy of a plain column': (db) => db.patient.groupBy({ by: ['name'], _count: true, orderBy: { name: 'asc' } }),
  'aggregate of a plain column': (db) => db.patient.aggregate({ _max: { id: true }, _count: { email: true } }),
  create: (db) =>
    db.patient.create({
      data: {
        ...{ name: 'New', email: 'new@x', note: 'it’s', born: new Date(1), visits: 5n, weight: 1.25, active: false },
        ...{ record: { a: [1, 'x'] }, picture: Buffer.from([0, 255]), price: '1.10' },
      },
    }),
  'create with select': (db) => db.patient.create({ data: { email: 'new@x' }, select: { email: true } }),
  'create nested': (db) =>
    db.patient.create({
      data: { email: 'new@x', visitsOf: { create: [{ diagnosis: 'new', day: new Date('2026-03-01') }] } },
      select: { email: true, visitsOf: { select: { diagnosis: true } } },
    }),
  createMany: (db) => db.patient.createMany({ data: [{ email: 'a@x' }, { email: 'b@x', note: 'n' }] }),
  'createMany, skipDuplicates': (db) =>
    db.patient.createMany({
      data: [
        { id: 1, email: 'a@x' },
        { id: 9, email: 'b@x' },
      ],
      skipDuplicates: true,
    }),
  createManyAndReturn: (db) => db.patient.createManyAndReturn({ data: [{ email: 'a@x' }, { note: 'n' }] }),
  'a duplicate': (db) => db.patient.create({ data: { email } }).catch((error: { code: string }) => error.code),
  'update by key': (db) => db.patient.update({ where: { id: 1 }, data: { note: 'n', price: '2.50' } }),
  'update by email': (db) => db.patient.update({ where: { email }, data: { note: 'n' } }),
  'update of the email': (db) => db.patient.update({ where: { email }, data: { email: 'robert@example' } }),
  'update to null': (db) => db.patient.update({ where: { id: 1 }, data: { note: null, active: null } }),
  'update nested': (db) =>
    db.patient.update({
      where: { id: 1 },
      data: { visitsOf: { updateMany: { where: {}, data: { diagnosis: 'x' } } } },
    }),
  'update, nobody there': (db) =>
    db.patient.update({ where: { id: 99 }, data: { note: 'n' } }).catch((error: { code: string }) => error.code),
  updateMany: (db) => db.patient.updateMany({ where: { name: { in: ['Alice', 'Bob'] } }, data: { note: 'n' } }),
  'updateMany of all': (db) => db.patient.updateMany({ data: { active: true } }),
  'updateMany by email': (db) => db.patient.updateMany({ where: { email }, data: { visits: 8n } }),
  updateManyAndReturn: (db) => db.patient.updateManyAndReturn({ where: { id: { gt: 1 } }, data: { note: 'n' } }),
  'upsert by key, there': (db) =>
    db.patient.upsert({ where: { id: 1 }, create: { email: 'x@x' }, update: { note: 'n' } }),
  'upsert by key, not there': (db) =>
    db.patient.upsert({ where: { id: 99 }, create: { email: 'x@x' }, update: { note: 'n' } }),
  'upsert by email that is more than one statement': (db) =>
    db.patient.upsert({ where: { email }, create: { email, name: 'other' }, update: { name: 'Robert' } }),
  connectOrCreate: (db) =>
    db.visit.create({
      data: { diagnosis: 'd', patient: { connectOrCreate: { where: { email }, create: { email } } } },
      select: { diagnosis: true, patient: true },
    }),
  delete: (db) => db.patient.delete({ where: { id: 3 } }),
  'delete by email': async (db) => {
    await db.visit.deleteMany({ where: { diagnosis: 'gout' } });
    return db.patient.delete({ where: { email } });
  },
  deleteMany: (db) => db.visit.deleteMany({ where: { diagnosis: 'gout' } }),
  'transaction of several': (db) =>
    db.$transaction([
      db.patient.update({ where: { id: 1 }, data: { note: 'in' } }),
      db.patient.findUnique({ where: { email } }),
    ]),
  'interactive transaction': (db) =>
    db.$transaction(async (tx: Prisma) => {
      await tx.patient.update({ where: { email }, data: { note: 'in' } });
      return tx.patient.findUnique({ where: { email } });
    }),
  rollback: (db) =>
    db
      .$transaction(async (tx: Prisma) => {
        await tx.patient.update({ where: { id: 1 }, data: { note: 'in' } });
        throw new Error('no');
      })
      .catch((error: Error) => error.message),
  $queryRaw: (db) => db.$queryRaw`select id, email, note from patient where email = ${email}`,
  '$queryRaw *': (db) => db.$queryRaw`select * from patient order by id`,
  $executeRaw: (db) => db.$executeRaw`update patient set note = ${'raw'} where id = ${1}`,
};

const refused: Record<string, Work<Prisma>> = {
  contains: (db) => db.patient.findMany({ where: { email: { contains: 'a' } } }),
  startsWith: (db) => db.patient.findMany({ where: { email: { startsWith: 'a' } } }),
  'mode insensitive': (db) => db.patient.findMany({ where: { email: { equals: 'a', mode: 'insensitive' } } }),
  not: (db) => db.patient.findMany({ where: { email: { not: 'a' } } }),
  notIn: (db) => db.patient.findMany({ where: { email: { notIn: ['a'] } } }),
  gt: (db) => db.patient.findMany({ where: { visits: { gt: 1 } } }),
  'a column without an index': (db) => db.patient.findMany({ where: { note: 'nuts' } }),
  'OR of two columns': (db) => db.patient.findMany({ where: { OR: [{ email }, { name: 'Bob' }] } }),
  'json path': (db) => db.patient.findMany({ where: { record: { path: ['blood'], equals: 'A' } } }),
  orderBy: (db) => db.patient.findMany({ orderBy: { email: 'asc' } }),
  'cursor by the email': (db) => db.patient.findMany({ cursor: { email }, orderBy: { email: 'asc' } }),
  'aggregate _min': (db) => db.patient.aggregate({ _min: { weight: true } }),
  'aggregate _sum': (db) => db.patient.aggregate({ _sum: { visits: true } }),
  groupBy: (db) => db.patient.groupBy({ by: ['email'], _count: true }),
  increment: (db) => db.patient.update({ where: { id: 1 }, data: { visits: { increment: 1 } } }),
  'native upsert on the email': (db) =>
    db.patient.upsert({ where: { email }, create: { email, note: 'c' }, update: { note: 'u' } }),
  '$executeRaw with an expression': (db) => db.$executeRaw`update patient set note = note || 'x'`,
  '$queryRaw with a function': (db) => db.$queryRaw`select lower(email) from patient`,
};

ormTests<Prisma>('prisma', {
  async open(on, isSealed) {
    const orm = new PrismaClient({ adapter: new PrismaPg(isSealed ? on.sealed : on.plain) });
    return { orm, close: () => orm.$disconnect() };
  },
  right,
  refused,
});
