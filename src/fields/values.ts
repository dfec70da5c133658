/** The types of values and their one encoding, `docs/fields.md` §3. */

import { asBytes, copy, isBytes } from '../lib/bytes.ts';
import { decodeUtf8 } from '../lib/utf8.ts';
import type { Bytes } from '../types.ts';

/** A value as JSON can hold it. */
export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue | undefined };

/** What each type is in JavaScript. */
export interface ValueTypes {
  readonly string: string;
  readonly bytes: Uint8Array;
  readonly boolean: boolean;
  readonly number: number;
  readonly bigint: bigint;
  /** A decimal number as text, such as `-12.50`. */
  readonly decimal: string;
  readonly date: Date;
  readonly json: unknown;
}

/** The name of a type. */
export type ValueType = keyof ValueTypes;

interface Codec {
  /** The byte in front of the value. */
  readonly number: number;
  /** `type || value`, or `undefined` for what is no value of this type. */
  encode(value: unknown): Bytes | undefined;
  /** The value of the bytes behind the type, or `undefined` for bytes that no value has. */
  decode(bytes: Bytes): unknown;
}

const encoder = new TextEncoder();
const unpairedSurrogate = /\p{Surrogate}/u;
const decimal = /^(?!-0(?:\.0*)?$)-?(?:0|[1-9]\d*)(?:\.\d+)?$/;
const maxDecimalLength = 1_000;
const maxTime = 8.64e15;
/** §1.4 */
export const maxValueLength = 2 ** 24;

const codecs: Readonly<Record<ValueType, Codec>> = {
  string: {
    number: 1,
    encode: (value) => (typeof value === 'string' && !value.includes('\0') ? text(1, value) : undefined),
    decode(bytes) {
      const value = decodeUtf8(bytes);
      return value?.includes('\0') ? undefined : value;
    },
  },
  bytes: {
    number: 2,
    encode: (value) => (isBytes(value) ? typed(2, asBytes(value, 'a value')) : undefined),
    decode: copy,
  },
  boolean: {
    number: 3,
    encode: (value) => (typeof value === 'boolean' ? Uint8Array.of(3, value ? 1 : 0) : undefined),
    decode: ([byte = 2, ...more]) => (more.length > 0 || byte > 1 ? undefined : byte === 1),
  },
  number: {
    number: 4,
    encode: (value) =>
      Number.isFinite(value) ? eight(4, (view) => view.setFloat64(1, (value as number) + 0)) : undefined,
    decode(bytes) {
      if (bytes.byteLength !== 8) return undefined;
      const value = viewOf(bytes).getFloat64(0);
      return Number.isFinite(value) && !Object.is(value, -0) ? value : undefined;
    },
  },
  bigint: {
    number: 5,
    encode: (value) => (typeof value === 'bigint' ? int64(5, value) : undefined),
    decode: (bytes) => (bytes.byteLength === 8 ? viewOf(bytes).getBigInt64(0) : undefined),
  },
  decimal: {
    number: 6,
    encode: (value) => (isDecimal(value) ? text(6, value) : undefined),
    decode(bytes) {
      const value = decodeUtf8(bytes);
      return isDecimal(value) ? value : undefined;
    },
  },
  date: {
    number: 7,
    encode(value) {
      // Of another realm, too; an invalid date has no time.
      if (Object.prototype.toString.call(value) !== '[object Date]') return undefined;
      const time = Date.prototype.getTime.call(value);
      return Number.isNaN(time) ? undefined : int64(7, BigInt(time));
    },
    decode(bytes) {
      const time = bytes.byteLength === 8 ? Number(viewOf(bytes).getBigInt64(0)) : Number.NaN;
      return Math.abs(time) <= maxTime ? new Date(time) : undefined;
    },
  },
  json: {
    number: 8,
    encode(value) {
      const json: unknown = stringify(value);
      return typeof json === 'string' ? text(8, json) : undefined;
    },
    decode(bytes) {
      const json = decodeUtf8(bytes);
      return json === undefined ? undefined : parse(json);
    },
  },
};

const byNumber = new Map(Object.values(codecs).map((codec) => [codec.number, codec]));

/** `type || value` (§3.1), or `undefined` for what is no value of this type (§3.2). */
export function encodeValue(type: ValueType, value: unknown): Bytes | undefined {
  return codecs[type].encode(value);
}

/** The value of `type || value`, or `undefined` for what is no encoding of this type (§3.3). */
export function decodeValue(type: ValueType, bytes: Bytes): unknown {
  const codec = byNumber.get(bytes[0] ?? 0);
  return codec === codecs[type] ? codec.decode(bytes.subarray(1)) : undefined;
}

/** `type || value` with padding behind it, up to a multiple of `block` (§3.4). */
export function pad(encoded: Bytes, block: number): Bytes {
  const padded = new Uint8Array(Math.ceil((encoded.byteLength + 1) / block) * block);
  padded.set(encoded);
  padded[encoded.byteLength] = 0x80;
  return padded;
}

/** The same without its padding, or `undefined` where there is none. */
export function unpad(padded: Bytes): Bytes | undefined {
  let end = padded.byteLength - 1;
  while (padded[end] === 0) end--;
  return padded[end] === 0x80 ? padded.subarray(0, end) : undefined;
}

/** A decimal without zeros at the end of its fraction, as tags take it (§5.4). */
export function withoutTrailingZeros(value: string): string {
  return value.includes('.') ? value.replace(/\.?0+$/, '') : value;
}

function typed(number: number, value: Uint8Array): Bytes {
  const bytes = new Uint8Array(1 + value.byteLength);
  bytes[0] = number;
  bytes.set(value, 1);
  return bytes;
}

function text(number: number, value: string): Bytes | undefined {
  if (value.length <= shortLength) {
    const bytes = new Uint8Array(1 + value.length);
    bytes[0] = number;
    if (writeAscii(value, bytes)) return bytes;
  }
  return unpairedSurrogate.test(value) ? undefined : typed(number, encoder.encode(value));
}

/** Most values are short and mostly ASCII, for which a call out of the engine takes longer than the work. */
const shortLength = 256;

/** Writes a text behind the type, or stops where it is not ASCII. */
function writeAscii(value: string, bytes: Bytes): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code >= 0x80) return false;
    bytes[i + 1] = code;
  }
  return true;
}

function isDecimal(value: unknown): value is string {
  return typeof value === 'string' && value.length <= maxDecimalLength && decimal.test(value);
}

function eight(number: number, write: (view: DataView) => void): Bytes {
  const bytes = new Uint8Array(9);
  bytes[0] = number;
  write(new DataView(bytes.buffer));
  return bytes;
}

function int64(number: number, value: bigint): Bytes | undefined {
  if (BigInt.asIntN(64, value) !== value) return undefined;
  return eight(number, (view) => view.setBigInt64(1, value));
}

function viewOf(bytes: Bytes): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The text of a value that comes back from it as it is, or `undefined`. */
function stringify(value: unknown): unknown {
  try {
    return JSON.stringify(jsonCopy(value));
  } catch {
    // What JSON would change, a getter that throws, or a cycle.
    return undefined;
  }
}

/** A copy of JSON's own values, each read once. Members that are `undefined` are absent. Throws for what `JSON.stringify` would leave out or change. */
function jsonCopy(value: unknown): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (Number.isFinite(value)) return value;
  // A hole is `undefined`.
  if (Array.isArray(value)) return Array.from(value, jsonCopy);
  if (!isPlainObject(value)) throw new TypeError('not JSON');
  const copied: Record<string, unknown> = Object.create(null);
  for (const [name, member] of Object.entries(value)) {
    if (member !== undefined) copied[name] = jsonCopy(member);
  }
  return copied;
}

/** Of another realm, too. */
function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
