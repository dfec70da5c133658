/** The end of tenants whose day has come: all their keys are destroyed, once over all replicas; `docs/key-service.md` §12.11. */

import { seconds } from '../lib/clock.ts';
import { destroyAll } from '../model/changes.ts';
import { encodeEntry } from '../model/entry.ts';
import type { KeyRecord } from '../model/keys.ts';
import { finishClosing, isClosed } from '../model/tenants.ts';
import type { MaintenanceParts } from './keys/maintain.ts';

/** Keys of one transaction. */
const keysAtOnce = 100;

/** Destroys what is left of closed tenants. Their number. Throws `ClockDoubt` where nothing may be destroyed, and then does nothing. */
export async function closeTenants(parts: MaintenanceParts): Promise<number> {
  parts.time.assertAgrees();
  const failures: unknown[] = [];
  const tenants = await parts.store.closingTenants(seconds(parts.clock));
  for (const tenant of tenants) {
    try {
      await closeTenant(parts, tenant);
    } catch (error) {
      // One that is halted must not keep the others from their end.
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return tenants.length;
}

async function closeTenant(parts: MaintenanceParts, tenant: string): Promise<void> {
  const { store, keys } = parts;
  if (!isClosed(await store.findTenant(tenant), seconds(parts.clock))) return;
  for (let after = ''; ; ) {
    const page = await store.listKeys(tenant, after, keysAtOnce);
    const left = page.filter(hasMaterial).map(({ id }) => id);
    if (left.length > 0) await destroyKeys(parts, tenant, left);
    const last = page.at(-1);
    if (!last) break;
    after = last.id;
  }
  await parts.changes.run(tenant, async (change) => {
    const record = await change.findTenant();
    const now = seconds(parts.clock);
    if (!isClosed(record, now) || record.closing?.closed !== null) return;
    // A replica whose clock is behind may have made one since. The next round destroys it.
    if (await change.hasMaterial()) return;
    await change.putTenant(finishClosing(record, now));
    change.append(entry(parts, tenant, 'close-tenant', {}));
  });
  keys.reset(tenant);
}

// Looked at again under the lock: another replica may have been first, or an operator may have taken the end back.
function destroyKeys(parts: MaintenanceParts, tenant: string, ids: readonly string[]): Promise<void> {
  const { changes, materials, clock } = parts;
  return changes.run(tenant, async (change) => {
    if (!isClosed(await change.findTenant(), seconds(clock))) return;
    for (const id of ids) {
      const key = await change.findKey(id);
      if (!key || !hasMaterial(key)) continue;
      await change.putKey(destroyAll(key));
      for (const { version } of key.versions) materials.forget(id, version);
      change.append(entry(parts, tenant, 'destroy-key', { version: null, reason: 'close-tenant' }, id));
    }
  });
}

function hasMaterial({ versions }: KeyRecord): boolean {
  return versions.some(({ material }) => material !== null);
}

function entry(
  { clock }: MaintenanceParts,
  tenant: string,
  operation: string,
  change: Record<string, unknown>,
  key?: string,
) {
  return encodeEntry({ time: clock(), tenant, principal: 'service', operation, status: 200, key, change });
}
