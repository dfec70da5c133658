/** What a key and its versions may do: disabled or enabled, its floor, its rotation policy; `docs/key-service.md` §5.2 and §7.2. */

import { disable, enable, raiseFloor } from '../../model/changes.ts';
import type { KeyRecord } from '../../model/keys.ts';
import { type KeyWork, keyToChange } from './target.ts';

/** Disables a key, or one version of it. */
export async function disableKey(work: KeyWork, reference: string, version?: number): Promise<KeyRecord> {
  return work.change.putKey(disable(await keyToChange(work, 'disable-key', reference), version));
}

/** Enables a key, or one version of it. */
export async function enableKey(work: KeyWork, reference: string, version?: number): Promise<KeyRecord> {
  return work.change.putKey(enable(await keyToChange(work, 'enable-key', reference), version));
}

/** Raises the lowest version that may unwrap. */
export async function raiseKeyFloor(work: KeyWork, reference: string, floor: number): Promise<KeyRecord> {
  return work.change.putKey(raiseFloor(await keyToChange(work, 'raise-floor', reference), floor));
}

/** Sets when the service rotates; null: never. */
export async function setRotationPolicy(
  work: KeyWork,
  reference: string,
  policy: Pick<KeyRecord, 'maxAgeDays' | 'maxUses'>,
): Promise<KeyRecord> {
  const { maxAgeDays, maxUses } = policy;
  return work.change.putKey({ ...(await keyToChange(work, 'set-rotation-policy', reference)), maxAgeDays, maxUses });
}
