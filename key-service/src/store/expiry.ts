/** Rows that are of use for a while: proofs, windows, kept answers, transport keys, exchanged tokens. */

import type { Queries } from './engine.ts';

const windowSeconds = 600;

/** Deletes what has expired. `now` is in seconds. */
export async function deleteExpired(tx: Queries, now: number): Promise<void> {
  await tx.deleteFrom('proofs').where('expires', '<', now).execute();
  await tx
    .deleteFrom('windows')
    .where('started', '<', now - windowSeconds)
    .execute();
  await tx.deleteFrom('answers').where('expires', '<', now).execute();
  await tx.deleteFrom('transport_keys').where('expires', '<=', now).execute();
  await tx.deleteFrom('exchanged').where('expires', '<', now).execute();
}
