/** Tenants that the configuration names and the database does not have yet. */

import type { CheckpointedChanges } from '../audit/checkpointed-changes.ts';
import { encodeEntry, firstEntry } from '../model/entry.ts';
import type { Store } from '../store/store.ts';

/** Gives each its state and its log, once over all replicas. `time` is in milliseconds. Throws `IntegrityError` where the database has lost some. */
export async function createTenants(
  store: Store,
  changes: Pick<CheckpointedChanges, 'runService'>,
  names: readonly string[],
  time: number,
): Promise<void> {
  const present = new Set(await store.tenants());
  if (names.every((name) => present.has(name))) return;
  await changes.runService(async (change) => {
    const known = new Set(await change.tenants());
    const service = { size: change.size, root: change.root };
    for (const name of [...new Set(names)].sort()) {
      if (known.has(name)) continue;
      await change.addTenant({ name, first: firstEntry(name, service, time) });
      change.append(
        encodeEntry({
          ...{ time, tenant: '', principal: 'service', operation: 'create-tenant', status: 200 },
          change: { tenant: name },
        }),
      );
    }
  });
}
