/** Shredded cells in PostgreSQL, `docs/fields.md` §7.3, §7.4 and §7.8: what was sealed under a subject's data keys is replaced and leaves the indexes, and the plaintext beside it is cleared. */

import { optional, takeOptions, takeSignal } from '../../lib/options.ts';
import type { CellStore, CellsToShred, FoundCells, SubjectColumn, SubjectTable } from '../shred.ts';
import { toBytea } from './bytea.ts';
import type { Queryable } from './data-key-store.ts';
import { tableName } from './ddl.ts';
import { sqlStateOf } from './jobs/database.ts';
import { quoted } from './sql-text.ts';

/** Texts that the type of a subject's column does not take: no row has such a subject. */
const noValue = ['22P02', '22003', '22007', '22008'];
const readers = { signal: optional(takeSignal) };

/**
 * The cells of a database, to be given to `shred`. The pool must not be encrypted itself, and its user must be allowed to update the encrypted columns and the plaintext columns that they replace.
 *
 * @example
 * await encryption.shred({ tenant: 'north', subject: '4711', cells: postgresCells(new pg.Pool({ connectionString, max: 1 })) });
 */
export function postgresCells(pool: Queryable): CellStore {
  return {
    async shred(tables, cells, options = {}) {
      const { signal } = takeOptions(options, readers);
      let rows = 0;
      for (const table of tables) {
        signal?.throwIfAborted();
        rows += await shredTable(pool, table, cells);
      }
      return rows;
    },
    async find(tables, cells, options = {}) {
      const { signal } = takeOptions(options, readers);
      const found: FoundCells[] = [];
      for (const table of tables) {
        signal?.throwIfAborted();
        found.push(...(await foundIn(pool, table, cells)));
      }
      return found;
    },
  };
}

/** Rows that {@link postgresCells} would change. */
export async function countCells(
  pool: Queryable,
  tables: readonly SubjectTable[],
  cells: CellsToShred,
): Promise<number> {
  let rows = 0;
  for (const table of tables) {
    const { values, isChanged } = conditionsOf(table, cells);
    rows += (await rowsOf(pool, `SELECT 1 FROM ${tableName(table)} WHERE ${isChanged}`, values)).length;
  }
  return rows;
}

/** A plaintext column may take no NULL: then the records go all the same, and the plaintext of the other columns. */
async function shredTable(pool: Queryable, table: SubjectTable, cells: CellsToShred): Promise<number> {
  const all = await updated(pool, table, cells);
  if (all !== undefined) return all;
  const records = { ...table, columns: table.columns.map((column) => ({ ...column, plain: undefined })) };
  const plain = table.columns.filter((column) => column.plain !== undefined);
  let most = 0;
  for (const part of [records, ...plain.map((column) => ({ ...table, columns: [column] }))]) {
    most = Math.max(most, (await updated(pool, part, cells)) ?? 0);
  }
  return most;
}

/** The number of rows, or `undefined` where a constraint refuses that plaintext is cleared. */
async function updated(pool: Queryable, table: SubjectTable, cells: CellsToShred): Promise<number | undefined> {
  const { values, isChanged, sets } = conditionsOf(table, cells);
  const text = `UPDATE ${tableName(table)} SET ${sets.join(', ')} WHERE ${isChanged} RETURNING 1`;
  try {
    return (await rowsOf(pool, text, values)).length;
  } catch (error) {
    const clears = table.columns.some(({ plain }) => plain !== undefined);
    if (clears && sqlStateOf(error)?.startsWith('23')) return undefined;
    throw error;
  }
}

async function foundIn(pool: Queryable, table: SubjectTable, cells: CellsToShred): Promise<readonly FoundCells[]> {
  const { values, isOfSubject, mayBeTenants } = conditionsOf(table, cells);
  const looked = table.columns.flatMap(({ name, plain }) => [
    { column: name, holds: 'records' as const, where: isOwn(name) },
    ...(plain === undefined
      ? []
      : [{ column: plain, holds: 'plaintext' as const, where: `${quoted(plain)} IS NOT NULL AND ${mayBeTenants}` }]),
  ]);
  const counts = looked.map(({ where }, i) => `count(*) FILTER (WHERE ${where}) AS n${i}`);
  const text = `SELECT ${counts.join(', ')} FROM ${tableName(table)} WHERE ${isOfSubject}`;
  const [row] = await rowsOf(pool, text, values);
  return looked.flatMap(({ column, holds }, i) => {
    const rows = Number(row?.[`n${i}`] ?? 0);
    return rows === 0 ? [] : [{ table: `${table.schema}.${table.table}`, column, holds, rows }];
  });
}

async function rowsOf(
  pool: Queryable,
  sql: string,
  values: unknown[],
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  try {
    return (await pool.query(sql, values)).rows;
  } catch (error) {
    if (noValue.includes(sqlStateOf(error) ?? '')) return [];
    throw error;
  }
}

/**
 * Which rows are about a subject, and what becomes of them. A subject is compared as the column's own type, for its index, and as text, since a type may take other spellings of a subject than that
 * of its data keys.
 */
function conditionsOf(table: SubjectTable, { tenant, subject, dataKeys }: CellsToShred) {
  const values: unknown[] = [subject, subject, dataKeys.map(toBytea)];
  const own = table.columns.map(({ name }) => isOwn(name));
  const anyOwn = `(${own.join(' OR ')})`;
  const plain = table.columns.flatMap((column) => (column.plain === undefined ? [] : [quoted(column.plain)]));
  const isNamed = plain.length > 0 && table.tenant !== undefined;
  if (isNamed) values.push(tenant);
  const named = isNamed ? `${quoted(table.tenant as string)}::text = $4` : undefined;
  const isTenants = named ?? (table.isTenants === true ? 'true' : anyOwn);
  const hasPlain = plain.length === 0 ? 'false' : `(${plain.map((name) => `${name} IS NOT NULL`).join(' OR ')})`;
  const isOfSubject = `${quoted(table.subject)} = $1 AND ${quoted(table.subject)}::text = $2 AND $3::bytea[] IS NOT NULL`;
  return {
    values,
    isOfSubject,
    mayBeTenants: named ?? (table.isTenants === false ? anyOwn : 'true'),
    isChanged: `${isOfSubject} AND (${anyOwn} OR (${hasPlain} AND ${isTenants}))`,
    sets: table.columns.flatMap((column) => setsOf(column, isTenants)),
  };
}

/** §7.3, §7.8 */
function setsOf({ name: column, plain, version }: SubjectColumn, isTenants: string): readonly string[] {
  const name = quoted(column);
  const own = `WHEN ${isOwn(column)} THEN '\\xf980'::bytea || substring(${name} FROM 3 FOR 1)`;
  if (plain === undefined) return [`${name} = CASE ${own} ELSE ${name} END`];
  const marker = `'\\xf980${version.toString(16).padStart(2, '0')}'::bytea`;
  const bare = `WHEN ${name} IS NULL AND ${quoted(plain)} IS NOT NULL AND ${isTenants} THEN ${marker}`;
  return [
    `${name} = CASE ${own} ${bare} ELSE ${name} END`,
    `${quoted(plain)} = CASE WHEN ${isTenants} THEN NULL ELSE ${quoted(plain)} END`,
  ];
}

/** Whether a cell is a record under one of the data keys: by the id in its header (§1), whose place its number of tags says. */
function isOwn(column: string): string {
  const name = quoted(column);
  const id = `substring(${name} FROM 4 + 12 * (get_byte(${name}, 1) & 3) FOR 16)`;
  return `(CASE WHEN octet_length(${name}) >= 60 AND get_byte(${name}, 0) = 249 THEN ${id} = ANY($3::bytea[]) ELSE false END)`;
}
