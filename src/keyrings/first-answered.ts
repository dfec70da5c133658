/** "The first that unwraps" where each try is a call to somebody else, `docs/format.md` §7.5. */

import { isBullaError } from '../errors.ts';
import { firstUnwrapped } from './first-unwrapped.ts';

/** Codes after which an address is not called again: the next call would wait as long, or be refused as well. */
const ofAddress = /^ERR_(SERVICE_(UNREACHABLE|TIMEOUT|REDIRECTED|IDENTITY)|TOKEN_|PROOF_)/;
/** Codes after which a key is not asked for again, while others at the same address may be usable. */
const ofKey = /^ERR_(SERVICE_(UNAVAILABLE|ANSWER)|THROTTLED)/;

/** What a candidate is asked of. */
export interface Asked {
  readonly key: unknown;
  readonly address: unknown;
}

/** As `firstUnwrapped`. What a call shows to be out of reach, an address or one key, is not tried with further candidates. Default: all are of one key. */
export async function firstAnswered<Candidate, Result>(
  candidates: Iterable<Candidate>,
  signal: AbortSignal | undefined,
  call: (candidate: Candidate) => Promise<Result>,
  askedOf: (candidate: Candidate) => Asked = () => ({ key: undefined, address: undefined }),
): Promise<Result | null> {
  const down = { keys: new Map<unknown, unknown>(), addresses: new Map<unknown, unknown>() };
  return firstUnwrapped(candidates, signal, async (candidate) => {
    const { key, address } = askedOf(candidate);
    const known = down.addresses.get(address) ?? down.keys.get(key);
    if (known !== undefined) throw known;
    try {
      return await call(candidate);
    } catch (error) {
      const code = isBullaError(error) ? error.code : '';
      if (ofAddress.test(code)) down.addresses.set(address, error);
      if (ofKey.test(code)) down.keys.set(key, error);
      throw error;
    }
  });
}
