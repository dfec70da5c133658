/** What a tenant may see of the log; `docs/key-service.md` §8.4. */

import { Problem } from '../errors.ts';
import type { Bytes } from '../lib/bytes.ts';
import { maxEntries } from '../lib/limits.ts';
import { serviceLog, tenantOfEntry } from '../model/entry.ts';
import type { PublishedSlot } from '../store/published.ts';
import type { Store } from '../store/store.ts';
import { type Actor, assertMay } from './actor.ts';

/** An entry, whose bytes are there for who may read them. */
export interface ShownEntry {
  readonly index: number;
  readonly hash: Bytes;
  readonly entry: Bytes | undefined;
}

/** Which entries of which log. */
export interface EntryRange {
  readonly from: number;
  readonly to: number;
  /** The service's own log, of which a tenant sees hashes, and entries where they are its own; the operator tenant sees all. Default: the actor's. */
  readonly service?: { readonly operatorTenant: string | undefined } | undefined;
}

/** Entries `from <= index < to`, or the first of them. Throws a `Problem`. */
export async function readEntries(
  store: Store,
  actor: Actor,
  { from, to, service }: EntryRange,
): Promise<ShownEntry[]> {
  assertMay(actor, 'read-audit');
  if (to < from || to - from > maxEntries) {
    throw new Problem('malformed-request', `A range has at most ${maxEntries} entries`);
  }
  const all = service !== undefined && actor.tenant === service.operatorTenant;
  const found = await store.entries(service ? serviceLog : actor.tenant, from, to);
  // Where an entry is says nothing; what counts is what the leaf hash covers.
  return found.map(({ index, hash, entry }) => {
    return { index, hash, entry: all || tenantOfEntry(entry) === actor.tenant ? entry : undefined };
  });
}

/** What the service's own log says of a tenant's log, and the entry that it is in. */
export interface ShownSlot extends PublishedSlot {
  readonly entry: Bytes;
}

/** The slot of the actor's tenant in the newest publication. Throws a `Problem`, also where there has been none since the tenant was made. */
export async function readPublication(store: Store, actor: Actor): Promise<ShownSlot> {
  assertMay(actor, 'read-audit');
  const slot = await store.publishedSlot(actor.tenant);
  const [found] = slot ? await store.entries(serviceLog, slot.leaf, slot.leaf + 1) : [];
  if (!slot || !found) throw new Problem('unavailable', undefined, { retry_after: 10 });
  return { ...slot, entry: found.entry };
}
