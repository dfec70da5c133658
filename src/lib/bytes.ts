/** Bytes: copying, joining, comparing, and the big-endian integers of the format. */

import type { Bytes } from '../types.ts';
import { pooled } from './pool.ts';

/**
 * Bytes as WebCrypto takes them, in the memory that they are in. Throws a `TypeError` for what is no `Uint8Array`, and for memory that is shared with other
 * threads or was transferred away. Memory that can be resized is copied: browsers refuse it.
 */
export function asBytes(value: unknown, name: string): Bytes {
  if (!isBytes(value)) throw new TypeError(`${name} must be a Uint8Array`);
  const buffer = bufferOf(value);
  const byteLength = byteLengthOf(value);
  if (Object.prototype.toString.call(buffer) === '[object SharedArrayBuffer]') {
    throw new TypeError(`${name} must not be in shared memory`);
  }
  // A view of a buffer that was transferred or shrunk looks empty, but cannot be copied.
  if (byteLength === 0 && !isReadable(value)) throw new TypeError(`${name} must not be in detached memory`);
  if ((buffer as { resizable?: boolean }).resizable === true) return copy(value);
  return new Uint8Array(buffer as ArrayBuffer, byteOffsetOf(value), byteLength);
}

// What the array is, not what its own properties or its class say: by those, memory of others would be encrypted.
const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype);
const bufferOf = getterOf<ArrayBufferLike>('buffer');
const byteLengthOf = getterOf<number>('byteLength');
const byteOffsetOf = getterOf<number>('byteOffset');
const tagOf = getterOf<string | undefined>(Symbol.toStringTag);

function getterOf<Value>(name: PropertyKey): (array: object) => Value {
  const get = Object.getOwnPropertyDescriptor(typedArray, name)?.get as () => Value;
  return (array) => Reflect.apply(get, array, []);
}

function isReadable(bytes: Uint8Array): boolean {
  try {
    return copy(bytes).byteLength === 0;
  } catch {
    return false;
  }
}

/** Whether a value is a `Uint8Array`, of this realm or another. */
export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && tagOf(value) === 'Uint8Array';
}

/** The parts one after the other, in memory of their own. */
export function concat(...parts: readonly Uint8Array[]): Bytes {
  return fillWith(new Uint8Array(lengthOf(parts)), parts);
}

/** The parts one after the other in {@link pooled} memory, for what this package alone sees. */
export function concatPooled(...parts: readonly Uint8Array[]): Bytes {
  return fillWith(pooled(lengthOf(parts)), parts);
}

/** Bytes of all parts. */
export function lengthOf(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (const part of parts) length += part.byteLength;
  return length;
}

/** Writes the parts one after the other at the beginning of a target that has room for them. */
export function fillWith(target: Bytes, parts: readonly Uint8Array[]): Bytes {
  let offset = 0;
  for (const part of parts) {
    target.set(part, offset);
    offset += part.byteLength;
  }
  return target;
}

/** The same bytes as a plain `Uint8Array` in memory of its own, also from a pooled `Buffer`. */
export function copy(bytes: Uint8Array): Bytes {
  return new Uint8Array(bytes);
}

/** The bytes in a buffer, which are not copied. */
export function viewOf(buffer: ArrayBuffer): Bytes {
  return new Uint8Array(buffer);
}

/** A string that stands for bytes in a `Map`: a character for each of them. */
export function bytesToKey(bytes: Uint8Array): string {
  const most = 4096;
  let key = '';
  // Not more at once than a call takes arguments; and spread, a typed array would be iterated over.
  for (let at = 0; at < bytes.byteLength; at += most) {
    key += Reflect.apply(String.fromCharCode, undefined, bytes.subarray(at, at + most));
  }
  return key;
}

/** Whether two byte strings are equal, in time that depends on their lengths alone. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  let difference = 0;
  for (let i = 0; i < a.byteLength; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}

/** The order of two byte strings as unsigned bytes: negative, zero or positive. Not for secrets. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.byteLength, b.byteLength);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.byteLength - b.byteLength;
}

/** A 16-bit big-endian integer. */
export function u16(value: number): Bytes {
  return Uint8Array.of(value >>> 8, value);
}

/** A 32-bit big-endian integer. */
export function u32(value: number): Bytes {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** The 32-bit big-endian integer at an offset that the caller has checked. */
export function readU32(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(offset);
}

/** `docs/format.md`, notation: the length in four bytes, and the bytes; in {@link pooled} memory. */
export function lengthPrefixed(bytes: Uint8Array): Bytes {
  return concatPrefixed(bytes);
}

/** The parts one after the other, each with its length in front of it as in {@link lengthPrefixed}; in {@link pooled} memory. */
export function concatPrefixed(...parts: readonly Uint8Array[]): Bytes {
  const result = pooled(4 * parts.length + lengthOf(parts));
  let offset = 0;
  for (const part of parts) {
    writeU32(result, part.byteLength, offset);
    result.set(part, offset + 4);
    offset += 4 + part.byteLength;
  }
  return result;
}

function writeU32(target: Uint8Array, value: number, offset: number): void {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
}
