/** Calls into SubtleCrypto that begin at once. */

import { webcrypto } from '#platform';

/**
 * Calls `use` with the platform's SubtleCrypto, without a turn of the event loop in between where it is loaded. SubtleCrypto copies its inputs when
 * it is called (Web Cryptography §14.3), so a caller may use its buffers again as soon as this returns.
 */
export async function withSubtle<Result>(use: (subtle: SubtleCrypto) => Promise<Result>): Promise<Result> {
  const provider = webcrypto();
  return use((provider instanceof Promise ? await provider : provider).subtle);
}
