/** The rows of a result: encrypted columns opened by what the server says of each column, hidden columns taken out. */

import { FieldError } from '../../errors.ts';
import { fromHex, toHex } from '../../lib/hex.ts';
import type { Field, TableDefinition } from '../define.ts';
import { type CellToOpen, type ExpectedTag, openCells } from '../open-cells.ts';
import { isRecord } from '../record.ts';
import type { CellContext, Place } from '../seal-cells.ts';
import { type Asked, identityOf, nameOf, type Run, tenantOf } from './parameters.ts';
import type { HiddenColumn, SearchStep } from './plan.ts';
import { refusal } from './plan.ts';
import { identityColumns } from './scope.ts';

/** A column of a result, as `pg` has it. */
export interface ResultField {
  readonly name: string;
  readonly tableID: number;
  readonly columnID: number;
  dataTypeID: number;
}

/** Texts of a row's columns, as the server sent them. */
export type RawRow = (string | null)[];

/** The type that a driver is told of an opened column, so that it makes of the text what it would without encryption. */
const oids: Readonly<Record<string, number>> = {
  ...{ string: 25, bytes: 17, boolean: 16, number: 701, bigint: 20, decimal: 1700, json: 114 },
  ...{ timestamptz: 1184, timestamp: 1114, date: 1082 },
};

/** Opens the rows of a result in their place, and gives those that the caller sees, and the columns. */
export async function openResult(
  run: Run,
  fields: readonly ResultField[],
  rows: readonly RawRow[],
  asked: Asked,
  context: CellContext,
): Promise<{ readonly fields: readonly ResultField[]; readonly rows: readonly RawRow[] }> {
  const { plan, catalog } = run;
  const visible = fields.length - plan.hidden.length;
  const cells: CellToOpen[] = [];
  const targets: { readonly row: RawRow; readonly column: number }[] = [];
  const encrypted = fields.map(({ tableID, columnID }) => catalog.fieldOf(tableID, columnID));
  const identities = new Identities(run, visible);
  for (const [column, field] of encrypted.entries()) {
    if (field === undefined || column >= visible) continue;
    const source = plan.outputs === undefined ? plan.uses.get(field.table) : plan.outputs[column];
    const identityIn = source === undefined ? undefined : identities.of(field.table, source);
    for (const row of rows) {
      const text = row[column] as string | null;
      if (text === null) continue;
      if (identityIn === undefined) throw opaque(field.id);
      const cell = takeCell(run, field, identityIn, row, text);
      if (cell === undefined) continue;
      cells.push(cell);
      targets.push({ row, column });
    }
  }
  const found = checks(run, rows, asked, identities);
  const values = await openCells([...cells, ...found.map(({ cell }) => cell)], context);
  const dropped = new Set<RawRow>();
  for (const [i, { row, fits }] of found.entries()) if (fits?.(values[cells.length + i]) === false) dropped.add(row);
  for (const [i, { row, column }] of targets.entries()) row[column] = textOf((cells[i] as CellToOpen).field, values[i]);
  for (const row of rows) {
    row.length = visible;
    assertNoRecord(row, encrypted, fields);
  }
  const seen = fields.slice(0, visible).map((field, i) => asOpened(field, encrypted[i]));
  const kept = dropped.size === 0 ? rows : rows.filter((row) => !dropped.has(row));
  if (!plan.isStar) return { fields: seen, rows: kept };
  const isOwn = ({ tableID, columnID }: ResultField) => !catalog.isIndex(tableID, columnID);
  if (seen.every(isOwn)) return { fields: seen, rows: kept };
  for (const row of rows) row.splice(0, row.length, ...row.filter((_, i) => isOwn(seen[i] as ResultField)));
  return { fields: seen.filter(isOwn), rows: kept };
}

/** A column as it would be without encryption. */
function asOpened(field: ResultField, own: Field | undefined): ResultField {
  if (own === undefined) return field;
  return Object.assign(Object.create(Object.getPrototypeOf(field)), field, { dataTypeID: oidOf(own) });
}

function takeCell(
  { engine }: Run,
  field: Field,
  identityIn: IdentityIn,
  row: RawRow,
  text: string,
): CellToOpen | undefined {
  const cell = bytesOf(text);
  if (isRecord(cell)) {
    const { tenant, subject, row: key } = identityIn(row);
    return { tenant, subject, row: key, field, cell };
  }
  if (engine.settings.mode === 'migrating') {
    engine.tellPlaintext(field, identityIn(row).row);
    return undefined;
  }
  throw new FieldError('ERR_FIELD_PLAINTEXT', `${field.id}: the cell is not encrypted`, {
    table: field.table.key,
    column: field.key,
  });
}

function hiddenAt({ hidden }: Run['plan'], source: object, column: string): number {
  return hidden.findIndex((one: HiddenColumn) => one.source === source && one.column === column);
}

/** What the cells of a row are bound to. */
type Identity = Omit<Place, 'field'>;
type IdentityIn = (row: RawRow) => Identity;

/** What cells are bound to, from the hidden columns of a result: found once for all cells of a row. */
class Identities {
  readonly #run: Run;
  readonly visible: number;
  readonly #known = new Map<object, IdentityIn>();

  constructor(run: Run, visible: number) {
    this.#run = run;
    this.visible = visible;
  }

  /** Those of one use of a table. */
  of(table: TableDefinition, source: object): IdentityIn {
    const known = this.#known.get(source) ?? this.#reader(table, source);
    this.#known.set(source, known);
    return known;
  }

  #reader(table: TableDefinition, source: object): IdentityIn {
    const { plan, catalog, tenant } = this.#run;
    const places = new Map(identityColumns(table).map((name) => [name, hiddenAt(plan, source, name)]));
    const columns = catalog.rowColumns(table);
    const found = new Map<RawRow, Identity>();
    return (row) => {
      const known = found.get(row);
      if (known !== undefined) return known;
      const get = (name: string): string | null | undefined => {
        const i = places.get(name) ?? -1;
        return i < 0 ? undefined : row[this.visible + i];
      };
      const identity = {
        tenant: tenantOf({ tenant }, table, table.tenant === undefined ? undefined : (get(table.tenant) ?? '')),
        subject: table.subject === undefined ? null : nameOf(table, table.subject, get(table.subject)),
        row: identityOf(table, columns, get),
      };
      found.set(row, identity);
      return identity;
    };
  }
}

/** A record by which a row was found, and whether its value is what was searched for, where tags alone do not say so. */
interface Check {
  readonly row: RawRow;
  readonly cell: CellToOpen;
  readonly fits: ((value: unknown) => boolean) | undefined;
}

/** The records by which rows were found, with the tags that were asked for (§5.8). */
function checks(run: Run, rows: readonly RawRow[], asked: Asked, identities: Identities): Check[] {
  const steps = run.plan.searches.filter(({ group }) => group !== undefined);
  const groups = new Map<object, SearchStep[]>();
  for (const step of steps) groups.set(step.group as object, [...(groups.get(step.group as object) ?? []), step]);
  const cells: Check[] = [];
  for (const [group, alternatives] of groups) {
    const { source } = group as { readonly source: object };
    for (const row of rows) cells.push(...checkOf(run, row, source, alternatives, asked, identities));
  }
  return cells;
}

/** Of several alternatives, the one whose tag the record says that it holds; where none does, the first, which then fails. */
function checkOf(
  run: Run,
  row: RawRow,
  source: object,
  steps: readonly SearchStep[],
  asked: Asked,
  identities: Identities,
): Check[] {
  const candidates = [...new Set(steps.map(({ field }) => field))].flatMap((field) => {
    const text = row[identities.visible + hiddenAt(run.plan, source, field.column)];
    if (text === null || text === undefined) return [];
    const all = steps.flatMap((step) => (step.field === field ? (asked.get(step) ?? []) : []));
    const expected: ExpectedTag = { index: all[0]?.index ?? '', tags: all.flatMap(({ tags }) => tags) };
    const cell = { ...identities.of(field.table, source)(row), field, cell: bytesOf(text), expected };
    const fits = all.some((one) => one.fits !== undefined)
      ? (value: unknown) => all.some((one) => one.fits?.(value))
      : undefined;
    return [{ row, cell, fits }];
  });
  const fitting = candidates.find(({ cell }) => cell.expected.tags.some(({ tag }) => holds(cell.cell, tag)));
  const chosen = fitting ?? candidates[0];
  // A right or full join has rows that no condition was asked of.
  return chosen === undefined ? [] : [chosen];
}

function holds(cell: Uint8Array, tag: Uint8Array): boolean {
  return [3, 15, 27].some((at) => tag.every((byte, i) => cell[at + i] === byte));
}

const records = /(?:\\x|^)f9[0-7][0-9a-f](?:[0-9a-f]{116,}|$)|\\xf980[0-9a-f]{2}/i;

/** §6.3: what is left must hold no record. */
function assertNoRecord(row: RawRow, encrypted: readonly (Field | undefined)[], fields: readonly ResultField[]): void {
  for (const [i, text] of row.entries()) {
    if (text === null || encrypted[i] !== undefined || text.length < 6 || !text.includes('xf9')) continue;
    if (records.test(text)) throw opaque(fields[i]?.name ?? '');
  }
}

function opaque(name: string): FieldError {
  return new FieldError(
    'ERR_FIELD_OPAQUE',
    `The result column ${name} holds a record, and it is not known of which row: select the encrypted column by itself`,
  );
}

function oidOf({ definition: { type, as } }: Field): number {
  return oids[type === 'date' ? as : type] as number;
}

/** A value in the text that PostgreSQL would print for its type. */
function textOf({ definition: { type, as } }: Field, value: unknown): string {
  if (type === 'boolean') return value === true ? 't' : 'f';
  if (type === 'bytes') return `\\x${toHex(value as Uint8Array)}`;
  if (type === 'json') return JSON.stringify(value);
  if (type !== 'date') return String(value);
  const iso = (value as Date).toISOString();
  if (as === 'date') return iso.slice(0, 10);
  return `${iso
    .replace('T', ' ')
    .replace('Z', '')
    .replace(/\.?0+$/, '')}${as === 'timestamptz' ? '+00' : ''}`;
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  if (!text.startsWith('\\x')) throw refusal('bytea_output is not hex', 'Set bytea_output = hex');
  return fromHex(text, 2);
}
