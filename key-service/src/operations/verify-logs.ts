/** Checks everything that a database holds of logs and keys, from their first rows on; `docs/key-service.md` §8.6. */

import type { AuditLogs } from '../audit/logs.ts';
import type { Checkpoint } from '../audit/note.ts';
import { assertPublished } from '../audit/publications.ts';
import type { Store } from '../store/store.ts';

/** The number of entries of all logs. Each is whole, and continues `checkpoint` where that is one of it. Throws `IntegrityError`. */
export async function verifyLogs(store: Store, logs: AuditLogs, checkpoint?: Checkpoint): Promise<number> {
  await store.verifyKeys();
  let entries = 0;
  for (const log of [logs.service, ...(await store.tenants()).map((tenant) => logs.of(tenant))]) {
    entries += await log.verifyAll(checkpoint?.origin === log.origin ? checkpoint : undefined);
  }
  await assertPublished(store, logs.service);
  await store.verifyHeads();
  return entries;
}
