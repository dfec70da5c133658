/** Values of many rows at once, sealed with one fetch of rows and one unwrap of data keys: `docs/fields.md` §1 and §4.9. */

import { nonceLength, seal } from '../crypto/aes-gcm.ts';
import type { AeadKey } from '../crypto/keys.ts';
import { FieldError, type FieldErrorCode } from '../errors.ts';
import { isPromise, whenAllThere, whenThere } from '../lib/awaitable.ts';
import { concat } from '../lib/bytes.ts';
import { additionalData, type Binding } from '../schedule/field-keys.ts';
import type { Awaitable, Bytes, RandomSource } from '../types.ts';
import { type DataKeySlot, slotKey } from './data-key-store.ts';
import type { Field } from './define.ts';
import { type DerivedKeys, maxRecordsOfSalt } from './derived.ts';
import type { Slot } from './indexes.ts';
import type { DataKeys } from './keys.ts';
import { inChunks, randomPieces } from './pieces.ts';
import { recordHeader } from './record.ts';
import { computeTag, noTag, scopeOf, tagMessage } from './tags.ts';
import type { OpenedKey } from './unwrap-key.ts';
import { encodeValue, maxValueLength, pad } from './values.ts';

/** Where a cell is. */
export interface Place {
  readonly field: Field;
  readonly tenant: string;
  readonly subject: string | null;
  /** Empty for a field that is not bound to its row. */
  readonly row: readonly string[];
}

/** A value on its way into a cell. Nothing of the caller's is in it. */
export interface ValueToSeal extends Place {
  /** `type || value`, padded where that is configured. */
  readonly plaintext: Bytes;
  /** What each tag is computed over; `undefined` for no tag. */
  readonly messages: readonly (Bytes | undefined)[];
}

/** What a call works with. */
export interface CellContext {
  readonly keys: DataKeys;
  readonly derived: DerivedKeys;
  readonly random: RandomSource | undefined;
  readonly signal: AbortSignal | undefined;
}

/** §1.4 */
export const maxCells = 1_000_000;

/** An error about a place. */
export function failureAt(
  { field, row }: Pick<Place, 'field' | 'row'>,
  code: FieldErrorCode,
  message: string,
): FieldError {
  return new FieldError(code, `${field.id}${row.length > 0 ? ` of row ${JSON.stringify(row)}` : ''}: ${message}`, {
    table: field.table.key,
    column: field.key,
    row,
  });
}

/** Takes a value: checks and encodes it, now. Throws `ERR_FIELD_VALUE` and `ERR_FIELD_LIMIT`. */
export function takeValue(place: Place, value: unknown, other: (column: string) => unknown): ValueToSeal {
  const { definition } = place.field;
  const encoded = encodeValue(definition.type, value);
  if (encoded === undefined) throw failureAt(place, 'ERR_FIELD_VALUE', `the value must be a ${definition.type}`);
  if (encoded.byteLength > maxValueLength + 1) {
    throw failureAt(place, 'ERR_FIELD_LIMIT', `the value has more than ${maxValueLength} bytes`);
  }
  const messages = writtenSlots(place.field).map((slot) => tagMessage(place.field, slot, value, other));
  return { ...place, plaintext: definition.pad > 0 ? pad(encoded, definition.pad) : encoded, messages };
}

/** The slots of the schema version that is written. */
export function writtenSlots({ definition }: Field): readonly Slot[] {
  return definition.schemas.get(definition.version) ?? [];
}

/** What seals a place's cells. */
export function dataSlot({ field, tenant, subject }: Place): DataKeySlot {
  return { tenant, subject, purpose: 'data', field: field.definition.ownKey ? field.id : null, version: 0 };
}

/** What tags of a tenant and a version are computed with. */
export function indexSlot(tenant: string, { version }: Slot): DataKeySlot {
  return { tenant, subject: null, purpose: 'index', field: null, version };
}

/** The records of values, in their order. */
export async function sealCells(values: readonly ValueToSeal[], context: CellContext): Promise<Bytes[]> {
  const { keys, random, signal } = context;
  const slots = new Map<string, DataKeySlot>();
  const slotsOf = values.map((value) => {
    const data = dataSlot(value);
    const key = remember(slots, data);
    for (const [i, slot] of writtenSlots(value.field).entries()) {
      if (value.messages[i] !== undefined) remember(slots, indexSlot(value.tenant, slot));
    }
    return key;
  });
  if (values.length === 0) return [];
  const opened = await keys.active(slots, signal);
  const writers = await openWriters(values, slotsOf, opened, context);
  const nonces = await randomPieces(values.length, nonceLength, random);
  return inChunks(values.length, signal, (i) => {
    const value = values[i] as ValueToSeal;
    return sealOne(value, writers[i] as Writer, nonces(i), opened, context);
  });
}

interface Writer {
  readonly keyId: Bytes;
  readonly salt: Bytes;
  readonly recordKey: AeadKey;
  readonly binding: Binding;
}

/** The writer of each value: one for the values of a data key and a field, as long as its salt lasts (§1.7). */
async function openWriters(
  values: readonly ValueToSeal[],
  slotsOf: readonly string[],
  opened: ReadonlyMap<string, OpenedKey>,
  { derived, random }: CellContext,
): Promise<readonly Writer[]> {
  interface Group {
    readonly place: Place;
    readonly slot: string;
    size: number;
    writer?: Writer;
  }
  const open = new Map<string, Group>();
  const groups: Group[] = [];
  const groupOf = values.map((value, i) => {
    const slot = slotsOf[i] as string;
    const key = `${value.field.id} ${slot}`;
    let group = open.get(key);
    if (group === undefined || group.size === maxRecordsOfSalt) {
      group = { place: value, slot, size: 0 };
      open.set(key, group);
      groups.push(group);
    }
    group.size++;
    return group;
  });
  for (const group of groups) {
    const { field, tenant } = group.place;
    const { row, dataKey } = opened.get(group.slot) as OpenedKey;
    const salt = await derived.salt(dataKey, field.id, group.size, random);
    const info = await derived.info({ tenant, field: field.id, schemaVersion: field.definition.version });
    const recordKey = await derived.recordKey(dataKey, salt, info, 'seal');
    group.writer = { keyId: row.id, salt, recordKey, binding: derived.binding(field.id, tenant) };
  }
  return groupOf.map(({ writer }) => writer as Writer);
}

function sealOne(
  value: ValueToSeal,
  writer: Writer,
  nonce: Bytes,
  opened: ReadonlyMap<string, OpenedKey>,
  { derived }: CellContext,
): Awaitable<Bytes> {
  const { field, tenant, row, subject, plaintext, messages } = value;
  const finish = (tags: readonly Bytes[]): Awaitable<Bytes> => {
    const { version: schemaVersion, pad: block } = field.definition;
    const { keyId, salt, recordKey, binding } = writer;
    const header = recordHeader({ padded: block > 0, schemaVersion, tags, keyId, salt, nonce });
    const sealed = seal(recordKey, nonce, plaintext, additionalData(binding, header, row, subject));
    return isPromise(sealed) ? sealed.then((bytes) => concat(header, bytes)) : concat(header, sealed);
  };
  if (messages.length === 0) return finish([]);
  const tags = whenAllThere(writtenSlots(field), (slot, i) => {
    const message = messages[i];
    if (message === undefined) return noTag;
    const { dataKey } = opened.get(slotKey(indexSlot(tenant, slot))) as OpenedKey;
    const indexKey = derived.indexKey(dataKey, scopeOf(field, tenant, slot));
    return whenThere(indexKey, (ready) => computeTag(ready, message, slot.bits));
  });
  return whenThere(tags, finish);
}

/** Puts a slot into a map, and gives its key there. */
function remember(slots: Map<string, DataKeySlot>, slot: DataKeySlot): string {
  const key = slotKey(slot);
  slots.set(key, slot);
  return key;
}
