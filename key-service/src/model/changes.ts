/** What changes do to a key, as functions from record to record; `docs/key-service.md` §5.2 and §7.2. They throw a `Problem`. */

import { randomBytes } from 'node:crypto';
import { Problem } from '../errors.ts';
import { type KeyRecord, type VersionRecord, type VersionState, versionOf } from './keys.ts';

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
const daySeconds = 86_400;

/** A key id: 130 random bits. */
export function createKeyId(): string {
  return `key-${randomLetters()}`;
}

/** The id of a revocation, likewise. */
export function createRevocationId(): string {
  return `rev-${randomLetters()}`;
}

function randomLetters(): string {
  return Array.from(randomBytes(26), (byte) => alphabet[byte & 31]).join('');
}

/** Adds the version that replaces `from`. */
export function rotate(key: KeyRecord, from: number, next: VersionRecord): KeyRecord {
  assertRotatable(key, from);
  const versions = key.versions.map((v) => (v.state === 'active' ? { ...v, state: 'decrypt-only' as const } : v));
  return { ...key, newest: next.version, versions: [...versions, next] };
}

/** Whether `from` is the newest version and may be replaced. */
export function assertRotatable(key: KeyRecord, from: number): void {
  if (from !== key.newest) {
    throw new Problem('version-conflict', `The newest version is ${key.newest}`, { newest_version: key.newest });
  }
  if (isEnding(key)) throw new Problem('state-conflict', 'The key is scheduled for deletion');
}

export function disable(key: KeyRecord, version: number | undefined): KeyRecord {
  if (version === undefined) return { ...key, disabled: true };
  const { state } = existing(key, version);
  if (state === 'disabled') return key;
  if (state !== 'decrypt-only' && state !== 'compromised') throw conflict(version, state);
  return withVersion(key, version, { state: 'disabled', priorState: state });
}

export function enable(key: KeyRecord, version: number | undefined): KeyRecord {
  if (version === undefined) return { ...key, disabled: false };
  const { state, priorState } = existing(key, version);
  if (state !== 'disabled') throw conflict(version, state);
  return withVersion(key, version, { state: priorState ?? 'decrypt-only', priorState: null });
}

/** Marks a version; the active one must have been rotated out. There is no way back. */
export function markCompromised(key: KeyRecord, version: number): KeyRecord {
  const { state } = existing(key, version);
  if (state === 'compromised') return key;
  if (state === 'disabled') return withVersion(key, version, { state, priorState: 'compromised' });
  if (state !== 'decrypt-only') throw conflict(version, state);
  return withVersion(key, version, { state: 'compromised', priorState: null });
}

export function raiseFloor(key: KeyRecord, floor: number): KeyRecord {
  if (floor < key.floor) throw new Problem('state-conflict', `The floor is ${key.floor}, and only rises`);
  if (floor > key.newest) throw new Problem('state-conflict', `The newest version is ${key.newest}`);
  return { ...key, floor };
}

/** Asks for a deletion: of the key, or of one version. */
export function scheduleDeletion(
  key: KeyRecord,
  request: { readonly version: number | undefined; readonly days: number; readonly by: Person; readonly now: number },
): KeyRecord {
  const { version, days, by, now } = request;
  if (key.deletion) throw new Problem('state-conflict', 'A deletion was asked for already');
  if (version !== undefined) {
    const { state } = existing(key, version);
    if (!['decrypt-only', 'compromised', 'disabled'].includes(state)) throw conflict(version, state);
  } else if (key.versions.every(({ state }) => state === 'destroyed')) {
    throw new Problem('state-conflict', 'All versions are destroyed');
  }
  const deletion = {
    version: version ?? null,
    days,
    requestedBy: by.principal,
    requestedIdentity: by.identity,
    requested: now,
    approvedBy: null,
    destroyAt: null,
  };
  return { ...key, deletion };
}

/** Who acts: as a principal of an issuer, and as a person. */
export interface Person {
  readonly principal: string;
  /** The same for one person with several principals, where issuers are configured so. */
  readonly identity: string;
}

/** What an approval is for. */
export interface ApprovedDeletion {
  /** `null`: the key with all versions. */
  readonly version: number | null;
  readonly days: number;
}

/** Starts the days of exactly this deletion. The one who approves is not the one who asked. */
export function approveDeletion(key: KeyRecord, approved: ApprovedDeletion, by: Person, now: number): KeyRecord {
  const { deletion } = key;
  if (!deletion) throw new Problem('state-conflict', 'No deletion was asked for');
  if (deletion.approvedBy !== null) throw new Problem('state-conflict', 'The deletion is approved already');
  if (deletion.version !== approved.version || deletion.days !== approved.days) {
    throw new Problem('state-conflict', 'What is approved is not what was asked for');
  }
  if (deletion.requestedBy === by.principal || deletion.requestedIdentity === by.identity) {
    throw new Problem('state-conflict', 'The person who asked for a deletion cannot approve it');
  }
  const versions = key.versions.map((v) => {
    return isTarget(key, v) ? { ...v, state: 'destroy-scheduled' as const, priorState: resting(v) } : v;
  });
  return {
    ...key,
    versions,
    deletion: { ...deletion, approvedBy: by.principal, destroyAt: now + deletion.days * daySeconds },
  };
}

export function cancelDeletion(key: KeyRecord): KeyRecord {
  if (!key.deletion) throw new Problem('state-conflict', 'No deletion was asked for');
  const versions = key.versions.map((v) => {
    if (v.state !== 'destroy-scheduled') return v;
    return { ...v, state: v.priorState ?? 'decrypt-only', priorState: null };
  });
  return { ...key, versions, deletion: null };
}

/** Erases what is due, or gives `undefined` where nothing is. */
export function destroyDue(key: KeyRecord, now: number): KeyRecord | undefined {
  const { deletion } = key;
  if (deletion?.destroyAt == null || deletion.destroyAt > now) return undefined;
  const versions = key.versions.map((v) => {
    if (v.state !== 'destroy-scheduled') return v;
    return { ...v, state: 'destroyed' as const, priorState: null, material: null };
  });
  return { ...key, versions, deletion: null };
}

/** Erases every version. */
export function destroyAll(key: KeyRecord): KeyRecord {
  const versions = key.versions.map((v) => ({ ...v, state: 'destroyed' as const, priorState: null, material: null }));
  return { ...key, versions, deletion: null };
}

/** Whether the rotation policy wants a new version. */
export function isRotationDue(key: KeyRecord, now: number): boolean {
  const newest = versionOf(key, key.newest);
  if (newest?.state !== 'active' || key.disabled || isEnding(key)) return false;
  const old = key.maxAgeDays !== null && newest.created + key.maxAgeDays * daySeconds <= now;
  return old || (key.maxUses !== null && newest.uses >= key.maxUses);
}

// A version keeps one earlier state only: a disabled one comes back as what it was before.
function resting({ state, priorState }: VersionRecord): VersionState {
  return state === 'disabled' ? (priorState === 'compromised' ? 'compromised' : 'disabled') : state;
}

function isTarget({ deletion }: KeyRecord, { version, state }: VersionRecord): boolean {
  return state !== 'destroyed' && (deletion?.version === null || deletion?.version === version);
}

function isEnding({ newest, versions }: KeyRecord): boolean {
  return versions[newest - 1]?.state !== 'active';
}

function existing(key: KeyRecord, version: number): VersionRecord {
  const found = versionOf(key, version);
  if (!found) throw new Problem('state-conflict', `The newest version is ${key.newest}`);
  return found;
}

function withVersion(key: KeyRecord, version: number, change: Partial<VersionRecord>): KeyRecord {
  return { ...key, versions: key.versions.map((v) => (v.version === version ? { ...v, ...change } : v)) };
}

function conflict(version: number, state: VersionState): Problem {
  return new Problem('state-conflict', `Version ${version} is ${state}`);
}
