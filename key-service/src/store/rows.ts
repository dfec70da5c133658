/** Between rows and records, and the MACs that rows carry, `docs/key-service.md` §11.2. */

import { hmacSha256, sha256 } from '../crypto/digest.ts';
import { IntegrityError } from '../errors.ts';
import { type Bytes, concat, encodeBase64url, encodeUtf8, equalBytes } from '../lib/bytes.ts';
import type { DeletionRecord, KeyOrigin, KeyRecord, VersionRecord, VersionState } from '../model/keys.ts';
import type { Frontier } from '../model/merkle.ts';
import type { StoredAnswer } from './store.ts';
import type { KeyRow, StateRow, VersionRow } from './tables.ts';

const hashLength = 32;

/** The state of a tenant with the sum of its revisions; the service's own, under the empty name, counts the tenants there. */
export interface StateRecord {
  readonly tenant: string;
  /** When an operator last accepted what is there, in milliseconds since 1970; 0 for never. */
  readonly resumed: number;
  readonly epoch: number;
  readonly revisions: number;
  readonly tree: Frontier;
}

/** The record of a key. Throws `IntegrityError` where its MAC does not fit, and where its columns cannot be decoded. */
export function keyOf(
  macKey: Bytes,
  row: KeyRow,
  versions: readonly VersionRow[],
  aliases: readonly string[],
  macOf: (macKey: Bytes, key: KeyRecord) => string = keyMac,
): KeyRecord {
  let key: KeyRecord;
  try {
    key = recordOf(row, versions, aliases);
  } catch (cause) {
    throw new IntegrityError('A key in the store cannot be decoded: somebody else changed it', { cause });
  }
  if (!fits(row.mac, macOf(macKey, key))) throw new IntegrityError('A key was changed in the store by somebody else');
  return key;
}

function recordOf(row: KeyRow, versions: readonly VersionRow[], aliases: readonly string[]): KeyRecord {
  return {
    id: row.id,
    tenant: row.tenant,
    description: row.description,
    disabled: row.disabled === 1,
    newest: row.newest,
    floor: row.floor,
    created: row.created,
    revision: row.revision,
    maxAgeDays: row.max_age_days,
    maxUses: row.max_uses,
    deletion: row.deletion === null ? null : (JSON.parse(row.deletion) as DeletionRecord),
    origin: row.origin as KeyOrigin,
    importedBy: row.imported_by,
    aliases: [...aliases].sort(),
    versions: [...versions].sort((a, b) => a.version - b.version).map(versionRecord),
  };
}

/** The row of a key. */
export function rowOf(macKey: Bytes, key: KeyRecord): KeyRow {
  return {
    id: key.id,
    tenant: key.tenant,
    description: key.description,
    disabled: key.disabled ? 1 : 0,
    newest: key.newest,
    floor: key.floor,
    created: key.created,
    revision: key.revision,
    max_age_days: key.maxAgeDays,
    max_uses: key.maxUses,
    deletion: key.deletion === null ? null : JSON.stringify(key.deletion),
    mac: keyMac(macKey, key),
    origin: key.origin,
    imported_by: key.importedBy,
  };
}

/**
 * A state. Throws `IntegrityError` where its MAC does not fit; that of a new database has none. The MAC of a tenant covers no tree: before it is signed or published,
 * a head is computed from the leaves.
 */
export function stateOf(macKey: Bytes, row: StateRow): StateRecord {
  const { tenant, resumed, epoch, revisions, mac, size, frontier } = row;
  const fresh = tenant === '' && epoch === 0 && revisions === 0 && size === 0 && mac === '';
  if (!fresh && !fits(mac, stateMac(macKey, row))) {
    throw new IntegrityError('The state was changed in the store by somebody else');
  }
  return { tenant, resumed, epoch, revisions, tree: { size, hashes: hashesOf(frontier) } };
}

/** The row of a state. */
export function stateRow(macKey: Bytes, { tenant, resumed, epoch, revisions, tree }: StateRecord): StateRow {
  const row = { tenant, resumed, epoch, revisions, size: tree.size, frontier: concat(...tree.hashes) };
  return { ...row, mac: stateMac(macKey, row) };
}

/** The MAC of an answer that is kept for its idempotency key. */
export function answerMac(macKey: Bytes, id: string, { bodyHash, status, body }: StoredAnswer): string {
  return rowMac(macKey, ['answer', id, bodyHash, status, body]);
}

/** Throws `IntegrityError` for an answer that was changed. */
export function assertAnswer(macKey: Bytes, id: string, answer: StoredAnswer, stored: string): void {
  if (!fits(stored, answerMac(macKey, id, answer))) throw new IntegrityError('An answer was changed in the store');
}

function versionRecord(row: VersionRow): VersionRecord {
  return {
    version: row.version,
    state: row.state as VersionState,
    priorState: row.prior_state as VersionState | null,
    created: row.created,
    uses: row.uses,
    material: row.material === null ? null : Uint8Array.from(row.material),
    point: Uint8Array.from(row.point),
  };
}

// Everything but the use counts, which change without a change of the key, and the root key's sealing, which has its own AEAD.
function keyMac(macKey: Bytes, key: KeyRecord): string {
  const { origin, importedBy, deletion } = key;
  const deletionFields = deletion && [...firstDeletionFields(deletion), deletion.requestedIdentity];
  return rowMac(macKey, ['key', ...firstFields(key), origin, importedBy, deletionFields, versionFields(key)]);
}

/** The MAC of a key in a database of schema 1, for renewing it. */
export function firstKeyMac(macKey: Bytes, key: KeyRecord): string {
  const deletionFields = key.deletion && firstDeletionFields(key.deletion);
  return rowMac(macKey, ['key', ...firstFields(key), deletionFields, versionFields(key)]);
}

function firstFields(key: KeyRecord): unknown[] {
  const { id, tenant, description, disabled, newest, floor, created, revision, maxAgeDays, maxUses, aliases } = key;
  return [id, tenant, description, disabled, newest, floor, created, revision, maxAgeDays, maxUses, aliases];
}

function firstDeletionFields(deletion: DeletionRecord): unknown[] {
  const { version, days, requestedBy, requested, approvedBy, destroyAt } = deletion;
  return [version, days, requestedBy, requested, approvedBy, destroyAt];
}

function versionFields({ versions }: KeyRecord): unknown[][] {
  return versions.map((v) => {
    return [v.version, v.state, v.priorState, v.created, v.material !== null, encodeBase64url(sha256(v.point))];
  });
}

function stateMac(macKey: Bytes, row: Omit<StateRow, 'mac'>): string {
  const { tenant, resumed, epoch, revisions, size, frontier } = row;
  const tree = tenant === '' ? [size, encodeBase64url(frontier)] : [];
  return rowMac(macKey, ['state', tenant, resumed, epoch, revisions, ...tree]);
}

/** The MAC of a row over its fields, the first of which names the kind. */
export function rowMac(macKey: Bytes, fields: readonly unknown[]): string {
  return encodeBase64url(hmacSha256(macKey, encodeUtf8(JSON.stringify(fields))));
}

/** Whether a stored MAC is the computed one. */
export function fits(stored: string, computed: string): boolean {
  return equalBytes(encodeUtf8(stored), encodeUtf8(computed));
}

/** The hashes of a frontier, which are stored one after the other. */
export function hashesOf(frontier: Uint8Array): Bytes[] {
  const count = Math.ceil(frontier.byteLength / hashLength);
  return Array.from({ length: count }, (_, i) =>
    Uint8Array.from(frontier.subarray(i * hashLength, (i + 1) * hashLength)),
  );
}
