/** What a replica does by itself: checkpoints, upkeep of keys, signs of life, and forgetting what has expired. */

import type { Logger } from 'pino';
import type { CheckpointedChanges } from './audit/checkpointed-changes.ts';
import type { KeyCache } from './keys/key-cache.ts';
import type { Materials } from './keys/materials.ts';
import { runUpkeep } from './keys/upkeep.ts';
import type { DatabaseTime } from './store/database-time.ts';
import type { Store } from './store/store.ts';
import type { TransportKeys } from './transport/transport-keys.ts';

/** What the timers work with. */
export interface TimerParts {
  readonly store: Store;
  readonly changes: CheckpointedChanges;
  readonly keys: KeyCache;
  readonly materials: Materials;
  readonly transport: TransportKeys;
  readonly time: DatabaseTime;
  readonly logger: Logger;
}

/** Forgets opened material of what was disabled or destroyed at any replica; everything, where nobody can be asked. */
export async function forgetUnusable({ store, materials }: Pick<TimerParts, 'store' | 'materials'>): Promise<void> {
  try {
    materials.retain(await store.versionUses(materials.openedKeys()));
  } catch (error) {
    materials.forgetAll();
    throw error;
  }
}

/** Starts the timers. The result ends them, and waits for what is running. */
export function startTimers(parts: TimerParts): () => Promise<void> {
  const { store, changes, transport, time, logger } = parts;
  const running = new Set<Promise<void>>();
  const every = (milliseconds: number, what: string, work: () => Promise<unknown>) => {
    let busy = false;
    const timer = setInterval(() => {
      if (busy) return;
      busy = true;
      const run = work()
        .then(() => undefined)
        .catch((error: unknown) => logger.error({ err: error }, `${what} failed`))
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
    every(1000, 'checkpoint', () => changes.export()),
    every(5000, 'sign of life', async () => {
      await time.measure();
      await store.beat(Math.floor(time.now() / 1000));
    }),
    every(5000, 'forgetting keys', () => forgetUnusable(parts)),
    every(5000, 'upkeep', () => runUpkeep({ ...parts, clock: time.now })),
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
