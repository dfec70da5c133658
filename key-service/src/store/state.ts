/** The row of a tenant that its transactions lock: epoch, sum of revisions, head of its log. */

import { IntegrityError } from '../errors.ts';
import { type Bytes, concat } from '../lib/bytes.ts';
import type { LogEntry } from '../model/entry.ts';
import { appendLeaf, leafHash, type StoredNode } from '../model/merkle.ts';
import { type Acknowledged, type KnownState, knownLeaf } from './acknowledged.ts';
import type { Engine, Queries } from './engine.ts';
import { type StateRecord, stateOf, stateRow } from './rows.ts';
import type { StateRow } from './tables.ts';

/** How a state is read. */
export interface StateReading {
  readonly engine: Engine;
  readonly macKey: Bytes;
  /** What the state of a tenant must continue: what was known before the transaction began. */
  readonly before: (tenant: string) => KnownState;
  readonly acknowledged: Acknowledged;
  /** `true`: nobody else changes it until the transaction ends. */
  readonly lock: boolean;
}

/** The state of a tenant. Throws `IntegrityError` where somebody changed it, removed it, or put back an older one. */
export async function readState(db: Queries, reading: StateReading, tenant: string): Promise<StateRecord> {
  const { engine, macKey, before, acknowledged, lock } = reading;
  const known = before(tenant);
  const query = db.selectFrom('states').selectAll().select(knownLeaf(tenant, known).as('leaf'));
  const one = query.where('tenant', '=', tenant);
  // SQLite has the lock since `begin immediate`.
  const found = await (lock && engine.kind === 'postgres' ? one.forUpdate() : one).executeTakeFirst();
  if (!found) throw new IntegrityError('A tenant has no state: it was removed from the store, or never made');
  const { leaf, ...row } = found;
  const state = stateOf(macKey, row);
  acknowledged.assertState(state, leaf, known);
  return state;
}

/** A state, or why it is not to be trusted: that of one tenant says nothing of the others. */
export type FoundState = StateRecord | IntegrityError;

/** The states of all tenants and of the service, in the order of their names. */
export async function readStates(db: Queries, reading: StateReading): Promise<Map<string, FoundState>> {
  const { engine, lock } = reading;
  const query = db.selectFrom('states').selectAll().orderBy('tenant');
  const rows = await (lock && engine.kind === 'postgres' ? query.forUpdate() : query).execute();
  return new Map(rows.map((row) => [row.tenant, foundState(() => checkedState(reading, row))]));
}

/** The names of all tenants that were ever made, in their order: of one whose state is gone, too. */
export async function selectTenants(db: Queries): Promise<string[]> {
  const rows = await db.selectFrom('heads').select('tenant').orderBy('tenant').execute();
  return rows.map(({ tenant }) => tenant);
}

/** The state of a row, without a look at the last leaf. Throws as {@link readState} does. */
export function checkedState({ macKey, before, acknowledged }: StateReading, row: StateRow): StateRecord {
  const state = stateOf(macKey, row);
  acknowledged.assertState(state, null, { ...before(row.tenant), leaf: undefined });
  return state;
}

function foundState(read: () => StateRecord): FoundState {
  try {
    return read();
  } catch (error) {
    if (error instanceof IntegrityError) return error;
    throw error;
  }
}

/** Writes a state with its MAC, after a change. */
export async function writeState(tx: Queries, macKey: Bytes, state: StateRecord): Promise<void> {
  const { tenant, ...row } = stateRow(macKey, state);
  await tx.updateTable('states').set(row).where('tenant', '=', tenant).execute();
}

/** Writes the head of a tenant's log alone. */
export async function writeHead(tx: Queries, state: StateRecord): Promise<void> {
  const { tenant, tree } = state;
  const [size, frontier] = [tree.size, concat(...tree.hashes)];
  await tx.updateTable('states').set({ size, frontier }).where('tenant', '=', tenant).execute();
}

/** Adds leaves to a log and gives the state with its new head, which is not written yet. */
export async function appendEntries(
  tx: Queries,
  state: StateRecord,
  entries: readonly LogEntry[],
): Promise<StateRecord> {
  if (entries.length === 0) return state;
  const { tenant: log } = state;
  let { tree } = state;
  const completed: StoredNode[] = [];
  const leaves = entries.map(({ tenant, bytes }) => {
    if (tenant !== log) throw new TypeError('An entry is of another log');
    const leaf = { log, idx: tree.size, hash: leafHash(bytes), entry: bytes };
    const { frontier, nodes } = appendLeaf(tree, leaf.hash);
    tree = frontier;
    completed.push(...nodes);
    return leaf;
  });
  await tx.insertInto('log_leaves').values(leaves).execute();
  if (completed.length > 0) {
    const rows = completed.map(({ level, index, hash }) => ({ log, level, idx: index, hash }));
    await tx.insertInto('log_nodes').values(rows).execute();
  }
  return { ...state, tree };
}
