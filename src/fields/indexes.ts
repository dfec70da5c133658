/** Which tags a field has, `docs/fields.md` §5: definitions that applications write, and the slots that they become. */

import { assert } from '../lib/assert.ts';
import { arrayOf, func, integer, oneOf, optional, takeBoolean, takeOptions, takeString } from '../lib/options.ts';
import { type NormalizationStep, normalizationSteps } from './normalize.ts';

/** What a part may be computed to: a value of the types string, number, boolean or bigint, or `null` for no tag. */
export type ComputedPart = string | number | boolean | bigint | null;

/** What all indexes have in common. */
export interface IndexOptions {
  /** Its name, part of its key. Default: `idx`; of a prefix index `prefix`. */
  readonly name?: string | undefined;
  /** Its version, 1 to 65,535, part of its key. Raise it to rotate its tags. Default: 1. */
  readonly version?: number | undefined;
  /** What strings become before they are compared, in this order; NFC comes first and last in any case. Default: nothing else. */
  readonly normalize?: readonly NormalizationStep[] | undefined;
}

/** Options of {@link blindIndex}. */
export interface BlindIndexOptions<Value> extends IndexOptions {
  /** Whether no two rows of a tenant may have the same value. Default: `false`. */
  readonly unique?: boolean | undefined;
  /** Computes what is compared, such as the year of a date. It must always give the same: a new function needs a new version. Default: the value. */
  readonly of?: ((value: Value) => ComputedPart) | undefined;
}

/** Options of {@link bucketIndex}. */
export interface BucketIndexOptions<Value> extends Omit<BlindIndexOptions<Value>, 'unique'> {
  /** Bits of a tag, 4 to 32: a search finds about `rows / 2^bits` others, which are dropped after opening. */
  readonly bits: number;
}

/** Options of {@link prefixIndex}. */
export interface PrefixIndexOptions extends IndexOptions {
  /** Lengths of the beginnings that can be searched for, in code points, 1 to 64. Each takes one of the three tags of a record. */
  readonly lengths: readonly number[];
}

/** Options of {@link compoundIndex}. */
export interface CompoundIndexOptions extends IndexOptions {
  /** The other columns, 1 to 7. All of them are searched for at once, and written at once. */
  readonly with: readonly string[];
  /** Whether no two rows of a tenant may have the same values. Default: `false`. */
  readonly unique?: boolean | undefined;
}

declare const value: unique symbol;

/** An index of a field whose values are `Value`s. Made by {@link blindIndex} and its like. */
export interface FieldIndex<in Value> {
  readonly [value]?: (value: Value) => void;
}

/** One tag of a record. */
export interface Slot {
  readonly index: string;
  readonly version: number;
  /** `equal`, `bucket`, `prefix:3`, `compound` (§5.2). */
  readonly kind: string;
  readonly bits: number;
  readonly unique: boolean;
  readonly steps: readonly NormalizationStep[];
  /** The beginning that the tag is of; 0 for all of the value. */
  readonly prefix: number;
  readonly of: ((value: never) => ComputedPart) | undefined;
  /** The other columns of a compound index. */
  readonly others: readonly string[];
}

/** What stands behind a {@link FieldIndex}. */
class Definition implements FieldIndex<unknown> {
  declare readonly [value]?: (value: unknown) => void;
  readonly slots: readonly Slot[];

  constructor(slots: readonly Slot[]) {
    this.slots = Object.freeze(slots);
    Object.freeze(this);
  }
}

const identifier = /^[A-Za-z_][A-Za-z0-9_]{0,30}$/;
const takeName = (given: unknown, name: string): string => {
  const text = takeString(given, name);
  assert(identifier.test(text), name, 'a letter and up to 30 letters, digits and underscores');
  return text;
};
const common = {
  name: optional(takeName, undefined),
  version: optional(integer(1, 65_535), 1),
  normalize: optional(arrayOf(oneOf(...normalizationSteps)), []),
};
const computed = { ...common, of: optional(func<(value: never) => ComputedPart>(), undefined) };

/**
 * An index by which equal values are found: rows of one tenant with equal values have equal tags, which any reader of the table can see.
 *
 * Throws a `TypeError` that names a wrong option.
 */
export function blindIndex<Value>(options: BlindIndexOptions<Value> = {}): FieldIndex<Value> {
  const taken = takeOptions(options, { ...computed, unique: optional(takeBoolean, false) });
  return made({ ...taken, kind: 'equal', bits: 96 });
}

/** An index of few bits, which hides most equalities: it finds candidates, and those that are others are dropped after opening. Throws as {@link blindIndex} does. */
export function bucketIndex<Value>(options: BucketIndexOptions<Value>): FieldIndex<Value> {
  const taken = takeOptions(options, { ...computed, bits: integer(4, 32) });
  return made({ ...taken, kind: 'bucket', unique: false });
}

/** An index by which beginnings of strings are found. Shared beginnings show. Throws as {@link blindIndex} does. */
export function prefixIndex(options: PrefixIndexOptions): FieldIndex<string> {
  const {
    lengths,
    name = 'prefix',
    ...taken
  } = takeOptions(options, { ...common, lengths: arrayOf(integer(1, 64), 1) });
  assert(new Set(lengths).size === lengths.length, 'lengths', 'different numbers');
  const slots = lengths.map((prefix) =>
    slotOf({ ...taken, name: `${name}${prefix}`, kind: `prefix:${prefix}`, prefix }),
  );
  return new Definition(slots);
}

/** An index by which rows are found whose values are equal in several columns. It stands with the first of them. Throws as {@link blindIndex} does. */
export function compoundIndex(options: CompoundIndexOptions): FieldIndex<unknown> {
  const readers = { ...common, with: arrayOf(takeString, 1), unique: optional(takeBoolean, false) };
  const { with: others, ...taken } = takeOptions(options, readers);
  assert(others.length <= 7, 'with', 'at most 7 columns');
  return new Definition([slotOf({ ...taken, kind: 'compound', others })]);
}

/** The slots of definitions, in their order. Throws a `TypeError` for what is no index, more than three tags, and two of one name and version. */
export function slotsOf(indexes: readonly unknown[], name: string): readonly Slot[] {
  const slots = indexes.flatMap((index) => {
    assert(index instanceof Definition, name, 'made by blindIndex, bucketIndex, prefixIndex or compoundIndex');
    return index.slots;
  });
  assert(slots.length <= 3, name, 'of at most three tags');
  const names = slots.map(({ index, version }) => `${index} ${version}`);
  assert(new Set(names).size === names.length, name, 'indexes of different names or versions');
  return Object.freeze(slots);
}

/** What the tags of a schema version depend on besides keys and values, as text (§5.6). */
export function describeSlots(column: string, slots: readonly Slot[]): string {
  return slots
    .map((slot) => [slot.index, slot.version, slot.kind, slot.bits, partsOf(column, slot), slot.steps].join(':'))
    .join(' ');
}

/** The names of the columns that a tag is of (§5.1). */
export function partsOf(column: string, { of, others }: Slot): string {
  return [of === undefined ? column : `${column}()`, ...others].join(',');
}

type Given = {
  readonly name?: string | undefined;
  readonly version: number;
  readonly normalize: readonly NormalizationStep[];
};

function slotOf({ name = 'idx', version, normalize, ...more }: Given & Partial<Slot> & Pick<Slot, 'kind'>): Slot {
  const none = { bits: 96, unique: false, prefix: 0, of: undefined, others: [] };
  return Object.freeze({ ...none, ...more, index: name, version, steps: normalize });
}

function made(given: Given & Partial<Slot> & Pick<Slot, 'kind'>): FieldIndex<unknown> {
  return new Definition([slotOf(given)]);
}
