/** Encrypted columns under every ORM on PostgreSQL: a seam in the driver `pg` that seals parameters and opens results. */

import { AsyncResource } from 'node:async_hooks';
import { assert } from '../lib/assert.ts';
import { integer, optional, type ReadersOf, takeOptions } from '../lib/options.ts';
import { type Fields, tablesOf } from './define.ts';
import { engineOf, type FieldEncryption } from './encryption.ts';
import { encryptedClientClass, type PgClientClass } from './postgres/client.ts';
import { dataKeyTables, tableSql } from './postgres/ddl.ts';
import { guardSql } from './postgres/guard.ts';
import { Seam } from './postgres/seam.ts';
import { runWithTenant } from './postgres/tenants.ts';
import { isName } from './row-values.ts';

export { postgresCells } from './postgres/cells.ts';
export { type DataKeyPool, postgresDataKeyStore, type Queryable } from './postgres/data-key-store.ts';
export type { BatchResult } from './postgres/jobs/batch.ts';
export type { JobClient, JobPool, JobResult } from './postgres/jobs/database.ts';
export type { JobEstimate } from './postgres/jobs/estimate.ts';
export {
  createFieldJobs,
  type EstimateJobOptions,
  type EstimateShredOptions,
  type FieldJobCallOptions,
  type FieldJobs,
  type FieldJobsOptions,
  type RunBatchOptions,
  type RunJobOptions,
  type ShredSubjectOptions,
  type StartJobOptions,
} from './postgres/jobs/jobs.ts';
export {
  type Boss,
  type BossJob,
  fieldJobsOnPgBoss,
  type PgBossFieldJobs,
  type PgBossOptions,
} from './postgres/jobs/pg-boss.ts';
export type { FieldState, Finding } from './postgres/jobs/plan.ts';
export type { KeyringOf } from './postgres/jobs/rewrap-work.ts';
export type { ShredEstimate } from './postgres/jobs/shredding.ts';
export type { JobStatus } from './postgres/jobs/state.ts';
export type { JobFault, JobKind } from './postgres/jobs/work.ts';
export { type MigrationSqlOptions, type MigrationStep, migrationSql } from './postgres/migration.ts';
export { keepTenantsApart } from './postgres/prisma.ts';

/** What is used of the module `pg`. */
export interface PgModule {
  readonly Client: PgClientClass;
  readonly Pool: new (...args: readonly never[]) => object;
}

/** Options of {@link encryptedPg} and {@link encryptedPool}. */
export interface EncryptedPoolOptions {
  /**
   * How many values of a key that the database makes (`serial`, `IDENTITY`, `gen_random_uuid()`) are drawn ahead of their use, at most, so that most inserts are one round trip (`docs/fields.md` §6.9). 0 draws for each statement
   * what it needs: then sequences have no more gaps than without encryption, and `lastval` and `currval` can be asked. 0 to 1,000. Default: 31.
   */
  readonly drawAhead?: number | undefined;
}

const poolReaders = { drawAhead: optional(integer(0, 1_000), 31) } satisfies ReadersOf<EncryptedPoolOptions>;
const seams = new WeakMap<object, Seam>();

function seamOf(encryption: unknown): Seam {
  const engine = engineOf(encryption);
  const seam = seams.get(engine) ?? new Seam(engine);
  seams.set(engine, seam);
  return seam;
}

/**
 * The module `pg` with a `Client` and a `Pool` whose statements go through the seam: parameters of encrypted columns are sealed, equality with them becomes equality with their blind index, and
 * results are opened. What cannot be answered rejects with `ERR_FIELD_QUERY`, which says what to do instead, and is not sent. Needs the package `libpg-query`.
 *
 * A program that reaches the database another way reads records. The checks of {@link fieldsSql} stop it from writing plaintext.
 *
 * @example
 * const { Pool } = encryptedPg(pg, encryption);
 * const prisma = new PrismaClient({ adapter: new PrismaPg(new Pool({ connectionString })) });
 */
export function encryptedPg<Module extends PgModule, Of extends Fields>(
  pg: Module,
  encryption: FieldEncryption<Of>,
  options: EncryptedPoolOptions = {},
): Module {
  const { drawAhead } = takeOptions(options, poolReaders);
  const { Client: Plain, Pool: PlainPool } = pg ?? ({} as Partial<Module>);
  assert(typeof Plain === 'function' && typeof PlainPool === 'function', 'pg', 'the module pg');
  const Client = encryptedClientClass(Plain, seamOf(encryption), drawAhead);
  const Pool = class extends (PlainPool as new (options: object) => object) {
    constructor(options: object) {
      super({ ...options, Client });
      callBackInPlace(this as unknown as PgPool);
    }
  };
  return { ...pg, Client, Pool } as Module;
}

/** What is used of a pool of `pg`. */
export interface PgPool {
  readonly totalCount: number;
  connect(...args: readonly never[]): unknown;
}

/** Has a pool call back in the tenant of the call. A pool without a free connection calls back when another caller gives one back: that would be in the other caller's tenant. */
function callBackInPlace(pool: PgPool): void {
  const connect = pool.connect as (...args: readonly unknown[]) => unknown;
  const bound = (arg: unknown) => (typeof arg === 'function' ? AsyncResource.bind(arg as () => void) : arg);
  pool.connect = (...args: readonly unknown[]) => connect.apply(pool, args.map(bound));
}

/**
 * The same for a pool that is there: the connections that it opens from now on go through the seam. It must not have opened any. Throws a `TypeError` otherwise.
 *
 * @example
 * const pool = encryptedPool(new pg.Pool({ connectionString }), encryption);
 */
export function encryptedPool<Pool extends PgPool, Of extends Fields>(
  pool: Pool,
  encryption: FieldEncryption<Of>,
  options: EncryptedPoolOptions = {},
): Pool {
  const { drawAhead } = takeOptions(options, poolReaders);
  assert(pool?.totalCount === 0, 'pool', 'one that has opened no connection yet');
  const own = pool as { Client?: PgClientClass };
  assert(typeof own.Client === 'function', 'pool', 'a Pool of pg');
  own.Client = encryptedClientClass(own.Client, seamOf(encryption), drawAhead);
  callBackInPlace(pool);
  return pool;
}

/** Runs a function for a tenant, of 1 to 256 bytes: its statements, and those of what it calls, seal, open and search that tenant's cells. A query builder that it returns is run, as by `await`; a call of Prisma runs for the tenant once it is awaited. */
export function withTenant<Result>(tenant: string, work: () => Result): Result {
  assert(typeof tenant === 'string' && isName(tenant), 'tenant', 'a string of 1 to 256 bytes');
  return runWithTenant(tenant, work);
}

/** The statements that {@link Fields} need in a database, to be put into migrations: tables of data keys, index columns, unique indexes, checks, and triggers where a table has a subject. Encrypted columns are of the type bytea. */
export function fieldsSql(fields: Fields): readonly string[] {
  const tables = [...tablesOf(fields).values()];
  const guards = tables.flatMap((table) => [...table.fields.values()].flatMap(guardSql));
  return [...dataKeyTables, ...tables.flatMap(tableSql), ...guards];
}
