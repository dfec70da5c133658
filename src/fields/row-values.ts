/** Rows of an application: where their cells are, and what becomes of them. `docs/fields.md` §2, §5.10 and §6. */

import { FieldError } from '../errors.ts';
import { assert } from '../lib/assert.ts';
import { asBytes, copy, isBytes } from '../lib/bytes.ts';
import type { Bytes } from '../types.ts';
import type { Field, TableDefinition } from './define.ts';
import type { Engine } from './engine.ts';
import { type CellToOpen, openCells } from './open-cells.ts';
import { isRecord } from './record.ts';
import { identify, spell } from './rows.ts';
import { maxCells, type Place, sealCells, takeValue, type ValueToSeal } from './seal-cells.ts';
import { type FieldTags, isFound, searchedField } from './search.ts';

/** A row by the names of its properties. */
export type Row = Record<string, unknown>;

/**
 * Copies of rows, taken now. Throws a `TypeError` for what are no rows, and for a row that has a column of the table otherwise than as an enumerable property of its own, such as
 * through an accessor of its class: the copy would lack it.
 */
export function takeRows(rows: unknown, { row: identity, tenant, subject, fields }: TableDefinition): Row[] {
  const columns = [
    ...identity.map(({ name }) => name),
    ...[tenant, subject].flatMap((name) => name ?? []),
    ...fields.keys(),
  ];
  assert(Array.isArray(rows), 'rows', 'an array of objects');
  return rows.map((row: unknown, i) => {
    assert(typeof row === 'object' && row !== null && !Array.isArray(row), `rows[${i}]`, 'an object');
    const copied: Row = { ...row };
    for (const name of columns) {
      const isHidden = name in row && !Object.hasOwn(copied, name) && !(name in Object.prototype);
      assert(!isHidden, `rows[${i}].${name}`, 'an enumerable property of the row itself, not of its class');
    }
    return copied;
  });
}

/** The same rows with records in the place of values. Takes them before anything is waited for. */
export async function sealRows(
  engine: Engine,
  table: TableDefinition,
  rows: Row[],
  tenant: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Row[]> {
  const values: ValueToSeal[] = [];
  const targets: { readonly row: Row; readonly key: string }[] = [];
  for (const row of rows) {
    assertWhole(table, row);
    const place = placeOf(engine, table, row, tenant);
    for (const field of table.fields.values()) {
      const value = row[field.key];
      if (value === undefined || value === null) continue;
      values.push(takeValue({ ...place(), field }, value, (name) => row[name]));
      targets.push({ row, key: field.key });
    }
  }
  assertCount(values.length);
  const records = await sealCells(values, await engine.begin(signal));
  for (const [i, { row, key }] of targets.entries()) row[key] = records[i];
  return rows;
}

/** The same rows with values in the place of records; without those that another value of a bucket put among them. */
export async function openRows(
  engine: Engine,
  table: TableDefinition,
  rows: Row[],
  tenant: string | undefined,
  foundBy: FieldTags | undefined,
  signal: AbortSignal | undefined,
): Promise<Row[]> {
  const searched = foundBy === undefined ? undefined : searchedField(foundBy, table.fields.values());
  const cells: CellToOpen[] = [];
  const targets: { readonly row: Row; readonly key: string }[] = [];
  for (const row of rows) {
    const place = placeOf(engine, table, row, tenant);
    for (const field of table.fields.values()) {
      const cell = takeCell(engine, place, field, row[field.key]);
      const isSearched = field === searched;
      assert(!isSearched || cell !== undefined, `rows[].${field.key}`, 'a record, since the rows were found by it');
      if (cell === undefined) continue;
      const expected = isSearched ? { index: foundBy?.index ?? '', tags: foundBy?.tags ?? [] } : undefined;
      cells.push({ ...place(), field, cell, expected });
      targets.push({ row, key: field.key });
    }
  }
  assertCount(cells.length);
  const values = await openCells(cells, await engine.begin(signal));
  for (const [i, { row, key }] of targets.entries()) row[key] = values[i];
  if (foundBy === undefined || searched === undefined) return rows;
  return rows.filter((row) => isFound(foundBy, searched, row[searched.key]));
}

/** A copy of a cell, or `undefined` where there is none to open: NULL, and plaintext while that is allowed (§6.2). */
function takeCell(engine: Engine, place: () => Omit<Place, 'field'>, field: Field, value: unknown): Bytes | undefined {
  if (value === undefined || value === null) return undefined;
  if (isBytes(value) && isRecord(value)) return copy(asBytes(value, field.id));
  const { row } = place();
  if (engine.settings.mode === 'migrating') {
    engine.tellPlaintext(field, row);
    return undefined;
  }
  throw new FieldError('ERR_FIELD_PLAINTEXT', `${field.id} of row ${JSON.stringify(row)}: the cell is not encrypted`, {
    table: field.table.key,
    column: field.key,
    row,
  });
}

/** Where the cells of a row are; found when it is first asked for, since a row without cells needs no identity. */
function placeOf(
  engine: Engine,
  table: TableDefinition,
  row: Row,
  given: string | undefined,
): () => Omit<Place, 'field'> {
  let place: Omit<Place, 'field'> | undefined;
  return () => {
    place ??= {
      tenant: tenantOf(engine, table, row, given),
      subject: table.subject === undefined ? null : nameOf(table, table.subject, row[table.subject]),
      row: identify(table.key, table.row, (name) => row[name]),
    };
    return place;
  };
}

/** §2.2 */
function tenantOf({ settings }: Engine, table: TableDefinition, row: Row, given: string | undefined): string {
  const own = table.tenant === undefined ? undefined : row[table.tenant];
  const said = given ?? settings.tenant;
  if (own === undefined && said === undefined) throw tenantError(table, 'No tenant was said, and the row has none');
  const name = own === undefined ? said : nameOf(table, table.tenant as string, own);
  if (said !== undefined && said !== name) throw tenantError(table, 'The row is of another tenant');
  return name as string;
}

function tenantError(table: TableDefinition, message: string): FieldError {
  return new FieldError('ERR_FIELD_TENANT', `${table.key}: ${message}`, { table: table.key, column: table.tenant });
}

/** The tenant or subject that a column names. Throws `ERR_FIELD_TENANT` or `ERR_FIELD_ROW_UNKNOWN`. */
export function nameOf(table: TableDefinition, column: string, value: unknown): string {
  const name = spell('any', value);
  if (name !== undefined && isName(name)) return name;
  const code = column === table.tenant ? 'ERR_FIELD_TENANT' : 'ERR_FIELD_ROW_UNKNOWN';
  throw new FieldError(code, `${table.key}.${column} must be given, with 1 to 256 bytes`, { table: table.key, column });
}

/** Whether a text can name a tenant or a subject. */
export function isName(name: string): boolean {
  return name !== '' && new TextEncoder().encode(name).byteLength <= 256;
}

/** §5.10: the tag of a compound index stands with one of its columns. */
function assertWhole(table: TableDefinition, row: Row): void {
  for (const { key, definition, id } of table.fields.values()) {
    if (row[key] !== undefined) continue;
    for (const { others } of definition.schemas.get(definition.version) ?? []) {
      const part = others.find((other) => row[other] !== undefined);
      if (part === undefined) continue;
      const message = `${id} and ${part} are in one index: one of them can only be written with the other`;
      throw new FieldError('ERR_FIELD_VALUE', message, { table: table.key, column: part });
    }
  }
}

function assertCount(count: number): void {
  if (count <= maxCells) return;
  throw new FieldError('ERR_FIELD_LIMIT', `A call takes at most ${maxCells} cells, and this one has ${count}`);
}
