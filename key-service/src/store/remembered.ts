/** What a replica knows of a tenant that the database does not know any more: told to all others, and to who resumes the tenant; `docs/key-service.md` §11.7. */

import { sql } from 'kysely';
import { type Bytes, encodeBase64url } from '../lib/bytes.ts';
import type { Acknowledged, KnownState, SeenRevision } from './acknowledged.ts';
import type { Queries } from './engine.ts';
import { fits, rowMac } from './rows.ts';
import type { RememberedRow } from './tables.ts';

/** What is remembered of a tenant. */
export interface Remembered extends KnownState {
  /** Revisions of keys that were seen, and were later than those that there were. */
  readonly keys: readonly SeenRevision[];
}

/** Keys that are named at most, and looked for at once. */
const maxNamed = 100;
const keysAtOnce = 5000;

/** What {@link shareMemory} works with. */
export interface SharingMemory {
  readonly macKey: Bytes;
  readonly acknowledged: Acknowledged;
  /** Who tells. */
  readonly replica: string;
  /** Tenants that have gone back, as far as this process has noticed. */
  readonly doubted: readonly string[];
}

/** Writes what this replica knows of tenants that have gone back, and takes over what others know. */
export async function shareMemory(
  tx: Queries,
  { macKey, acknowledged, replica, doubted }: SharingMemory,
): Promise<void> {
  await forgetContinued(tx, macKey);
  for (const tenant of doubted) {
    const keys = await lostKeys(tx, acknowledged.keysOf(tenant));
    const row = rowOf(macKey, { tenant, replica, keys: JSON.stringify(keys), ...acknowledged.state(tenant) });
    const { tenant: _, replica: __, ...columns } = row;
    await tx
      .insertInto('remembered')
      .values(row)
      .onConflict((conflict) => conflict.columns(['tenant', 'replica']).doUpdateSet(columns))
      .execute();
  }
  const rows = await tx.selectFrom('remembered').selectAll().execute();
  for (const row of rows) if (isOurs(macKey, row)) acknowledged.learn(row.tenant, knownOf(row), keysOf(row));
}

/** What rows say is remembered, as far as a replica wrote them. */
export function trustedMemory(macKey: Bytes, rows: readonly RememberedRow[]): Remembered[] {
  return rows.filter((row) => isOurs(macKey, row)).map((row) => ({ ...knownOf(row), keys: keysOf(row) }));
}

/** The first keys of which later revisions were seen than there are. */
export async function lostKeys(db: Queries, seen: readonly SeenRevision[]): Promise<SeenRevision[]> {
  const lost: SeenRevision[] = [];
  // In the order of their ids: what is told stays the same while nothing else is lost, in whatever order keys are asked for.
  const keys = seen.filter(({ id }) => id.startsWith('key-')).sort((one, other) => (one.id < other.id ? -1 : 1));
  for (let from = 0; from < keys.length && lost.length < maxNamed; from += keysAtOnce) {
    const page = keys.slice(from, from + keysAtOnce);
    const ids = page.map(({ id }) => id);
    const query = db.selectFrom('keys').select(['id', 'revision']);
    const rows = ids.length === 0 ? [] : await query.where('id', 'in', ids).execute();
    const there = new Map(rows.map(({ id, revision }) => [id, revision]));
    lost.push(...page.filter(({ id, revision }) => (there.get(id) ?? 0) < revision));
  }
  return lost.slice(0, maxNamed).map(({ id, revision }) => ({ id, revision }));
}

// A database that continues what is remembered, or in which somebody accepted what is there, needs no memory.
async function forgetContinued(tx: Queries, macKey: Bytes): Promise<void> {
  const { rows } = await sql<
    RememberedRow & { accepted: number }
  >`select r.*, s.resumed as accepted from remembered r join states s on s.tenant = r.tenant
    where s.resumed > r.resumed or (s.resumed = r.resumed and s.epoch >= r.epoch and s.revisions >= r.revisions and s.size >= r.size
    and (r.leaf is null or r.leaf = (select l.hash from log_leaves l where l.log = s.tenant and l.idx = r.size - 1)))`.execute(
    tx,
  );
  for (const row of rows) {
    const isLess = row.accepted === row.resumed && isOurs(macKey, row) && (await lostKeys(tx, keysOf(row))).length > 0;
    if (isLess) continue;
    const query = tx.deleteFrom('remembered').where('tenant', '=', row.tenant);
    await query.where('replica', '=', row.replica).execute();
  }
}

function rowOf(
  macKey: Bytes,
  { tenant, replica, resumed, epoch, revisions, size, leaf, keys }: Omit<RememberedRow, 'leaf' | 'mac'> & KnownState,
): RememberedRow {
  const row = { tenant, replica, resumed, epoch, revisions, size, leaf: leaf ?? null, keys };
  return { ...row, mac: macOf(macKey, row) };
}

function knownOf({ resumed, epoch, revisions, size, leaf }: RememberedRow): KnownState {
  return { resumed, epoch, revisions, size, leaf: leaf === null ? undefined : Uint8Array.from(leaf) };
}

function keysOf({ keys }: RememberedRow): SeenRevision[] {
  return JSON.parse(keys) as SeenRevision[];
}

function isOurs(macKey: Bytes, row: RememberedRow): boolean {
  return fits(row.mac, macOf(macKey, row));
}

function macOf(macKey: Bytes, row: Omit<RememberedRow, 'mac'>): string {
  const { tenant, replica, resumed, epoch, revisions, size, leaf, keys } = row;
  const leafText = leaf === null ? null : encodeBase64url(leaf);
  return rowMac(macKey, ['remembered', tenant, replica, resumed, epoch, revisions, size, leafText, keys]);
}
