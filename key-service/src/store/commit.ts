/** The transaction of requests that are in flight together, `docs/key-service.md` §11.3. */

import { sql } from 'kysely';
import { type Leaf, lastLeaf } from './acknowledged.ts';
import type { Queries } from './engine.ts';
import type { StateRecord } from './rows.ts';
import { appendEntries, readState, type StateReading, writeHead } from './state.ts';
import type { Commit, CommitResult } from './store.ts';
import type { Tables } from './tables.ts';
import { isLate, readTouched } from './touched.ts';

// Parameters of a statement have a limit, which is 32,766 for SQLite.
const usesAtOnce = 5000;

/** What a batch left. */
export interface BatchOutcome {
  readonly results: CommitResult[];
  readonly state: StateRecord;
  readonly leaf: Leaf | undefined;
}

/** Whether a request was decided on no key, or on the keys of this state. */
export function isOfEpoch({ epoch, resumed = 0 }: Commit, state: Pick<StateRecord, 'resumed' | 'epoch'>): boolean {
  return epoch === undefined || (epoch === state.epoch && resumed === state.resumed);
}

/** Records what is still current of a tenant, in order; the results are in the order of the batch. */
export async function commitBatch(
  tx: Queries,
  reading: StateReading,
  tenant: string,
  batch: readonly Commit[],
): Promise<BatchOutcome> {
  const state = await readState(tx, reading, tenant);
  const isOlder = (commit: Commit): boolean => !isOfEpoch(commit, state);
  const touched = batch.some(isOlder) ? await readTouched(tx, reading.macKey, state) : undefined;
  const late = new Set(batch.filter((commit) => isOlder(commit) && isLate(commit, touched)));
  const current = batch.filter((commit) => !isOlder(commit) || late.has(commit));
  const claimed = await claimProofs(tx, current);
  // In the order of the batch: the first of a token binds it, and the last are over a limit.
  const fresh = new Set(current.filter((commit) => claimed.has(commit)));
  const bound = await boundElsewhere(tx, [...fresh]);
  const limited = await useWindows(tx, tenant, fresh);
  const accepted = current.filter((commit) => fresh.has(commit) && !limited.has(commit) && !bound.has(commit));
  const entries = accepted.map(({ entry }) => entry);
  const next = await appendEntries(tx, state, entries);
  await countUses(tx, accepted);
  if (accepted.length > 0) await writeHead(tx, next);

  const done = new Set(accepted);
  const known = new Set(current);
  const results = batch.map((commit) => {
    if (!known.has(commit)) return 'stale';
    if (!fresh.has(commit)) return 'replayed';
    if (bound.has(commit)) return 'bound';
    if (!done.has(commit)) return 'limited';
    return late.has(commit) ? 'late' : 'committed';
  });
  return { results, state: next, leaf: lastLeaf(state.tree.size, entries) };
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

// The first exchange of a token binds it. What is refused here changes nothing: the binding that there is was there before.
async function boundElsewhere(tx: Queries, commits: readonly Commit[]): Promise<Set<Commit>> {
  const exchanges = commits.flatMap((commit) => (commit.exchanged ? [{ commit, ...commit.exchanged }] : []));
  if (exchanges.length === 0) return new Set();
  const first = new Map(
    exchanges.toReversed().map(({ id, proofKey, expires }) => [id, { id, proof_key: proofKey, expires }]),
  );
  await tx
    .insertInto('exchanged')
    .values([...first.values()])
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
  const rows = await tx
    .selectFrom('exchanged')
    .selectAll()
    .where('id', 'in', [...first.keys()])
    .execute();
  const keys = new Map(rows.map(({ id, proof_key }) => [id, proof_key]));
  return new Set(exchanges.filter(({ id, proofKey }) => keys.get(id) !== proofKey).map(({ commit }) => commit));
}

async function useWindows(tx: Queries, tenant: string, commits: ReadonlySet<Commit>): Promise<Set<Commit>> {
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
    [...wanted.values()].map(({ principal, started, items }) => ({ tenant, principal, started, items })),
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
      conflict
        .columns(['tenant', 'principal', 'started'])
        .doUpdateSet({ items: sql<number>`windows.items + excluded.items` }),
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
  const all = [...counts.values()];
  for (let from = 0; from < all.length; from += usesAtOnce) {
    const rows = all
      .slice(from, from + usesAtOnce)
      .map(({ keyId, version, count }) => sql`(${keyId}, cast(${version} as integer), cast(${count} as integer))`);
    await sql`with used (key_id, version, uses) as (values ${sql.join(rows)})
      update key_versions set uses = key_versions.uses + used.uses from used
      where key_versions.key_id = used.key_id and key_versions.version = used.version`.execute(tx);
  }
}
