/** Keys as callers and operators read them; `docs/key-service.md` §7.3 to §7.5. */

import { Problem } from '../../errors.ts';
import { type KeyRecord, type VersionRecord, versionOf } from '../../model/keys.ts';
import type { KeyView } from '../../store/key-cache.ts';
import type { Store } from '../../store/store.ts';
import { type Actor, assertMay } from '../actor.ts';

/** A page of the keys of the actor's tenant, in the order of ids, and the id to go on after. */
export async function listKeys(
  store: Store,
  actor: Actor,
  { after = '', limit = 100 }: { readonly after?: string | undefined; readonly limit?: number | undefined },
): Promise<{ readonly keys: KeyRecord[]; readonly next: string | null }> {
  assertMay(actor, 'list-keys');
  const keys = await store.listKeys(actor.tenant, after, limit);
  return { keys, next: keys.length === limit ? (keys.at(-1)?.id ?? null) : null };
}

/** A key of the actor's tenant. Throws a `Problem`. */
export async function findKey(store: Store, actor: Actor, reference: string): Promise<KeyRecord> {
  const key = await store.findKey(actor.tenant, reference);
  if (!key || !actor.mayKey('describe-key', key)) throw new Problem('not-allowed');
  return key;
}

/** The active version of a key, whose point is published for wrapping offline. Throws a `Problem`. */
export async function publishedVersion(
  view: Pick<KeyView, 'find'>,
  actor: Actor,
  reference: string,
): Promise<{ readonly key: KeyRecord; readonly active: VersionRecord }> {
  const key = await view.find(reference);
  if (!key || !actor.mayKey('read-public-key', key)) throw new Problem('not-allowed');
  if (key.disabled) throw new Problem('key-disabled');
  const active = versionOf(key, key.newest);
  if (active?.state !== 'active') throw new Problem('version-unavailable', undefined, { version: key.newest });
  return { key, active };
}
