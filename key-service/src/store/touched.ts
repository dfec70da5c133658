/**
 * What the last changes of a tenant touched, under a MAC: a request that was decided before them on other things is late, and otherwise stale; `docs/key-service.md` §11.3.
 * The columns of keys say nothing here: they are authenticated all together or not at all.
 */

import type { Bytes } from '../lib/bytes.ts';
import type { Queries } from './engine.ts';
import { fits, rowMac, type StateRecord } from './rows.ts';
import type { Commit } from './store.ts';
import type { TouchedRow } from './tables.ts';

/** What changes between two epochs touched. */
export interface Touched {
  /** The `resumed` of the state that these epochs are of. */
  readonly resumed: number;
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
export function isLate({ epoch, resumed = 0, keys, tombstones }: Commit, touched: Touched | undefined): boolean {
  if (!touched || epoch === undefined || !keys || resumed !== touched.resumed) return false;
  if (epoch < touched.since || epoch >= touched.epoch) return false;
  const restsOn = new Set(tombstones ? [...keys, tombstoneList] : keys);
  return !touched.ids.some(([changed, id]) => changed > epoch && restsOn.has(id));
}

/** What a row says of the changes up to an epoch; `undefined` where it is of another epoch, or somebody else wrote it. */
export function touchedOf(
  macKey: Bytes,
  row: TouchedRow | undefined,
  { resumed, epoch }: Pick<StateRecord, 'resumed' | 'epoch'>,
): Touched | undefined {
  if (row?.epoch !== epoch || row.resumed !== resumed || !fits(row.mac, macOf(macKey, row))) return undefined;
  return { resumed, since: row.since, epoch, ids: JSON.parse(row.ids) as Touched['ids'] };
}

/** The changes that led a tenant to an epoch. */
export async function readTouched(
  db: Queries,
  macKey: Bytes,
  state: Pick<StateRecord, 'tenant' | 'resumed' | 'epoch'>,
): Promise<Touched | undefined> {
  const row = await db.selectFrom('touched').selectAll().where('tenant', '=', state.tenant).executeTakeFirst();
  return touchedOf(macKey, row, state);
}

/** Adds a change, which led from one epoch to the next and touched these. */
export async function writeTouched(
  tx: Queries,
  macKey: Bytes,
  {
    tenant,
    resumed,
    epoch,
    ids,
  }: Pick<StateRecord, 'tenant' | 'resumed' | 'epoch'> & { readonly ids: readonly string[] },
): Promise<void> {
  const before = (await readTouched(tx, macKey, { tenant, resumed, epoch: epoch - 1 })) ?? {
    since: epoch - 1,
    ids: [],
  };
  const all = [...before.ids, ...[...new Set(ids)].map((id) => [epoch, id] as const)];
  const dropped = all.slice(0, -maxIds).at(-1)?.[0];
  const since = dropped ?? before.since;
  const kept = all.filter(([changed]) => changed > since);
  const row = { tenant, resumed, epoch, since, ids: JSON.stringify(kept) };
  const columns = { resumed, epoch, since, ids: row.ids, mac: macOf(macKey, row) };
  await tx
    .insertInto('touched')
    .values({ tenant, ...columns })
    .onConflict((conflict) => conflict.column('tenant').doUpdateSet(columns))
    .execute();
}

function macOf(macKey: Bytes, { tenant, resumed, epoch, since, ids }: Omit<TouchedRow, 'mac'>): string {
  return rowMac(macKey, ['touched', tenant, resumed, epoch, since, ids]);
}
