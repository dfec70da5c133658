/** Names of keys, which programs use instead of ids; `docs/key-service.md` §5.1 and §7.2. */

import type { KeyRecord } from '../../model/keys.ts';
import type { Change } from '../../store/store.ts';
import { allowedKey, type KeyWork, keyToChange } from './target.ts';

/** Gives an alias to a key. Where another key has it, or had it last, that is a move, which takes a permission of its own on both. */
export async function setAlias(work: KeyWork, name: string, reference: string): Promise<KeyRecord> {
  const { change } = work;
  const key = await keyToChange(work, 'set-alias', reference);
  const holder = await change.findKey(`alias:${name}`);
  if (holder?.id === key.id) return key;
  const former = holder?.id ?? (await change.formerHolder(name));
  if (former !== undefined && former !== key.id) {
    // Moved, even if somebody took it away first: programs that name it come to another key.
    const from = await allowedKey(work, 'move-alias', former);
    await allowedKey(work, 'move-alias', key.id);
    if (holder) await takeAlias(change, from, name);
  }
  return change.putKey({ ...key, aliases: [...key.aliases, name].sort() });
}

/** Takes an alias away. The key that had it. */
export async function removeAlias(work: KeyWork, name: string): Promise<KeyRecord> {
  return takeAlias(work.change, await keyToChange(work, 'remove-alias', `alias:${name}`), name);
}

function takeAlias(change: Change, key: KeyRecord, name: string): Promise<KeyRecord> {
  return change.putKey({ ...key, aliases: key.aliases.filter((alias) => alias !== name) });
}
