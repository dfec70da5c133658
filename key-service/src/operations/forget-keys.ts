/** Forgets opened material of what may not be used any more, `docs/key-service.md` §11.10. */

import type { Materials } from '../secrets/materials.ts';
import type { Store } from '../store/store.ts';

/** Forgets what was disabled or destroyed at any replica; everything, where nobody can be asked. Throws `StoreError`. */
export async function forgetUnusable(store: Store, materials: Materials): Promise<void> {
  try {
    materials.retain(await store.versionUses(materials.openedKeys()));
  } catch (error) {
    materials.forgetAll();
    throw error;
  }
}
