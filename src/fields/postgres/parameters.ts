/** The parameters of a statement: values sealed, searches turned into tags, rows told apart. */

import { FieldError } from '../../errors.ts';
import { compareBytes } from '../../lib/bytes.ts';
import { toHex } from '../../lib/hex.ts';
import type { Field, TableDefinition } from '../define.ts';
import type { Engine } from '../engine.ts';
import type { Slot } from '../indexes.ts';
import { normalize, normalizeBeginning } from '../normalize.ts';
import type { AskedTag } from '../open-cells.ts';
import { identify, type RowColumn, spell } from '../rows.ts';
import { type CellContext, type Place, sealCells, takeValue, type ValueToSeal } from '../seal-cells.ts';
import { tagsOf, takeSearch } from '../search.ts';
import { tagMessage } from '../tags.ts';
import { toBytea } from './bytea.ts';
import type { Catalog } from './catalog.ts';
import { keySeparator } from './expansion.ts';
import { dropsRows, type Plan, type RowSource, refusal, type SearchStep, type Source } from './plan.ts';
import { identityColumns } from './scope.ts';
import { toValue } from './typed-values.ts';

/** What a search asked for, to be compared with what is found. */
export interface AskedTags {
  /** The index that was asked. */
  readonly index: string;
  readonly tags: readonly AskedTag[];
  /** Whether an opened value is what was searched for, where tags alone do not say so. */
  readonly fits: ((value: unknown) => boolean) | undefined;
}

/** The tags of each search. */
export type Asked = ReadonlyMap<SearchStep, AskedTags>;

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
    const asked = new Map<SearchStep, AskedTags>();
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
  if (source.kind === 'param') {
    const value = values[source.number - 1];
    return source.suffix === undefined || typeof value !== 'string' ? value : value + source.suffix;
  }
  return source.kind === 'constant' ? source.value : drawn.get(source.column)?.[source.index];
}

/** A slot that is asked, and the message of each value. NULL is equal to nothing, in SQL as here. */
interface AskedSlot {
  readonly slot: Slot;
  readonly messages: readonly (Uint8Array<ArrayBuffer> | undefined)[];
}

/** What a search asks for: of prefix indexes, those of the greatest length that the beginning has. */
function takeSearchValues(
  run: Run,
  step: SearchStep,
): { readonly slots: readonly AskedSlot[]; readonly fits: AskedTags['fits'] } {
  const { field, source, isArray, finds, offset } = step;
  if (offset !== undefined && Number(run.values[offset - 1] ?? 0) !== 0) throw dropsRows(field, finds);
  const given = resolve(run, source);
  if (isArray && given !== null && given !== undefined && !Array.isArray(given))
    throw refusal('ANY is given something else than an array', 'Give the values as an array', field);
  const all: unknown[] = isArray ? (Array.isArray(given) ? given : [undefined]) : [given];
  const others = new Map([...step.others.keys()].map((name) => [name, otherOf(run, field, step.others, name)]));
  const isNothing = [...others.values()].includes(null);
  const values = all.map((value) => {
    const typed = finds === 'prefix' ? beginningOf(field, value) : toValue(field, value);
    return isNothing ? null : typed;
  });
  const slots = finds === 'prefix' ? slotsFor(step, values[0]) : step.slots;
  const asked = slots.map((slot) => ({
    slot,
    messages: values.map((value) =>
      value === null ? undefined : takeSearch(field, slot, value, (name) => others.get(name)),
    ),
  }));
  return { slots: asked, fits: fitsOf(field, finds, asked, values) };
}

/** `LIKE 'beginning%'`, without its escapes. */
function beginningOf(field: Field, pattern: unknown): string | null {
  if (pattern === null || pattern === undefined) return null;
  const [, beginning] = (typeof pattern === 'string' && /^((?:[^\\%_]|\\.)*)%+$/su.exec(pattern)) || [];
  if (beginning === undefined)
    throw refusal(
      'LIKE can search for a beginning alone',
      'End the pattern with its only %, and write no _; compare a whole value by =',
      field,
    );
  return beginning.replace(/\\(.)/gsu, '$1');
}

/** The slots of the greatest length that a beginning has; those of the least where it is too short, which then says so. */
function slotsFor({ slots }: SearchStep, beginning: unknown): readonly Slot[] {
  if (typeof beginning !== 'string') return [];
  const lengthIn = ({ steps }: Slot) => Array.from(normalizeBeginning(beginning, steps) ?? '').length;
  const usable = slots.filter((slot) => slot.prefix <= lengthIn(slot)).map(({ prefix }) => prefix);
  const length = usable.length > 0 ? Math.max(...usable) : Math.min(...slots.map(({ prefix }) => prefix));
  return slots.filter(({ prefix }) => prefix === length);
}

function fitsOf(
  field: Field,
  finds: SearchStep['finds'],
  asked: readonly AskedSlot[],
  values: readonly unknown[],
): AskedTags['fits'] {
  if (finds === 'equal') return undefined;
  const slot = asked[0]?.slot;
  if (slot === undefined) return () => false;
  if (finds === 'prefix') {
    const beginning = normalizeBeginning(values[0] as string, slot.steps) ?? '';
    return (value) => normalize(value as string, slot.steps)?.startsWith(beginning) === true;
  }
  const messages = asked[0]?.messages ?? [];
  return (value) => {
    const own = tagMessage(field, slot, value, () => null);
    return own !== undefined && messages.some((message) => message !== undefined && compareBytes(message, own) === 0);
  };
}

async function writeTags(
  run: Run,
  { field, slots, params, blanks, isArray }: SearchStep,
  { slots: given, fits }: ReturnType<typeof takeSearchValues>,
  values: unknown[],
  context: CellContext,
): Promise<AskedTags> {
  const tenant = run.tenant;
  if (tenant === undefined) throw noTenant(field.table);
  for (const param of [...params, ...blanks]) values[param - 1] = null;
  const asked: AskedTag[] = [];
  for (const { slot, messages } of given) {
    const present = messages.flatMap((message) => (message === undefined ? [] : [{ slot, message }]));
    const tags = await tagsOf(field, tenant, present, context);
    const found = present.flatMap((one, i) => (tags[i] === undefined ? [] : [{ ...one, tag: tags[i] }]));
    asked.push(...found);
    const sent = found.map(({ tag }) => toBytea(tag));
    values[(params[slots.indexOf(slot)] as number) - 1] = isArray ? sent : (sent[0] ?? null);
  }
  return { index: (given[0]?.slot ?? slots[0])?.index ?? '', tags: asked, fits };
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
