/** Parameters and literals as values of a field's type. */

import { copy, isBytes } from '../../lib/bytes.ts';
import { fromHex } from '../../lib/hex.ts';
import type { Field } from '../define.ts';
import type { ValueType } from '../values.ts';

const numeric = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const fromText: Readonly<Record<ValueType, (text: string) => unknown>> = {
  string: (text) => text,
  bytes: (text) => (/^\\x([0-9a-f]{2})*$/i.test(text) ? fromHex(text, 2) : undefined),
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
