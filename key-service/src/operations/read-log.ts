/** What a tenant may see of the log; `docs/key-service.md` §8.4. */

import { Problem } from '../errors.ts';
import type { Bytes } from '../lib/bytes.ts';
import { maxEntries } from '../lib/limits.ts';
import { tenantOfEntry } from '../model/entry.ts';
import type { Store } from '../store/store.ts';
import { type Actor, assertMay } from './actor.ts';

/** An entry, whose bytes are there for who may read them. */
export interface ShownEntry {
  readonly index: number;
  readonly hash: Bytes;
  readonly entry: Bytes | undefined;
}

/** Entries `from <= index < to`, or the first of them. Those of other tenants are hashes alone, but for the operator tenant. Throws a `Problem`. */
export async function readEntries(
  store: Store,
  actor: Actor,
  {
    from,
    to,
    operatorTenant,
  }: { readonly from: number; readonly to: number; readonly operatorTenant?: string | undefined },
): Promise<ShownEntry[]> {
  assertMay(actor, 'read-audit');
  if (to < from || to - from > maxEntries) {
    throw new Problem('malformed-request', `A range has at most ${maxEntries} entries`);
  }
  const all = actor.tenant === operatorTenant;
  const found = await store.entries(from, to);
  // The column is for the database; what counts is what the leaf hash covers.
  return found.map(({ index, hash, entry }) => {
    return { index, hash, entry: all || tenantOfEntry(entry) === actor.tenant ? entry : undefined };
  });
}
