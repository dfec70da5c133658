/** Records, and rows of databases that earlier versions of the service wrote, as their backups hold them. */

import type { KeyRecord } from '../../src/model/keys.ts';
import type { Engine } from '../../src/store/engine.ts';
import { runMigrations } from '../../src/store/migrations.ts';
import { postgresEngine } from '../../src/store/postgres.ts';
import { sqliteEngine } from '../../src/store/sqlite.ts';
import type { TableRow } from '../../src/store/store.ts';
import type { TestDatabase } from './harness.ts';
import { withSql } from './tamper.ts';

/** A row, whose bytes are `{ "b": base64url }`. */
export interface FixtureRow {
  readonly t: string;
  readonly r: Readonly<Record<string, unknown>>;
}

/** The rows as the store takes them. */
export function tableRowsOf(rows: readonly FixtureRow[]): TableRow[] {
  return rows.map(({ t, r }) => {
    const entries = Object.entries(r).map(([name, value]) => {
      const bytes = (value as { b?: string } | null)?.b;
      return [name, bytes === undefined ? value : Uint8Array.from(Buffer.from(bytes, 'base64url'))];
    });
    return { table: t, row: Object.fromEntries(entries) };
  });
}

/** An engine on a database; to be closed. */
export function engineOf({ config }: TestDatabase): Engine {
  return 'sqlite' in config ? sqliteEngine(config.sqlite) : postgresEngine((config as { postgres: string }).postgres);
}

/** An engine on an empty database that was given the tables of a schema; to be closed. */
export async function engineAt(schema: number, database: TestDatabase): Promise<Engine> {
  const engine = engineOf(database);
  await engine.write((tx) => runMigrations(tx, engine.dialect, { until: schema }));
  return engine;
}

/** Gives an empty database the tables of a schema, with rows as that left them. */
export async function fillAs(schema: number, database: TestDatabase, rows: readonly TableRow[]): Promise<void> {
  const engine = await engineAt(schema, database);
  await engine.close();
  await withSql(database, async (sql) => {
    await sql('delete from state');
    for (const { table, row } of rows) {
      const marks = Object.keys(row).map(() => '?');
      await sql(`insert into ${table} (${Object.keys(row)}) values (${marks})`, ...Object.values(row));
    }
  });
}

/** A key of a tenant with one version, as nobody has stored it yet. */
export function keyRecord(id: string, change: Partial<KeyRecord> = {}): KeyRecord {
  const version = { version: 1, state: 'active', priorState: null, created: 100, uses: 0 } as const;
  return {
    ...{ id, tenant: 'north', description: '', disabled: false, newest: 1, floor: 1, created: 100, revision: 0 },
    ...({
      maxAgeDays: null,
      maxUses: null,
      deletion: null,
      aliases: [],
      origin: 'generated',
      importedBy: null,
    } as const),
    versions: [{ ...version, material: new TextEncoder().encode('material'), point: new Uint8Array(97) }],
    ...change,
  };
}
