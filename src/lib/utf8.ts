/** Strings and their UTF-8 bytes, one to one: no replacement characters, no normalization. */

import type { Bytes } from '../types.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
// In Unicode mode a paired surrogate is one code point and does not match.
const unpairedSurrogate = /\p{Surrogate}/u;

/** The UTF-8 bytes of a string (`docs/format.md` §4.2). Throws a `TypeError` naming `name` for an unpaired surrogate. */
export function encodeUtf8(text: string, name: string): Bytes {
  if (unpairedSurrogate.test(text)) throw new TypeError(`${name} has an unpaired surrogate`);
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
