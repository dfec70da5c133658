/** The identity of a row, which its records are bound to: `docs/fields.md` §2.3 and §2.4. */

import { FieldError } from '../errors.ts';
import { assertWellFormed } from '../lib/utf8.ts';

/** How a column of a primary key is spelled. */
export type RowColumnType = 'integer' | 'uuid' | 'text';

/** A column of a primary key. `any` stands for a column whose type was not said: a number or a text, as it is. */
export interface RowColumn {
  readonly name: string;
  readonly type: RowColumnType | 'any';
}

const maxLength = 1_024;
const integer = /^(?!-0$)-?(?:0|[1-9]\d{0,18})$/;
const uuid = /^\{?(?:[0-9a-f]{4}-?){7}[0-9a-f]{4}\}?$/i;

/** The one spelling of a value, or `undefined` where it has none. */
export function spell(type: RowColumn['type'], value: unknown): string | undefined {
  if (type === 'uuid') return spellUuid(value);
  if (typeof value === 'string' && type !== 'integer') return isText(value) ? value : undefined;
  return type === 'text' ? undefined : spellInteger(value);
}

function spellInteger(value: unknown): string | undefined {
  const isNumber = Number.isSafeInteger(value) || typeof value === 'bigint';
  const text = isNumber ? String(Object.is(value, -0) ? 0 : value) : value;
  if (typeof text !== 'string' || !integer.test(text)) return undefined;
  return BigInt.asIntN(64, BigInt(text)) === BigInt(text) ? text : undefined;
}

function spellUuid(value: unknown): string | undefined {
  if (typeof value !== 'string' || !uuid.test(value) || value.startsWith('{') !== value.endsWith('}')) return undefined;
  const digits = value.replace(/[{}-]/g, '').toLowerCase();
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function isText(value: string): boolean {
  try {
    assertWellFormed(value, 'the row');
  } catch {
    return false;
  }
  // Three bytes of UTF-8 at most for each UTF-16 unit.
  if (value.length * 3 <= maxLength) return !value.includes('\0');
  return new TextEncoder().encode(value).byteLength <= maxLength && !value.includes('\0');
}

/** The identity of a row. Throws `ERR_FIELD_ROW_UNKNOWN`, which names the columns and no value. */
export function identify(
  table: string,
  columns: readonly RowColumn[],
  get: (name: string) => unknown,
): readonly string[] {
  return columns.map(({ name, type }) => {
    const spelled = spell(type, get(name));
    if (spelled !== undefined) return spelled;
    const must = type === 'any' ? 'a string or a whole number' : `a ${type}`;
    throw new FieldError('ERR_FIELD_ROW_UNKNOWN', `${table}.${name} must be given, as ${must}: cells are bound to it`, {
      table,
      column: name,
    });
  });
}
