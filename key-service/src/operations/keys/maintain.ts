/** What the service does to keys by itself: rotation policies and due deletions, each once over all replicas. */

import { type Clock, seconds } from '../../lib/clock.ts';
import { destroyDue, isRotationDue } from '../../model/changes.ts';
import { encodeEntry } from '../../model/entry.ts';
import type { KeyRecord } from '../../model/keys.ts';
import { isClosed } from '../../model/tenants.ts';
import type { Materials } from '../../secrets/materials.ts';
import type { DatabaseTime } from '../../store/database-time.ts';
import type { KeyCache } from '../../store/key-cache.ts';
import type { Change, Store } from '../../store/store.ts';
import { rotated } from './rotate.ts';

/** What {@link maintainKeys} works with. */
export interface MaintenanceParts {
  readonly store: Store;
  readonly keys: KeyCache;
  readonly materials: Materials;
  readonly changes: { run<T>(tenant: string, work: (change: Change) => Promise<T>): Promise<T> };
  readonly time: Pick<DatabaseTime, 'assertAgrees'>;
  readonly clock: Clock;
}

/** Rotates and destroys what is due. The number of changes. Throws `ClockDoubt` where nothing may be destroyed, and then does nothing. */
export async function maintainKeys(parts: MaintenanceParts): Promise<number> {
  parts.time.assertAgrees();
  let changes = 0;
  const failures: unknown[] = [];
  for (const { id, tenant } of await parts.store.dueKeys(seconds(parts.clock))) {
    try {
      // Most of what waits is a deletion whose day has not come: that is no reason to lock the tenant's state.
      if (!isDue(await parts.store.findKey(tenant, id), seconds(parts.clock))) continue;
      // Looked at again under the lock: another replica may have been first.
      if (!(await parts.changes.run(tenant, (change) => maintain(parts, change, id)))) continue;
      changes += 1;
      parts.keys.reset(tenant);
    } catch (error) {
      // A key that somebody changed in the store must not keep the others from being rotated and destroyed.
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return changes;
}

function isDue(key: KeyRecord | undefined, now: number): boolean {
  return key !== undefined && (destroyDue(key, now) !== undefined || isRotationDue(key, now));
}

async function maintain(parts: MaintenanceParts, change: Change, id: string): Promise<boolean> {
  const { materials, clock } = parts;
  const now = seconds(clock);
  const key = await change.findKey(id);
  if (!key) return false;
  const destroyed = destroyDue(key, now);
  if (destroyed) {
    await change.putKey(destroyed);
    for (const { version, material } of destroyed.versions) if (material === null) materials.forget(id, version);
    change.append(entry(parts, key, 'destroy-key', { version: key.deletion?.version ?? null }));
    return true;
  }
  // What a closed tenant has left is about to be destroyed.
  if (!isRotationDue(key, now) || isClosed(await change.findTenant(), now)) return false;
  const version = key.newest + 1;
  await change.putKey(await rotated({ change, materials, now }, key));
  change.append(entry(parts, key, 'rotate-key', { version, reason: 'policy' }));
  return true;
}

function entry(
  { clock }: MaintenanceParts,
  { tenant, id }: KeyRecord,
  operation: string,
  change: Record<string, unknown>,
) {
  return encodeEntry({ time: clock(), tenant, principal: 'service', operation, status: 200, key: id, change });
}
