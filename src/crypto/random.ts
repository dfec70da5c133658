/** Random bytes of the platform's cryptographically secure generator. */

import { webcrypto } from '#platform';
import type { Bytes, RandomSource } from '../types.ts';

/** `length` random bytes, at most 65,536; from `source` where a caller injected one, refused when it gives another number of bytes. */
export async function randomBytes(length: number, source?: RandomSource): Promise<Bytes> {
  if (source === undefined) return (await webcrypto()).getRandomValues(new Uint8Array(length));
  const bytes = new Uint8Array(source(length));
  if (bytes.byteLength !== length) throw new TypeError(`random must give ${length} bytes when asked for ${length}`);
  return bytes;
}
