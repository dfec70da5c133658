/** The published heads of tenants' logs, beside what their logs are by now; in pages, so that others get their turn. `docs/key-service.md` §8.7. */

import { setImmediate } from 'node:timers/promises';
import { sql } from 'kysely';
import { IntegrityError } from '../errors.ts';
import { type Bytes, concat } from '../lib/bytes.ts';
import { appendLeaf, type Frontier, isSameTree } from '../model/merkle.ts';
import { assertContinues } from './acknowledged.ts';
import type { Engine, Queries } from './engine.ts';
import type { PublishedHead } from './published.ts';
import { hashesOf, type StateRecord } from './rows.ts';
import { checkedState, type StateReading } from './state.ts';
import type { Tables } from './tables.ts';

/** A head as it was published, and the head to publish next. */
export interface WalkedHead {
  readonly slot: number;
  readonly head: PublishedHead;
  /** The same as `head` where nothing has changed, or where the log does not continue it. */
  readonly next: PublishedHead;
  readonly refused: IntegrityError | undefined;
}

/** Of one page: two or three milliseconds for those whose logs have not grown. */
const headsAtOnce = 250;
const leavesAtOnce = 1000;

/** All heads, in the order of their slots. Trees are computed from the leaves behind them; what is in a tenant's state is only compared with that. */
export async function* walkHeads(engine: Engine, reading: StateReading): AsyncGenerator<WalkedHead[], void> {
  for (let from = 0; ; ) {
    const page = await engine.read((db) => walkPage(db, reading, from));
    yield page;
    // A database in this process leaves no turn to others by itself.
    await setImmediate();
    const last = page.at(-1);
    if (!last || page.length < headsAtOnce) return;
    from = last.slot + 1;
  }
}

/** Tenants whose logs do not continue their published heads, with the reason. */
export async function refusedHeads(engine: Engine, reading: StateReading): Promise<Map<string, IntegrityError>> {
  const refused = new Map<string, IntegrityError>();
  for await (const page of walkHeads(engine, reading)) {
    for (const { head, refused: error } of page) if (error) refused.set(head.tenant, error);
  }
  return refused;
}

/** The heads of some slots. */
export async function selectHeadRows(db: Queries, from: number): Promise<Tables['heads'][]> {
  return db.selectFrom('heads').selectAll().where('slot', '>=', from).orderBy('slot').limit(headsAtOnce).execute();
}

/** What a row says was published. */
export function headOf({ tenant, epoch, revisions, size, frontier }: Tables['heads']): PublishedHead {
  return { tenant, epoch, revisions, tree: { size, hashes: hashesOf(frontier) } };
}

/** Writes heads, in place of those that were published before. */
export async function writeHeads(
  tx: Queries,
  { engine }: StateReading,
  heads: readonly PublishedHead[],
): Promise<void> {
  const [int, bytes] = [sql.raw(engine.dialect.int), sql.raw(engine.dialect.bytes)];
  for (let from = 0; from < heads.length; from += leavesAtOnce) {
    const rows = heads.slice(from, from + leavesAtOnce).map(({ tenant, epoch, revisions, tree: { size, hashes } }) => {
      const numbers = sql.join([epoch, revisions, size].map((number) => sql`cast(${number} as ${int})`));
      return sql`(${tenant}, ${numbers}, cast(${concat(...hashes)} as ${bytes}))`;
    });
    await sql`with grown (tenant, epoch, revisions, size, frontier) as (values ${sql.join(rows)})
      update heads set epoch = grown.epoch, revisions = grown.revisions, size = grown.size, frontier = grown.frontier
      from grown where heads.tenant = grown.tenant`.execute(tx);
  }
}

async function walkPage(db: Queries, reading: StateReading, from: number): Promise<WalkedHead[]> {
  const rows = await selectHeadRows(db, from);
  const names = rows.map(({ tenant }) => tenant);
  const states =
    names.length === 0 ? [] : await db.selectFrom('states').selectAll().where('tenant', 'in', names).execute();
  const found = new Map(states.map((row) => [row.tenant, row]));
  const targets = new Map<string, StateRecord>();
  const refused = new Map<string, IntegrityError>();
  for (const row of rows) {
    const { tenant, epoch, revisions, size } = row;
    try {
      const stateRow = found.get(tenant);
      if (!stateRow) throw new IntegrityError(`The state of the tenant ${tenant} was removed from the store`);
      const state = checkedState(reading, stateRow);
      // The MAC of a state does not cover the log: one of before fits the log of now.
      assertContinues(state, null, { resumed: state.resumed, epoch, revisions, size: 0, leaf: undefined });
      if (state.tree.size > size) targets.set(tenant, state);
      else if (!isSameTree(state.tree, headOf(row).tree)) throw behind(tenant);
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      refused.set(tenant, error);
    }
  }
  const trees = await grow(db, reading, rows, targets);
  return rows.map((row) => {
    const head = headOf(row);
    const state = targets.get(row.tenant);
    if (!state) return { slot: row.slot, head, next: head, refused: refused.get(row.tenant) };
    const isGrown = isSameTree(trees.get(row.tenant) ?? head.tree, state.tree);
    return { slot: row.slot, head, next: isGrown ? state : head, refused: isGrown ? undefined : behind(row.tenant) };
  });
}

/** The trees of logs that have grown, as their leaves lead to them. */
async function grow(
  db: Queries,
  { engine }: StateReading,
  rows: readonly Tables['heads'][],
  targets: ReadonlyMap<string, StateRecord>,
): Promise<Map<string, Frontier>> {
  const grown = rows.filter(({ tenant }) => targets.has(tenant));
  const trees = new Map(grown.map((row) => [row.tenant, headOf(row).tree]));
  // As they were read: somebody else may publish between two queries, and leaves from a later head on would lead nowhere.
  const int = sql.raw(engine.dialect.int);
  const heads = sql.join(grown.map(({ tenant, size }) => sql`(${tenant}, cast(${size} as ${int}))`));
  for (let [log, idx] = ['', -1]; grown.length > 0; ) {
    const { rows: leaves } = await sql<{ log: string; idx: number; hash: Bytes }>`
      with h (tenant, size) as (values ${heads})
      select l.log, l.idx, l.hash from h join log_leaves l on l.log = h.tenant and l.idx >= h.size
      where (l.log, l.idx) > (${log}, ${idx}) order by l.log, l.idx limit ${leavesAtOnce}`.execute(db);
    for (const leaf of leaves) {
      const tree = trees.get(leaf.log);
      // Behind what the state said when it was read there may be more by now.
      if (!tree || tree.size !== leaf.idx || tree.size >= (targets.get(leaf.log)?.tree.size ?? 0)) continue;
      trees.set(leaf.log, appendLeaf(tree, Uint8Array.from(leaf.hash)).frontier);
    }
    const last = leaves.at(-1);
    if (!last || leaves.length < leavesAtOnce) break;
    [log, idx] = [last.log, last.idx];
  }
  return trees;
}

function behind(tenant: string): IntegrityError {
  return new IntegrityError(
    `The log of the tenant ${tenant} does not continue the head that was published: it was changed, cut or forked`,
  );
}
