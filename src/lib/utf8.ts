/** Strings and their UTF-8 bytes, one to one: no replacement characters, no normalization. */

import type { Bytes } from '../types.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
// In Unicode mode a paired surrogate is one code point and does not match.
const unpairedSurrogate = /\p{Surrogate}/u;

/** Throws a `TypeError` naming `name` for a string with an unpaired surrogate (`docs/format.md` §4.2). */
export function assertWellFormed(text: string, name: string): void {
  if (unpairedSurrogate.test(text)) throw new TypeError(`${name} has an unpaired surrogate`);
}

/** The UTF-8 bytes of a string. Throws as {@link assertWellFormed} does. */
export function encodeUtf8(text: string, name: string): Bytes {
  if (text === '') return new Uint8Array(0);
  assertWellFormed(text, name);
  return encoder.encode(text);
}

/** The string of well-formed UTF-8, a byte order mark included, or `undefined`. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
