/** Random bytes of the platform's cryptographically secure generator. */

import { copy, isBytes } from '../lib/bytes.ts';
import { wrongAnswer } from '../lib/callbacks.ts';
import type { Awaitable, Bytes, RandomSource } from '../types.ts';
import { withCrypto } from './provider.ts';

/** `length` random bytes, at most 65,536; from `source` where a caller injected one, refused when it gives anything else than so many bytes. */
export function randomBytes(length: number, source?: RandomSource): Awaitable<Bytes> {
  return randomize(new Uint8Array(length), source);
}

/** Fills memory, or gives bytes of an injected source in memory of their own, as {@link randomBytes} does. */
export function randomize(memory: Bytes, source?: RandomSource): Awaitable<Bytes> {
  if (source === undefined) return withCrypto((crypto) => crypto.getRandomValues(memory));
  const { length } = memory;
  const answer: unknown = source(length);
  // Made into bytes without a look, a number or a string of digits would be as many zeros.
  const bytes = isBytes(answer) ? copy(answer) : undefined;
  if (bytes?.byteLength === length) return bytes;
  throw wrongAnswer(answer, 'random', `${length} bytes`);
}
