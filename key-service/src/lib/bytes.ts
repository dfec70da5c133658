/** Bytes: joining, comparing, integers, base64url, UTF-8. */

import { timingSafeEqual } from 'node:crypto';

/** Plain bytes over memory that nobody shares. */
export type Bytes = Uint8Array<ArrayBuffer>;

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The pieces in one array. */
export function concat(...pieces: readonly Uint8Array[]): Bytes {
  let length = 0;
  for (const piece of pieces) length += piece.byteLength;
  const result = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    result.set(piece, offset);
    offset += piece.byteLength;
  }
  return result;
}

/** Two bytes, big-endian. */
export function u16(value: number): Bytes {
  return Uint8Array.of(value >>> 8, value);
}

/** Four bytes, big-endian. */
export function u32(value: number): Bytes {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** `lp(x)` of `docs/format.md`. */
export function lengthPrefixed(bytes: Uint8Array): Bytes {
  return concat(u32(bytes.byteLength), bytes);
}

/** The UTF-8 bytes of a well-formed string. */
export function encodeUtf8(text: string): Bytes {
  return utf8.encode(text);
}

/** The string of well-formed UTF-8, `undefined` for other bytes. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** base64url without padding. */
export function encodeBase64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

/** base64 with padding, as signed notes have it. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/** The bytes of base64url in its one canonical form, `undefined` for any other text. */
export function decodeBase64url(text: string): Bytes | undefined {
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'));
  return encodeBase64url(bytes) === text ? bytes : undefined;
}

/** The bytes of canonical base64, `undefined` for any other text. */
export function decodeBase64(text: string): Bytes | undefined {
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  return encodeBase64(bytes) === text ? bytes : undefined;
}

/** Whether both are the same bytes, in a time that depends on their lengths only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && timingSafeEqual(a, b);
}
