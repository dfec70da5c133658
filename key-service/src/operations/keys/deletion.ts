/** Deletions, which two persons and some days bring about; `docs/key-service.md` §7.2. */

import { type ApprovedDeletion, approveDeletion, cancelDeletion, scheduleDeletion } from '../../model/changes.ts';
import type { KeyRecord } from '../../model/keys.ts';
import { type KeyWork, keyToChange } from './target.ts';

/** Asks for the deletion of a key, or of one version. */
export async function askForDeletion(
  work: KeyWork,
  reference: string,
  asked: { readonly version: number | undefined; readonly days: number },
): Promise<KeyRecord> {
  const { change, actor: by, now } = work;
  const { version, days } = asked;
  const key = await keyToChange(work, 'schedule-deletion', reference);
  return change.putKey(scheduleDeletion(key, { version, days, by, now }));
}

/** Approves exactly the deletion that another person asked for. The days begin. */
export async function approveKeyDeletion(
  work: KeyWork,
  reference: string,
  approved: ApprovedDeletion,
): Promise<KeyRecord> {
  const key = await keyToChange(work, 'approve-deletion', reference);
  return work.change.putKey(approveDeletion(key, approved, work.actor, work.now));
}

/** Takes a deletion back, until the day has come. */
export async function cancelKeyDeletion(work: KeyWork, reference: string): Promise<KeyRecord> {
  return work.change.putKey(cancelDeletion(await keyToChange(work, 'cancel-deletion', reference)));
}
