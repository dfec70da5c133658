// Sequelize over the seam: it writes values into the text of its statements, where the seam finds them.

import pg from 'pg';
import { col, DataTypes, fn, literal, type Model, type ModelStatic, Op, QueryTypes, Sequelize, where } from 'sequelize';
import { encryptedPg } from '../../src/fields/postgres.ts';
import { ormTests } from './orm.ts';

interface Db {
  readonly sequelize: Sequelize;
  readonly patient: ModelStatic<Model>;
  readonly visit: ModelStatic<Model>;
}

function define(sequelize: Sequelize): Db {
  const common = { freezeTableName: true, timestamps: false } as const;
  const patient = sequelize.define(
    'patient',
    {
      id: { type: DataTypes.INTEGER, primaryKey: true, autoIncrement: true },
      name: DataTypes.TEXT,
      email: { type: DataTypes.TEXT, unique: true },
      note: DataTypes.TEXT,
      born: DataTypes.DATE,
      visits: DataTypes.BIGINT,
      weight: DataTypes.DOUBLE,
      active: DataTypes.BOOLEAN,
      record: DataTypes.JSON,
      picture: DataTypes.BLOB,
      price: DataTypes.DECIMAL,
    },
    common,
  );
  const visit = sequelize.define(
    'visit',
    {
      id: { type: DataTypes.UUID, primaryKey: true, defaultValue: DataTypes.UUIDV4 },
      clinic: { type: DataTypes.TEXT, defaultValue: 'north' },
      day: DataTypes.DATEONLY,
      diagnosis: DataTypes.TEXT,
    },
    common,
  );
  patient.hasMany(visit, { foreignKey: 'patient', as: 'visitsOf' });
  visit.belongsTo(patient, { foreignKey: 'patient', as: 'patientOf' });
  return { sequelize, patient, visit };
}

const byId = { order: [['id', 'ASC']] } satisfies { order: [string, string][] };

ormTests<Db>('sequelize', {
  async open(on, isSealed) {
    const dialectModule = isSealed ? encryptedPg(pg, on.encryption) : pg;
    const url = isSealed ? on.url : on.plainUrl;
    const sequelize = new Sequelize(url, { dialect: 'postgres', dialectModule, logging: false });
    return { orm: define(sequelize), close: () => sequelize.close() };
  },
  right: {
    findAll: ({ patient }) => patient.findAll(byId),
    'findAll raw': ({ patient }) => patient.findAll({ ...byId, raw: true }),
    'findAll where': ({ patient }) => patient.findAll({ where: { email: 'alice@example' } }),
    'findAll where, a quote in the value': async ({ patient }) => {
      await patient.update({ email: `o'hara\\n@x` }, { where: { id: 1 } });
      return patient.findAll({ where: { email: `o'hara\\n@x` } });
    },
    'findAll where of a number': ({ patient }) => patient.findAll({ ...byId, where: { visits: 7 } }),
    'findAll where and': ({ patient }) => patient.findAll({ where: { email: 'alice@example', name: 'Alice' } }),
    'Op.eq': ({ patient }) => patient.findAll({ where: { email: { [Op.eq]: 'bob@example' } } }),
    'Op.in': ({ patient }) =>
      patient.findAll({ ...byId, where: { email: { [Op.in]: ['alice@example', 'bob@example'] } } }),
    'an array': ({ patient }) => patient.findAll({ ...byId, where: { email: ['alice@example', 'x'] } }),
    'Op.is null': ({ patient }) => patient.findAll({ where: { email: null } }),
    'Op.not null': ({ patient }) => patient.findAll({ ...byId, where: { note: { [Op.not]: null } } }),
    'Op.or of one column': ({ patient }) =>
      patient.findAll({ ...byId, where: { [Op.or]: [{ email: 'alice@example' }, { email: 'bob@example' }] } }),
    attributes: ({ patient }) => patient.findAll({ ...byId, attributes: ['id', ['email', 'mail']] }),
    'limit and offset': ({ patient }) => patient.findAll({ ...byId, limit: 1, offset: 1 }),
    findByPk: ({ patient }) => patient.findByPk(1),
    findOne: ({ patient }) => patient.findOne({ where: { email: 'bob@example' } }),
    count: ({ patient }) => patient.count({ where: { email: 'bob@example' } }),
    findAndCountAll: ({ patient }) => patient.findAndCountAll({ where: { email: 'bob@example' } }),
    include: ({ patient }) =>
      patient.findAll({
        include: 'visitsOf',
        order: [
          ['id', 'ASC'],
          ['visitsOf', 'day', 'ASC'],
        ],
      }),
    'include the other way': ({ visit }) => visit.findAll({ include: 'patientOf', order: [['day', 'ASC']] }),
    'include, apart': ({ patient }) =>
      patient.findAll({ ...byId, include: [{ association: 'visitsOf', separate: true }] }),
    'include with where': ({ visit }) =>
      visit.findAll({ include: [{ association: 'patientOf', where: { email: 'bob@example' } }] }),
    'query with replacements': ({ sequelize }) =>
      sequelize.query('select id, email from patient where email = :e', {
        replacements: { e: 'bob@example' },
        type: QueryTypes.SELECT,
      }),
    'query with bind': ({ sequelize }) =>
      sequelize.query('select id, email from patient where email = $1', {
        bind: ['bob@example'],
        type: QueryTypes.SELECT,
      }),
    create: ({ patient }) =>
      patient.create({ name: 'New', email: 'new@x', born: new Date(0), record: { a: 1 }, price: '1.10' }),
    'create with an include': async ({ patient }) => {
      const made = await patient.create(
        { email: 'new@x', visitsOf: [{ diagnosis: 'new', day: '2026-03-01' }] },
        { include: 'visitsOf' },
      );
      return made.get('email');
    },
    bulkCreate: ({ patient }) =>
      patient.bulkCreate([
        { email: 'a@x', weight: 1.5 },
        { email: 'b@x', note: `it's` },
      ]),
    'bulkCreate, ignoreDuplicates': ({ patient }) =>
      patient.bulkCreate([{ id: 1, email: 'a@x' }], { ignoreDuplicates: true }),
    'bulkCreate, updateOnDuplicate of the key': ({ patient }) =>
      patient.bulkCreate(
        [
          { id: 1, note: 'n' },
          { id: 2, note: 'm' },
        ],
        { updateOnDuplicate: ['note'], conflictAttributes: ['id'] },
      ),
    'upsert by the key': async ({ patient }) => {
      const [made] = await patient.upsert({ id: 1, email: 'x@x', note: 'n' }, { conflictFields: ['id'] });
      return made;
    },
    'findOrCreate that finds': ({ patient }) =>
      patient.findOrCreate({ where: { email: 'bob@example' }, defaults: { note: 'n' } }),
    update: ({ patient }) => patient.update({ note: `it's` }, { where: { id: 1 } }),
    'update returning': ({ patient }) =>
      patient.update({ note: 'n' }, { where: { email: 'bob@example' }, returning: true }),
    'update of many': ({ patient }) => patient.update({ active: true }, { where: { id: [1, 2] } }),
    save: async ({ patient }) => {
      const found = await patient.findByPk(2, { rejectOnEmpty: true });
      found.set({ note: 'changed', weight: 2.5 });
      return found.save();
    },
    destroy: ({ visit }) => visit.destroy({ where: { diagnosis: 'gout' } }),
    'instance destroy': async ({ visit }) => {
      const found = await visit.findOne({ where: { diagnosis: 'gout' }, rejectOnEmpty: true });
      await found.destroy();
    },
    reload: async ({ patient }) => {
      const found = await patient.findByPk(1, { rejectOnEmpty: true });
      return found.reload();
    },
    transaction: ({ sequelize, patient }) =>
      sequelize.transaction(async (transaction) => {
        await patient.update({ note: 'in' }, { where: { id: 1 }, transaction });
        return patient.findByPk(1, { transaction, lock: true });
      }),
    rollback: ({ sequelize, patient }) =>
      sequelize
        .transaction(async (transaction) => {
          await patient.update({ note: 'in' }, { where: { id: 1 }, transaction });
          throw new Error('no');
        })
        .catch((error: Error) => error.message),
  },
  refused: {
    'Op.ne': ({ patient }) => patient.findAll({ where: { email: { [Op.ne]: 'a' } } }),
    'Op.like': ({ patient }) => patient.findAll({ where: { email: { [Op.like]: 'a%' } } }),
    'Op.startsWith': ({ patient }) => patient.findAll({ where: { email: { [Op.startsWith]: 'a' } } }),
    'Op.notIn': ({ patient }) => patient.findAll({ where: { email: { [Op.notIn]: ['a'] } } }),
    'Op.gt': ({ patient }) => patient.findAll({ where: { visits: { [Op.gt]: 1 } } }),
    'Op.between': ({ patient }) => patient.findAll({ where: { visits: { [Op.between]: [1, 9] } } }),
    'a column without an index': ({ patient }) => patient.findAll({ where: { note: 'nuts' } }),
    'Op.or of two columns': ({ patient }) => patient.findAll({ where: { [Op.or]: [{ email: 'a' }, { name: 'Bob' }] } }),
    'json path': ({ patient }) => patient.findAll({ where: { 'record.blood': 'A' } as never }),
    order: ({ patient }) => patient.findAll({ order: [['email', 'ASC']] }),
    group: ({ patient }) => patient.findAll({ attributes: ['email'], group: ['email'] }),
    fn: ({ patient }) => patient.findAll({ where: where(fn('lower', col('email')), 'a') }),
    max: ({ patient }) => patient.max('weight'),
    sum: ({ patient }) => patient.sum('weight'),
    increment: ({ patient }) => patient.increment('visits', { where: { id: 1 } }),
    'update by a literal': ({ patient }) => patient.update({ note: literal(`note || 'x'`) }, { where: { id: 1 } }),
    'upsert on the unique email': ({ patient }) =>
      patient.upsert({ email: 'bob@example', note: 'n' }, { conflictFields: ['email'] }),
    aggregate: ({ patient }) => patient.findAll({ attributes: [[fn('max', col('email')), 'm']] }),
  },
});
