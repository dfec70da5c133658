/** A log as it is there, read without a lock: its tree from its entries, whatever its state says of it; `docs/key-service.md` §12.9. */

import { isDeepStrictEqual } from 'node:util';
import { type RawBuilder, sql } from 'kysely';
import { IntegrityError, OperatorError } from '../errors.ts';
import { type Bytes, equalBytes } from '../lib/bytes.ts';
import { serviceLog, tenantOfEntry } from '../model/entry.ts';
import { appendLeaf, emptyFrontier, type Frontier, leafHash, type StoredNode, storedLevels } from '../model/merkle.ts';
import type { Engine, Queries } from './engine.ts';
import { selectEntries } from './log-queries.ts';
import type { Remembered } from './remembered.ts';
import type { StoredEntry } from './store.ts';
import type { RememberedRow, StateRow, Tables } from './tables.ts';

/** Where a log is known to have been at a size. */
export interface KnownEnd {
  readonly size: number;
  isHere(tree: Frontier, last: Bytes | undefined): boolean;
}

/** A log by its entries. */
export interface ReadLog {
  readonly tree: Frontier;
  /** Nodes of the tree that are not stored so. */
  readonly unstored: readonly StoredNode[];
  /** Whether nodes are stored that the tree does not have. */
  readonly overfull: boolean;
  /** Whether it is another one at an end that is known. */
  readonly forked: boolean;
}

/** Few rows that change with everything else that is looked at: what was read while they stayed the same is what there is. */
export interface Basis {
  readonly state: StateRow | undefined;
  readonly head: Tables['heads'] | undefined;
  readonly publication: Tables['publications'] | undefined;
  readonly remembered: readonly RememberedRow[];
  /** Of the last entry. */
  readonly last: number | undefined;
}

const rowsAtOnce = 1000;
/** How often something is looked at that changes meanwhile. */
export const looks = 5;

/** Looks at a tenant, or the service, until nothing of it changes meanwhile: only then is what was found there, or refused, believed. Throws `OperatorError` where something always does. */
export async function inspected<T>(
  engine: Engine,
  tenant: string,
  look: (basis: Basis) => Promise<T>,
): Promise<{ readonly basis: Basis; readonly found: T }> {
  for (let attempt = 1; attempt <= looks; attempt += 1) {
    const basis = await engine.read((db) => readBasis(db, tenant));
    const [looked] = await Promise.allSettled([look(basis)]);
    if (!isDeepStrictEqual(await engine.read((db) => readBasis(db, tenant)), basis)) continue;
    if (looked.status === 'rejected') throw looked.reason;
    return { basis, found: looked.value };
  }
  throw restless(tenant);
}

/** What is said of something that changes whenever it is looked at. */
export function restless(tenant: string): OperatorError {
  const what = tenant === serviceLog ? 'The log of the service' : `The tenant ${tenant}`;
  return new OperatorError(`${what} changes while it is looked at: it is not halted`);
}

/** Locks the state of a tenant, or of the service. Whether what was inspected is still what there is. */
export async function lockInspected(tx: Queries, { kind }: Engine, tenant: string, basis: Basis): Promise<boolean> {
  const query = tx.selectFrom('states').select('tenant').where('tenant', '=', tenant);
  // SQLite has the lock since `begin immediate`.
  if (kind === 'postgres') await query.forUpdate().execute();
  return isDeepStrictEqual(await readBasis(tx, tenant), basis);
}

/** The ends of a log that replicas remember. */
export function rememberedEnds(remembered: readonly Remembered[]): KnownEnd[] {
  return remembered.flatMap(({ size, leaf }): KnownEnd[] => {
    return leaf ? [{ size, isHere: (_, last) => last !== undefined && equalBytes(last, leaf) }] : [];
  });
}

/** The tree over the entries that there are, in pages, each of which `visit` sees. Throws `IntegrityError` where one is missing in between, or was changed. */
export async function readLog(
  engine: Engine,
  log: string,
  ends: readonly KnownEnd[],
  visit?: (entry: StoredEntry) => void,
): Promise<ReadLog> {
  let tree = emptyFrontier;
  let forked = false;
  const unstored: StoredNode[] = [];
  for (;;) {
    const { size: from } = tree;
    const nodes: StoredNode[] = [];
    const page = await engine.read((db) => selectEntries(db, log, from, from + rowsAtOnce));
    for (const { index, hash, entry } of page) {
      // The service's own log has entries of before tenants had theirs.
      const isOf = log === serviceLog || tenantOfEntry(entry) === log;
      if (index !== tree.size) throw notAcceptable(log, tree, 'missing');
      if (!equalBytes(leafHash(entry), hash) || !isOf) throw notAcceptable(log, tree, 'changed');
      visit?.({ index, hash, entry });
      const grown = appendLeaf(tree, hash);
      tree = grown.frontier;
      nodes.push(...grown.nodes);
      const { size } = tree;
      for (const end of ends) if (end.size === size && !end.isHere(tree, hash)) forked = true;
    }
    if (page.length === 0) break;
    unstored.push(...(await engine.read((db) => notStored(db, log, nodes))));
  }
  const { rows } = await engine.read((db) =>
    sql`select idx from log_leaves where log = ${log} and (idx >= ${tree.size} or idx < 0) limit 1`.execute(db),
  );
  if (rows.length > 0) throw notAcceptable(log, tree, 'missing');
  const others = await engine.read((db) =>
    sql`select idx from log_nodes where log = ${log} and ${notOf(tree)} limit 1`.execute(db),
  );
  return { tree, unstored, overfull: others.rows.length > 0, forked };
}

/** Gives a log the stored nodes of its tree, where they are others. */
export async function mendNodes(
  tx: Queries,
  log: string,
  { tree, unstored, overfull }: Pick<ReadLog, 'tree' | 'unstored' | 'overfull'>,
): Promise<void> {
  if (overfull) await sql`delete from log_nodes where log = ${log} and ${notOf(tree)}`.execute(tx);
  for (let from = 0; from < unstored.length; from += rowsAtOnce) {
    const page = unstored.slice(from, from + rowsAtOnce);
    const rows = page.map(({ level, index, hash }) => ({ log, level, idx: index, hash }));
    await tx
      .insertInto('log_nodes')
      .values(rows)
      .onConflict((conflict) =>
        conflict.columns(['log', 'level', 'idx']).doUpdateSet(({ ref }) => ({ hash: ref('excluded.hash') })),
      )
      .execute();
  }
}

// On each level, the nodes that neighbouring leaves complete are neighbours.
async function notStored(db: Queries, log: string, nodes: readonly StoredNode[]): Promise<StoredNode[]> {
  const differing: StoredNode[] = [];
  for (const [level, those] of Map.groupBy(nodes, (node) => node.level)) {
    const [from = 0, to = 0] = [those[0]?.index, those.at(-1)?.index];
    const query = db.selectFrom('log_nodes').select(['idx', 'hash']).where('log', '=', log).where('level', '=', level);
    const rows = await query.where('idx', '>=', from).where('idx', '<=', to).execute();
    const stored = new Map(rows.map(({ idx, hash }) => [idx, hash]));
    differing.push(...those.filter(({ index, hash }) => !equalBytes(stored.get(index) ?? new Uint8Array(), hash)));
  }
  return differing;
}

/** That a row is no node of the tree. */
function notOf({ size }: Frontier): RawBuilder<boolean> {
  const levels: RawBuilder<boolean>[] = [];
  for (let level = storedLevels; 2 ** level <= size; level += storedLevels) {
    levels.push(sql`(level = ${level} and idx >= 0 and idx < ${Math.floor(size / 2 ** level)})`);
  }
  return levels.length === 0 ? sql`true` : sql`not (${sql.join(levels, sql` or `)})`;
}

async function readBasis(db: Queries, tenant: string): Promise<Basis> {
  const of = { log: tenant, tenant };
  const last = db.selectFrom('log_leaves').select('idx').where('log', '=', of.log).orderBy('idx', 'desc').limit(1);
  const remembered = db.selectFrom('remembered').selectAll().where('tenant', '=', tenant).orderBy('replica');
  return {
    state: await db.selectFrom('states').selectAll().where('tenant', '=', tenant).executeTakeFirst(),
    head: await db.selectFrom('heads').selectAll().where('tenant', '=', tenant).executeTakeFirst(),
    publication: tenant === serviceLog ? await db.selectFrom('publications').selectAll().executeTakeFirst() : undefined,
    remembered: await remembered.execute(),
    last: (await last.executeTakeFirst())?.idx,
  };
}

function notAcceptable(log: string, { size }: Frontier, what: 'changed' | 'missing'): IntegrityError {
  const of = log === serviceLog ? 'the service' : log;
  return new IntegrityError(
    `Entry ${size} of the log of ${of} ${what === 'changed' ? 'was' : 'is'} ${what}: put it back from a backup first`,
  );
}
