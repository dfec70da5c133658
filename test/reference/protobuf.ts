// The canonical protobuf encoding of docs/format.md §2.2, without a library: a schema is a table, for reader and writer.

import { check, concat, FormatError, type Pair, utf8 } from './bytes.ts';

export interface RawField {
  readonly number: number;
  readonly wire: number;
  /** A varint, or the bytes of another wire type. */
  readonly value: bigint | Uint8Array;
}

/** Splits a message into fields, by the rules that need no declaration. */
export function split(input: Uint8Array): RawField[] {
  const fields: RawField[] = [];
  let at = 0;
  function varint(): bigint {
    for (let value = 0n, shift = 0n; ; shift += 7n) {
      const byte = input[at++];
      check(byte !== undefined, '§2.2g');
      value |= BigInt(byte & 0x7f) << shift;
      check(value < 2n ** 64n && (byte !== 0 || shift === 0n), '§2.2a'); // so it has at most ten bytes
      if (byte < 0x80) return value;
    }
  }
  function take(length: bigint): Uint8Array {
    check(length <= input.length - at, '§2.2g');
    at += Number(length);
    return input.subarray(at - Number(length), at);
  }
  while (at < input.length) {
    const tag = varint();
    const [number, wire] = [Number(tag >> 3n), Number(tag & 7n)];
    check(number >= 1 && number <= 536_870_911, '§2.2h');
    check(number >= (fields.at(-1)?.number ?? 0), '§2.2b');
    check([0, 1, 2, 5].includes(wire), '§2.2c');
    const value = wire === 0 ? varint() : take(wire === 2 ? varint() : wire === 1 ? 8n : 4n);
    const isZero = typeof value === 'bigint' ? value === 0n : wire !== 2 && value.every((byte) => byte === 0);
    check(!isZero && (typeof value === 'bigint' || value.length > 0), '§2.2d');
    fields.push({ number, wire, value });
  }
  return fields;
}

/** How a field's value stands on the wire; `none` is what an absent field means. */
interface Type<T> {
  readonly none: T;
  readonly isRepeated?: true;
  read(values: readonly (bigint | Uint8Array)[]): T;
  write(value: T): readonly (bigint | Uint8Array)[];
}
/** The fields of a message by name: number and type, in ascending order. */
export type Schema = Readonly<Record<string, readonly [number: number, type: Type<unknown>]>>;
export type Values<S extends Schema> = { readonly [K in keyof S]: S[K][1]['none'] };

export const uint: Type<number> = {
  none: 0,
  read([value]) {
    check(typeof value === 'bigint', '§2.2c');
    check(value < 2n ** 32n, '§2.2e');
    return Number(value);
  },
  write: (value) => [BigInt(value)],
};

export const bytes: Type<Uint8Array> = {
  none: new Uint8Array(),
  read([value]) {
    check(value instanceof Uint8Array, '§2.2c');
    return value;
  },
  write: (value) => [value],
};

export const string = (limit: number): Type<string> => ({
  none: '',
  read(values) {
    const encoded = bytes.read(values);
    check(encoded.length <= limit, '§2.4', 'ERR_LIMIT_EXCEEDED');
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(encoded);
    } catch {
      throw new FormatError('ERR_MALFORMED', '§2.2f');
    }
  },
  write: (value) => [utf8(value)],
});

/** At most 64 of a type (§2.4). */
export const list = <T>(type: Type<T>): Type<readonly T[]> => ({
  none: [],
  isRepeated: true,
  read(values) {
    check(values.length <= 64, '§2.4', 'ERR_LIMIT_EXCEEDED');
    return values.map((value) => type.read([value]));
  },
  write: (values) => values.flatMap(type.write),
});

export function pair(valueLimit: number): Type<Pair> {
  const schema = { name: [1, string(256)], value: [2, string(valueLimit)] } as const;
  return {
    none: ['', ''],
    read(values) {
      const { name, value } = decode(schema, bytes.read(values));
      return [name, value];
    },
    write: ([name, value]) => [encode(schema, { name, value })],
  };
}

/** Reads a message; `isIgnored` tells the unknown fields that a reader may ignore (§2.3). */
export function decode<S extends Schema>(
  schema: S,
  input: Uint8Array,
  isIgnored: (number: number) => boolean = () => false,
): Values<S> {
  const types = new Map(Object.values(schema));
  const fields = split(input);
  for (const [index, { number, wire }] of fields.entries()) {
    const type = types.get(number);
    check(type !== undefined || isIgnored(number), '§2.3', 'ERR_UNSUPPORTED_FEATURE');
    check(type === undefined || wire === 0 || wire === 2, '§2.2c');
    check(number !== fields[index - 1]?.number || type === undefined || type.isRepeated === true, '§2.2b');
  }
  const read = Object.entries(schema).map(([name, [number, type]]) => {
    const values = fields.flatMap((field) => (field.number === number ? [field.value] : []));
    return [name, values.length > 0 ? type.read(values) : type.none];
  });
  return Object.fromEntries(read) as Values<S>;
}

/** Writes a message, leaving out what is absent (§2.2d). */
export function encode<S extends Schema>(schema: S, values: Partial<Values<S>>): Uint8Array {
  const fields = Object.entries(schema).flatMap(([name, [number, type]]) => {
    const written = type.write(values[name] ?? type.none);
    return written
      .filter((value) => value !== 0n && (typeof value === 'bigint' || value.length > 0))
      .map((value) => encodeField(number, value));
  });
  return concat(...fields);
}

export function encodeField(number: number, value: bigint | Uint8Array): Uint8Array {
  if (typeof value === 'bigint') return concat(varint(number * 8), varint(value));
  return concat(varint(number * 8 + 2), varint(value.length), value);
}

export function varint(value: bigint | number): Uint8Array {
  const result: number[] = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) result.push(Number(rest & 0x7fn) | 0x80);
  return Uint8Array.of(...result, Number(rest));
}
