/** The tombstones of the data keys to revoke, from any wrapping of them; `docs/key-service.md` §7.6 and §7.7. */

import { Problem } from '../../errors.ts';
import { type Bytes, encodeBase64url } from '../../lib/bytes.ts';
import { encodeKeyContext } from '../../lib/key-context.ts';
import { versionOf } from '../../model/keys.ts';
import type { Materials } from '../../secrets/materials.ts';
import { tombstoneOf, unwrapDataKey } from '../../secrets/wrapping.ts';
import type { KeyView } from '../../store/key-cache.ts';
import type { Actor } from '../actor.ts';
import type { UnwrapItem } from '../data-keys/requests.ts';

/** What items are opened with. */
export interface TombstoneParts {
  readonly serviceId: string;
  readonly actor: Actor;
  readonly view: Pick<KeyView, 'find'>;
  readonly materials: Materials;
  /** To be called between items: others get their turn. */
  readonly turn: () => Promise<void> | undefined;
}

/** What a request asks to revoke. */
export interface OpenedTombstones {
  /** In the order of the items, each once. */
  readonly tombstones: readonly Bytes[];
  /** The ids of the keys that the items named. */
  readonly keys: readonly string[];
}

/** Opens every item, or throws the `Problem` of the first that is refused. */
export async function openTombstones(parts: TombstoneParts, items: readonly UnwrapItem[]): Promise<OpenedTombstones> {
  const tombstones = new Map<string, Bytes>();
  const keys = new Set<string>();
  for (const [index, item] of items.entries()) {
    await parts.turn();
    try {
      const { keyId, tombstone } = await openOne(parts, item);
      keys.add(keyId);
      tombstones.set(encodeBase64url(tombstone), tombstone);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      throw new Problem(error.code, undefined, { ...error.members, item: index });
    }
  }
  return { tombstones: [...tombstones.values()], keys: [...keys] };
}

// The state of key and version stops nothing but what is destroyed: nothing is released here, and a version that is disabled may be enabled again.
async function openOne({ serviceId, actor, view, materials }: TombstoneParts, item: UnwrapItem) {
  const key = await view.find(item.key);
  if (!key || !actor.mayData('revoke-data-key', key, item.key_context)) throw new Problem('not-allowed');
  const version = versionOf(key, item.version);
  if (!version) throw new Problem('unwrap-failed');
  if (version.material === null) {
    const { version: number, state } = version;
    throw new Problem('version-unavailable', `Version ${number} is ${state}`, { version: number, state });
  }
  const identity = { serviceId, tenant: key.tenant, keyId: key.id, version: version.version };
  const context = encodeKeyContext(item.key_context);
  const material = await materials.open(key, version);
  const dataKey = await unwrapDataKey(material, item.method, { ...identity, context }, item.wrapped_key);
  if (!dataKey) throw new Problem('unwrap-failed');
  try {
    return { keyId: key.id, tombstone: tombstoneOf(dataKey, key.tenant) };
  } finally {
    dataKey.fill(0);
  }
}
