/** Revocations of data keys, as functions from record to record; `docs/key-service.md` §7.7 and §7.8. They throw a `Problem`. */

import { sha256 } from '../crypto/digest.ts';
import { Problem } from '../errors.ts';
import { type Bytes, concat, encodeBase64url } from '../lib/bytes.ts';
import { createRevocationId, type Person } from './changes.ts';

/** A revocation with its approval and its end. */
export interface RevocationRecord {
  readonly id: string;
  readonly tenant: string;
  /** In base64url, in the order of the items, each once. */
  readonly tombstones: readonly string[];
  /** The ids of the keys that the items named. */
  readonly keys: readonly string[];
  readonly requestedBy: string;
  /** Who that is, whichever issuer speaks for them. */
  readonly requestedIdentity: string;
  /** Unix seconds, as all times here. */
  readonly requested: number;
  readonly approvedBy: string | null;
  readonly revoked: number | null;
  /** The index of the approval's leaf: the receipt. */
  readonly leaf: number | null;
  readonly undo: UndoRecord | null;
  readonly revision: number;
}

/** The end of a revocation, asked for or reached. */
export interface UndoRecord {
  readonly requestedBy: string;
  readonly requestedIdentity: string;
  readonly requested: number;
  readonly approvedBy: string | null;
  readonly undone: number | null;
  readonly leaf: number | null;
}

/** Data keys of a tenant since some moment. */
export interface RevokedCounts {
  readonly asked: number;
  readonly revoked: number;
  /** The oldest such moment: the first that will not count any more. */
  readonly oldest: number | undefined;
}

/** §7.8 */
export type RevocationState = 'requested' | 'revoked' | 'undone';

/** Which revocations are listed: those behind an id, in the order of ids, and of one state where one is given. */
export interface RevocationQuery {
  readonly after?: string | undefined;
  readonly limit: number;
  readonly state?: RevocationState | undefined;
}

/** Revocations in the order of their ids, and the id behind which the next page begins. */
export interface RevocationPage {
  readonly revocations: readonly RevocationRecord[];
  readonly next: string | null;
}

/** Who approves, when, and under which leaf. */
export interface Approval {
  readonly by: Person;
  readonly now: number;
  /** How many data keys they take it to be about. */
  readonly dataKeys: number;
  readonly leaf: number;
}

/** Days in which a revocation is approved, and undone. */
const weekSeconds = 7 * 86_400;

/** A revocation that nobody has approved yet. */
export function askRevocation(
  asked: Pick<RevocationRecord, 'tenant' | 'tombstones' | 'keys'>,
  by: Person,
  now: number,
): RevocationRecord {
  return {
    ...asked,
    id: createRevocationId(),
    requestedBy: by.principal,
    requestedIdentity: by.identity,
    requested: now,
    ...{ approvedBy: null, revoked: null, leaf: null, undo: null, revision: 0 },
  };
}

/** Two revocations have the same digest where they are of the same data keys. */
export function digestOf(tombstones: readonly Bytes[]): string {
  return encodeBase64url(sha256(concat(...[...tombstones].sort(Buffer.compare))));
}

export function stateOf({ revoked, undo }: RevocationRecord): RevocationState {
  if (undo?.undone != null) return 'undone';
  return revoked === null ? 'requested' : 'revoked';
}

/** When it can no longer be approved, or no longer be undone; `null` once it was undone. */
export function untilOf(record: RevocationRecord): number | null {
  if (stateOf(record) === 'undone') return null;
  return (record.revoked ?? record.requested) + weekSeconds;
}

/** Whether asking for the same data keys again gives this one. */
export function isCurrent(record: RevocationRecord, now: number): boolean {
  const state = stateOf(record);
  return state === 'revoked' || (state === 'requested' && now < (untilOf(record) ?? 0));
}

/** From now on the data keys are refused. The one who approves is not the one who asked. */
export function approveRevocation(record: RevocationRecord, approval: Approval): RevocationRecord {
  const { by, now, leaf } = approval;
  if (stateOf(record) !== 'requested') throw conflict(`The revocation is ${stateOf(record)}`);
  assertInTime(record, now);
  assertApproves(record, record, approval);
  return { ...record, approvedBy: by.principal, revoked: now, leaf };
}

/** Asks for the end of a revocation. */
export function askUndo(record: RevocationRecord, by: Person, now: number): RevocationRecord {
  if (stateOf(record) !== 'revoked') throw conflict(`The revocation is ${stateOf(record)}`);
  assertInTime(record, now);
  if (record.undo) throw conflict('Its end was asked for already');
  const { principal: requestedBy, identity: requestedIdentity } = by;
  const asked = { requestedBy, requestedIdentity, requested: now, approvedBy: null, undone: null, leaf: null };
  return { ...record, undo: asked };
}

/** The data keys are refused no more. The one who approves is not the one who asked for the end. */
export function approveUndo(record: RevocationRecord, approval: Approval): RevocationRecord {
  const { undo } = record;
  const { by, now, leaf } = approval;
  if (!undo) throw conflict('Its end was not asked for');
  if (undo.undone !== null) throw conflict('The revocation is undone');
  assertInTime(record, now);
  assertApproves(record, undo, approval);
  return { ...record, undo: { ...undo, approvedBy: by.principal, undone: now, leaf } };
}

function assertInTime(record: RevocationRecord, now: number): void {
  if (now >= (untilOf(record) ?? 0)) throw conflict('The seven days are over');
}

function assertApproves(
  { tombstones }: RevocationRecord,
  asked: { readonly requestedBy: string; readonly requestedIdentity: string },
  { by, dataKeys }: Approval,
): void {
  if (dataKeys !== tombstones.length) throw conflict('What is approved is not what was asked for');
  if (asked.requestedBy === by.principal || asked.requestedIdentity === by.identity) {
    throw conflict('The person who asked for it cannot approve it');
  }
}

function conflict(detail: string): Problem {
  return new Problem('state-conflict', detail);
}
