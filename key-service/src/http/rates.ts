/** What a principal may use in a minute, counted in items and shared by all replicas; `docs/key-service.md` §6.1. */

import { Problem } from '../errors.ts';
import { seconds } from '../lib/clock.ts';
import type { EffectiveLimits } from '../operations/tenant-records.ts';
import type { Service } from '../service.ts';
import type { WindowUse } from '../store/store.ts';

const windowSeconds = 60;

/** What a request uses of the window of now, under the limits of its tenant. */
export function windowUse(
  { clock }: Service,
  { itemsPerMinute: limit }: EffectiveLimits,
  principal: string,
  items = 1,
): WindowUse {
  const window = Math.floor(seconds(clock) / windowSeconds) * windowSeconds;
  return { principal, window, items, limit };
}

/** The window is used up: `429` until the next one. */
export function rateLimited({ clock }: Service): Problem {
  const wait = windowSeconds - (seconds(clock) % windowSeconds);
  return new Problem('rate-limited', undefined, { retry_after: wait });
}
