/** Values of plaintext columns, from the text that PostgreSQL prints: `docs/fields.md` §10.5 and §10.6. */

import type { Bytes } from '../../../types.ts';
import { encodeValue, type ValueType, withoutTrailingZeros } from '../../values.ts';

/** Settings under which a value has one text, for a transaction or a function. */
export const textSettings: readonly (readonly [name: string, value: string])[] = [
  ['DateStyle', 'ISO'],
  ['IntervalStyle', 'postgres'],
  ['TimeZone', 'UTC'],
  ['bytea_output', 'hex'],
  ['extra_float_digits', '1'],
];

const timestamp = /^(\d{4,6}-\d{2}-\d{2})(?: (\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?(?:\+00)?)?$/;
const readers: Readonly<Record<ValueType, (text: string) => unknown>> = {
  string: (text) => text,
  bytes: (text) => (/^\\x(?:[0-9a-f]{2})*$/.test(text) ? new Uint8Array(Buffer.from(text.slice(2), 'hex')) : undefined),
  boolean: (text) => ({ true: true, false: false, t: true, f: false })[text],
  number: (text) => (text.trim() === '' ? undefined : Number(text)),
  bigint: (text) => (/^-?\d+$/.test(text) ? BigInt(text) : undefined),
  decimal: (text) => text,
  date: readDate,
  json: readJson,
};

/** The value of a text, or `undefined` where the type has none. */
export function valueOfText(type: ValueType, text: string): unknown {
  const value = readers[type](text);
  return value === undefined || encodeValue(type, value) === undefined ? undefined : value;
}

/** What values are compared by: equal values have equal bytes. */
export function comparableBytes(type: ValueType, value: unknown): Bytes | undefined {
  if (type === 'json') return encodeValue('string', JSON.stringify(sorted(value)));
  return encodeValue(type, type === 'decimal' && typeof value === 'string' ? withoutTrailingZeros(value) : value);
}

/** What is below the millisecond is cut off. */
function readDate(text: string): Date | undefined {
  const [, day, time = '00:00:00', fraction = ''] = timestamp.exec(text) ?? [];
  if (day === undefined) return undefined;
  const year = day.length > 10 ? `+${day.padStart(12, '0')}` : day;
  return new Date(`${year}T${time}.${fraction.slice(0, 3).padEnd(3, '0')}Z`);
}

function readJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    // JSON's own null cannot be told from NULL in JavaScript.
    return value === null ? undefined : value;
  } catch {
    return undefined;
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)]),
  );
}
