/** All rows out of one database, and into an empty one. */

import { sql } from 'kysely';
import { OperatorError } from '../errors.ts';
import type { Dialect, Queries } from './engine.ts';
import { closeOneLog, openOneLog } from './migrations.ts';
import type { OpenSecret, TableRow } from './store.ts';
import { backedUpTables, primaryKeys } from './tables.ts';

const pageSize = 1000;

/** Hands out every row, table by table. */
export async function dumpAll(db: Queries, write: (row: TableRow) => Promise<void>): Promise<void> {
  for (const table of backedUpTables) {
    for (let last: TableRow | undefined; ; ) {
      const page: TableRow[] = await dumpPage(db, table, last?.row);
      for (const row of page) await write(row);
      last = page.at(-1);
      if (!last) break;
    }
  }
}

/** The rows of one table behind one of them, or from its beginning. */
async function dumpPage(
  db: Queries,
  table: (typeof backedUpTables)[number],
  after: TableRow['row'] | undefined,
): Promise<TableRow[]> {
  const columns = primaryKeys[table];
  const key = sql.join(columns.map((column) => sql.ref(column)));
  const behind = after ? sql`where (${key}) > (${sql.join(columns.map((column) => sql`${after[column]}`))})` : sql``;
  const { rows } = await sql<TableRow['row']>`
    select * from ${sql.table(table)} ${behind} order by ${key} limit ${pageSize}`.execute(db);
  return rows.map((row) => ({ table, row: plain(row) }));
}

const oneLogTables = ['state', 'audit_leaves', 'audit_nodes'];

/** Writes rows to an empty, migrated database. Those of older schemas are brought to that of today. */
export async function loadRows(
  tx: Queries,
  dialect: Dialect,
  rows: AsyncIterable<TableRow>,
  { open, now }: { readonly open: OpenSecret | undefined; readonly now: number },
): Promise<void> {
  const { total } = await tx.selectFrom('keys').select(sql<number>`count(*)`.as('total')).executeTakeFirstOrThrow();
  const { secrets } = await tx
    .selectFrom('secrets')
    .select(sql<number>`count(*)`.as('secrets'))
    .executeTakeFirstOrThrow();
  if (Number(total) + Number(secrets) > 0)
    throw new OperatorError('The database is not empty: a restore needs a new one');
  await tx.deleteFrom('states').execute();
  let [first, oneLog] = [false, false];
  for await (const { table, row } of rows) {
    if (table === 'state' && !oneLog) {
      oneLog = true;
      await openOneLog(tx, dialect);
    }
    if (!(backedUpTables as readonly string[]).includes(table) && !(oneLog && oneLogTables.includes(table))) {
      throw new OperatorError('The backup has an unknown table');
    }
    if (table === 'keys' && !('origin' in row)) first = true;
    const columns = Object.keys(row).map((name) => sql.ref(name));
    const values = Object.values(row).map((value) => sql`${value}`);
    await sql`insert into ${sql.table(table)} (${sql.join(columns)}) values (${sql.join(values)})`.execute(tx);
  }
  if (oneLog) await closeOneLog(tx, { open, now, first });
}

function plain(row: TableRow['row']): TableRow['row'] {
  const entries = Object.entries(row).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? Uint8Array.from(value) : value,
  ]);
  return Object.fromEntries(entries) as TableRow['row'];
}
