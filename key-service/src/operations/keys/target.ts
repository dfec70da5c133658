/** The key that an operation is about, and what it works with. */

import { Problem } from '../../errors.ts';
import type { KeyRecord } from '../../model/keys.ts';
import type { KeyAction } from '../../policies/authorizer.ts';
import type { Materials } from '../../secrets/materials.ts';
import type { Change } from '../../store/store.ts';
import type { Actor } from '../actor.ts';

/** What an operation on keys works with, inside the transaction of a change. */
export interface KeyWork {
  readonly change: Change;
  readonly actor: Actor;
  readonly materials: Materials;
  /** Unix seconds. */
  readonly now: number;
  /** Throws a `Problem` where the key is not the one that the actor has seen. Default: no check. */
  readonly assertRevision?: ((key: KeyRecord) => void) | undefined;
}

/** The key as it is under the lock, where the actor may do this with it and has seen its revision. Throws a `Problem`. */
export async function keyToChange(work: KeyWork, action: KeyAction, reference: string): Promise<KeyRecord> {
  const key = await allowedKey(work, action, reference);
  work.assertRevision?.(key);
  return key;
}

/** The key as it is under the lock, where the actor may do this with it; what they have seen is about another one. Throws a `Problem`. */
export async function allowedKey({ change, actor }: KeyWork, action: KeyAction, reference: string): Promise<KeyRecord> {
  const key = await change.findKey(reference);
  if (!key || !actor.mayKey(action, key)) throw new Problem('not-allowed');
  return key;
}
