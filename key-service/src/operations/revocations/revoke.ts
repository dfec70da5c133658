/** Revocations, which two persons bring about and two end; `docs/key-service.md` §7.7 and §7.10. */

import { Problem } from '../../errors.ts';
import { decodeBase64url, encodeBase64url } from '../../lib/bytes.ts';
import {
  approveRevocation,
  approveUndo,
  askRevocation,
  askUndo,
  digestOf,
  isCurrent,
  type RevocationPage,
  type RevocationQuery,
  type RevocationRecord,
} from '../../model/revocations.ts';
import { maxTombstones, type TombstoneEntry } from '../../model/tombstones.ts';
import type { ServiceAction } from '../../policies/authorizer.ts';
import type { Change, Store } from '../../store/store.ts';
import { type Actor, assertMay } from '../actor.ts';
import type { OpenedTombstones } from './tombstones.ts';

/** What an operation on revocations works with, inside the transaction of a change. */
export interface RevocationWork {
  readonly change: Change;
  readonly actor: Actor;
  /** Unix seconds. */
  readonly now: number;
  /** Data keys that a tenant may revoke in a day. */
  readonly perDay: number;
}

const daySeconds = 86_400;

/** The revocation of these data keys that there is, or a new one, which nobody has approved. */
export async function askForRevocation(
  work: RevocationWork,
  { tombstones, keys }: OpenedTombstones,
): Promise<RevocationRecord> {
  const { change, actor, now } = work;
  const same = await change.sameRevocations(digestOf(tombstones));
  const current = same.find((record) => isCurrent(record, now));
  if (current) return current;
  await assertQuota(work, 'asked', tombstones.length);
  const asked = { tenant: actor.tenant, tombstones: tombstones.map(encodeBase64url), keys };
  return change.putRevocation(askRevocation(asked, actor, now));
}

/** Approves what another person asked for: from now on the data keys are refused. */
export async function approve(work: RevocationWork, id: string, dataKeys: number): Promise<RevocationRecord> {
  const { change, actor, now } = work;
  const record = await revocationToChange(work, 'approve-revocation', id);
  const approved = approveRevocation(record, { by: actor, now, dataKeys, leaf: change.size });
  await assertQuota(work, 'revoked', record.tombstones.length);
  await extendList(change, record, true);
  return change.putRevocation(approved);
}

/** Asks for the end of a revocation. */
export async function undo(work: RevocationWork, id: string): Promise<RevocationRecord> {
  const { change, actor, now } = work;
  return change.putRevocation(askUndo(await revocationToChange(work, 'undo-revocation', id), actor, now));
}

/** Approves the end that another person asked for: the data keys are refused no more. */
export async function approveEnd(work: RevocationWork, id: string, dataKeys: number): Promise<RevocationRecord> {
  const { change, actor, now } = work;
  const record = await revocationToChange(work, 'approve-revocation', id);
  const approved = approveUndo(record, { by: actor, now, dataKeys, leaf: change.size });
  await extendList(change, record, false);
  return change.putRevocation(approved);
}

/** A revocation of the actor's tenant. Throws a `Problem`. */
export async function findRevocation(store: Store, actor: Actor, id: string): Promise<RevocationRecord> {
  assertMay(actor, 'describe-revocation');
  const record = await store.findRevocation(actor.tenant, id);
  if (!record) throw new Problem('not-allowed');
  return record;
}

/** A page of the revocations of the actor's tenant. Throws a `Problem`. */
export async function listRevocations(store: Store, actor: Actor, query: RevocationQuery): Promise<RevocationPage> {
  assertMay(actor, 'describe-revocation');
  return store.listRevocations(actor.tenant, query);
}

async function revocationToChange(
  { change, actor }: RevocationWork,
  action: ServiceAction,
  id: string,
): Promise<RevocationRecord> {
  assertMay(actor, action);
  const record = await change.findRevocation(id);
  if (!record) throw new Problem('not-allowed');
  return record;
}

async function extendList(change: Change, { tombstones }: RevocationRecord, stands: boolean): Promise<void> {
  const entries = tombstones.map((text): TombstoneEntry => {
    const tombstone = decodeBase64url(text);
    if (!tombstone) throw new TypeError('A tombstone is not base64url');
    return { tombstone, stands };
  });
  const { total } = await change.addTombstones(entries);
  // What was revoked can be undone, however long the list is.
  if (stands && total > maxTombstones) {
    throw new Problem('state-conflict', `A tenant has at most ${maxTombstones} tombstones`);
  }
}

async function assertQuota(
  { change, now, perDay }: RevocationWork,
  what: 'asked' | 'revoked',
  more: number,
): Promise<void> {
  const counts = await change.revokedSince(now - daySeconds);
  if (counts[what] + more <= perDay) return;
  const oldest = counts.oldest ?? now;
  const retry_after = Math.max(60, oldest + daySeconds - now);
  throw new Problem('rate-limited', `A tenant revokes at most ${perDay} data keys a day`, { retry_after });
}
