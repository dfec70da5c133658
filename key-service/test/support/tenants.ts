/** Tenants in a store that no service has opened, whose logs begin with something. */

import type { Store } from '../../src/store/store.ts';

/** Adds tenants; each has one leaf. */
export async function addTenants(store: Store, ...names: readonly string[]): Promise<void> {
  await store.changeService(async (change) => {
    for (const name of names) {
      const bytes = new TextEncoder().encode(JSON.stringify({ tenant: name }));
      await change.addTenant({ name, first: { tenant: name, bytes } });
    }
  });
}
