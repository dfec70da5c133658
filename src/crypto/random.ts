/** Random bytes of the platform's cryptographically secure generator. */

import type { Awaitable, Bytes, RandomSource } from '../types.ts';
import { withCrypto } from './provider.ts';

/** `length` random bytes, at most 65,536; from `source` where a caller injected one, refused when it gives another number of bytes. */
export function randomBytes(length: number, source?: RandomSource): Awaitable<Bytes> {
  return randomize(new Uint8Array(length), source);
}

/** Fills memory, or gives bytes of an injected source in memory of their own, as {@link randomBytes} does. */
export function randomize(memory: Bytes, source?: RandomSource): Awaitable<Bytes> {
  if (source === undefined) return withCrypto((crypto) => crypto.getRandomValues(memory));
  const { length } = memory;
  const bytes = new Uint8Array(source(length));
  if (bytes.byteLength !== length) throw new TypeError(`random must give ${length} bytes when asked for ${length}`);
  return bytes;
}
