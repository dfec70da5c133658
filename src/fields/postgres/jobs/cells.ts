/** Cells of many rows, opened, sealed and checked one by one where that must be: what `backfill`, `reencrypt` and `verify` are made of. */

import { bytesToKey, equalConstantTime } from '../../../lib/bytes.ts';
import type { Bytes } from '../../../types.ts';
import { type DataKeySlot, slotKey } from '../../data-key-store.ts';
import type { Field } from '../../define.ts';
import { type CellToOpen, openCells, tagCounts } from '../../open-cells.ts';
import { parseRecord } from '../../record.ts';
import { type CellContext, indexSlot, type Place, sealCells, takeValue, type ValueToSeal } from '../../seal-cells.ts';
import { computeTag, noTag, scopeOf, tagMessage } from '../../tags.ts';
import type { OpenedKey } from '../../unwrap-key.ts';
import { type Pair, placeOf, type Source, type SourceRow } from './field-rows.ts';
import { isFault, type Outcome, outcomeOf, outcomesOf } from './outcomes.ts';
import { valueOfText } from './plain-text.ts';

/** What stands in the other columns that tags are of, by their properties; `undefined` for what does not open. */
export type Parts = (column: string) => unknown;

/** A value on its way into a row. */
export interface RowValue {
  readonly row: SourceRow;
  readonly value: unknown;
  readonly parts: Parts;
}

/** Opens the cells of rows that have one; in their order. */
export async function openRowCells(
  source: Source,
  rows: readonly SourceRow[],
  context: CellContext,
): Promise<readonly Outcome<unknown>[]> {
  return openPairs(
    rows.map((row) => ({ place: outcomeOf(() => placeOf(source, row)), cell: row.cell })),
    context,
  );
}

interface PairToOpen {
  readonly place: Outcome<Place>;
  readonly cell: Bytes | null;
}

/** NULL opens to `null`. */
async function openPairs(pairs: readonly PairToOpen[], context: CellContext): Promise<readonly Outcome<unknown>[]> {
  const cells: CellToOpen[] = [];
  for (const { place, cell } of pairs) if (!isFault(place) && cell !== null) cells.push({ ...place.result, cell });
  const opened = (await outcomesOf(cells, (some) => openCells(some, context))).values();
  return pairs.map(({ place, cell }) => {
    if (isFault(place)) return place;
    return cell === null ? { result: null } : (opened.next().value as Outcome<unknown>);
  });
}

/** What stands in the parts of tags of rows: what their records hold, or else their plaintext. */
export async function openParts(
  source: Source,
  rows: readonly SourceRow[],
  context: CellContext,
): Promise<readonly Parts[]> {
  if (source.parts.length === 0) return rows.map(() => () => undefined);
  const ofFields: (readonly unknown[])[] = [];
  for (const [i, field] of source.parts.entries()) {
    const pairs = rows.map((row) => row.parts[i] as Pair);
    const places = rows.map((row) => outcomeOf(() => ({ ...placeOf(source, row), field })));
    const opened = await openPairs(
      pairs.map(({ cell }, n) => ({ place: places[n] as Outcome<Place>, cell })),
      context,
    );
    ofFields.push(pairs.map((pair, n) => partOf(field, pair, opened[n] as Outcome<unknown>)));
  }
  const names = source.parts.map(({ key }) => key);
  return rows.map((_, n) => (column) => ofFields[names.indexOf(column)]?.[n]);
}

/** The plaintext counts as long as there is one: programs that know no records write it. */
function partOf({ definition }: Field, { plain }: Pair, opened: Outcome<unknown>): unknown {
  if (plain !== null) return valueOfText(definition.type, plain);
  return isFault(opened) ? undefined : opened.result;
}

/** The records of values, in their order. */
export async function sealRowValues(
  source: Source,
  values: readonly RowValue[],
  context: CellContext,
): Promise<readonly Outcome<Bytes>[]> {
  const taken = values.map(({ row, value, parts }) => outcomeOf(() => takeValue(placeOf(source, row), value, parts)));
  const ready = taken.flatMap((each): ValueToSeal[] => (isFault(each) ? [] : [each.result]));
  const sealed = (await outcomesOf(ready, (some) => sealCells(some, context))).values();
  return taken.map((each) => (isFault(each) ? each : (sealed.next().value as Outcome<Bytes>)));
}

/** Which of the opened records hold the tags of their values (§5.8). A tag of a part that does not open is passed over: the part's own field tells of it. */
export async function tagsFit(
  source: Source,
  values: readonly RowValue[],
  context: CellContext,
): Promise<readonly Outcome<boolean>[]> {
  const messages = values.map((value) => outcomeOf(() => messagesOf(source, value)));
  const slots = new Map<string, DataKeySlot>();
  for (const each of messages) {
    for (const { data } of isFault(each) ? [] : each.result) slots.set(slotKey(data), data);
  }
  const keys = slots.size === 0 ? new Map<string, OpenedKey>() : await context.keys.existing(slots, context.signal);
  return Promise.all(
    messages.map(async (each): Promise<Outcome<boolean>> => {
      if (isFault(each)) return each;
      const fits = await Promise.all(each.result.map((tag) => fitsTag(source.field, tag, keys, context)));
      return { result: fits.every(Boolean) };
    }),
  );
}

interface TagToCheck {
  readonly slot: Parameters<typeof scopeOf>[2];
  readonly data: DataKeySlot;
  readonly tenant: string;
  /** What the record holds. */
  readonly tag: Bytes;
  readonly message: Bytes | undefined;
}

function messagesOf(source: Source, { row, value, parts }: RowValue): readonly TagToCheck[] {
  const { field } = source;
  const { tenant } = placeOf(source, row);
  const record = parseRecord(row.cell as Bytes, tagCounts(field));
  if (typeof record === 'string') return [];
  const slots = field.definition.schemas.get(record.schemaVersion) ?? [];
  return slots.flatMap((slot, i): TagToCheck[] => {
    if (slot.others.some((other) => parts(other) === undefined)) return [];
    const message = tagMessage(field, slot, value, parts);
    return [{ slot, data: indexSlot(tenant, slot), tenant, tag: record.tags[i] as Bytes, message }];
  });
}

async function fitsTag(
  field: Field,
  { slot, data, tenant, tag, message }: TagToCheck,
  keys: ReadonlyMap<string, OpenedKey>,
  { derived }: CellContext,
): Promise<boolean> {
  if (message === undefined) return equalConstantTime(tag, noTag);
  const key = keys.get(slotKey(data));
  if (key === undefined) return false;
  const indexKey = await derived.indexKey(key.dataKey, scopeOf(field, tenant, slot));
  return equalConstantTime(tag, await computeTag(indexKey, message, slot.bits));
}

/** The data keys of records, by `bytesToKey` of their ids: what a cell says, or why it says none. */
export function keyIdOf(
  field: Field,
  cell: Bytes,
): Outcome<{ readonly id: Bytes; readonly key: string; readonly version: number }> | undefined {
  const record = parseRecord(cell, tagCounts(field));
  if (record === 'shredded') return undefined;
  if (typeof record === 'string') return { fault: record };
  return { result: { id: record.keyId, key: bytesToKey(record.keyId), version: record.schemaVersion } };
}
