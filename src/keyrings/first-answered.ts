/** "The first that unwraps" where each try is a call to somebody else, `docs/format.md` §7.5. */

import { isBullaError } from '../errors.ts';
import { firstUnwrapped } from './first-unwrapped.ts';

/** Codes that are about one wrapped key, or about one key and its versions, and say nothing of the next. */
const ofOneKey = /^ERR_(DECRYPTION_FAILED|NOT_ALLOWED|KEY_|DATA_KEY_)/;

/** As `firstUnwrapped`. Once nobody could be asked at all, the other candidates are not tried: each would wait as long. */
export async function firstAnswered<Candidate, Result>(
  candidates: Iterable<Candidate>,
  signal: AbortSignal | undefined,
  call: (candidate: Candidate) => Promise<Result>,
): Promise<Result | null> {
  let down: { readonly error: unknown } | undefined;
  return firstUnwrapped(candidates, signal, async (candidate) => {
    if (down !== undefined) throw down.error;
    try {
      return await call(candidate);
    } catch (error) {
      if (!isBullaError(error) || !ofOneKey.test(error.code)) down = { error };
      throw error;
    }
  });
}
