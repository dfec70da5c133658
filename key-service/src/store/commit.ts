/** The transaction of requests that are in flight together, `docs/key-service.md` §11.3. */

import { sql } from 'kysely';
import { IntegrityError } from '../errors.ts';
import type { Bytes } from '../lib/bytes.ts';
import type { Engine, Queries } from './engine.ts';
import { selectKey } from './key-queries.ts';
import { appendEntries, readState, writeState } from './state.ts';
import type { Commit, CommitResult, KeyRevision } from './store.ts';
import type { Tables } from './tables.ts';

/** Keys of one request that are read again where the epoch is over. */
const maxRereads = 8;

/** Records what is still current, in order; the results are in the order of the batch. */
export async function commitBatch(
  tx: Queries,
  engine: Engine,
  macKey: Bytes,
  batch: readonly Commit[],
): Promise<CommitResult[]> {
  const state = await readState(tx, engine, macKey, true);
  const isLate = ({ epoch }: Commit): boolean => epoch !== undefined && epoch !== state.epoch;
  const late = await lateButUnchanged(tx, macKey, batch.filter(isLate));
  const current = batch.filter((commit) => !isLate(commit) || late.has(commit));
  const fresh = await claimProofs(tx, current);
  const limited = await useWindows(tx, fresh);
  const accepted = current.filter((commit) => fresh.has(commit) && !limited.has(commit));
  const next = await appendEntries(
    tx,
    state,
    accepted.map(({ entry }) => entry),
  );
  await countUses(tx, accepted);
  if (accepted.length > 0) await writeState(tx, macKey, next);

  const done = new Set(accepted);
  const known = new Set(current);
  return batch.map((commit) => {
    if (!known.has(commit)) return 'stale';
    if (!fresh.has(commit)) return 'replayed';
    if (!done.has(commit)) return 'limited';
    return late.has(commit) ? 'late' : 'committed';
  });
}

// The state is locked: what is read here stays until the end of the transaction.
async function lateButUnchanged(tx: Queries, macKey: Bytes, commits: readonly Commit[]): Promise<Set<Commit>> {
  const revisions = new Map<string, number | undefined>();
  const isUnchanged = async ({ tenant, id, revision }: KeyRevision): Promise<boolean> => {
    const name = `${tenant}\n${id}`;
    if (!revisions.has(name)) revisions.set(name, await revisionOf(tx, macKey, tenant, id));
    return revisions.get(name) === revision;
  };
  const unchanged = new Set<Commit>();
  for (const commit of commits) {
    const { keys } = commit;
    if (!keys || keys.length > maxRereads) continue;
    let same = true;
    for (const key of keys) same &&= await isUnchanged(key);
    if (same) unchanged.add(commit);
  }
  return unchanged;
}

// A key that somebody changed concerns who uses it, when it is decided anew, and not the others of this transaction.
async function revisionOf(tx: Queries, macKey: Bytes, tenant: string, id: string): Promise<number | undefined> {
  try {
    return (await selectKey(tx, macKey, tenant, id))?.revision;
  } catch (error) {
    if (error instanceof IntegrityError) return undefined;
    throw error;
  }
}

// A proof that two requests of one batch share belongs to the first.
async function claimProofs(tx: Queries, commits: readonly Commit[]): Promise<Set<Commit>> {
  const claims = new Map<string, { commit: Commit; expires: number }>();
  const fresh = new Set<Commit>();
  for (const commit of commits) {
    if (!commit.proof) fresh.add(commit);
    else if (!claims.has(commit.proof.id)) claims.set(commit.proof.id, { commit, expires: commit.proof.expires });
  }
  if (claims.size === 0) return fresh;
  const inserted = await tx
    .insertInto('proofs')
    .values([...claims].map(([id, { expires }]) => ({ id, expires })))
    .onConflict((conflict) => conflict.column('id').doNothing())
    .returning('id')
    .execute();
  for (const { id } of inserted) {
    const claim = claims.get(id);
    if (claim) fresh.add(claim.commit);
  }
  return fresh;
}

async function useWindows(tx: Queries, commits: ReadonlySet<Commit>): Promise<Set<Commit>> {
  const wanted = new Map<string, { principal: string; started: number; items: number; commits: Commit[] }>();
  for (const commit of commits) {
    if (!commit.use) continue;
    const { principal, window: started, items } = commit.use;
    const id = `${started} ${principal}`;
    const entry = wanted.get(id) ?? { principal, started, items: 0, commits: [] };
    entry.items += items;
    entry.commits.push(commit);
    wanted.set(id, entry);
  }
  if (wanted.size === 0) return new Set();
  const rows = await addToWindows(
    tx,
    [...wanted.values()].map(({ principal, started, items }) => ({ principal, started, items })),
  );
  const limited = new Set<Commit>();
  for (const { principal, started, items } of rows) {
    const entry = wanted.get(`${started} ${principal}`);
    let total = items - (entry?.items ?? 0);
    for (const commit of entry?.commits ?? []) {
      total += commit.use?.items ?? 0;
      if (commit.use && total > commit.use.limit) limited.add(commit);
    }
  }
  return limited;
}

/** Adds items to the windows of principals, and gives what these then hold. */
export function addToWindows(tx: Queries, rows: readonly Tables['windows'][]): Promise<Tables['windows'][]> {
  return tx
    .insertInto('windows')
    .values([...rows])
    .onConflict((conflict) =>
      conflict.columns(['principal', 'started']).doUpdateSet({ items: sql<number>`windows.items + excluded.items` }),
    )
    .returningAll()
    .execute();
}

async function countUses(tx: Queries, commits: readonly Commit[]): Promise<void> {
  const counts = new Map<string, { keyId: string; version: number; count: number }>();
  for (const { keyId, version, count } of commits.flatMap(({ uses }) => uses)) {
    const id = `${keyId}/${version}`;
    counts.set(id, { keyId, version, count: count + (counts.get(id)?.count ?? 0) });
  }
  for (const { keyId, version, count } of counts.values()) {
    await tx
      .updateTable('key_versions')
      .set({ uses: sql`uses + ${count}` })
      .where('key_id', '=', keyId)
      .where('version', '=', version)
      .execute();
  }
}
