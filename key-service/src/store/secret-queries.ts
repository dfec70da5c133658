/** The secrets that the service itself works with, as they are sealed; `docs/key-service.md` §11.1. */

import type { Queries } from './engine.ts';
import type { SecretRow } from './store.ts';

/** All of them. */
export async function selectSecrets(db: Queries): Promise<SecretRow[]> {
  const rows = await db.selectFrom('secrets').selectAll().orderBy('kind').orderBy('name').execute();
  return rows.map((row) => ({ ...row, sealed: Uint8Array.from(row.sealed) }));
}

/** Adds those whose names are free. */
export async function insertSecrets(tx: Queries, rows: readonly SecretRow[]): Promise<void> {
  await tx
    .insertInto('secrets')
    .values([...rows])
    .onConflict((conflict) => conflict.columns(['kind', 'name']).doNothing())
    .execute();
}
