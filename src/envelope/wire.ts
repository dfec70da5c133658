/**
 * Canonical protobuf, `docs/format.md` §2.2: a walker that reads nothing but structure. What protobuf readers silently accept (duplicates, overlong or
 * overflowing varints, wrong wire types, fields they do not know) is refused here, so that a decoder behind it sees one encoding only.
 */

import { MessageFormatError, type MessageFormatErrorCode } from '../errors.ts';
import { isUtf8 } from '../lib/utf8.ts';

/** What a field must be. Numbers are bounds of a `uint32`'s value, or of the length in bytes of anything else. */
export interface FieldRule {
  /** Its name in error messages. */
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

/** The fields of a message by number, and which unknown ones are let through (§2.3). Made by {@link messageRules}. */
export interface MessageRules {
  readonly known: Readonly<Record<number, FieldRule>>;
  /** The numbers of the required ones. */
  readonly required: readonly number[];
  readonly admits: (number: number) => 'any' | 'bytes' | undefined;
}

/** Rules of a message. `admits` lets unknown fields through; `any`: of any wire type, and repeatable; `bytes`: length-delimited, and once. Default: none. */
export function messageRules(
  known: Readonly<Record<number, FieldRule>>,
  admits: MessageRules['admits'] = () => undefined,
): MessageRules {
  const numbers = Object.keys(known).map(Number);
  return { known, required: numbers.filter((number) => known[number]?.required), admits };
}

const varint = 0;
const fixed64 = 1;
const lengthDelimited = 2;
const fixed32 = 5;
const maxFieldNumber = 2 ** 29 - 1;

/** Throws `ERR_MALFORMED`, `ERR_LIMIT_EXCEEDED` or `ERR_UNSUPPORTED_FEATURE` unless bytes are canonical and obey the rules; returns the numbers of the fields, ascending. */
export function assertCanonical(bytes: Uint8Array, rules: MessageRules, what: string): readonly number[] {
  const cursor = new Cursor(bytes, what);
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
      if (++count > (rule.repeated ?? 1)) throw limitExceeded(what, `has more than ${rule.repeated} ${rule.name}`);
      checkField(cursor, wireType, rule, what);
    }
  }
  for (const number of rules.required) {
    if (!numbers.includes(number)) throw malformed(what, `lacks its ${rules.known[number]?.name}`);
  }
  return numbers;
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
  if (admitted === undefined) throw unsupported(what, number);
  if (isDefault) throw malformed(what, `has field ${number} with its default value`);
  if (admitted === 'bytes' && wireType !== lengthDelimited) {
    throw malformed(what, `has field ${number} of the wrong wire type`);
  }
}

function checkField(cursor: Cursor, wireType: number, rule: FieldRule, what: string): void {
  const { name, type, least = 1, most = Number.POSITIVE_INFINITY, limit = Number.POSITIVE_INFINITY } = rule;
  if (wireType !== (type === 'uint32' ? varint : lengthDelimited))
    throw malformed(what, `has a ${name} of the wrong wire type`);
  const size = cursor.varint();
  if (type === 'uint32' && size >= 2 ** 32) throw malformed(what, `has a ${name} that is too large`);
  if (type !== 'uint32') cursor.assertHolds(size);
  // A bound says whether a value is of the format, a limit whether it is worth reading: both come before the bytes themselves.
  if (size > limit) throw limitExceeded(what, `has a ${name} of ${size}, more than ${limit}`);
  if (size < least || size > most) throw malformed(what, `has a ${name} of ${size}`);
  if (type === 'uint32') {
    rule.judge?.(size);
    return;
  }
  if (type === 'bytes') {
    cursor.pass(size);
    return;
  }
  const content = cursor.bytes(size);
  if (type === 'string' && !isUtf8(content)) throw malformed(what, `has a ${name} that is not UTF-8`);
  if (rule.fields !== undefined) assertCanonical(content, rule.fields, `${what} ${name}`);
}

/** A position in bytes that never passes their end. */
class Cursor {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #at = 0;

  constructor(bytes: Uint8Array, what: string) {
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

  pass(length: number): void {
    this.assertHolds(length);
    this.#at += length;
  }

  bytes(length: number): Uint8Array {
    this.pass(length);
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
  return formatError('ERR_MALFORMED', what, how);
}

function limitExceeded(what: string, how: string): MessageFormatError {
  return formatError('ERR_LIMIT_EXCEEDED', what, how);
}

function unsupported(what: string, number: number): MessageFormatError {
  return formatError('ERR_UNSUPPORTED_FEATURE', what, `has field ${number}, which this version does not know`);
}

function formatError(code: MessageFormatErrorCode, what: string, how: string): MessageFormatError {
  return new MessageFormatError(code, `The ${what} ${how}`);
}
