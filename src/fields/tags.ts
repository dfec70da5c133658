/** Tags: from values to what is authenticated by an index key, and to its 12 bytes. `docs/fields.md` §5. */

import { type HmacKey, sign } from '../crypto/hmac-sha256.ts';
import { FieldError } from '../errors.ts';
import { isPromise } from '../lib/awaitable.ts';
import { concat, concatPrefixed } from '../lib/bytes.ts';
import type { IndexScope } from '../schedule/field-keys.ts';
import type { Awaitable, Bytes } from '../types.ts';
import type { Field } from './define.ts';
import { partsOf, type Slot } from './indexes.ts';
import { normalize, normalizeBeginning } from './normalize.ts';
import { indexTagLength } from './record.ts';
import { encodeValue, type ValueType, withoutTrailingZeros } from './values.ts';

/** §5.3 */
export const noTag = new Uint8Array(indexTagLength);

/** The last scope of each slot: most calls are for the tenant of the one before. */
const scopes = new WeakMap<Slot, { readonly field: Field; readonly scope: IndexScope }>();

/** What an index key is derived from (§5.1). */
export function scopeOf(field: Field, tenant: string, slot: Slot): IndexScope {
  const last = scopes.get(slot);
  if (last?.field === field && last.scope.tenant === tenant) return last.scope;
  const { index, version, kind, bits, steps } = slot;
  const parts = partsOf(field.name, slot);
  const scope = { tenant, field: field.id, index, version, kind, bits, parts, steps: steps.join(',') };
  scopes.set(slot, { field, scope });
  return scope;
}

/**
 * What a tag is computed over (§5.2), or `undefined` for no tag. `other` gives the values of the row's other columns, `undefined` for one that was not given. `isBeginning` says that the value is one that is searched
 * for by a prefix (§5.4).
 * Throws `ERR_FIELD_VALUE`, which names the field and no value.
 */
export function tagMessage(
  field: Field,
  slot: Slot,
  value: unknown,
  other: (column: string) => unknown,
  isBeginning = false,
): Bytes | undefined {
  const parts = [
    encodePart(field, slot, value, slot.of, isBeginning),
    ...slot.others.map((name) => encodeOther(field, slot, name, other(name))),
  ];
  const present = parts.filter((part) => part !== undefined);
  return present.length < parts.length ? undefined : concat(concatPrefixed(...present));
}

function encodeOther(field: Field, slot: Slot, name: string, value: unknown): Bytes | undefined {
  const { fields } = field.table;
  if (value === undefined) {
    const message = `${field.id} and ${name} are in one index: one of them can only be written with the other`;
    throw new FieldError('ERR_FIELD_VALUE', message, { table: field.table.key, column: name });
  }
  return encodePart(fields.get(name) as Field, slot, value, undefined);
}

function encodePart(
  field: Field,
  { steps, prefix, index }: Slot,
  value: unknown,
  of: Slot['of'],
  isBeginning = false,
): Bytes | undefined {
  if (value === null) return undefined;
  const part: unknown = of === undefined ? value : of(value as never);
  if (part === null) return undefined;
  const type = of === undefined ? field.definition.type : computedType(part);
  const comparable = type === undefined ? undefined : toComparable(type, part, steps, isBeginning);
  const text = prefix > 0 && typeof comparable === 'string' ? beginning(comparable, prefix) : comparable;
  if (text === null) return undefined;
  const encoded = type === undefined || text === undefined ? undefined : encodeValue(type, text);
  if (encoded !== undefined) return encoded;
  throw new FieldError('ERR_FIELD_VALUE', `A value of ${field.id} cannot be in the index ${index}`, {
    table: field.table.key,
    column: field.key,
  });
}

/** §5.5 */
function computedType(part: unknown): ValueType | undefined {
  const type = typeof part;
  return type === 'string' || type === 'number' || type === 'boolean' || type === 'bigint' ? type : undefined;
}

/** §5.4 */
function toComparable(type: ValueType, value: unknown, steps: Slot['steps'], isBeginning: boolean): unknown {
  if (type === 'string' && typeof value === 'string')
    return (isBeginning ? normalizeBeginning : normalize)(value, steps);
  return type === 'decimal' && typeof value === 'string' ? withoutTrailingZeros(value) : value;
}

/** The first code points of a text, or `null` where it has fewer. */
function beginning(text: string, length: number): string | null {
  const points = Array.from(text.slice(0, 2 * length)).slice(0, length);
  return points.length < length ? null : points.join('');
}

/** The tag of a message (§5.2, §5.3). */
export function computeTag(key: HmacKey, message: Bytes, bits: number): Awaitable<Bytes> {
  const code = sign(key, message);
  return isPromise(code) ? code.then((bytes) => truncate(bytes, bits)) : truncate(code, bits);
}

function truncate(code: Bytes, bits: number): Bytes {
  const tag = code.slice(0, indexTagLength);
  if (bits < 8 * indexTagLength) {
    for (let i = 0; i < indexTagLength; i++) {
      const kept = Math.min(8, Math.max(0, bits - 8 * i));
      tag[i] = (tag[i] as number) & (0xff00 >> kept);
    }
    tag[indexTagLength - 1] = bits;
  }
  if (tag.every((byte) => byte === 0)) tag[indexTagLength - 1] = 1;
  return tag;
}
