/** Makes a new active version of a key; and marks a version as compromised, which may take one; `docs/key-service.md` §7.2. */

import { assertRotatable, markCompromised, rotate } from '../../model/changes.ts';
import type { KeyRecord } from '../../model/keys.ts';
import { newVersion } from './new-version.ts';
import { type KeyWork, keyToChange } from './target.ts';

/** Rotates a key. Throws a `Problem` where `from` is not its newest version; default: the newest, whichever it is. */
export async function rotateKey(work: KeyWork, reference: string, from?: number): Promise<KeyRecord> {
  const key = await keyToChange(work, 'rotate-key', reference);
  assertRotatable(key, from ?? key.newest);
  return work.change.putKey(await rotated(work, key));
}

/** Ends the use of a version, except for rewrapping. The active one is rotated out in the same step. */
export async function compromiseVersion(work: KeyWork, reference: string, version: number): Promise<KeyRecord> {
  const key = await keyToChange(work, 'mark-compromised', reference);
  const active = version === key.newest && key.versions[version - 1]?.state === 'active';
  return work.change.putKey(markCompromised(active ? await rotated(work, key) : key, version));
}

/** A key with its next version, which is not written yet. */
export async function rotated(work: Pick<KeyWork, 'change' | 'materials' | 'now'>, key: KeyRecord) {
  return rotate(key, key.newest, await newVersion(work, { key, version: key.newest + 1 }));
}
