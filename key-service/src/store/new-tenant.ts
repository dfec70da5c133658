/** The rows that a tenant begins with. */

import type { Bytes } from '../lib/bytes.ts';
import type { LogEntry } from '../model/entry.ts';
import type { Queries } from './engine.ts';
import { type StateRecord, stateRow } from './rows.ts';
import { appendEntries } from './state.ts';

/** Writes the row of a tenant whose log begins with an entry, and its place among published heads. */
export async function insertTenant(
  tx: Queries,
  macKey: Bytes,
  empty: StateRecord,
  { first, slot }: { readonly first: LogEntry; readonly slot: number },
): Promise<void> {
  const state = await appendEntries(tx, empty, [first]);
  await tx.insertInto('states').values(stateRow(macKey, state)).execute();
  const { tenant } = state;
  const head = { tenant, slot, epoch: 0, revisions: 0, size: 0, frontier: new Uint8Array() };
  await tx.insertInto('heads').values(head).execute();
}
