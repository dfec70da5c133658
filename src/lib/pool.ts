/** Memory for small byte strings that are used soon and stay inside this package: salts, digest inputs, `info` strings. */

import type { Bytes } from '../types.ts';

/**
 * A buffer costs a small message as much time as a call of WebCrypto does work, and views of one buffer cost next to nothing (Chromium: a sixth of what encrypting 100 bytes
 * takes). No piece is given out twice, so nobody overwrites what somebody still reads.
 */
const slabLength = 8192;
/** Larger pieces would only shorten the life of a slab. */
const mostPooled = 512;

let slab = new ArrayBuffer(slabLength);
let used = 0;

/**
 * `length` zeros of memory that others have pieces of. Not for keys and plaintexts, which live as long as they are needed, and not for what leaves this package: its receiver
 * could read the other pieces through its `buffer`, and transfer them away.
 */
export function pooled(length: number): Bytes {
  if (length > mostPooled) return new Uint8Array(length);
  if (used + length > slabLength) {
    slab = new ArrayBuffer(slabLength);
    used = 0;
  }
  const piece = new Uint8Array(slab, used, length);
  used += length;
  return piece;
}
