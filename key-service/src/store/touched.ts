/**
 * What the last changes of a tenant touched, under a MAC: a request that was decided before them on other things is late, and otherwise stale; `docs/key-service.md` §11.3.
 * The columns of keys say nothing here: they are authenticated all together or not at all.
 */

import type { Bytes } from '../lib/bytes.ts';
import type { Queries } from './engine.ts';
import { fits, rowMac } from './rows.ts';
import type { Commit } from './store.ts';
import type { TouchedRow } from './tables.ts';

/** What changes between two epochs touched. */
export interface Touched {
  /** The epoch before the first of these changes. */
  readonly since: number;
  /** The epoch after the last one. */
  readonly epoch: number;
  /** Epochs with what the change that led to each touched: ids of keys, or {@link tombstoneList}. */
  readonly ids: readonly (readonly [epoch: number, id: string])[];
}

/** Stands for the tenant's list of tombstones; no key has this id. */
export const tombstoneList = 'tombstones';
/** A row that all tenants have is small. */
const maxIds = 64;

/** Whether a request of an earlier epoch was decided on nothing that was touched since. */
export function isLate({ epoch, keys, tombstones }: Commit, touched: Touched | undefined): boolean {
  if (!touched || epoch === undefined || !keys || epoch < touched.since || epoch >= touched.epoch) return false;
  const restsOn = new Set(tombstones ? [...keys, tombstoneList] : keys);
  return !touched.ids.some(([changed, id]) => changed > epoch && restsOn.has(id));
}

/** What a row says of the changes up to an epoch; `undefined` where it is of another epoch, or somebody else wrote it. */
export function touchedOf(macKey: Bytes, row: TouchedRow | undefined, epoch: number): Touched | undefined {
  if (row?.epoch !== epoch || !fits(row.mac, macOf(macKey, row))) return undefined;
  return { since: row.since, epoch, ids: JSON.parse(row.ids) as Touched['ids'] };
}

/** The changes that led a tenant to an epoch. */
export async function readTouched(
  db: Queries,
  macKey: Bytes,
  { tenant, epoch }: { readonly tenant: string; readonly epoch: number },
): Promise<Touched | undefined> {
  const row = await db.selectFrom('touched').selectAll().where('tenant', '=', tenant).executeTakeFirst();
  return touchedOf(macKey, row, epoch);
}

/** Adds a change, which led from one epoch to the next and touched these. */
export async function writeTouched(
  tx: Queries,
  macKey: Bytes,
  { tenant, epoch, ids }: { readonly tenant: string; readonly epoch: number; readonly ids: readonly string[] },
): Promise<void> {
  const before = (await readTouched(tx, macKey, { tenant, epoch: epoch - 1 })) ?? { since: epoch - 1, ids: [] };
  const all = [...before.ids, ...[...new Set(ids)].map((id) => [epoch, id] as const)];
  const dropped = all.slice(0, -maxIds).at(-1)?.[0];
  const since = dropped ?? before.since;
  const kept = all.filter(([changed]) => changed > since);
  const row = { tenant, epoch, since, ids: JSON.stringify(kept) };
  const columns = { epoch, since, ids: row.ids, mac: macOf(macKey, row) };
  await tx
    .insertInto('touched')
    .values({ tenant, ...columns })
    .onConflict((conflict) => conflict.column('tenant').doUpdateSet(columns))
    .execute();
}

function macOf(macKey: Bytes, { tenant, epoch, since, ids }: Omit<TouchedRow, 'mac'>): string {
  return rowMac(macKey, ['touched', tenant, epoch, since, ids]);
}
