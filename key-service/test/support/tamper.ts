/** What somebody does who can write to a database of either kind: statements with `?`, and copies of the whole. */

import { copyFileSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import pg from 'pg';
import { inject } from 'vitest';
import { newDatabase, type TestDatabase } from './harness.ts';
import { copyDatabase } from './postgres.ts';

export type Value = string | number | null | Uint8Array;
export type Row = Record<string, Value>;

/** Runs a statement and gives its rows. */
export type Sql = (text: string, ...values: readonly Value[]) => Promise<Row[]>;

/** Opens a database, past the service. */
export async function withSql<T>({ config }: TestDatabase, work: (sql: Sql) => Promise<T>): Promise<T> {
  if ('sqlite' in config) {
    const database = new DatabaseSync(config.sqlite, { enableForeignKeyConstraints: false });
    try {
      return await work(async (text, ...values) => database.prepare(text).all(...(values as SQLInputValue[])) as Row[]);
    } finally {
      database.close();
    }
  }
  const client = new pg.Client({ connectionString: (config as { postgres: string }).postgres });
  await client.connect();
  try {
    // What a superuser may do: no foreign key stops them.
    await client.query('set session_replication_role = replica');
    return await work(async (text, ...values) => {
      const [first = '', ...rest] = text.split('?');
      const numbered = rest.reduce((all, part, index) => `${all}$${index + 1}${part}`, first);
      return (await client.query(numbered, [...values])).rows;
    });
  } finally {
    await client.end();
  }
}

/** Rows of whole tables. */
export type Snapshot = ReadonlyMap<string, Row[]>;

/** What these tables hold. */
export function snapshotOf(database: TestDatabase, tables: readonly string[]): Promise<Snapshot> {
  return withSql(database, async (sql) => {
    const rows = new Map<string, Row[]>();
    for (const table of tables) rows.set(table, await sql(`select * from ${table}`));
    return rows;
  });
}

/** Gives tables the rows of before. */
export function putBack(database: TestDatabase, snapshot: Snapshot): Promise<void> {
  return withSql(database, async (sql) => {
    await sql('begin');
    for (const [table, rows] of snapshot) {
      await sql(`delete from ${table}`);
      for (const row of rows) {
        const values = Object.values(row);
        const marks = values.map(() => '?').join();
        await sql(`insert into ${table} (${Object.keys(row).join()}) values (${marks})`, ...values);
      }
    }
    await sql('commit');
  });
}

/** A copy of a database that nobody has open. */
export async function copyOf({ config, folder }: TestDatabase): Promise<TestDatabase> {
  if ('sqlite' in config) {
    const copy = await newDatabase('sqlite');
    copyFileSync(config.sqlite, (copy.config as { sqlite: string }).sqlite);
    return copy;
  }
  const { url, drop } = await copyDatabase(inject('postgresUrl'), (config as { postgres: string }).postgres);
  return { config: { postgres: url }, folder, remove: drop };
}
