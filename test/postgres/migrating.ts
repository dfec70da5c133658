// A table of plaintext on its way to encrypted columns, for tests of migrations and jobs.

import pg from 'pg';
import { createDatabase } from '../../key-service/test/support/postgres.ts';
import {
  createFieldJobs,
  type FieldJobsOptions,
  type MigrationStep,
  migrationSql,
  postgresDataKeyStore,
} from '../../src/fields/postgres.ts';
import {
  blindIndex,
  compoundIndex,
  createFieldEncryption,
  defineFields,
  encrypted,
  type FieldEncryptionOptions,
  type Fields,
} from '../../src/fields.ts';
import { tenantKeyring } from '../fields/support.ts';

/** Each encrypted column beside the plaintext that it replaces. */
export const migrating = defineFields({
  patient: {
    row: 'id',
    tenant: 'clinic',
    columns: {
      email: encrypted.string({
        ...{ column: 'email_sealed', plain: 'email' },
        index: [blindIndex({ normalize: ['trim', 'lower'] })],
      }),
      name: encrypted.string({
        ...{ column: 'name_sealed', plain: 'name' },
        index: [compoundIndex({ name: 'person', with: ['born'] })],
      }),
      born: encrypted.date({ column: 'born_sealed', plain: 'born' }),
    },
  },
});

export const tableSql = `create table patient (
  id bigint primary key, clinic text not null, email text, name text, born timestamptz, note int not null default 0)`;

/** A field encryption on a database, and the jobs on it. */
export function jobsOn<Of extends Fields>(
  pool: pg.Pool,
  fields: Of,
  options: Partial<FieldEncryptionOptions<Of>> & Pick<FieldJobsOptions, 'rewrapTo'> = {},
) {
  const { rewrapTo, ...more } = options;
  const encryption = createFieldEncryption({
    fields,
    keyring: (tenant) => tenantKeyring(tenant),
    dataKeys: postgresDataKeyStore(pool),
    ...more,
  });
  return { encryption, jobs: createFieldJobs({ encryption, pool, rewrapTo }) };
}

/** A pool whose connections may still be closing when their database is dropped, which ends them. */
export function openPool(connectionString: string, max = 4): pg.Pool {
  return new pg.Pool({ connectionString, max }).on('error', () => {});
}

/** A new database with a pool. */
export async function openDatabase(serverUrl: string) {
  const database = await createDatabase(serverUrl);
  const pool = openPool(database.url, 12);
  return {
    pool,
    url: database.url,
    /** Runs a step of a migration in one transaction. */
    step: (fields: Fields, step: MigrationStep, field?: string, back = false) =>
      transaction(pool, migrationSql(fields, { step, field, back })),
    async close() {
      await pool.end();
      await database.drop();
    },
  };
}

/** Everything that a test needs of a database. */
export type Database = Awaited<ReturnType<typeof openDatabase>>;

export async function transaction(pool: pg.Pool, statements: readonly string[]): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    for (const statement of statements) await client.query(statement);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

/** A database with so many patients in plaintext, prepared for encrypted columns. */
export async function openMigrating(serverUrl: string, rows: number): Promise<Database> {
  const database = await openDatabase(serverUrl);
  const { pool, step } = database;
  await pool.query(tableSql);
  await pool.query(
    `insert into patient select i, case when i % 3 = 0 then 'south' else 'north' end, 'Person' || i || '@example',
      'name ' || i % 50, '1970-01-02'::timestamptz + i * interval '1 day' from generate_series(1, $1::int) i`,
    [rows],
  );
  await step(migrating, 'tables');
  for (const field of ['patient.email', 'patient.name', 'patient.born']) await step(migrating, 'expand', field);
  return database;
}

/** The SQLSTATE that a statement fails with. */
export function sqlState(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'nothing failed',
    (error: { code?: unknown }) => error.code,
  );
}
