/** Work on many small pieces: some at once, since a small call costs more to wait for than to do. */

import { randomBytes } from '../crypto/random.ts';
import { attempt, isPromise } from '../lib/awaitable.ts';
import type { Awaitable, Bytes, RandomSource } from '../types.ts';

/** Calls under way at once. */
const chunk = 64;
/** A generator gives at most 65,536 bytes at once. */
const maxRandom = 65_536;

/** The results of `work` for 0 to `count - 1`, in their order. It fails with the first that fails, and begins nothing more. */
export async function inChunks<Result>(
  count: number,
  signal: AbortSignal | undefined,
  work: (i: number) => Awaitable<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let begin = 0; begin < count; begin += chunk) {
    signal?.throwIfAborted();
    const begun: Awaitable<Result>[] = [];
    let waiting = false;
    for (let i = begin; i < Math.min(count, begin + chunk); i++) {
      const result = attempt(() => work(i));
      waiting ||= isPromise(result);
      begun.push(result);
    }
    const done = waiting ? await Promise.all(begun) : (begun as Result[]);
    for (const result of done) results.push(result);
  }
  return results;
}

/** `count` pieces of random bytes, drawn together. */
export async function randomPieces(
  count: number,
  length: number,
  random: RandomSource | undefined,
): Promise<(i: number) => Bytes> {
  const perDraw = Math.floor(maxRandom / length);
  const draws: Bytes[] = [];
  for (let begin = 0; begin < count; begin += perDraw) {
    draws.push(await randomBytes(Math.min(perDraw, count - begin) * length, random));
  }
  return (i) => {
    const at = (i % perDraw) * length;
    return (draws[Math.floor(i / perDraw)] as Bytes).subarray(at, at + length);
  };
}
