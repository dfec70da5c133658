/** Strings and their UTF-8 bytes, one to one: no replacement characters, no normalization. */

import type { Bytes } from '../types.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
// In Unicode mode a paired surrogate is one code point and does not match.
const unpairedSurrogate = /\p{Surrogate}/u;

/** Whether a string is Unicode, with no half of a character alone in it. */
export function isWellFormed(text: string): boolean {
  return !unpairedSurrogate.test(text);
}

/** Throws a `TypeError` naming `name` for a string with an unpaired surrogate (`docs/format.md` §4.2). */
export function assertWellFormed(text: string, name: string): void {
  if (!isWellFormed(text)) throw new TypeError(`${name} has an unpaired surrogate`);
}

/** The UTF-8 bytes of a string. Throws as {@link assertWellFormed} does. */
export function encodeUtf8(text: string, name: string): Bytes {
  const ascii = encodeAscii(text);
  if (ascii !== undefined) return ascii;
  assertWellFormed(text, name);
  const bytes = encoder.encode(text);
  // In jsdom the encoder is of another realm, whose bytes a check with `instanceof` refuses.
  return bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
}

// Names and labels are short and mostly ASCII, for which a call out of the engine takes longer than the work.
const shortLength = 64;

function encodeAscii(text: string): Bytes | undefined {
  if (text.length > shortLength) return undefined;
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code >= 0x80) return undefined;
    bytes[i] = code;
  }
  return bytes;
}

/** The string of well-formed UTF-8, a byte order mark included, or `undefined`. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  if (isShortAscii(bytes)) return String.fromCharCode(...bytes);
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

function isShortAscii(bytes: Uint8Array): boolean {
  if (bytes.byteLength > shortLength) return false;
  for (let i = 0; i < bytes.byteLength; i++) if ((bytes[i] as number) >= 0x80) return false;
  return true;
}
