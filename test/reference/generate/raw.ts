// Protobuf fields as bytes, with every liberty that a broken writer takes.

import { concat, utf8 } from '../bytes.ts';
import { type RawField, varint } from '../protobuf.ts';

export const num = (number: number, value: bigint | number): RawField => ({ number, wire: 0, value: BigInt(value) });
export const len = (number: number, value: Uint8Array | string): RawField => ({
  number,
  wire: 2,
  value: bytesOf(value),
});
const bytesOf = (value: Uint8Array | string): Uint8Array => (typeof value === 'string' ? utf8(value) : value);

export const tag = (number: number, wire: number): Uint8Array => varint(BigInt(number) * 8n + BigInt(wire));

/** A field as a writer puts it: a number or bytes. */
export const field = (number: number, value: number | string | Uint8Array): Uint8Array =>
  encodeField(typeof value === 'number' ? num(number, value) : len(number, value));

/** A varint with bytes that it does not need. */
export function longVarint(value: bigint | number, extraBytes = 1): Uint8Array {
  const bytes = varint(value);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 0x80;
  return concat(bytes, new Uint8Array(extraBytes - 1).fill(0x80), Uint8Array.of(0));
}

export function encodeField({ number, wire, value }: RawField): Uint8Array {
  if (typeof value === 'bigint') return concat(tag(number, wire), varint(value));
  return concat(tag(number, wire), wire === 2 ? varint(value.length) : new Uint8Array(), value);
}

export const encodeFields = (fields: readonly RawField[]): Uint8Array => concat(...fields.map(encodeField));
export const pair = (name: Uint8Array | string, value: Uint8Array | string): Uint8Array =>
  encodeFields([len(1, name), ...(value.length > 0 ? [len(2, value)] : [])]);
