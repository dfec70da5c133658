/** The SQL that encrypted columns need: index columns, checks, and the tables of data keys. `docs/fields.md` §4.1, §5.7. */

import type { Field, TableDefinition } from '../define.ts';
import type { Slot } from '../indexes.ts';
import { indexColumn } from '../search.ts';
import { quoted } from './sql-text.ts';

/** The tables in which {@link postgresDataKeyStore} keeps data keys and definitions. */
export const dataKeyTables: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS bulla_data_keys (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  tenant text NOT NULL,
  subject text,
  purpose text NOT NULL CHECK (purpose IN ('data', 'index')),
  field text,
  version integer NOT NULL,
  created bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('active', 'retired', 'shredded')),
  wrapped bytea CHECK (octet_length(wrapped) BETWEEN 1 AND 1048832),
  receipt text,
  CHECK (wrapped IS NOT NULL OR state = 'shredded')
)`,
  `CREATE UNIQUE INDEX IF NOT EXISTS bulla_data_keys_active
  ON bulla_data_keys (tenant, subject, purpose, field, version) NULLS NOT DISTINCT WHERE state = 'active'`,
  `CREATE INDEX IF NOT EXISTS bulla_data_keys_subject ON bulla_data_keys (tenant, subject) WHERE subject IS NOT NULL`,
  `CREATE TABLE IF NOT EXISTS bulla_field_schemas (
  field text NOT NULL,
  version integer NOT NULL,
  definition text NOT NULL,
  PRIMARY KEY (field, version)
)`,
];

/** The statements that give a table's encrypted columns their index columns, unique indexes and checks. */
export function tableSql(table: TableDefinition): readonly string[] {
  const alter = `ALTER TABLE ${tableName(table)}`;
  return [...table.fields.values()].flatMap((field) => [
    `${alter} ADD ${checkSql(field)}`,
    ...indexColumns(field).flatMap((index) => [`${alter} ADD ${columnSql(index)}`, indexSql(field, index)]),
  ]);
}

/** The name of a table in a statement. */
export function tableName({ schema, table }: Pick<TableDefinition, 'schema' | 'table'>): string {
  return quoted(schema, table);
}

/** The name of the check of {@link checkSql}, unquoted. */
export function checkConstraint({ table, column }: Field): string {
  return `${table.table}_${column}_sealed`;
}

/** §1.1, §7.3: what no record can be is refused from any connection. */
export function checkSql(field: Field): string {
  const name = quoted(field.column);
  return `CONSTRAINT ${quoted(checkConstraint(field))} CHECK (
  substring(${name} FROM 1 FOR 1) = '\\xf9'::bytea AND (octet_length(${name}) >= 60 OR (octet_length(${name}) = 3 AND get_byte(${name}, 1) = 128)))`;
}

/** A generated column of tags. */
export interface IndexColumn {
  readonly name: string;
  readonly unique: boolean;
  /** What it is generated from. */
  readonly expression: string;
}

/** The definition of an index column. */
export function columnSql({ name, expression }: IndexColumn): string {
  return `COLUMN ${quoted(name)} bytea GENERATED ALWAYS AS (${expression}) STORED`;
}

/** The index over an index column, after the tenant. */
export function indexSql({ table }: Field, { name, unique }: IndexColumn): string {
  const key = [table.tenant, name].filter((each) => each !== undefined);
  return `CREATE ${unique ? 'UNIQUE ' : ''}INDEX ${quoted(`${table.table}_${name}`)} ON ${tableName(table)} (${key.map((each) => quoted(each)).join(', ')})`;
}

/** The index columns of all schema versions of a field. */
export function indexColumns(field: Field): readonly IndexColumn[] {
  const { column, definition } = field;
  const slots = new Map<string, { slot: Slot; places: [version: number, slot: number][] }>();
  for (const [version, schema] of definition.schemas) {
    schema.forEach((slot, i) => {
      const name = indexColumn(field, slot);
      const known = slots.get(name) ?? { slot, places: [] };
      known.places.push([version, i + 1]);
      slots.set(name, known);
    });
  }
  return [...slots].map(([name, { slot, places }]) => ({
    name,
    unique: slot.unique,
    expression: tagExpression(column, places),
  }));
}

/** §5.7 */
function tagExpression(column: string, places: readonly (readonly [version: number, slot: number])[]): string {
  const name = quoted(column);
  const cases = places.map(([version, slot]) => {
    const hex = version.toString(16).padStart(2, '0');
    return `WHEN substring(${name} FROM 3 FOR 1) = '\\x${hex}'::bytea AND get_byte(${name}, 1) & 3 >= ${slot}
  THEN nullif(substring(${name} FROM ${4 + 12 * (slot - 1)} FOR 12), '\\x000000000000000000000000'::bytea)`;
  });
  return `CASE ${cases.join(' ')} END`;
}
