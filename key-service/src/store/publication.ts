/** Publishing the heads of all tenants' logs in the service's own log; `docs/key-service.md` §8.7. */

import { setImmediate } from 'node:timers/promises';
import { sql } from 'kysely';
import { IntegrityError } from '../errors.ts';
import { type Bytes, concat, decodeBase64url, decodeUtf8, equalBytes } from '../lib/bytes.ts';
import { type LogEntry, serviceLog } from '../model/entry.ts';
import { appendLeaf, type Frontier, leafHash } from '../model/merkle.ts';
import { slotsRoot } from '../model/slots.ts';
import { assertContinues, type Leaf, lastLeaf } from './acknowledged.ts';
import type { Queries } from './engine.ts';
import { hashesOf, type StateRecord } from './rows.ts';
import { appendEntries, checkedState, readState, type StateReading, writeState } from './state.ts';
import type { NextPublication, Publication, PublishedHead } from './store.ts';

/** What publishing left. */
export interface PublicationOutcome {
  readonly state: StateRecord;
  readonly leaf: Leaf | undefined;
  /** Logs that do not continue their heads, and whose heads stay as they were. */
  readonly refused: ReadonlyMap<string, IntegrityError>;
  /** Somebody has published just before. */
  readonly recent: boolean;
}

const leavesAtOnce = 10_000;
const rowsAtOnce = 1000;
/** Milliseconds that the clocks of two replicas, and the wait for the lock, may be apart. */
const aheadMs = 60_000;

/** Publishes what has grown since the last time, unless that was after `since`. */
export async function publishHeads(
  tx: Queries,
  reading: StateReading,
  next: NextPublication,
  since: number,
): Promise<PublicationOutcome> {
  const state = await readState(tx, reading, serviceLog);
  if (await isRecent(tx, next.time, since)) return { state, leaf: undefined, refused: new Map(), recent: true };
  const { last, heads } = await selectHeads(tx);
  const { grown, refused } = await grownHeads(tx, reading, heads);
  if (grown.size === 0 && (last || heads.length === 0)) return { state, leaf: undefined, refused, recent: false };
  const after = heads.map((head) => grown.get(head.tenant) ?? head);
  await writeHeads(
    tx,
    reading,
    after.filter(({ tenant }) => grown.has(tenant)),
  );
  return { ...(await writePublication(tx, reading, state, { next, heads: after })), refused, recent: false };
}

/** Publishes what an operator has accepted of a tenant in place of what was published before, with the leaf that says so. */
export async function publishResumed(
  tx: Queries,
  reading: StateReading,
  accepted: StateRecord,
  { next, entry }: { readonly next: NextPublication; readonly entry: LogEntry },
): Promise<Pick<PublicationOutcome, 'state' | 'leaf'>> {
  const state = await readState(tx, reading, serviceLog);
  const { heads } = await selectHeads(tx);
  await writeHeads(tx, reading, [accepted]);
  const after = heads.map((head) => (head.tenant === accepted.tenant ? accepted : head));
  return writePublication(tx, reading, state, { next, heads: after, first: [entry] });
}

async function writePublication(
  tx: Queries,
  { macKey }: StateReading,
  state: StateRecord,
  written: { readonly next: NextPublication; readonly heads: readonly PublishedHead[]; readonly first?: readonly LogEntry[] },
): Promise<Pick<PublicationOutcome, 'state' | 'leaf'>> {
  const { next, heads, first = [] } = written;
  const { time, seed } = next;
  await tx.deleteFrom('publications').execute();
  await tx
    .insertInto('publications')
    .values({ idx: state.tree.size + first.length, time, seed })
    .execute();
  const entries = [...first, await next.entry(heads)];
  const appended = await appendEntries(tx, state, entries);
  await writeState(tx, macKey, appended);
  return { state: appended, leaf: lastLeaf(state.tree.size, entries) };
}

// Before the heads are read, which every replica would do each second. A time that is yet to come was written by a clock that was wrong, or by somebody else.
async function isRecent(db: Queries, now: number, since: number): Promise<boolean> {
  const query = db.selectFrom('publications').select('time').orderBy('idx', 'desc').limit(1);
  const row = await query.executeTakeFirst();
  return row !== undefined && row.time > since && row.time <= now + aheadMs;
}

/** Tenants whose logs do not continue their published heads, with the reason. Throws `IntegrityError` where the heads are not those that were published. */
export async function refusedHeads(db: Queries, reading: StateReading): Promise<ReadonlyMap<string, IntegrityError>> {
  const { heads } = await selectHeads(db);
  return (await grownHeads(db, reading, heads)).refused;
}

/** The last publication. Throws `IntegrityError` where its heads do not have the root that its leaf says. */
export async function selectPublication(db: Queries): Promise<Publication | undefined> {
  return (await selectHeads(db)).last;
}

/** The last publication with its heads, and the heads of all tenants: those that came later have an empty one, which no publication has named yet. */
async function selectHeads(db: Queries) {
  const all = await db.selectFrom('heads').selectAll().orderBy('slot').execute();
  const heads = all.map(({ tenant, epoch, revisions, size, frontier }) => {
    return { tenant, epoch, revisions, tree: { size, hashes: hashesOf(frontier) } };
  });
  const row = await db.selectFrom('publications').selectAll().orderBy('idx', 'desc').limit(1).executeTakeFirst();
  const root = row && (await publishedRoot(db, row.idx));
  const named = heads.slice(0, root?.tenants ?? 0);
  const seed = Uint8Array.from(row?.seed ?? []);
  const fits = row
    ? root && named.length === root.tenants && equalBytes(await slotsRoot(seed, named, setImmediate), root.hash)
    : true;
  if (!fits || heads.slice(named.length).some(({ tree }) => tree.size > 0)) {
    throw new IntegrityError('The published heads were changed in the store by somebody else');
  }
  return { heads, last: row && { leaf: row.idx, time: row.time, seed, heads: named } };
}

async function publishedRoot(db: Queries, idx: number): Promise<{ hash: Bytes; tenants: number } | undefined> {
  const query = db.selectFrom('log_leaves').selectAll().where('log', '=', serviceLog).where('idx', '=', idx);
  const leaf = await query.executeTakeFirst();
  if (!leaf || !equalBytes(leafHash(Uint8Array.from(leaf.entry)), leaf.hash)) return undefined;
  const { operation, change } = JSON.parse(decodeUtf8(Uint8Array.from(leaf.entry)) ?? '{}');
  const hash = operation === 'publish' ? decodeBase64url(String(change?.root)) : undefined;
  return hash && { hash, tenants: Number(change.tenants) };
}

/** What is published of logs that have grown: their trees are computed from the leaves, and what is in a tenant's state is only compared with that. */
async function grownHeads(tx: Queries, reading: StateReading, heads: readonly PublishedHead[]) {
  const refused = new Map<string, IntegrityError>();
  const rows = new Map((await tx.selectFrom('states').selectAll().execute()).map((row) => [row.tenant, row]));
  const targets = new Map<string, StateRecord>();
  for (const { tenant, epoch, revisions, tree } of heads) {
    const row = rows.get(tenant);
    try {
      if (!row) throw new IntegrityError(`The state of the tenant ${tenant} was removed from the store`);
      const state = checkedState(reading, row);
      // The MAC of a state does not cover the log: one of before fits the log of now.
      assertContinues(state, null, { resumed: state.resumed, epoch, revisions, size: 0, leaf: undefined });
      if (state.tree.size > tree.size) targets.set(tenant, state);
      else if (!isSame(state.tree, tree)) throw behind(tenant);
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      refused.set(tenant, error);
    }
  }
  const trees = await grow(
    tx,
    heads.filter(({ tenant }) => targets.has(tenant)),
    targets,
  );
  const grown = new Map<string, PublishedHead>();
  for (const [tenant, state] of targets) {
    const tree = trees.get(tenant);
    if (tree && isSame(tree, state.tree)) grown.set(tenant, state);
    else refused.set(tenant, behind(tenant));
  }
  return { grown, refused };
}

async function grow(
  tx: Queries,
  heads: readonly PublishedHead[],
  targets: ReadonlyMap<string, StateRecord>,
): Promise<Map<string, Frontier>> {
  const trees = new Map(heads.map(({ tenant, tree }) => [tenant, tree]));
  for (let [log, idx] = ['', -1]; heads.length > 0; ) {
    const { rows } = await sql<{ log: string; idx: number; hash: Bytes }>`
      select l.log, l.idx, l.hash from heads h join states s on s.tenant = h.tenant
      join log_leaves l on l.log = h.tenant and l.idx >= h.size
      where s.size > h.size and (l.log, l.idx) > (${log}, ${idx}) order by l.log, l.idx limit ${leavesAtOnce}`.execute(
      tx,
    );
    for (const row of rows) {
      const tree = trees.get(row.log);
      // Behind what the state said when it was read there may be more by now.
      if (!tree || tree.size !== row.idx || tree.size >= (targets.get(row.log)?.tree.size ?? 0)) continue;
      trees.set(row.log, appendLeaf(tree, Uint8Array.from(row.hash)).frontier);
    }
    const last = rows.at(-1);
    if (!last || rows.length < leavesAtOnce) break;
    [log, idx] = [last.log, last.idx];
  }
  return trees;
}

async function writeHeads(tx: Queries, { engine }: StateReading, heads: readonly PublishedHead[]): Promise<void> {
  const [int, bytes] = [sql.raw(engine.dialect.int), sql.raw(engine.dialect.bytes)];
  for (let from = 0; from < heads.length; from += rowsAtOnce) {
    const rows = heads.slice(from, from + rowsAtOnce).map(({ tenant, epoch, revisions, tree: { size, hashes } }) => {
      const numbers = sql.join([epoch, revisions, size].map((number) => sql`cast(${number} as ${int})`));
      return sql`(${tenant}, ${numbers}, cast(${concat(...hashes)} as ${bytes}))`;
    });
    await sql`with grown (tenant, epoch, revisions, size, frontier) as (values ${sql.join(rows)})
      update heads set epoch = grown.epoch, revisions = grown.revisions, size = grown.size, frontier = grown.frontier
      from grown where heads.tenant = grown.tenant`.execute(tx);
  }
}

function isSame(one: Frontier, other: Frontier): boolean {
  return one.size === other.size && equalBytes(concat(...one.hashes), concat(...other.hashes));
}

function behind(tenant: string): IntegrityError {
  return new IntegrityError(
    `The log of the tenant ${tenant} does not continue the head that was published: it was changed, cut or forked`,
  );
}
