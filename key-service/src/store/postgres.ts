/** PostgreSQL, for any number of replicas. */

import { setTimeout } from 'node:timers/promises';
import { Kysely, PostgresDialect, sql } from 'kysely';
import { type Engine, guarded, type Queries, type TransactionOptions } from './engine.ts';
import { LostConnection, RowHeld } from './errors.ts';
import { codeOf, defaultConnections, GuardedPool, type PoolOptions } from './postgres-pool.ts';
import type { Tables } from './tables.ts';

// serialization_failure, deadlock_detected: rolled back, and worth another try.
const rolledBack = ['40001', '40P01'];
const lockHeld = '55P03';
const brieflyMs = 50;
const attempts = 5;
const write = 'begin';
const snapshot = 'begin isolation level repeatable read';

/** The engine over a connection string. */
export function postgresEngine(connectionString: string, options: PoolOptions = {}): Engine {
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: new GuardedPool(connectionString, options) }) });
  const run = <T>(begin: string, work: (db: Queries) => Promise<T>, { long = false }: TransactionOptions = {}) => {
    const patient = async (tx: Queries): Promise<T> => {
      await sql`set local idle_in_transaction_session_timeout = 60000`.execute(tx);
      return work(tx);
    };
    return guarded(() => (long ? transaction(db, begin, patient) : retried(() => transaction(db, begin, work))));
  };
  return {
    kind: 'postgres',
    dialect: { kind: 'postgres', int: 'bigint', bytes: 'bytea' },
    connections: options.connections ?? defaultConnections,
    read: (work) => guarded(() => retried(() => work(db))),
    write: (work, options) => run(write, work, options),
    snapshot: (work, options) => run(snapshot, work, options),
    briefly: async (tx, work) => {
      await sql`set local lock_timeout = ${sql.raw(String(brieflyMs))}`.execute(tx);
      const result = await work().catch((error: unknown) => {
        throw codeOf(error) === lockHeld ? new RowHeld('The state of a tenant is held', { cause: error }) : error;
      });
      await sql`set local lock_timeout to default`.execute(tx);
      return result;
    },
    time: async (tx) => {
      const { rows } = await sql<{ ms: number }>`select extract(epoch from clock_timestamp()) * 1000 as ms`.execute(tx);
      return Number(rows[0]?.ms);
    },
    lockMigrations: async (tx) => {
      await sql`select pg_advisory_xact_lock(7018331)`.execute(tx);
    },
    close: () => db.destroy(),
  };
}

// By hand and not by Kysely: what fails before the commit is known to be undone, and what fails at it is not.
function transaction<T>(db: Queries, begin: string, work: (db: Queries) => Promise<T>): Promise<T> {
  return db.connection().execute(async (connection) => {
    const run = (text: string) => sql.raw(text).execute(connection);
    await run(begin);
    let result: T;
    try {
      result = await work(connection);
    } catch (error) {
      await run('rollback').catch(() => undefined);
      throw error;
    }
    if (begin !== write) {
      // Nothing was written: how it ends is no part of the outcome.
      await run('rollback').catch(() => undefined);
      return result;
    }
    const { rows } = await run('commit');
    // PostgreSQL answers ROLLBACK to the commit of a transaction that has failed.
    if ((rows[0] as { command?: string } | undefined)?.command === 'ROLLBACK') {
      throw new LostConnection('The transaction was rolled back');
    }
    return result;
  });
}

async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const again = error instanceof LostConnection ? !error.slow : rolledBack.includes(codeOf(error) ?? '');
      if (!again || attempt >= attempts) throw error;
      await setTimeout(Math.random() * 20 * attempt);
    }
  }
}
