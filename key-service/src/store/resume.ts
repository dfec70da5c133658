/** Accepting what there is of a tenant that has gone back: what was lost, and the state that goes on; `docs/key-service.md` §12.9. */

import { sql } from 'kysely';
import { IntegrityError, OperatorError } from '../errors.ts';
import { type Bytes, concat, equalBytes } from '../lib/bytes.ts';
import { type LogEntry, tenantOfEntry } from '../model/entry.ts';
import { appendLeaf, emptyFrontier, type Frontier, leafHash, type StoredNode } from '../model/merkle.ts';
import { Acknowledged } from './acknowledged.ts';
import type { Queries } from './engine.ts';
import { sumRevisions } from './key-queries.ts';
import { selectEntries } from './log-queries.ts';
import type { Lost } from './published.ts';
import { lostKeys, type Remembered, selectRemembered } from './remembered.ts';
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
  readonly lost: Lost;
  readonly tree: Frontier;
  readonly nodes: readonly StoredNode[];
  readonly revisions: number;
  readonly epoch: number;
  /** The latest `resumed` that is known. */
  readonly resumed: number;
}

/** Where a log is known to have been at a size. */
interface KnownEnd {
  readonly size: number;
  isHere(tree: Frontier, last: Bytes | undefined): boolean;
}

const rowsAtOnce = 1000;

/**
 * Looks at all that there is of a tenant, under the lock of its state. Throws `OperatorError` where there is no such tenant, and `IntegrityError` for rows that nobody can
 * accept, because the service did not write them so.
 */
export async function inspectTenant(tx: Queries, { macKey, engine }: Reading, tenant: string): Promise<Found> {
  const published = await tx.selectFrom('heads').selectAll().where('tenant', '=', tenant).executeTakeFirst();
  if (!published) throw new OperatorError(`There is no tenant ${tenant}`);
  const query = tx.selectFrom('states').selectAll().where('tenant', '=', tenant);
  const row = await (engine.kind === 'postgres' ? query.forUpdate() : query).executeTakeFirst();
  const state = trustedState(macKey, row);
  const all = await selectRemembered(tx, macKey, tenant);
  const remembered = all.filter(({ resumed }) => resumed >= (state?.resumed ?? 0));
  const { tree, nodes, forked } = await readLog(tx, tenant, knownEnds(published, remembered));
  const revisions = await sumOf(tx, macKey, tenant);
  const keys = await lostKeys(
    tx,
    remembered.flatMap((each) => each.keys),
  );
  const known = [published, ...remembered, ...(state ? [{ ...state, size: 0 }] : [])];
  const most = (of: 'epoch' | 'revisions' | 'size') => Math.max(...known.map((each) => each[of]));
  const lost: Lost = {
    entries: { known: most('size'), there: tree.size },
    epochs: { known: most('epoch'), there: state?.epoch ?? 0 },
    changes: { known: most('revisions'), there: revisions },
    keys: [...new Set(keys.map(({ id }) => id))].sort(),
    forked,
  };
  const resumed = Math.max(state?.resumed ?? 0, ...all.map((each) => each.resumed));
  return { lost, tree, nodes, revisions, epoch: most('epoch'), resumed };
}

/** Writes the state of a tenant that goes on with what there is: as it is before its leaf. */
export async function writeResumed(
  tx: Queries,
  { macKey }: Reading,
  { tree, nodes, revisions, epoch, resumed }: Found,
  { time, entry }: { readonly time: number; readonly entry: LogEntry },
): Promise<StateRecord> {
  const { tenant } = entry;
  await tx.deleteFrom('log_nodes').where('log', '=', tenant).execute();
  for (let from = 0; from < nodes.length; from += rowsAtOnce) {
    const rows = nodes.slice(from, from + rowsAtOnce).map(({ level, index, hash }) => ({ level, idx: index, hash }));
    await tx
      .insertInto('log_nodes')
      .values(rows.map((node) => ({ log: tenant, ...node })))
      .execute();
  }
  // Whatever the clock says: what is known of before must not count on.
  const before = { tenant, resumed: Math.max(time, resumed + 1), epoch: epoch + 1, revisions, tree };
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

function knownEnds(
  { size, frontier }: { readonly size: number; readonly frontier: Uint8Array },
  remembered: readonly Remembered[],
): KnownEnd[] {
  const isHere = ({ hashes }: Frontier) => equalBytes(concat(...hashes), frontier);
  const leaves = remembered.flatMap(({ size: end, leaf }): KnownEnd[] => {
    return leaf ? [{ size: end, isHere: (_, last) => last !== undefined && equalBytes(last, leaf) }] : [];
  });
  return [{ size, isHere }, ...leaves];
}

/** The tree over the leaves that there are. Throws `IntegrityError` where one is missing in between, or was changed. */
async function readLog(tx: Queries, tenant: string, ends: readonly KnownEnd[]) {
  let tree = emptyFrontier;
  let forked = false;
  const nodes: StoredNode[] = [];
  for (;;) {
    const page = await selectEntries(tx, tenant, tree.size, tree.size + rowsAtOnce);
    for (const { index, hash, entry } of page) {
      if (index !== tree.size || !equalBytes(leafHash(entry), hash) || tenantOfEntry(entry) !== tenant) {
        throw new IntegrityError(
          `Entry ${tree.size} of the log of ${tenant} was changed: put it back from a backup first`,
        );
      }
      const grown = appendLeaf(tree, hash);
      tree = grown.frontier;
      nodes.push(...grown.nodes);
      const { size } = tree;
      forked ||= ends.some((end) => end.size === size && !end.isHere(tree, hash));
    }
    if (page.length === 0) break;
  }
  const { rows } = await sql<{ idx: number }>`
    select idx from log_leaves where log = ${tenant} and (idx >= ${tree.size} or idx < 0) limit 1`.execute(tx);
  if (rows.length === 0) return { tree, nodes, forked };
  throw new IntegrityError(`Entry ${tree.size} of the log of ${tenant} is missing: put it back from a backup first`);
}

async function sumOf(tx: Queries, macKey: Bytes, tenant: string): Promise<number> {
  const acknowledged = new Acknowledged();
  const reading = { macKey, acknowledged, known: acknowledged.known(), committed: false, tenant };
  const sums = new Sums();
  await sumRevisions(tx, reading, sums);
  await sumRevocations(tx, reading, sums);
  await sumTombstones(tx, reading, sums);
  await sumTenantRecords(tx, reading, sums);
  sums.assertWhole();
  return sums.of(tenant);
}
