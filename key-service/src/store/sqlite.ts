/** SQLite through `node:sqlite`, WAL with `synchronous=FULL`: one fsync for each commit, nothing acknowledged is lost. */

import { closeSync, openSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import { Kysely, SqliteDialect, sql } from 'kysely';
import { LruMap } from '../lib/lru.ts';
import { Mutex } from '../lib/mutex.ts';
import { type Engine, guarded, type Queries } from './engine.ts';
import { StoreError } from './errors.ts';
import type { Tables } from './tables.ts';

// SQLITE_BUSY
const busy = 5;
const lockTimeout = 5000;

/** The engine over a database file, made with the mode 0600 where there is none. */
export function sqliteEngine(file: string): Engine {
  const database = openDatabase(file);
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: adapter(database) }) });
  const mutex = new Mutex();
  const transaction = <T>(begin: string, work: (db: Queries) => Promise<T>): Promise<T> =>
    guarded(() => mutex.run(() => inTransaction(db, database, begin, work)));
  return {
    kind: 'sqlite',
    dialect: { kind: 'sqlite', int: 'integer', bytes: 'blob' },
    // One writer, and turns of tenants for it.
    connections: 8,
    // One connection: a read must not see what a transaction has not committed.
    read: (work) => guarded(() => mutex.run(() => work(db))),
    write: (work) => transaction('begin immediate', work),
    snapshot: (work) => transaction('begin deferred', work),
    // One writer: who has begun waits for nobody.
    briefly: (_, work) => work(),
    time: async () => undefined,
    lockMigrations: async () => undefined,
    close: () => mutex.run(() => db.destroy()),
  };
}

async function inTransaction<T>(
  db: Queries,
  database: DatabaseSync,
  begin: string,
  work: (db: Queries) => Promise<T>,
): Promise<T> {
  await beginPatiently(db, begin);
  try {
    const result = await work(db);
    await sql.raw('commit').execute(db);
    return result;
  } catch (error) {
    // A full disk makes SQLite roll back by itself.
    if (database.isTransaction) await sql.raw('rollback').execute(db);
    throw error;
  }
}

// Another process may write, too: a command of the operator, say. Waiting inside SQLite would stop the event loop.
async function beginPatiently(db: Queries, begin: string): Promise<void> {
  for (const deadline = performance.now() + lockTimeout; ; ) {
    try {
      await sql.raw(begin).execute(db);
      return;
    } catch (error) {
      if ((error as { errcode?: number }).errcode !== busy || performance.now() > deadline) throw error;
      await setTimeout(1 + Math.random() * 4);
    }
  }
}

function openDatabase(file: string): DatabaseSync {
  try {
    closeSync(openSync(file, 'a', 0o600));
    const database = new DatabaseSync(file, { timeout: 5000 });
    database.exec(
      'pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma secure_delete = on; pragma busy_timeout = 5',
    );
    return database;
  } catch (error) {
    throw new StoreError(`The database ${file} cannot be opened`, { cause: error });
  }
}

// What Kysely expects of better-sqlite3, with statements kept: preparing costs more than running.
function adapter(database: DatabaseSync) {
  const statements = new LruMap<string, ReturnType<typeof wrap>>(200);
  return {
    close: () => database.close(),
    prepare(text: string) {
      const known = statements.get(text);
      if (known) return known;
      const statement = wrap(database.prepare(text));
      statements.set(text, statement);
      return statement;
    },
  };
}

// No number of ours is that large. A row that somebody gave one must fail its MAC, and not every statement that reads it.
function readable(statement: StatementSync, read: () => Record<string, SQLOutputValue>[]) {
  try {
    return read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_OUT_OF_RANGE') throw error;
    statement.setReadBigInts(true);
    try {
      return read().map((row) =>
        Object.fromEntries(Object.entries(row).map(([name, value]) => [name, rounded(value)])),
      );
    } finally {
      statement.setReadBigInts(false);
    }
  }
}

function rounded(value: SQLOutputValue): SQLOutputValue {
  return typeof value === 'bigint' ? Number(value) : value;
}

function wrap(statement: StatementSync) {
  const values = (parameters: readonly unknown[]): SQLInputValue[] => parameters as SQLInputValue[];
  return {
    reader: statement.columns().length > 0,
    all: (parameters: readonly unknown[]) => readable(statement, () => statement.all(...values(parameters))),
    run: (parameters: readonly unknown[]) => statement.run(...values(parameters)),
    iterate: (parameters: readonly unknown[]) => statement.iterate(...values(parameters)),
  };
}
