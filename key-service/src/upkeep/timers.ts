/** What a replica does by itself: checkpoints, upkeep of keys, signs of life, and forgetting what has expired. */

import type { Logger } from 'pino';
import type { CheckpointedChanges } from '../audit/checkpointed-changes.ts';
import { IntegrityError } from '../errors.ts';
import type { DistrustLog } from '../logger.ts';
import { closeTenants } from '../operations/close-tenants.ts';
import { forgetUnusable } from '../operations/forget-keys.ts';
import { maintainKeys } from '../operations/keys/maintain.ts';
import type { Materials } from '../secrets/materials.ts';
import type { DatabaseTime } from '../store/database-time.ts';
import type { KeyCache } from '../store/key-cache.ts';
import type { Store } from '../store/store.ts';
import type { TransportKeys } from '../transport/transport-keys.ts';

/** What the timers work with. */
export interface TimerParts {
  readonly store: Store;
  readonly changes: CheckpointedChanges;
  readonly keys: KeyCache;
  readonly materials: Materials;
  readonly transport: TransportKeys;
  readonly time: DatabaseTime;
  readonly logger: Logger;
  readonly distrust: DistrustLog;
}

/** Starts the timers. The result ends them, and waits for what is running. */
export function startTimers(parts: TimerParts): () => Promise<void> {
  const { store, changes, materials, transport, time, logger, distrust } = parts;
  const running = new Set<Promise<void>>();
  const every = (milliseconds: number, what: string, work: () => Promise<unknown>) => {
    let busy = false;
    const timer = setInterval(() => {
      if (busy) return;
      busy = true;
      const run = work()
        .then(() => undefined)
        .catch((error: unknown) => {
          if (error instanceof IntegrityError) distrust.say(error, `${what} failed`);
          else logger.error({ err: error }, `${what} failed`);
        })
        .finally(() => {
          busy = false;
          running.delete(run);
        });
      running.add(run);
    }, milliseconds);
    timer.unref();
    return timer;
  };
  const timers = [
    every(1000, 'publication', () => changes.tick()),
    every(5000, 'sign of life', async () => {
      await time.measure();
      await store.beat(Math.floor(time.now() / 1000));
    }),
    every(5000, 'sharing what is known of tenants', () => store.shareMemory()),
    every(5000, 'forgetting keys', () => forgetUnusable(store, materials)),
    every(5000, 'upkeep', () => maintainKeys({ ...parts, clock: time.now })),
    every(5000, 'the end of tenants', () => closeTenants({ ...parts, clock: time.now })),
    every(60_000, 'expiry', async () => {
      time.assertAgrees();
      transport.forget();
      await transport.current();
      await store.expire(Math.floor(time.now() / 1000));
    }),
  ];
  return async () => {
    for (const timer of timers) clearInterval(timer);
    await Promise.all(running);
  };
}
