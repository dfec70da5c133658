/** The one row that all transactions lock: epoch, sum of revisions, head of the tree. */

import type { Bytes } from '../lib/bytes.ts';
import type { LogEntry } from '../model/entry.ts';
import { appendLeaf, leafHash, type StoredNode } from '../model/merkle.ts';
import { assertContinues, type Known, knownLeaf } from './acknowledged.ts';
import type { Engine, Queries } from './engine.ts';
import { type StateRecord, stateOf, stateRow } from './rows.ts';

/** How a state is read. */
export interface StateReading {
  readonly engine: Engine;
  readonly macKey: Bytes;
  /** What the state must continue. */
  readonly known: Known;
  /** `true`: nobody else changes it until the transaction ends. */
  readonly lock: boolean;
}

/** The state. Throws `IntegrityError` where somebody changed it, or put back an older one. */
export async function readState(db: Queries, { engine, macKey, known, lock }: StateReading): Promise<StateRecord> {
  const query = db.selectFrom('state').selectAll().select(knownLeaf(known).as('leaf')).where('id', '=', 1);
  // SQLite has the lock since `begin immediate`.
  const { leaf, ...row } = await (lock && engine.kind === 'postgres'
    ? query.forUpdate()
    : query
  ).executeTakeFirstOrThrow();
  const state = stateOf(macKey, row);
  assertContinues(state, leaf, known);
  return state;
}

export async function writeState(tx: Queries, macKey: Bytes, state: StateRecord): Promise<void> {
  await tx.updateTable('state').set(stateRow(macKey, state)).where('id', '=', 1).execute();
}

/** Adds leaves to the tree and gives the state with its new head. */
export async function appendEntries(
  tx: Queries,
  state: StateRecord,
  entries: readonly LogEntry[],
): Promise<StateRecord> {
  if (entries.length === 0) return state;
  let { tree } = state;
  const completed: StoredNode[] = [];
  const leaves = entries.map(({ tenant, bytes }) => {
    const leaf = { idx: tree.size, hash: leafHash(bytes), tenant, entry: bytes };
    const { frontier, nodes } = appendLeaf(tree, leaf.hash);
    tree = frontier;
    completed.push(...nodes);
    return leaf;
  });
  await tx.insertInto('audit_leaves').values(leaves).execute();
  if (completed.length > 0) {
    const rows = completed.map(({ level, index, hash }) => ({ level, idx: index, hash }));
    await tx.insertInto('audit_nodes').values(rows).execute();
  }
  return { ...state, tree };
}
