/**
 * A reader of canonical protobuf, `docs/format.md` §2.2. What protobuf readers silently accept (duplicates, overlong or overflowing varints, wrong wire types, fields they do not
 * know) is refused, so that a message has one encoding only.
 */

import { MessageFormatError, type MessageFormatErrorCode } from '../errors.ts';
import { decodeUtf8 } from '../lib/utf8.ts';
import type { Bytes } from '../types.ts';

/** What a field must be. Numbers are bounds of a `uint32`'s value, or of the length in bytes of anything else. */
export interface FieldRule {
  /** Its name among the fields that were read. In error messages it is that of `proto/bulla.proto`: `content_type` for `contentType`. */
  readonly name: string;
  readonly type: 'uint32' | 'bytes' | 'string' | 'message';
  /** `ERR_MALFORMED` when absent. */
  readonly required?: boolean;
  /** How often the field may occur, when it is repeated: `ERR_LIMIT_EXCEEDED` beyond. */
  readonly repeated?: number;
  /** `ERR_MALFORMED` below. */
  readonly least?: number;
  /** `ERR_MALFORMED` above. */
  readonly most?: number;
  /** `ERR_LIMIT_EXCEEDED` above. */
  readonly limit?: number;
  /** Judges a number that is in range as soon as it is read, before what follows it; throws where it does not do. */
  readonly judge?: (value: number) => unknown;
  /** The rules inside a `message`. */
  readonly fields?: MessageRules;
}

/** Rules by the numbers of the fields. */
export type FieldRules = Readonly<Record<number, FieldRule>>;

/** The fields of a message by number, and which unknown ones are let through (§2.3). Made by {@link messageRules}. */
export interface MessageRules<Rules extends FieldRules = FieldRules> {
  readonly known: Rules;
  /** The same, ascending by their numbers, with what stands in front of their values. */
  readonly inOrder: readonly (FieldRule & { readonly tag: number })[];
  /** The numbers of the required ones. */
  readonly required: readonly number[];
  /** The fields of a message that has none. */
  readonly empty: object;
  readonly admits: (number: number) => 'any' | 'bytes' | undefined;
}

type ValueOf<Rule extends FieldRule> = Rule extends { readonly type: 'uint32' }
  ? number
  : Rule extends { readonly type: 'string' }
    ? string
    : Rule extends { readonly fields: MessageRules<infer Inner> }
      ? FieldsOf<Inner>
      : Bytes;

type FieldOf<Rule extends FieldRule> = Rule extends { readonly repeated: number }
  ? readonly ValueOf<Rule>[]
  : Rule extends { readonly type: 'message' }
    ? ValueOf<Rule> | undefined
    : ValueOf<Rule>;

/** The fields of a message by name. */
export type FieldsOf<Rules extends FieldRules> = {
  readonly [N in keyof Rules as Rules[N] extends FieldRule ? Rules[N]['name'] : never]: Rules[N] extends FieldRule
    ? FieldOf<Rules[N]>
    : never;
};

/** A message that was read. */
export interface CanonicalMessage<Rules extends FieldRules> {
  /** Its known fields by name. An absent one has the default value of its type; an absent message is `undefined`. Bytes are views of what was read. */
  readonly fields: FieldsOf<Rules>;
  /** The numbers of all of its fields, ascending. */
  readonly numbers: readonly number[];
}

const defaults = { uint32: 0, string: '', bytes: undefined, message: undefined };
// Messages share it.
const none = Object.freeze([]);
// Of its own, as every member of a rule: unlike an object without a prototype, such a rule is read fast.
const unset = {
  required: false,
  least: 1,
  most: Number.POSITIVE_INFINITY,
  limit: Number.POSITIVE_INFINITY,
  repeated: undefined,
  judge: undefined,
  fields: undefined,
} as object;

/** Rules of a message. `admits` lets unknown fields through; `any`: of any wire type, and repeatable; `bytes`: length-delimited, and once. Default: none. */
export function messageRules<const Rules extends FieldRules>(
  known: Rules,
  admits: MessageRules['admits'] = () => undefined,
): MessageRules<Rules> {
  const own = bare<Record<number, FieldRule>>(known);
  const empty: Record<string, unknown> = {};
  const required: number[] = [];
  const inOrder: (FieldRule & { tag: number })[] = [];
  for (const number of Object.keys(own).map(Number)) {
    const given = own[number] as FieldRule;
    const rule = { ...unset, ...given, tag: number * 8 + wireTypeOf(given) };
    own[number] = rule;
    inOrder.push(rule);
    empty[rule.name] = rule.repeated === undefined ? defaults[rule.type] : none;
    if (rule.required) required.push(number);
  }
  return { known: own as Rules, inOrder, required, empty, admits };
}

/** An object of its own members alone: nothing that a polluted `Object.prototype` has becomes a rule. */
function bare<Value extends object>(members: Value): Value {
  return { __proto__: null, ...members };
}

const varint = 0;
const fixed64 = 1;
const lengthDelimited = 2;
const fixed32 = 5;
const maxFieldNumber = 2 ** 29 - 1;

/** Reads a message. Throws `ERR_MALFORMED`, `ERR_LIMIT_EXCEEDED` or `ERR_UNSUPPORTED_FEATURE` unless it is canonical and obeys the rules. */
export function readCanonical<Rules extends FieldRules>(
  bytes: Bytes,
  rules: MessageRules<Rules>,
  what: string,
): CanonicalMessage<Rules> {
  const cursor = new Cursor(bytes, what);
  const fields: Record<string, unknown> = { ...rules.empty };
  const numbers: number[] = [];
  let previous = 0;
  let count = 0;
  while (!cursor.atEnd) {
    const tag = cursor.varint();
    const number = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (number < 1 || number > maxFieldNumber) throw malformed(what, 'has an invalid field number');
    const rule = rules.known[number];
    if (number < previous) throw malformed(what, 'has its fields in another order');
    const admitted = rule === undefined ? rules.admits(number) : undefined;
    if (number !== previous) {
      numbers.push(number);
      count = 0;
    } else if (rule?.repeated === undefined && admitted !== 'any') {
      throw malformed(what, `repeats field ${number}`);
    }
    previous = number;
    if (rule === undefined) {
      checkUnknown(cursor, number, wireType, admitted, what);
    } else {
      const { name, repeated } = rule;
      if (++count > (repeated ?? 1)) throw refused('ERR_LIMIT_EXCEEDED', what, `has more than ${repeated} ${name}`);
      const value = readField(cursor, wireType, rule, what);
      if (repeated === undefined) fields[name] = value;
      else if (count === 1) fields[name] = [value];
      else (fields[name] as unknown[]).push(value);
    }
  }
  for (const number of rules.required) {
    if (!numbers.includes(number)) throw malformed(what, `lacks its ${rules.known[number]?.name}`);
  }
  return { fields: fields as FieldsOf<Rules>, numbers };
}

/** §2.3, §7.4: a field of a later version, where there may be one, is canonical all the same. */
function checkUnknown(
  cursor: Cursor,
  number: number,
  wireType: number,
  admitted: 'any' | 'bytes' | undefined,
  what: string,
): void {
  const isDefault = cursor.skip(wireType);
  if (admitted === undefined) {
    throw refused('ERR_UNSUPPORTED_FEATURE', what, `has field ${number}, which this version does not know`);
  }
  if (isDefault) throw malformed(what, `has field ${number} with its default value`);
  if (admitted === 'bytes' && wireType !== lengthDelimited) {
    throw malformed(what, `has field ${number} of the wrong wire type`);
  }
}

function wireTypeOf({ type }: FieldRule): number {
  return type === 'uint32' ? varint : lengthDelimited;
}

function readField(cursor: Cursor, wireType: number, rule: FieldRule, what: string): unknown {
  const { name, type, least = 1, most = Number.POSITIVE_INFINITY, limit = Number.POSITIVE_INFINITY } = rule;
  if (wireType !== wireTypeOf(rule)) throw malformed(what, `has a ${name} of the wrong wire type`);
  const size = cursor.varint();
  if (type === 'uint32' && size >= 2 ** 32) throw malformed(what, `has a ${name} of ${size}`);
  if (type !== 'uint32') cursor.assertHolds(size);
  // A bound says whether a value is of the format, a limit whether it is worth reading: both come before the bytes themselves.
  if (size > limit) throw refused('ERR_LIMIT_EXCEEDED', what, `has a ${name} of ${size}, more than ${limit}`);
  if (size < least || size > most) throw malformed(what, `has a ${name} of ${size}`);
  if (type === 'uint32') {
    rule.judge?.(size);
    return size;
  }
  const content = cursor.bytes(size);
  if (rule.fields !== undefined) return readCanonical(content, rule.fields, `${what} ${name}`).fields;
  if (type === 'bytes') return content;
  const text = decodeUtf8(content);
  if (text === undefined) throw malformed(what, `has a ${name} that is not UTF-8`);
  return text;
}

/** A position in bytes that never passes their end. */
class Cursor {
  readonly #bytes: Bytes;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Bytes, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.byteLength;
  }

  /** A minimal varint of at most 64 bits (§2.2a); exact up to 2^53, which is far beyond every bound. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw malformed(this.#what, 'ends inside a field');
      this.#at++;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if ((byte === 0 && i > 0) || (i === 9 && byte > 1)) break;
        return value;
      }
      scale *= 128;
    }
    throw malformed(this.#what, 'has a varint that is not minimal');
  }

  assertHolds(length: number): void {
    if (length > this.#bytes.byteLength - this.#at) throw malformed(this.#what, 'ends inside a field');
  }

  bytes(length: number): Bytes {
    this.assertHolds(length);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Passes over a value; tells whether it is the default one of its type (§2.2d). */
  skip(wireType: number): boolean {
    if (wireType === varint) return this.varint() === 0;
    if (wireType === lengthDelimited) return this.bytes(this.varint()).byteLength === 0;
    if (wireType === fixed32 || wireType === fixed64) {
      return this.bytes(wireType === fixed32 ? 4 : 8).every((byte) => byte === 0);
    }
    throw malformed(this.#what, `has the wire type ${wireType}`);
  }
}

/** `ERR_MALFORMED` about a part of a message. */
export function malformed(what: string, how: string): MessageFormatError {
  return refused('ERR_MALFORMED', what, how);
}

function refused(code: MessageFormatErrorCode, what: string, how: string): MessageFormatError {
  return new MessageFormatError(
    code,
    `The ${what} ${how}`.replace(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  );
}
