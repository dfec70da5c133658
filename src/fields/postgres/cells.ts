/** Shredded cells in PostgreSQL, `docs/fields.md` §7.3 and §7.4: what was sealed under a subject's data keys is replaced, and leaves the indexes. */

import { optional, takeOptions, takeSignal } from '../../lib/options.ts';
import type { CellStore, CellsToShred, SubjectTable } from '../shred.ts';
import { toBytea } from './bytea.ts';
import type { Queryable } from './data-key-store.ts';
import { tableName } from './ddl.ts';
import { quoted } from './sql-text.ts';

/** Texts that the type of a subject's column does not take: no row has such a subject. */
const noValue = ['22P02', '22003', '22007', '22008'];
const readers = { signal: optional(takeSignal) };

/**
 * The cells of a database, to be given to `shred`. The pool must not be encrypted itself, and its user must be allowed to update the encrypted columns.
 *
 * @example
 * await encryption.shred({ tenant: 'north', subject: '4711', cells: postgresCells(new pg.Pool({ connectionString, max: 1 })) });
 */
export function postgresCells(pool: Queryable): CellStore {
  return {
    async shred(tables, cells, options = {}) {
      const { signal } = takeOptions(options, readers);
      const values = valuesOf(cells);
      let rows = 0;
      for (const table of tables) {
        signal?.throwIfAborted();
        rows += await rowsOf(pool, updateSql(table), values);
      }
      return rows;
    },
  };
}

/** Rows with cells of a subject under some data keys: what {@link postgresCells} would replace. */
export async function countCells(
  pool: Queryable,
  tables: readonly SubjectTable[],
  cells: CellsToShred,
): Promise<number> {
  const values = valuesOf(cells);
  let rows = 0;
  for (const table of tables) {
    const sql = `SELECT 1 FROM ${tableName(table)} WHERE ${isOfSubject(table)}`;
    rows += await rowsOf(pool, sql, values);
  }
  return rows;
}

function valuesOf({ subject, dataKeys }: CellsToShred): unknown[] {
  return [subject, subject, dataKeys.map(toBytea)];
}

async function rowsOf(pool: Queryable, sql: string, values: unknown[]): Promise<number> {
  try {
    return (await pool.query(sql, values)).rows.length;
  } catch (error) {
    if (noValue.includes((error as { code?: string }).code ?? '')) return 0;
    throw error;
  }
}

/** Compared as the column's own type, for its index, and as text, since a type may take other spellings of a subject than that of its data keys. */
function updateSql(table: SubjectTable): string {
  const { columns } = table;
  const own = columns.map(isOwn);
  const sets = columns.map((column, i) => {
    const name = quoted(column);
    return `${name} = CASE WHEN ${own[i]} THEN '\\xf980'::bytea || substring(${name} FROM 3 FOR 1) ELSE ${name} END`;
  });
  return `UPDATE ${tableName(table)} SET ${sets.join(', ')}
WHERE ${isOfSubject(table)}
RETURNING 1`;
}

function isOfSubject({ subject, columns }: SubjectTable): string {
  return `${quoted(subject)} = $1 AND ${quoted(subject)}::text = $2 AND (${columns.map(isOwn).join(' OR ')})`;
}

/** Whether a cell is a record under one of the data keys: by the id in its header (§1), whose place its number of tags says. */
function isOwn(column: string): string {
  const name = quoted(column);
  const id = `substring(${name} FROM 4 + 12 * (get_byte(${name}, 1) & 3) FOR 16)`;
  return `(CASE WHEN octet_length(${name}) >= 60 AND get_byte(${name}, 0) = 249 THEN ${id} = ANY($3::bytea[]) ELSE false END)`;
}
