/** The encrypted tables of an application, checked and frozen. */

import { assert } from '../lib/assert.ts';
import { optional, recordOf, takeOptions, takeString } from '../lib/options.ts';
import { ColumnDefinition, type EncryptedColumn } from './columns.ts';
import type { RowColumn, RowColumnType } from './rows.ts';

/** A table with encrypted columns. */
export interface TableOptions {
  /**
   * The primary key, which every cell is bound to: the name of its column, several in their order, or names with their types, which allows every spelling of a `uuid`.
   * `false` binds cells to no row: anyone who can write to the database can then move them between rows of a tenant.
   */
  readonly row: string | readonly string[] | Readonly<Record<string, RowColumnType>> | false;
  /** The column that says whose row it is. Default: none; each call says it. */
  readonly tenant?: string | undefined;
  /** The column that says whom the row is about: each subject has data keys of its own, which can be shredded. Default: none. */
  readonly subject?: string | undefined;
  /** What the table is called for ever in its fields' names, whatever becomes of it. Default: the name of the property. */
  readonly name?: string | undefined;
  /** The table in the database, such as `clinic.patient`. Default: the name of the property, in `public`. */
  readonly table?: string | undefined;
  /** Its encrypted columns by name. */
  readonly columns: Readonly<Record<string, EncryptedColumn<unknown>>>;
}

/** Encrypted tables by name. */
export type TablesOptions = Readonly<Record<string, TableOptions>>;

/** An encrypted column in its table. */
export interface Field {
  /** `patient.email` (§2.1). */
  readonly id: string;
  /** The name of the property that holds its values. */
  readonly key: string;
  /** The name of the column in the database. */
  readonly column: string;
  /** The name of the column in the field's name. */
  readonly name: string;
  readonly table: TableDefinition;
  readonly definition: ColumnDefinition;
}

/** A checked table. */
export interface TableDefinition {
  readonly key: string;
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  readonly row: readonly RowColumn[];
  readonly tenant: string | undefined;
  readonly subject: string | undefined;
  /** By the name of their property. */
  readonly fields: ReadonlyMap<string, Field>;
}

const tables = Symbol('tables');

/** Encrypted tables, as {@link defineFields} checked them. */
export interface Fields<Tables extends TablesOptions = TablesOptions> {
  /** What was given. */
  readonly options: Tables;
  /** @internal */
  readonly [tables]: ReadonlyMap<string, TableDefinition>;
}

/** The values of a table's encrypted columns, as they are when they are open. */
export type InferFields<Of extends Fields, Table extends keyof Of['options']> = {
  [Column in keyof Of['options'][Table]['columns']]: ValueOf<Of['options'][Table]['columns'][Column]> | null;
};

/** The type of a column's values. */
export type ValueOf<Column> = Column extends EncryptedColumn<infer Value> ? Value : never;

/**
 * Describes the encrypted columns of a database. The names that it gives to tables and columns are part of their keys: to rename one later, keep the old as its `name`.
 *
 * Throws a `TypeError` that names a wrong option.
 *
 * @example
 * const fields = defineFields({
 *   patient: {
 *     row: 'id',
 *     tenant: 'clinic',
 *     columns: {
 *       email: encrypted.string({ index: [blindIndex({ normalize: ['trim', 'lower'], unique: true })] }),
 *       record: encrypted.json<{ blood: string }>({ pad: 256 }),
 *     },
 *   },
 * });
 */
export function defineFields<const Tables extends TablesOptions>(options: Tables): Fields<Tables> {
  const taken = recordOf((table) => table)(options, 'fields');
  const checked = new Map(Object.entries(taken).map(([key, table]) => [key, checkTable(key, table)]));
  assert(checked.size > 0, 'fields', 'at least one table');
  const all = [...checked.values()].flatMap(({ fields }) => [...fields.values()]);
  assertUnique(all.map(({ id }) => id));
  assertUnique([...checked.values()].map(({ schema, table }) => `${schema}.${table}`));
  return Object.freeze({ options, [tables]: checked });
}

/** The tables of checked fields. Throws a `TypeError` for anything else. */
export function tablesOf(fields: unknown): ReadonlyMap<string, TableDefinition> {
  const found = (fields as Partial<Fields> | null | undefined)?.[tables];
  assert(found !== undefined, 'fields', 'made by defineFields');
  return found;
}

const readers = {
  row: takeRow,
  tenant: optional(takeString),
  subject: optional(takeString),
  name: optional(takeString),
  table: optional(takeString),
  columns: takeColumns,
};

function checkTable(key: string, given: unknown): TableDefinition {
  const taken = takeOptions(given, readers, `fields.${key}`);
  const { row, tenant, subject, name = key, table = key, columns } = taken;
  assertIdentifier(name, `the name of ${key}`);
  const path = table.split('.');
  assert(path.length <= 2 && path.every((part) => part !== ''), `table of ${key}`, 'a name, or a schema and a name');
  const fields = new Map<string, Field>();
  const definition: TableDefinition = {
    ...{ key, name, row, tenant, subject, fields },
    schema: path.length === 2 ? (path[0] as string) : 'public',
    table: path.at(-1) as string,
  };
  for (const [property, column] of Object.entries(columns)) {
    const own = column.name ?? property;
    assertIdentifier(own, `the name of ${key}.${property}`);
    const field = { id: `${name}.${own}`, key: property, column: column.column ?? property, name: own };
    fields.set(property, Object.freeze({ ...field, table: definition, definition: column }));
  }
  assertUnique(
    [...fields.values()].flatMap(({ column, definition: { plain } }) =>
      [column, ...(plain === undefined ? [] : [plain])].map((each) => `${key}.${each}`),
    ),
  );
  assertApart(definition);
  return Object.freeze(definition);
}

/** What names keys cannot be encrypted, and the parts of a compound index are encrypted columns of one table. */
function assertApart({ key, row, tenant, subject, fields }: TableDefinition): void {
  for (const name of [...row.map((column) => column.name), tenant, subject]) {
    assert(name === undefined || !fields.has(name), `${key}.${name}`, 'a column that is not encrypted');
  }
  for (const { definition, id } of fields.values()) {
    for (const { others } of [...definition.schemas.values()].flat()) {
      for (const other of others)
        assert(fields.has(other), `with of ${id}`, `encrypted columns, which ${other} is not`);
    }
  }
}

function takeRow(given: unknown, name: string): readonly RowColumn[] {
  if (given === false) return [];
  const types: readonly (RowColumn['type'] | undefined)[] = ['integer', 'uuid', 'text'];
  const names = typeof given === 'string' ? [given] : given;
  assert(typeof names === 'object' && names !== null, name, 'a column, several, or false');
  const columns: RowColumn[] = Array.isArray(names)
    ? names.map((each: unknown) => ({ name: takeString(each, name), type: 'any' }))
    : Object.entries(names).map(([each, type]) => ({ name: each, type }));
  assert(columns.length >= 1 && columns.length <= 8, name, '1 to 8 columns, or false');
  for (const { type } of columns)
    assert(type === 'any' || types.includes(type), name, 'of types integer, uuid or text');
  assertUnique(columns.map((column) => column.name));
  return Object.freeze(columns.map((column) => Object.freeze(column)));
}

function takeColumns(given: unknown, name: string): Readonly<Record<string, ColumnDefinition>> {
  const columns = recordOf(takeColumn)(given, name);
  assert(Object.keys(columns).length > 0, name, 'at least one column');
  return columns;
}

function takeColumn(column: unknown, name: string): ColumnDefinition {
  assert(column instanceof ColumnDefinition, name, 'made by encrypted.string and its like');
  return column;
}

function assertIdentifier(text: string, name: string): void {
  assert(/^[A-Za-z0-9_-]{1,63}$/.test(text), name, '1 to 63 letters, digits, underscores and hyphens');
}

function assertUnique(names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new TypeError(`${twice} is named twice`);
}
