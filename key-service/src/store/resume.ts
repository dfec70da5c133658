/** Accepting what there is of a tenant that has gone back: what was lost, and the state that goes on; `docs/key-service.md` §12.9. */

import { IntegrityError, OperatorError } from '../errors.ts';
import { type Bytes, concat, equalBytes } from '../lib/bytes.ts';
import type { LogEntry } from '../model/entry.ts';
import {
  type Basis,
  inspected,
  lockInspected,
  mendNodes,
  type ReadLog,
  readLog,
  rememberedEnds,
} from './accepted-log.ts';
import { Acknowledged } from './acknowledged.ts';
import type { Queries } from './engine.ts';
import { sumRevisions } from './key-queries.ts';
import type { Lost } from './published.ts';
import { lostKeys, trustedMemory } from './remembered.ts';
import { sumRevocations } from './revocation-queries.ts';
import { type StateRecord, stateOf, stateRow } from './rows.ts';
import { appendEntries } from './state.ts';
import { Sums } from './sums.ts';
import type { StateRow } from './tables.ts';
import { sumTenantRecords } from './tenant-records.ts';
import { sumTombstones } from './tombstone-queries.ts';
import type { Reading } from './transactions.ts';

/** What there is of a tenant, against what was published or is remembered. */
export interface Found {
  readonly basis: Basis;
  readonly lost: Lost;
  readonly log: ReadLog;
  readonly revisions: number;
  readonly epoch: number;
  /** The latest `resumed` that is known. */
  readonly resumed: number;
}

/**
 * Looks at all that there is of a tenant, without a lock. Throws `OperatorError` where there is no such tenant, and `IntegrityError` for rows that nobody can accept,
 * because the service did not write them so.
 */
export async function inspectTenant({ macKey, engine }: Reading, tenant: string): Promise<Found> {
  const { basis, found } = await inspected(engine, tenant, async (basis) => {
    const { state: row, head: published } = basis;
    if (!published) throw new OperatorError(`There is no tenant ${tenant}`);
    const state = trustedState(macKey, row);
    const all = trustedMemory(macKey, basis.remembered);
    const remembered = all.filter(({ resumed }) => resumed >= (state?.resumed ?? 0));
    const { size, frontier } = published;
    const end = { size, isHere: ({ hashes }: ReadLog['tree']) => equalBytes(concat(...hashes), frontier) };
    const log = await readLog(engine, tenant, [end, ...rememberedEnds(remembered)]);
    const revisions = await engine.read((db) => sumOf(db, macKey, tenant));
    const seen = remembered.flatMap((each) => each.keys);
    const keys = await engine.read((db) => lostKeys(db, seen));
    const known = [published, ...remembered, ...(state ? [{ ...state, size: 0 }] : [])];
    const most = (of: 'epoch' | 'revisions' | 'size') => Math.max(...known.map((each) => each[of]));
    const lost: Lost = {
      entries: { known: most('size'), there: log.tree.size },
      epochs: { known: most('epoch'), there: state?.epoch ?? 0 },
      changes: { known: most('revisions'), there: revisions },
      keys: [...new Set(keys.map(({ id }) => id))].sort(),
      forked: log.forked,
    };
    const resumed = Math.max(state?.resumed ?? 0, ...all.map((each) => each.resumed));
    return { lost, log, revisions, epoch: most('epoch'), resumed };
  });
  return { basis, ...found };
}

/**
 * Writes the state of a tenant that goes on with what there is, under the lock of the one that it has: as it is before its leaf. `undefined`: there is something else by
 * now than what was found.
 */
export async function writeResumed(
  tx: Queries,
  { macKey, engine }: Reading,
  { basis, log, revisions, epoch, resumed }: Found,
  { time, entry }: { readonly time: number; readonly entry: LogEntry },
): Promise<StateRecord | undefined> {
  const { tenant } = entry;
  if (!(await engine.briefly(tx, () => lockInspected(tx, engine, tenant, basis)))) return undefined;
  await mendNodes(tx, tenant, log);
  // Whatever the clock says: what is known of before must not count on.
  const before = { tenant, resumed: Math.max(time, resumed + 1), epoch: epoch + 1, revisions, tree: log.tree };
  const row = stateRow(macKey, await appendEntries(tx, before, [entry]));
  const { tenant: _, ...columns } = row;
  await tx
    .insertInto('states')
    .values(row)
    .onConflict((conflict) => conflict.column('tenant').doUpdateSet(columns))
    .execute();
  await tx.deleteFrom('remembered').where('tenant', '=', tenant).execute();
  return before;
}

function trustedState(macKey: Bytes, row: StateRow | undefined): StateRecord | undefined {
  try {
    return row && stateOf(macKey, row);
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error;
    return undefined;
  }
}

async function sumOf(db: Queries, macKey: Bytes, tenant: string): Promise<number> {
  const acknowledged = new Acknowledged();
  const reading = { macKey, acknowledged, known: acknowledged.known(), committed: false, tenant };
  const sums = new Sums();
  await sumRevisions(db, reading, sums);
  await sumRevocations(db, reading, sums);
  await sumTombstones(db, reading, sums);
  await sumTenantRecords(db, reading, sums);
  sums.assertWhole();
  return sums.of(tenant);
}
