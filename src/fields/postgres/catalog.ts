/** What a database says about encrypted tables: numbers of tables and columns, types of keys, defaults. */

import type { Field, TableDefinition } from '../define.ts';
import type { RowColumn } from '../rows.ts';
import { indexColumn } from '../search.ts';
import { tableName } from './ddl.ts';
import { identityColumns } from './scope.ts';
import type { Draw, Sequence } from './sequences.ts';
import type { RunSql } from './shadows.ts';
import { quoted } from './sql-text.ts';

/** See the head of this file. */
export interface Catalog {
  /** The field of a result's column. */
  fieldOf(tableOid: number, columnNumber: number): Field | undefined;
  /** How a column's value is drawn, where the database makes it. */
  drawOf(table: TableDefinition, column: string): Draw | undefined;
  /** Whether a result's column is a generated column of tags. */
  isIndex(tableOid: number, columnNumber: number): boolean;
  /** The columns of a table's primary key with their types. */
  rowColumns(table: TableDefinition): readonly RowColumn[];
}

const sql = `select n.nspname, c.relname, c.oid, a.attname, a.attnum, a.attidentity, t.typname,
  pg_get_expr(d.adbin, d.adrelid), s.name, coalesce(l.collisdeterministic, true), s.relname, s.seqcycle, s.seqincrement, s.last
from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
  join pg_type t on t.oid = a.atttypid left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
  left join pg_collation l on l.oid = a.attcollation
  left join lateral (
    select format('%I.%I', sn.nspname, sc.relname) as name, sc.relname, s.seqcycle, s.seqincrement,
      case when s.seqincrement > 0 then s.seqmax else s.seqmin end as last
    from pg_depend p join pg_sequence s on s.seqrelid = case p.classid when 'pg_attrdef'::regclass then p.refobjid else p.objid end
      join pg_class sc on sc.oid = s.seqrelid join pg_namespace sn on sn.oid = sc.relnamespace
    where p.refclassid = 'pg_class'::regclass and case p.classid
      when 'pg_attrdef'::regclass then p.objid = d.oid
      when 'pg_class'::regclass then p.refobjid = c.oid and p.refobjsubid = a.attnum and p.deptype = 'i' end
    limit 1) s on true
where a.attnum > 0 and not a.attisdropped and n.nspname || '.' || c.relname = any($1)`;

/** Whether something in the database may ask which number was drawn last, where no statement says so. */
const asking = `select exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname not in ('pg_catalog', 'information_schema') and coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) ~* $1)
  or exists (select from pg_attrdef d where pg_get_expr(d.adbin, d.adrelid) ~* $1)`;
const lastNumber = '\\m(currval|lastval)\\M';

const types: Readonly<Record<string, RowColumn['type']>> = {
  ...{ int2: 'integer', int4: 'integer', int8: 'integer', uuid: 'uuid', text: 'text', varchar: 'text' },
};

/** Reads the catalog. Rejects with a `TypeError` for a table that is not there, and for columns that cannot hold what they must. */
export async function readCatalog(tables: Iterable<TableDefinition>, run: RunSql): Promise<Catalog> {
  const all = [...tables];
  const rows = await run(sql, [all.map(({ schema, table }) => `${schema}.${table}`)]);
  const asks = (await run(asking, [lastNumber])).some(([isAsked]) => isAsked !== 'f');
  const fields = new Map<string, Field>();
  const indexes = new Set<string>();
  const draws = new Map<string, Draw>();
  const keys = new Map<TableDefinition, readonly RowColumn[]>();
  for (const table of all) {
    const own = rows.filter(([schema, name]) => schema === table.schema && name === table.table);
    const columns = new Map(own.map((row) => [row[3] as string, row]));
    for (const field of table.fields.values()) {
      const [, , oid, , number, , type] = columnOf(table, field.column, columns);
      if (type !== 'bytea') throw new TypeError(`${table.key}.${field.column} must be of type bytea in the database`);
      fields.set(`${oid}:${number}`, field);
      for (const slot of [...field.definition.schemas.values()].flat()) {
        const row = columns.get(indexColumn(field, slot));
        if (row !== undefined) indexes.add(`${row[2]}:${row[4]}`);
      }
    }
    for (const name of identityColumns(table)) {
      const draw = drawOf(columnOf(table, name, columns), asks);
      if (draw !== undefined) draws.set(`${table.key}.${name}`, draw);
    }
    keys.set(
      table,
      table.row.map(({ name }) => keyColumn(table, name, columnOf(table, name, columns))),
    );
  }
  return {
    fieldOf: (oid, number) => fields.get(`${oid}:${number}`),
    isIndex: (oid, number) => indexes.has(`${oid}:${number}`),
    drawOf: (table, column) => draws.get(`${table.key}.${column}`),
    rowColumns: (table) => keys.get(table) ?? [],
  };
}

type CatalogRow = readonly (string | null)[];

function columnOf(table: TableDefinition, name: string, columns: ReadonlyMap<string, CatalogRow>): CatalogRow {
  const row = columns.get(name);
  if (row === undefined) throw new TypeError(`${tableName(table)} has no column ${quoted(name)}`);
  return row;
}

/** How a value is drawn. A sequence is named with its schema, so that the search path of a connection does not matter. */
function drawOf([, , , , , identity, , expression, sequence, , ...about]: CatalogRow, asks: boolean): Draw | undefined {
  const isNext = Boolean(identity) || nextOfSequence.test(expression ?? '');
  if (sequence && isNext) {
    const next = `nextval('${sequence.replaceAll("'", "''")}')`;
    return { expression: next, always: identity === 'a', ahead: asks ? undefined : sequenceOf(about) };
  }
  if (!expression) return undefined;
  return { expression, always: false, ahead: expression === 'gen_random_uuid()' ? 'random' : undefined };
}

const nextOfSequence = /^nextval\('(?:[^']|'')+'::regclass\)$/;

/** A sequence that cycles hands out again what is waiting for its use. */
function sequenceOf([name, cycles, step, limit]: CatalogRow): Sequence | undefined {
  if (!name || !step || !limit || cycles === 't') return undefined;
  return { name, step: BigInt(step), limit: BigInt(limit) };
}

/** §2.4: the text of a key must be the stored one. */
function keyColumn(table: TableDefinition, name: string, row: CatalogRow): RowColumn {
  const [type, deterministic] = [types[row[6] as string], row[9] !== 'f'];
  if (type !== undefined && (type !== 'text' || deterministic)) return { name, type };
  throw new TypeError(
    `${table.key}.${name} cannot bind cells: a key must be an integer, a uuid, or text or varchar with a deterministic collation`,
  );
}
