/** The parameters of a statement: values sealed, searches turned into tags, rows told apart. */

import { FieldError } from '../../errors.ts';
import { copy, isBytes } from '../../lib/bytes.ts';
import { toHex } from '../../lib/hex.ts';
import type { Field, TableDefinition } from '../define.ts';
import type { Engine } from '../engine.ts';
import { identify, type RowColumn, spell } from '../rows.ts';
import { type CellContext, type Place, sealCells, takeValue, type ValueToSeal } from '../seal-cells.ts';
import { searchFor, takeSearch } from '../search.ts';
import type { ValueType } from '../values.ts';
import { toBytea } from './bytea.ts';
import type { Catalog } from './catalog.ts';
import { keySeparator } from './expansion.ts';
import { type Plan, type RowSource, refusal, type SearchStep, type Source } from './plan.ts';
import { identityColumns } from './scope.ts';

/** The tags that a search asked for, to be compared with what is found. */
export type Asked = ReadonlyMap<SearchStep, readonly Uint8Array<ArrayBuffer>[]>;

/** What a statement runs with. */
export interface Run {
  readonly engine: Engine;
  readonly catalog: Catalog;
  readonly plan: Plan;
  readonly values: readonly unknown[];
  /** What was drawn, by column. */
  readonly drawn: ReadonlyMap<string, readonly string[]>;
  readonly tenant: string | undefined;
  /** The rows that an expansion found, as texts of the columns that cells are bound to. */
  readonly found: readonly (readonly (string | null)[])[];
}

/** Takes values now, and gives a function that replaces them by what is sent. */
export function takeParameters(run: Run): (context: CellContext) => Promise<{ values: unknown[]; asked: Asked }> {
  const { plan } = run;
  const seals: ValueToSeal[] = [];
  const targets: number[] = [];
  const values = [...run.values];
  for (const { field, source, place, others, param } of plan.seals) {
    const value = toValue(field, resolve(run, source));
    if (value === null) {
      values[param - 1] = null;
      continue;
    }
    const other = (name: string): unknown => otherOf(run, field, others, name);
    seals.push(takeValue(placeOf(run, place, field), value, other));
    targets.push(param);
  }
  const spread = takeSpread(run);
  const searches = plan.searches.map((step) => ({ step, asked: takeSearchValues(run, step) }));
  for (const { params, column } of plan.draws) {
    for (const [i, param] of params.entries()) values[param - 1] = run.drawn.get(column)?.[i];
  }
  return async (context) => {
    const records = await sealCells(seals, context);
    await spread(values, context);
    for (const [i, record] of records.entries()) values[(targets[i] as number) - 1] = toBytea(record);
    const asked = new Map<SearchStep, Uint8Array<ArrayBuffer>[]>();
    for (const { step, asked: given } of searches) asked.set(step, await writeTags(run, step, given, values, context));
    return { values, asked };
  };
}

/** The records of an expansion: for each value a JSON object in which each row has its own, by its key. */
function takeSpread(run: Run): (values: unknown[], context: CellContext) => Promise<void> {
  const { expand } = run.plan;
  if (expand === undefined) return async () => {};
  const found = run.found.map((texts) => foundRow(run, expand.table, texts));
  // A join finds a row several times.
  const rows = [...new Map(found.map((row) => [row.key, row])).values()];
  const taken = expand.seals.map(({ field, source, others, param }) => {
    const value = toValue(field, resolve(run, source));
    const other = (name: string): unknown => otherOf(run, field, others, name);
    const seals = value === null ? [] : rows.map(({ place }) => takeValue({ ...place, field }, value, other));
    return { param, seals };
  });
  return async (values, context) => {
    for (const { param, seals } of taken) {
      const records = await sealCells(seals, context);
      const byKey = rows.map(({ key }, i) => [key, records[i] === undefined ? null : toHex(records[i])]);
      values[param - 1] = JSON.stringify(Object.fromEntries(byKey));
    }
    for (const [i, param] of expand.keys.entries()) values[param - 1] = rows.map(({ place }) => place.row[i]);
  };
}

function foundRow(run: Run, table: TableDefinition, texts: readonly (string | null)[]) {
  const columns = identityColumns(table);
  if (texts.length > 1 && texts.some((text) => text?.includes(keySeparator)))
    throw refusal(`a key of ${table.key} holds U+001F`, 'Update each row by its primary key');
  const get = (name: string) => texts[columns.indexOf(name)];
  const place = {
    tenant: tenantOf(run, table, table.tenant === undefined ? undefined : (get(table.tenant) ?? '')),
    subject: table.subject === undefined ? null : nameOf(table, table.subject, get(table.subject)),
    row: identify(table.key, run.catalog.rowColumns(table), get),
  };
  return { key: texts.join(keySeparator), place };
}

function otherOf(run: Run, { table }: Field, others: ReadonlyMap<string, Source>, name: string): unknown {
  const part = others.get(name);
  const of = table.fields.get(name);
  return part === undefined || of === undefined ? undefined : toValue(of, resolve(run, part));
}

function resolve({ values, drawn }: Run, source: Source): unknown {
  if (source.kind === 'param') return values[source.number - 1];
  return source.kind === 'constant' ? source.value : drawn.get(source.column)?.[source.index];
}

/** The messages of a search, for each slot and value. */
function takeSearchValues(run: Run, { field, slots, source, isArray }: SearchStep) {
  const given = resolve(run, source);
  const all: unknown[] = isArray ? (Array.isArray(given) ? given : [undefined]) : [given];
  return slots.map((slot) => ({
    slot,
    // NULL is equal to nothing, in SQL as here.
    messages: all.map((value) => {
      const typed = toValue(field, value);
      return typed === null ? undefined : takeSearch(field, slot, typed, () => null);
    }),
  }));
}

async function writeTags(
  run: Run,
  { field, params, isArray }: SearchStep,
  slots: ReturnType<typeof takeSearchValues>,
  values: unknown[],
  context: CellContext,
): Promise<Uint8Array<ArrayBuffer>[]> {
  const tenant = run.tenant;
  if (tenant === undefined) throw noTenant(field.table);
  const asked: Uint8Array<ArrayBuffer>[] = [];
  for (const [i, { slot, messages }] of slots.entries()) {
    const tags: (Uint8Array | null)[] = [];
    for (const message of messages) {
      const found = message === undefined ? undefined : await searchFor(field, tenant, [{ slot, message }], context);
      const tag = found?.tags[0]?.tag;
      if (tag !== undefined) asked.push(tag);
      tags.push(tag === undefined ? null : toBytea(tag));
    }
    values[(params[i] as number) - 1] = isArray ? tags.filter((tag) => tag !== null) : (tags[0] ?? null);
  }
  return asked;
}

function placeOf(run: Run, { table, row, tenant, subject }: RowSource, field: Field): Place {
  const columns = run.catalog.rowColumns(table);
  const sources = new Map(columns.map(({ name }, i) => [name, row[i] as Source]));
  return {
    field,
    tenant: tenantOf(run, table, tenant === undefined ? undefined : resolve(run, tenant)),
    subject: table.subject === undefined ? null : nameOf(table, table.subject, resolve(run, subject as Source)),
    row: identify(table.key, columns, (name) => resolve(run, sources.get(name) as Source)),
  };
}

/** §2.2: the tenant of the row, which must be that of the call. */
export function tenantOf({ tenant: said }: Pick<Run, 'tenant'>, table: TableDefinition, own: unknown): string {
  if (own === undefined) {
    if (said === undefined) throw noTenant(table);
    return said;
  }
  const name = nameOf(table, table.tenant as string, own);
  if (said === undefined || said === name) return name;
  throw new FieldError('ERR_FIELD_TENANT', `${table.key}: The row is of another tenant`, {
    table: table.key,
    column: table.tenant,
  });
}

/** A tenant or a subject as text. */
export function nameOf(table: TableDefinition, column: string, value: unknown): string {
  const name = spell('any', value);
  if (name !== undefined && name !== '') return name;
  throw new FieldError('ERR_FIELD_ROW_UNKNOWN', `${table.key}.${column} must be given: cells are bound to it`, {
    table: table.key,
    column,
  });
}

function noTenant(table: TableDefinition): FieldError {
  return new FieldError('ERR_FIELD_TENANT', `${table.key}: no tenant was said; use withTenant`, { table: table.key });
}

/** The identity of a row from a result, in PostgreSQL's text. */
export function identityOf(
  table: TableDefinition,
  columns: readonly RowColumn[],
  get: (name: string) => unknown,
): readonly string[] {
  return identify(table.key, columns, get);
}

const numeric = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const fromText: Readonly<Record<ValueType, (text: string) => unknown>> = {
  string: (text) => text,
  bytes: (text) => (/^\\x([0-9a-f]{2})*$/i.test(text) ? hexBytes(text.slice(2)) : undefined),
  boolean: (text) => ({ t: true, true: true, f: false, false: false })[text.toLowerCase()],
  number: (text) => (numeric.test(text) ? Number(text) : undefined),
  bigint: (text) => (/^[+-]?\d+$/.test(text) ? BigInt(text) : undefined),
  decimal: (text) => text,
  date: dateOf,
  json(text) {
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  },
};

/** A parameter as a value of the field's type: drivers and ORMs send much as text. What is none is refused when it is sealed. */
export function toValue(field: Field, given: unknown): unknown {
  const { type } = field.definition;
  if (given === null || given === undefined) return null;
  if (typeof given === 'string') return fromText[type](given);
  if (isBytes(given)) return copy(given);
  if (type === 'bigint' && Number.isSafeInteger(given)) return BigInt(given as number);
  if (type === 'decimal' && (typeof given === 'number' || typeof given === 'bigint')) return String(given);
  if (type === 'number' && typeof given === 'bigint') return Number(given);
  return given;
}

/** A moment without a zone is in UTC. */
function dateOf(text: string): Date | undefined {
  const [, day = '', time = '00:00:00', zone = 'Z'] =
    /^(\d{4,6}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))? ?(Z|[+-]\d\d(?::?\d\d)?)?$/.exec(text) ?? [];
  const offset = /^[+-]\d\d$/.test(zone) ? `${zone}:00` : zone.replace(/^([+-]\d\d)(\d\d)$/, '$1:$2');
  const date = new Date(`${day}T${time}${offset}`);
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function hexBytes(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}
