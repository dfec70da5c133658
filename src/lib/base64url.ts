/** base64url without padding, RFC 4648 §5, with one encoding for each byte string. */

import type { Bytes } from '../types.ts';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const invalid = 255;
const values = new Uint8Array(128).fill(invalid);
for (let i = 0; i < 64; i++) values[alphabet.charCodeAt(i)] = i;

const codes = Uint8Array.from(alphabet, (character) => character.charCodeAt(0));
const ascii = new TextDecoder('latin1');

const whiteSpace = /[\t\n\r ]+/g;

/** A text without what editors, shells and mail put into it (`docs/format.md` §1.7), a byte order mark in front aside. */
export function withoutWhiteSpace(text: string): string {
  return text.replace(whiteSpace, '');
}

/** The same without a byte order mark in front. */
export function unfold(text: string): string {
  return withoutWhiteSpace(text.replace(/^\ufeff/, ''));
}

/** The text of bytes. */
export function encodeBase64url(bytes: Uint8Array): string {
  const { byteLength } = bytes;
  const text = new Uint8Array(Math.ceil((byteLength * 4) / 3));
  let at = 0;
  for (let i = 0; i < byteLength; i += 3) {
    const group = ((bytes[i] as number) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    // Writes past the end of a typed array are ignored: a short last group writes what it has.
    text[at++] = codes[group >>> 18] as number;
    text[at++] = codes[(group >>> 12) & 63] as number;
    text[at++] = codes[(group >>> 6) & 63] as number;
    text[at++] = codes[group & 63] as number;
  }
  return ascii.decode(text);
}

/** The bytes of a text from `start` on, or `undefined` where it is not the one encoding of any. */
export function decodeBase64url(text: string, start = 0): Bytes | undefined {
  const length = text.length - start;
  if (length % 4 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((length * 3) / 4));
  let pending = 0;
  let bits = 0;
  let at = 0;
  for (let i = start; i < text.length; i++) {
    const value = values[text.charCodeAt(i)] ?? invalid;
    if (value === invalid) return undefined;
    pending = (pending << 6) | value;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = pending >>> bits;
      pending &= (1 << bits) - 1;
    }
  }
  return pending === 0 ? bytes : undefined;
}
