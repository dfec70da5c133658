/** Rows of an encrypted table as jobs read and change them: `docs/fields.md` §10.4, §10.6 and §10.12. */

import { copy } from '../../../lib/bytes.ts';
import type { Bytes } from '../../../types.ts';
import type { Field } from '../../define.ts';
import { nameOf } from '../../row-values.ts';
import { identify } from '../../rows.ts';
import type { Place } from '../../seal-cells.ts';
import { toBytea } from '../bytea.ts';
import { indexColumns, tableName } from '../ddl.ts';
import { isGuarded } from '../guard.ts';
import { identityColumns } from '../scope.ts';
import { quoted } from '../sql-text.ts';
import { attempted, type JobClient, sqlStateOf } from './database.ts';
import type { Batch, KeyText, Reading, Walked } from './walk.ts';

/** A field with what stands beside it in its table. */
export interface Source {
  readonly field: Field;
  readonly walked: Walked;
  /** The tenant of rows that name none. */
  readonly tenant: string | undefined;
  /** The other columns that its tags are of. */
  readonly parts: readonly Field[];
}

/** A cell and the plaintext beside it, as they were read. */
export interface Pair {
  readonly cell: Bytes | null;
  readonly plain: string | null;
}

/** A row as it was read. */
export interface SourceRow extends Pair {
  readonly key: KeyText;
  /** The texts of {@link identityColumns}. */
  readonly identity: readonly (string | null)[];
  /** Of {@link Source.parts}, in their order. */
  readonly parts: readonly Pair[];
  /** Whether the index columns are what the cell says. */
  readonly fits: boolean;
}

/** The columns that the tags of any schema version of a field are of, besides its own. */
export function partsOfField({ table, definition }: Field): readonly Field[] {
  const names = [...definition.schemas.values()].flat().flatMap(({ others }) => others);
  return [...new Set(names)].map((name) => table.fields.get(name) as Field);
}

const cellOf = ({ column }: Field) => quoted(column);
const plainOf = ({ definition: { plain } }: Field) => (plain === undefined ? 'NULL::text' : `${quoted(plain)}::text`);

/** Whether a row has plaintext and no record. */
export function unsealed(field: Field): string {
  return `${cellOf(field)} IS NULL AND ${plainOf(field)} IS NOT NULL`;
}

/** Whether a row has a record of another schema version than the written one. */
export function outdated(field: Field): string {
  const version = field.definition.version.toString(16).padStart(2, '0');
  return `octet_length(${cellOf(field)}) > 3 AND substring(${cellOf(field)} FROM 3 FOR 1) <> '\\x${version}'::bytea`;
}

/** What is read of rows for which a condition holds. */
export function readingOf({ field, parts }: Source, where: string): Reading {
  const pairs = [field, ...parts];
  const identity = identityColumns(field.table).map((name) => `${quoted(name)}::text`);
  const fits = indexColumns(field).map(
    ({ name, expression }) => `${quoted(name)} IS NOT DISTINCT FROM (${expression})`,
  );
  const sizes = pairs.flatMap((each) =>
    [cellOf(each), plainOf(each)].map((text) => `coalesce(octet_length(${text}), 0)`),
  );
  return {
    columns: {
      identity: identity.length === 0 ? 'ARRAY[]::text[]' : `ARRAY[${identity.join(', ')}]`,
      ...Object.fromEntries(
        pairs.flatMap((each, i) => [
          [`cell${i}`, cellOf(each)],
          [`plain${i}`, plainOf(each)],
        ]),
      ),
      fits: fits.length === 0 ? 'true' : fits.join(' AND '),
    },
    size: sizes.join(' + '),
    where,
  };
}

/** The rows of a batch. */
export function sourceRows({ parts }: Source, { rows }: Batch): readonly SourceRow[] {
  const pairAt = (row: Readonly<Record<string, unknown>>, i: number): Pair => {
    const cell = row[`cell${i}`] as Uint8Array | null;
    return { cell: cell === null ? null : copy(cell), plain: row[`plain${i}`] as string | null };
  };
  return rows.map((row) => ({
    key: row.key,
    identity: row['identity'] as readonly (string | null)[],
    ...pairAt(row, 0),
    parts: parts.map((_, i) => pairAt(row, i + 1)),
    fits: row['fits'] === true,
  }));
}

/** Where the cell of a row is. Throws `ERR_FIELD_TENANT` and `ERR_FIELD_ROW_UNKNOWN`. */
export function placeOf({ field, tenant }: Source, row: SourceRow): Place {
  const { table } = field;
  const names = identityColumns(table);
  const get = (name: string) => row.identity[names.indexOf(name)];
  const own = table.tenant === undefined ? tenant : get(table.tenant);
  return {
    field,
    tenant: nameOf(table, table.tenant ?? 'tenant', own),
    subject: table.subject === undefined ? null : nameOf(table, table.subject, get(table.subject)),
    row: identify(table.key, table.row, get),
  };
}

/** A record for a row. */
export interface Change {
  readonly row: SourceRow;
  readonly record: Bytes;
}

/** What became of changes. */
export interface Stored {
  readonly written: number;
  /** Rows that were changed meanwhile. */
  readonly missed: number;
  /** Rows whose value another row has, in a unique index. */
  readonly duplicates: readonly KeyText[];
  /** Rows whose subject was shredded meanwhile (§7.9). */
  readonly shredded: readonly SourceRow[];
}

const none = { written: 0, missed: 0, duplicates: [], shredded: [] };
const isOfOneRow = (error: unknown): boolean => sqlStateOf(error) === '23505' || isGuarded(error);

/** Stores records where rows are still what was read (§10.4, §10.12). */
export async function storeChanges(client: JobClient, source: Source, changes: readonly Change[]): Promise<Stored> {
  if (changes.length === 0) return none;
  const { text, values } = updateSql(source, changes);
  let written = 0;
  const update = async () => {
    written = (await client.query(text, values)).rowCount ?? 0;
  };
  // A unique index, or the guard of a shredded subject, refuses all of a statement for one row.
  const refused = await attempted(client, isOfOneRow, update);
  if (refused === undefined) return { ...none, written, missed: changes.length - written };
  const [only] = changes;
  if (changes.length === 1 && only !== undefined) {
    return isGuarded(refused) ? { ...none, shredded: [only.row] } : { ...none, duplicates: [only.row.key] };
  }
  const middle = Math.ceil(changes.length / 2);
  const first = await storeChanges(client, source, changes.slice(0, middle));
  const second = await storeChanges(client, source, changes.slice(middle));
  return {
    written: first.written + second.written,
    missed: first.missed + second.missed,
    duplicates: [...first.duplicates, ...second.duplicates],
    shredded: [...first.shredded, ...second.shredded],
  };
}

function updateSql({ field, walked, parts }: Source, changes: readonly Change[]) {
  const values: unknown[] = [];
  const given: string[] = [];
  const conditions: string[] = [];
  /** Adds an array of values, one for each row; gives the name of its column. */
  const add = (type: 'text' | 'bytea', of: (row: SourceRow) => string | Bytes | null): string => {
    const name = `v${values.length}`;
    values.push(changes.map(({ row }) => toSql(of(row))));
    given.push(`$${values.length}::${type}[]`);
    return `v.${name}`;
  };
  const same = (type: 'text' | 'bytea', expression: string, of: (row: SourceRow) => string | Bytes | null) => {
    const collated = type === 'text' ? ' COLLATE "C"' : '';
    conditions.push(`${expression}${collated} IS NOT DISTINCT FROM ${add(type, of)}`);
  };
  walked.key.forEach(({ name, type }, i) => {
    conditions.push(`t.${quoted(name)} = ${add('text', ({ key }) => key[i] ?? null)}::${type}`);
  });
  identityColumns(field.table).forEach((name, i) => {
    same('text', `t.${quoted(name)}::text`, ({ identity }) => identity[i] ?? null);
  });
  [field, ...parts].forEach((each, i) => {
    const pairOf = (row: SourceRow): Pair => (i === 0 ? row : (row.parts[i - 1] as Pair));
    const { plain } = each.definition;
    if (plain !== undefined) same('text', `t.${quoted(plain)}::text`, (row) => pairOf(row).plain);
    same('bytea', `t.${cellOf(each)}`, (row) => pairOf(row).cell);
  });
  const names = given.map((_, i) => `v${i}`).join(', ');
  values.push(changes.map(({ record }) => toBytea(record)));
  const text = `UPDATE ${tableName(field.table)} AS t SET ${cellOf(field)} = v.record
FROM unnest(${[...given, `$${values.length}::bytea[]`].join(', ')}) AS v (${names}, record)
WHERE ${conditions.join(' AND ')}`;
  return { text, values };
}

function toSql(value: string | Bytes | null): string | Uint8Array | null {
  return value === null || typeof value === 'string' ? value : toBytea(value);
}
