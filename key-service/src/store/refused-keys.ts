/** Tenants whose keys, revocations or lists of tombstones are not what their states say; `docs/key-service.md` §11.2. */

import type { IntegrityError } from '../errors.ts';
import type { Queries } from './engine.ts';
import { type KeyReading, sumRevisions } from './key-queries.ts';
import { sumRevocations } from './revocation-queries.ts';
import { readStates, type StateReading, selectTenants } from './state.ts';
import { Sums } from './sums.ts';
import { sumTenantRecords } from './tenant-records.ts';
import { sumTombstones } from './tombstone-queries.ts';

/** Tenants with rows that are not to be trusted, with the reason. */
export async function refusedKeys(
  db: Queries,
  reading: StateReading & KeyReading,
): Promise<Map<string, IntegrityError>> {
  const states = await readStates(db, reading);
  const sums = new Sums();
  await sumRevisions(db, reading, sums);
  await sumRevocations(db, reading, sums);
  await sumTombstones(db, reading, sums);
  await sumTenantRecords(db, reading, sums);
  return sums.refused(states, await selectTenants(db));
}
