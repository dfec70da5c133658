/** Searching by tags: which slots to ask for, and what was asked for. `docs/fields.md` §5.6 and §5.8. */

import { FieldError } from '../errors.ts';
import { assert } from '../lib/assert.ts';
import { whenAllThere, whenThere } from '../lib/awaitable.ts';
import { compareBytes } from '../lib/bytes.ts';
import type { Awaitable, Bytes } from '../types.ts';
import { type DataKeySlot, slotKey } from './data-key-store.ts';
import type { Field } from './define.ts';
import type { Slot } from './indexes.ts';
import { type CellContext, indexSlot } from './seal-cells.ts';
import { computeTag, scopeOf, tagMessage } from './tags.ts';

/** One tag to search for. */
export interface FieldTag {
  /** The generated column that holds it: `email_idx`, from version 2 on `email_idx_v2`. */
  readonly column: string;
  /** The version of the index. */
  readonly version: number;
  /** 12 bytes. */
  readonly tag: Bytes;
}

/** What a search asks for: rows of which any column has its tag. Empty where nothing can be found yet. */
export interface FieldTags {
  /** The field, such as `patient.email`. */
  readonly field: string;
  /** The name of the index. */
  readonly index: string;
  readonly tags: readonly FieldTag[];
}

/** What a search was for, so that what it found can be compared with it. */
export interface Asked {
  readonly slot: Slot;
  readonly message: Bytes;
}

const searches = new WeakMap<FieldTags, Asked>();

/** The column of an index, as DDL helpers name it. */
export function indexColumn({ column }: Field, { index, version }: Slot): string {
  return version === 1 ? `${column}_${index}` : `${column}_${index}_v${version}`;
}

/** The index of a field by its name, or its only one: its slots of all schema versions. Throws a `TypeError` that names those there are. */
export function slotsByName(field: Field, name: string | undefined): readonly Slot[] {
  const all = [...field.definition.schemas.values()].flat();
  const names = [...new Set(all.map(({ index }) => index))];
  const chosen = name ?? (names.length === 1 ? names[0] : undefined);
  assert(
    chosen !== undefined && names.includes(chosen),
    'index',
    `one of ${field.id}: ${names.join(', ') || 'it has none'}`,
  );
  return all.filter(({ index }) => index === chosen);
}

/** Those versions of an index that all records can be found by: one, if every schema version has it; otherwise all (§5.6). Throws `ERR_FIELD_QUERY` where not all can. */
export function versionsToAsk(field: Field, name: string): readonly Slot[] {
  const slots = answering(field, name);
  if (slots !== undefined) return slots;
  throw new FieldError(
    'ERR_FIELD_QUERY',
    `${field.id}: not every schema version has the index ${name} of the same columns, and records would be missed. Search by it once all records are of versions that have it`,
    { table: field.table.key, column: field.key },
  );
}

/** The same, or `undefined` where some records cannot be found by the index, or by other columns only. */
export function answering(field: Field, name: string): readonly Slot[] | undefined {
  const schemas = [...field.definition.schemas.values()].map((schema) => schema.filter(({ index }) => index === name));
  const slots = new Map(slotsByName(field, name).map((slot) => [slot.version, slot]));
  const newestFirst = [...slots.values()].sort((a, b) => b.version - a.version);
  const everywhere = newestFirst.find(({ version }) =>
    schemas.every((schema) => schema.some((slot) => slot.version === version)),
  );
  if (everywhere !== undefined) return [everywhere];
  const columns = new Set(newestFirst.map(({ others }) => [...others].sort().join()));
  return columns.size === 1 && schemas.every((schema) => schema.length > 0) ? newestFirst : undefined;
}

/** The message of a search. Throws `ERR_FIELD_VALUE` for what no record is found by. */
export function takeSearch(field: Field, slot: Slot, value: unknown, other: (column: string) => unknown): Bytes {
  const message = tagMessage(field, slot, value, other, slot.prefix > 0);
  if (message !== undefined) return message;
  const shortest = slot.prefix > 0 ? `: it takes ${slot.prefix} letters or more` : '';
  throw new FieldError(
    'ERR_FIELD_VALUE',
    `Nothing can be found in the index ${slot.index} of ${field.id} by this value${shortest}`,
    {
      table: field.table.key,
      column: field.key,
    },
  );
}

/** The tags of a search, from its slots and messages. */
export async function searchFor(
  field: Field,
  tenant: string,
  asked: readonly Asked[],
  context: CellContext,
): Promise<FieldTags> {
  const computed = await tagsOf(field, tenant, asked, context);
  const tags = asked.flatMap(({ slot }, i): FieldTag[] => {
    const tag = computed[i];
    return tag === undefined ? [] : [Object.freeze({ column: indexColumn(field, slot), version: slot.version, tag })];
  });
  const [first] = asked as [Asked];
  const found = Object.freeze({ field: field.id, index: first.slot.index, tags: Object.freeze(tags) });
  searches.set(found, first);
  return found;
}

/** The tag of each message; `undefined` where its key does not exist, so that nothing was ever sealed with it. */
export function tagsOf(
  field: Field,
  tenant: string,
  asked: readonly Asked[],
  { keys, derived, signal }: CellContext,
): Awaitable<(Bytes | undefined)[]> {
  const slots = new Map<string, DataKeySlot>();
  const keyOf = asked.map(({ slot }) => {
    const data = indexSlot(tenant, slot);
    const key = slotKey(data);
    slots.set(key, data);
    return key;
  });
  return whenThere(keys.existing(slots, signal), (opened) =>
    whenAllThere(asked, ({ slot, message }, i) => {
      const key = opened.get(keyOf[i] as string);
      if (key === undefined) return undefined;
      const indexKey = derived.indexKey(key.dataKey, scopeOf(field, tenant, slot));
      return whenThere(indexKey, (ready) => computeTag(ready, message, slot.bits));
    }),
  );
}

/** Whether an opened value is what a search was for, and not another one of its bucket. */
export function isFound(found: FieldTags, field: Field, value: unknown): boolean {
  const asked = searches.get(found);
  if (asked === undefined || asked.slot.others.length > 0) return true;
  const message = tagMessage(field, asked.slot, value, () => null);
  return message !== undefined && compareBytes(message, asked.message) === 0;
}

/** Throws a `TypeError` for what is no result of a search in a table's fields; gives the field. */
export function searchedField(found: unknown, fields: Iterable<Field>): Field {
  const known = typeof found === 'object' && found !== null && searches.has(found as FieldTags);
  const field = known ? [...fields].find(({ id }) => id === (found as FieldTags).field) : undefined;
  assert(field !== undefined, 'foundBy', 'what index() resolved to for a field of this table');
  return field;
}
