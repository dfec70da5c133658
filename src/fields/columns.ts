/** The columns of an encrypted table, as applications define them. */

import { assert } from '../lib/assert.ts';
import { integer, oneOf, optional, takeOptions, takeString } from '../lib/options.ts';
import { describeSlots, type FieldIndex, type Slot, slotsOf } from './indexes.ts';
import type { ValueType, ValueTypes } from './values.ts';

/** Options of an encrypted column. */
export interface ColumnOptions<Value> {
  /** By which its values are found; at most three tags together. Default: none. */
  readonly index?: readonly FieldIndex<Value>[] | undefined;
  /** Values are padded to a multiple of so many bytes, 2 to 65,536, so that their lengths do not show. Default: not padded. */
  readonly pad?: number | undefined;
  /** The schema version that is written, 1 to 255. Raise it when `index` changes. Default: 1. */
  readonly version?: number | undefined;
  /** What earlier schema versions had as `index`, so that their records are still read. Default: none. */
  readonly earlier?: Readonly<Record<number, readonly FieldIndex<Value>[]>> | undefined;
  /** What the field is called for ever, whatever becomes of the column's name. Default: the name of the property. */
  readonly name?: string | undefined;
  /** The name of the column in the database. Default: the name of the property. */
  readonly column?: string | undefined;
  /** The plaintext column that this one replaces, while it is being migrated (`docs/fields.md` §10). Default: none. */
  readonly plain?: string | undefined;
  /** `field` gives the column data keys of its own. Default: those of the tenant or subject. */
  readonly key?: 'shared' | 'field' | undefined;
}

/** Options of a column of dates. */
export interface DateColumnOptions extends ColumnOptions<Date> {
  /** What a driver is told that it reads: a moment, a moment without a zone (UTC), or a day. Default: `timestamptz`. */
  readonly as?: 'timestamptz' | 'timestamp' | 'date' | undefined;
}

declare const valueType: unique symbol;

/** An encrypted column whose values are `Value`s. */
export interface EncryptedColumn<Value> {
  readonly [valueType]?: Value;
}

/** What stands behind an {@link EncryptedColumn}. */
export class ColumnDefinition {
  readonly type: ValueType;
  readonly pad: number;
  readonly version: number;
  /** The slots of each schema version. */
  readonly schemas: ReadonlyMap<number, readonly Slot[]>;
  readonly name: string | undefined;
  readonly column: string | undefined;
  readonly plain: string | undefined;
  readonly ownKey: boolean;
  readonly as: 'timestamptz' | 'timestamp' | 'date';

  constructor(type: ValueType, options: object) {
    const taken = takeOptions(options, readers);
    const { index, version, earlier } = taken;
    const schemas = new Map(Object.entries(earlier).map(([number, slots]) => [Number(number), slots]));
    assert(!schemas.has(version), 'earlier', 'of other versions than the one that is written');
    this.type = type;
    this.pad = taken.pad;
    this.version = version;
    this.schemas = schemas.set(version, index);
    this.name = taken.name;
    this.column = taken.column;
    this.plain = taken.plain;
    this.ownKey = taken.key === 'field';
    this.as = taken.as;
    for (const slot of [...schemas.values()].flat()) assertFits(type, slot);
    Object.freeze(this);
  }

  /** What `docs/fields.md` §5.6 stores of a schema version. */
  describe(name: string, version: number): string {
    return `${this.type} ${describeSlots(name, this.schemas.get(version) ?? [])}`.trim();
  }
}

const takeIndexes = (given: unknown, name: string) => {
  assert(Array.isArray(given), name, 'an array');
  return slotsOf([...given], name);
};
const takeEarlier = (given: unknown, name: string) => {
  assert(typeof given === 'object' && given !== null, name, 'an object');
  const entries = Object.entries(given).map(([version, indexes]) => {
    integer(1, 255)(Number(version), `a version in ${name}`);
    return [Number(version), takeIndexes(indexes, `${name}[${version}]`)] as const;
  });
  return Object.fromEntries(entries);
};
const readers = {
  index: optional(takeIndexes, []),
  pad: optional(integer(2, 65_536), 0),
  version: optional(integer(1, 255), 1),
  earlier: optional(takeEarlier, {}),
  name: optional(takeString),
  column: optional(takeString),
  plain: optional(takeString),
  key: optional(oneOf('shared', 'field'), 'shared'),
  as: optional(oneOf('timestamptz', 'timestamp', 'date'), 'timestamptz' as const),
};

/** Booleans have two values and JSON has many texts for one (§3.1): no tag of either alone would be of use. */
function assertFits(type: ValueType, { kind, of, prefix, index }: Slot): void {
  const isAlone = kind === 'equal' || kind === 'bucket';
  if (of !== undefined) return;
  assert(type !== 'json', `index ${index}`, 'on something computed (`of`): JSON cannot be compared');
  assert(!(type === 'boolean' && isAlone), `index ${index}`, 'a compoundIndex: a boolean alone would show to all');
  assert(prefix === 0 || type === 'string', `index ${index}`, 'on strings');
}

function column<Type extends Exclude<ValueType, 'json' | 'date'>>(type: Type) {
  return (options: ColumnOptions<ValueTypes[Type]> = {}): EncryptedColumn<ValueTypes[Type]> =>
    new ColumnDefinition(type, options) as object;
}

/**
 * Encrypted columns by the type of their values. Each function throws a `TypeError` that names a wrong option.
 *
 * @example
 * const email = encrypted.string({ index: [blindIndex({ normalize: ['trim', 'lower'], unique: true })] });
 */
export const encrypted = {
  /** A string without U+0000. */
  string: column('string'),
  /** Bytes, as a `Uint8Array`. */
  bytes: column('bytes'),
  /** `true` or `false`. */
  boolean: column('boolean'),
  /** A finite number. */
  number: column('number'),
  /** A whole number of 64 bits, as a `bigint`. */
  bigint: column('bigint'),
  /** A decimal number as text, such as `-12.50`; zeros at the end are kept. */
  decimal: column('decimal'),
  /** A `Date`, to the millisecond. */
  date: (options: DateColumnOptions = {}): EncryptedColumn<Date> => new ColumnDefinition('date', options) as object,
  /** What `JSON.stringify` takes. */
  json: <Value = unknown>(options: ColumnOptions<Value> = {}): EncryptedColumn<Value> =>
    new ColumnDefinition('json', options) as object,
} as const;
