/** Bytes as hexadecimal text. */

import type { Bytes } from '../types.ts';

const digits = '0123456789abcdef';

/** Two lower-case digits for each byte. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.byteLength; i++) {
    const byte = bytes[i] as number;
    text += (digits[byte >> 4] as string) + digits[byte & 15];
  }
  return text;
}

/** The bytes of digits, two for each, from a place in a text to its end. Which characters they are is the caller's to know. */
export function fromHex(text: string, start = 0): Bytes {
  const bytes = new Uint8Array((text.length - start) >> 1);
  for (let i = 0, at = start; i < bytes.byteLength; i++, at += 2) {
    bytes[i] = (nibbleOf(text.charCodeAt(at)) << 4) | nibbleOf(text.charCodeAt(at + 1));
  }
  return bytes;
}

/** Of 0 to 9, a to f and A to F. */
function nibbleOf(code: number): number {
  return code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x57;
}
