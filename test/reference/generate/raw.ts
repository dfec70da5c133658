// Protobuf fields as bytes, with every liberty that a broken writer takes.

import {
  concat,
  encodeBinding,
  encodeKey,
  type Field,
  frame,
  type KeyName,
  lp,
  type Method,
  type Parts,
  unframe,
  utf8,
} from '../bulla.ts';

export const num = (number: number, value: bigint | number): Field => ({ number, wire: 0, value: BigInt(value) });
export const len = (number: number, value: Uint8Array | string): Field => ({
  number,
  wire: 2,
  value: bytesOf(value),
});
const bytesOf = (value: Uint8Array | string): Uint8Array => (typeof value === 'string' ? utf8(value) : value);

export const tag = (number: number, wire: number): Uint8Array => varint(BigInt(number) * 8n + BigInt(wire));

/** A field as a writer puts it: a number or bytes. */
export const field = (number: number, value: number | string | Uint8Array): Uint8Array =>
  encodeField(typeof value === 'number' ? num(number, value) : len(number, value));

export function varint(value: bigint | number): Uint8Array {
  const [low, rest] = [Number(BigInt(value) & 0x7fn), BigInt(value) >> 7n];
  return rest === 0n ? Uint8Array.of(low) : concat(Uint8Array.of(low | 0x80), varint(rest));
}

/** A varint with bytes that it does not need. */
export function longVarint(value: bigint | number, extraBytes = 1): Uint8Array {
  const bytes = varint(value);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 0x80;
  return concat(bytes, new Uint8Array(extraBytes - 1).fill(0x80), Uint8Array.of(0));
}

export function encodeField({ number, wire, value }: Field): Uint8Array {
  if (typeof value === 'bigint') return concat(tag(number, wire), varint(value));
  return concat(tag(number, wire), wire === 2 ? varint(value.length) : new Uint8Array(), value);
}

export const encodeFields = (fields: readonly Field[]): Uint8Array => concat(...fields.map(encodeField));
export const pair = (name: Uint8Array | string, value: Uint8Array | string): Uint8Array =>
  encodeFields([len(1, name), ...(value.length > 0 ? [len(2, value)] : [])]);

/** A key's name with the defaults of what it lacks. */
export const nameOf = ({ keyId = '', version = 0, serviceId = '', keyContext = [] }: Partial<KeyName>): KeyName => ({
  keyId,
  version,
  serviceId,
  keyContext,
});
export const bindingOf = (method: Method, name: Partial<KeyName>): Uint8Array => encodeBinding(method, nameOf(name));
export const writeWrappedKey = (method: Method, name: Partial<KeyName>, parts: Parts): Uint8Array =>
  encodeKey(method, nameOf(name), parts);

/** §1.5: a message as its halves. */
export function splitHalves(message: Uint8Array) {
  const { envelope, body } = unframe(message);
  return { envelope: frame('bulle', lp(envelope)), body: frame('bullb', body) };
}
