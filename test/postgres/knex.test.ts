// Knex over the seam.

import knex, { type Knex } from 'knex';
import pg from 'pg';
import { encryptedPg } from '../../src/fields/postgres.ts';
import { ormTests, rowsOf } from './orm.ts';

const path: string = 'knex/lib/dialects/postgres/index.js';
const { default: Dialect } = (await import(path)) as { default: typeof knex.Client };

ormTests<Knex>('knex', {
  async open(on, isSealed) {
    const driver = isSealed ? encryptedPg(pg, on.encryption) : pg;
    class Client extends Dialect {
      _driver() {
        return driver;
      }
    }
    const orm = knex({ client: Client, connection: isSealed ? on.url : on.plainUrl });
    return { orm, close: () => orm.destroy() };
  },
  right: {
    'select *': (db) => db('patient').orderBy('id'),
    'select columns with aliases': (db) => db('patient').select('id', { mail: 'email' }).orderBy('id'),
    first: (db) => db('patient').where({ id: 1 }).first(),
    'where object': (db) => db('patient').where({ email: 'alice@example' }),
    'where object of two': (db) => db('patient').where({ email: 'alice@example', name: 'Alice' }).select('id', 'note'),
    'where with a number': (db) => db('patient').where('visits', 7).orderBy('id'),
    'where null': (db) => db('patient').where({ email: null }),
    whereIn: (db) => db('patient').whereIn('email', ['alice@example', 'bob@example']).orderBy('id'),
    whereNull: (db) => db('patient').whereNull('email').select('name', 'note'),
    whereNotNull: (db) => db('patient').whereNotNull('note').orderBy('id').pluck('id'),
    'orWhere of one column': (db) =>
      db('patient')
        .where((q) => q.where('email', 'alice@example').orWhere('email', 'bob@example'))
        .orderBy('id'),
    pluck: (db) => db('patient').orderBy('id').pluck('email'),
    count: (db) => db('patient').where({ email: 'alice@example' }).count('* as n'),
    'count of a column': (db) => db('patient').count({ n: 'email' }),
    join: (db) =>
      db('patient')
        .join('visit', 'visit.patient', 'patient.id')
        .select('patient.email', 'visit.diagnosis')
        .orderBy('day'),
    'join with aliases': (db) =>
      db('patient as p')
        .leftJoin('visit as v', 'v.patient', 'p.id')
        .select('p.email as mail', 'v.day')
        .where('p.email', 'bob@example'),
    whereExists: (db) =>
      db('patient').whereExists(db('visit').whereRaw('visit.patient = patient.id')).select('email', 'id').orderBy('id'),
    'whereIn of a subquery': (db) =>
      db('visit')
        .whereIn('patient', db('patient').where({ email: 'bob@example' }).select('id'))
        .select('day'),
    with: (db) =>
      db
        .with('x', db('patient').where({ email: 'bob@example' }))
        .select('*')
        .from('x'),
    'from a subquery': (db) => db(db('patient').select('id', 'email').as('s')).select('email').orderBy('id'),
    'limit, offset': (db) => db('patient').orderBy('id').limit(1).offset(1).select('note'),
    'distinct of plain columns': (db) => db('patient').distinct('name').orderBy('name'),
    raw: async (db) => (await db.raw('select id, email from patient where email = ?', ['bob@example'])).rows,
    'raw with names': async (db) =>
      (await db.raw('select id from patient where email = :mail', { mail: 'bob@example' })).rows,
    forUpdate: (db) => db.transaction((tx) => tx('patient').where({ id: 1 }).forUpdate()),
    insert: (db) => db('patient').insert({ name: 'New', email: 'new@x', born: new Date(0), record: '{"a":1}' }),
    'insert returning': (db) => db('patient').insert({ email: 'new@x', price: '1.10' }, ['id', 'email', 'price']),
    'insert returning *': (db) => db('patient').insert({ email: 'new@x', active: false }).returning('*'),
    'insert of several': (db) => db('patient').insert([{ email: 'a@x' }, { note: 'b', name: 'B' }], 'id'),
    batchInsert: (db) => db.batchInsert('patient', [{ email: 'a@x' }, { email: 'b@x' }, { email: 'c@x' }], 2),
    'onConflict ignore': (db) => db('patient').insert({ id: 1, email: 'x@x' }).onConflict('id').ignore(),
    'onConflict (email) ignore': (db) =>
      db('patient').insert({ email: 'bob@example', note: 'x' }).onConflict('email').ignore().returning('email'),
    'onConflict merge': (db) =>
      db('patient').insert({ id: 1, email: 'x@x', note: 'merged' }).onConflict('id').merge().returning(['id', 'note']),
    'onConflict merge of some': (db) =>
      db('patient').insert({ id: 1, email: 'x@x', note: 'merged' }).onConflict('id').merge(['note']),
    'onConflict merge with values': (db) =>
      db('patient').insert({ id: 1, email: 'x@x' }).onConflict('id').merge({ note: 'merged', name: 'M' }),
    'update by key': (db) => db('patient').where({ id: 1 }).update({ note: 'n', weight: 1.25 }, ['id', 'note']),
    'update by a search': (db) => db('patient').where({ email: 'bob@example' }).update({ note: 'n' }),
    'update of all': (db) => db('patient').update({ active: true }),
    'update to null': (db) => db('patient').where('id', '>', 1).update({ note: null, email: null }),
    'increment of a plain column': (db) => db('visit').where({ diagnosis: 'gout' }).increment('patient', 1),
    delete: (db) => db('visit').where({ diagnosis: 'gout' }).del(['diagnosis']),
    truncate: (db) => db('visit').truncate(),
    transaction: (db) =>
      db.transaction(async (tx) => {
        await tx('patient').where({ id: 1 }).update({ note: 'in' });
        await tx.transaction((inner) => inner('patient').insert({ id: 9, email: 'in@x' }));
        return tx('patient').where({ email: 'in@x' });
      }),
    rollback: (db) =>
      db
        .transaction(async (tx) => {
          await tx('patient').where({ id: 1 }).update({ note: 'in' });
          throw new Error('no');
        })
        .catch((error: Error) => error.message),
    hasTable: (db) => db.schema.hasTable('patient'),
    stream: (db) => rowsOf(db('patient').where('id', '<', 3).orderBy('id').stream()),
  },
  refused: {
    whereNot: (db) => db('patient').whereNot({ email: 'a' }),
    whereNotIn: (db) => db('patient').whereNotIn('email', ['a']),
    whereLike: (db) => db('patient').whereLike('email', 'a%'),
    whereBetween: (db) => db('patient').whereBetween('visits', [1, 9]),
    'where >': (db) => db('patient').where('visits', '>', 1),
    'where of a column without an index': (db) => db('patient').where({ note: 'nuts' }),
    'orWhere of two columns': (db) => db('patient').where({ email: 'a' }).orWhere({ name: 'Bob' }),
    orderBy: (db) => db('patient').orderBy('email'),
    groupBy: (db) => db('patient').select('email').groupBy('email').count(),
    distinct: (db) => db('patient').distinct('email'),
    countDistinct: (db) => db('patient').countDistinct('email'),
    max: (db) => db('patient').max('weight'),
    sum: (db) => db('patient').sum('price'),
    union: (db) => db('patient').select('email').union(db('visit').select('diagnosis')),
    'raw function': (db) => db.raw('select lower(email) from patient'),
    'raw order': (db) => db('patient').orderByRaw('email desc'),
    'join on it': (db) => db('patient').join('visit', 'visit.diagnosis', 'patient.email'),
    'insert from a select': (db) => db('visit').insert(db('patient').select('note')),
    increment: (db) => db('patient').increment('visits', 1),
    'update by raw': (db) => db('patient').update({ note: db.raw(`note || 'x'`) }),
    jsonExtract: (db) => db('patient').jsonExtract('record', '$.blood', 'blood'),
  },
});
