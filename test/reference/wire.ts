// Bytes, errors and the canonical protobuf encoding of docs/format.md §2.2, written from that page alone and without a library.

export type ErrorCode =
  | 'ERR_NOT_A_MESSAGE'
  | 'ERR_UNSUPPORTED_VERSION'
  | 'ERR_UNSUPPORTED_SUITE'
  | 'ERR_UNSUPPORTED_FEATURE'
  | 'ERR_LIMIT_EXCEEDED'
  | 'ERR_TRUNCATED'
  | 'ERR_MALFORMED'
  | 'ERR_CONTEXT_MISMATCH'
  | 'ERR_NO_MATCHING_KEY'
  | 'ERR_DECRYPTION_FAILED';

/** An input that breaks a rule: the code that the rule names, and the clause that holds the rule. */
export class FormatError extends Error {
  readonly code: ErrorCode;
  readonly clause: string;

  constructor(code: ErrorCode, clause: string) {
    super(`${code} (${clause})`);
    this.code = code;
    this.clause = clause;
  }
}

export function check(condition: boolean, code: ErrorCode, clause: string): asserts condition {
  if (!condition) throw new FormatError(code, clause);
}

/** A name and a value, of a context, a key context or the metadata. */
export type Pair = readonly [name: string, value: string];

export const concat = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
export const u16 = (n: number): Uint8Array => Uint8Array.of(n >> 8, n);
export const u32 = (n: number): Uint8Array => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
export const lp = (bytes: Uint8Array): Uint8Array => concat(u32(bytes.length), bytes);

/** The UTF-8 bytes of a string; a caller's unpaired surrogate is a wrong argument (§4.2). */
export function utf8(text: string): Uint8Array {
  if (/\p{Surrogate}/u.test(text)) throw new TypeError('a string has an unpaired surrogate');
  return new TextEncoder().encode(text);
}

/** §4.4: `map(...)`, ascending by the UTF-8 bytes of the names. */
export function encodeMap(pairs: readonly Pair[]): Uint8Array {
  const sorted = pairs.map((pair) => pair.map(utf8)).sort(([a = u16(0)], [b = u16(0)]) => Buffer.compare(a, b));
  return concat(u32(pairs.length), ...sorted.flat().map(lp));
}

interface Field {
  readonly number: number;
  readonly wire: number;
  readonly value: bigint | Uint8Array;
}

/** Splits a message into fields, by the rules that need no declaration. */
function split(input: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  function varint(): bigint {
    for (let value = 0n, shift = 0n; ; shift += 7n) {
      const byte = input[at++];
      check(byte !== undefined, 'ERR_MALFORMED', '§2.2g');
      value |= BigInt(byte & 0x7f) << shift;
      check(value < 2n ** 64n && (byte < 0x80 || shift < 63n), 'ERR_MALFORMED', '§2.2a');
      check(byte !== 0 || shift === 0n, 'ERR_MALFORMED', '§2.2a');
      if (byte < 0x80) return value;
    }
  }
  function take(length: bigint): Uint8Array {
    check(length <= BigInt(input.length - at), 'ERR_MALFORMED', '§2.2g');
    at += Number(length);
    return input.subarray(at - Number(length), at);
  }
  while (at < input.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    const wire = Number(tag & 7n);
    check(number >= 1 && number <= 536_870_911, 'ERR_MALFORMED', '§2.2h');
    check(number >= (fields.at(-1)?.number ?? 0), 'ERR_MALFORMED', '§2.2b');
    check([0, 1, 2, 5].includes(wire), 'ERR_MALFORMED', '§2.2c');
    const value = wire === 0 ? varint() : take(wire === 2 ? varint() : wire === 1 ? 8n : 4n);
    const isDefault = typeof value === 'bigint' ? value === 0n : wire !== 2 && value.every((byte) => byte === 0);
    check(!isDefault && value !== 0n && (typeof value === 'bigint' || value.length > 0), 'ERR_MALFORMED', '§2.2d');
    fields.push({ number, wire, value });
  }
  return fields;
}

/** The fields of a message by number; `isKnown` tells the declared ones, `isIgnored` those that a reader may ignore. */
export class Message {
  readonly fields: readonly Field[];

  constructor(
    input: Uint8Array,
    isKnown: (number: number) => boolean,
    repeated: readonly number[] = [],
    isIgnored: (number: number) => boolean = () => false,
  ) {
    this.fields = split(input);
    for (const [index, { number }] of this.fields.entries()) {
      if (isIgnored(number)) continue;
      check(isKnown(number), 'ERR_UNSUPPORTED_FEATURE', '§2.3');
      check(number !== this.fields[index - 1]?.number || repeated.includes(number), 'ERR_MALFORMED', '§2.2b');
    }
  }

  /** A uint32 or an enum; 0 where it is absent. */
  uint(number: number): number {
    const field = this.fields.find((each) => each.number === number);
    check(typeof (field?.value ?? 0n) === 'bigint', 'ERR_MALFORMED', '§2.2c');
    check(BigInt((field?.value as bigint | undefined) ?? 0n) < 2n ** 32n, 'ERR_MALFORMED', '§2.2e');
    return Number(field?.value ?? 0);
  }

  list(number: number): Uint8Array[] {
    return this.fields.flatMap((field) => {
      if (field.number !== number) return [];
      check(field.wire === 2, 'ERR_MALFORMED', '§2.2c');
      return [field.value as Uint8Array];
    });
  }

  /** Bytes; empty where they are absent. */
  bytes(number: number): Uint8Array {
    return this.list(number)[0] ?? new Uint8Array();
  }

  string(number: number, limit: number): string {
    return readString(this.bytes(number), limit);
  }

  /** Pairs, strictly ascending by name (§3.4, §7.1). */
  pairs(number: number, valueLimit: number, clause: string): Pair[] {
    const elements = this.list(number);
    check(elements.length <= 64, 'ERR_LIMIT_EXCEEDED', '§2.4');
    const pairs = elements.map((element) => {
      const pair = new Message(element, (field) => field <= 2);
      return [pair.string(1, 256), pair.string(2, valueLimit)] as const;
    });
    checkAscending(
      pairs.map(([name]) => name),
      clause,
    );
    return pairs;
  }
}

export function readString(bytes: Uint8Array, limit: number): string {
  check(bytes.length <= limit, 'ERR_LIMIT_EXCEEDED', '§2.4');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new FormatError('ERR_MALFORMED', '§2.2f');
  }
}

/** Names are not empty and strictly ascending by their UTF-8 bytes. */
export function checkAscending(names: readonly string[], clause: string): void {
  for (const [index, name] of names.entries()) {
    const before = names[index - 1] ?? '';
    check(Buffer.compare(utf8(before), utf8(name)) < 0, 'ERR_MALFORMED', clause);
  }
}

export function varint(value: bigint | number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Uint8Array.of(...bytes, Number(rest));
}

/** One field; nothing where the value is the default (§2.2d). */
export function field(number: number, value: number | string | Uint8Array): Uint8Array {
  const bytes = typeof value === 'string' ? utf8(value) : value;
  if (typeof bytes === 'number') return bytes === 0 ? new Uint8Array() : concat(varint(number * 8), varint(bytes));
  return bytes.length === 0 ? bytes : concat(varint(number * 8 + 2), varint(bytes.length), bytes);
}

export function pairFields(number: number, pairs: readonly Pair[]): Uint8Array {
  const sorted = [...pairs].sort(([a], [b]) => Buffer.compare(utf8(a), utf8(b)));
  return concat(...sorted.map(([name, value]) => field(number, concat(field(1, name), field(2, value)))));
}
