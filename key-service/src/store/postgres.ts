/** PostgreSQL, for any number of replicas. */

import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { type Engine, guarded } from './engine.ts';
import type { Tables } from './tables.ts';

/** Options of {@link postgresEngine}. */
export interface PostgresOptions {
  /** Connections of this replica. Default: 8. */
  readonly connections?: number | undefined;
  /** Milliseconds that a connection, a lock or a statement may take. Default: 5000. */
  readonly timeout?: number | undefined;
}

// bigint as a number: no count here comes near 2^53.
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format as 'text'),
};

/** The engine over a connection string. */
export function postgresEngine(connectionString: string, options: PostgresOptions = {}): Engine {
  const { connections = 8, timeout = 5000 } = options;
  const pool = new pg.Pool({
    connectionString,
    max: connections,
    connectionTimeoutMillis: timeout,
    query_timeout: 2 * timeout,
    statement_timeout: timeout,
    lock_timeout: timeout,
    idle_in_transaction_session_timeout: 2 * timeout,
    keepAlive: true,
    application_name: 'bulla-key-service',
    types,
  });
  // A connection that breaks while idle is replaced at the next query; without a listener it would end the process.
  pool.on('error', () => undefined);
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  return {
    kind: 'postgres',
    dialect: { int: 'bigint', bytes: 'bytea' },
    read: (work) => guarded(() => work(db)),
    write: (work) => guarded(() => db.transaction().execute(work)),
    snapshot: (work) => guarded(() => db.transaction().setIsolationLevel('repeatable read').execute(work)),
    lockMigrations: async (tx) => {
      await sql`select pg_advisory_xact_lock(7018331)`.execute(tx);
    },
    close: () => db.destroy(),
  };
}
