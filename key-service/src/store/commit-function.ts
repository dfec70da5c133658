/** The commit of requests as one function of PostgreSQL: what takes a transaction of many statements otherwise is one round trip; `docs/key-service.md` §11.3. */

import { sql } from 'kysely';
import { IntegrityError } from '../errors.ts';
import type { Bytes } from '../lib/bytes.ts';
import { leafHash } from '../model/merkle.ts';
import { RolledBack, unreachable } from './acknowledged.ts';
import { type BatchOutcome, isOfEpoch } from './commit.ts';
import type { Queries } from './engine.ts';
import { stateOf } from './rows.ts';
import type { StateReading } from './state.ts';
import type { Commit, CommitResult } from './store.ts';
import { isLate, tombstoneList, touchedOf } from './touched.ts';

/**
 * The function. It does what `commitBatch` does, in the same order, under the lock of the tenant's row; the MAC of that row is for who called it to check, before
 * anything is released. Where the row does not continue what the caller knows (`known_…`), nothing is written and there are no results.
 */
export const commitFunction = `
create function bulla_commit(
  of_tenant text, known_resumed bigint, known_epoch bigint, known_revisions bigint, known_size bigint, known_leaf bytea, commits jsonb, entries bytea[]
) returns table (resumed bigint, epoch bigint, revisions bigint, mac text, size bigint, leaf bytea, appended bigint, results text[],
  touched_since bigint, touched_ids text, touched_mac text)
language plpgsql set search_path from current as $$
#variable_conflict use_column
declare
  state states%rowtype;
  recent touched%rowtype;
  found_leaf bytea;
  one record;
  outcomes text[];
  fresh_ids text[];
  bound_ids text[];
  limited bigint[];
  stack bytea[];
  tip bytea;
  level int;
  length bigint;
  leaf_idx bigint[] := '{}';
  leaf_hash bytea[] := '{}';
  leaf_entry bytea[] := '{}';
  node_level int[] := '{}';
  node_idx bigint[] := '{}';
  node_hash bytea[] := '{}';
begin
  select * into state from states s where s.tenant = of_tenant for update;
  if not found then return; end if;
  select l.hash into found_leaf from log_leaves l where l.log = of_tenant and l.idx = known_size - 1;
  if state.resumed < known_resumed or state.resumed = known_resumed and (state.epoch < known_epoch
    or state.revisions < known_revisions or state.size < known_size or (known_leaf is not null and found_leaf is distinct from known_leaf)) then
    return query select state.resumed, state.epoch, state.revisions, state.mac, state.size, found_leaf, 0::bigint, null::text[],
      null::bigint, null::text, null::text;
    return;
  end if;

  -- What was decided on an earlier epoch is late where nothing that it rests on was touched since, and stale otherwise.
  select array_agg(case when c.value -> 'epoch' = 'null' or (c.value ->> 'epoch')::bigint = state.epoch
    and (c.value ->> 'resumed')::bigint = state.resumed then 'committed' else 'stale' end order by c.ordinality)
    into outcomes from jsonb_array_elements(commits) with ordinality c;
  if 'stale' = any (outcomes) then
    begin
      select * into recent from touched t where t.tenant = of_tenant and t.resumed = state.resumed and t.epoch = state.epoch;
      for one in select c.ordinality as n from jsonb_array_elements(commits) with ordinality c
        where outcomes[c.ordinality] = 'stale' and c.value -> 'keys' <> 'null'
          and (c.value ->> 'resumed')::bigint = state.resumed and (c.value ->> 'epoch')::bigint >= recent.since and (c.value ->> 'epoch')::bigint < recent.epoch and not exists (
            select from jsonb_array_elements(recent.ids::jsonb) t where (t.value ->> 0)::bigint > (c.value ->> 'epoch')::bigint
              and (jsonb_exists(c.value -> 'keys', t.value ->> 1) or (c.value -> 'tombstones' = 'true' and t.value ->> 1 = '${tombstoneList}')))
      loop outcomes[one.n] := 'late'; end loop;
    exception when data_exception then null; -- Somebody else wrote that row: nothing is late by it.
    end;
  end if;

  -- A proof that two requests share belongs to the first.
  with inserted as (
    insert into proofs (id, expires)
    select distinct on (c.value -> 'proof' ->> 0) c.value -> 'proof' ->> 0, (c.value -> 'proof' ->> 1)::bigint
    from jsonb_array_elements(commits) with ordinality c
    where c.value -> 'proof' <> 'null' and outcomes[c.ordinality] <> 'stale' order by 1, c.ordinality
    on conflict (id) do nothing returning id)
  select coalesce(array_agg(id), '{}') into fresh_ids from inserted;
  for one in select c.ordinality as n, c.value -> 'proof' ->> 0 as id from jsonb_array_elements(commits) with ordinality c
    where c.value -> 'proof' <> 'null' and outcomes[c.ordinality] <> 'stale' order by c.ordinality
  loop
    if one.id = any (fresh_ids) then fresh_ids := array_remove(fresh_ids, one.id);
    else outcomes[one.n] := 'replayed'; end if;
  end loop;

  -- The first exchange of a token binds it.
  if commits @? '$[*].exchanged[*]' then
    insert into exchanged (id, proof_key, expires)
    select distinct on (c.value -> 'exchanged' ->> 0) c.value -> 'exchanged' ->> 0, c.value -> 'exchanged' ->> 1, (c.value -> 'exchanged' ->> 2)::bigint
    from jsonb_array_elements(commits) with ordinality c
    where c.value -> 'exchanged' <> 'null' and outcomes[c.ordinality] in ('committed', 'late') order by 1, c.ordinality
    on conflict (id) do nothing;
    select array_agg(c.ordinality::text) into bound_ids from jsonb_array_elements(commits) with ordinality c
    join exchanged e on e.id = c.value -> 'exchanged' ->> 0
    where c.value -> 'exchanged' <> 'null' and outcomes[c.ordinality] in ('committed', 'late') and e.proof_key <> c.value -> 'exchanged' ->> 1;
  end if;

  with wanted as (
    select c.ordinality as n, c.value -> 'use' ->> 0 as principal, (c.value -> 'use' ->> 1)::bigint as started,
      (c.value -> 'use' ->> 2)::bigint as items, (c.value -> 'use' ->> 3)::numeric as most
    from jsonb_array_elements(commits) with ordinality c
    where c.value -> 'use' <> 'null' and outcomes[c.ordinality] in ('committed', 'late')
  ), counted as (
    insert into windows as w (tenant, principal, started, items)
    select of_tenant, principal, started, sum(items) from wanted group by principal, started order by principal, started
    on conflict (tenant, principal, started) do update set items = w.items + excluded.items returning *
  ), running as (
    select n, most, counted.items - sum(wanted.items) over (partition by wanted.principal, wanted.started)
      + sum(wanted.items) over (partition by wanted.principal, wanted.started order by n) as total
    from wanted join counted on counted.principal = wanted.principal and counted.started = wanted.started
  )
  select array_agg(n) into limited from running where total > most;
  for one in select unnest(limited) as n loop outcomes[one.n] := 'limited'; end loop;
  for one in select unnest(bound_ids)::bigint as n loop outcomes[one.n] := 'bound'; end loop;

  -- RFC 6962 §2.1: the frontier is a stack of perfect subtrees, from the largest to the smallest.
  length := state.size;
  select coalesce(array_agg(substr(state.frontier, i * 32 + 1, 32) order by i), '{}') into stack
    from generate_series(0, octet_length(state.frontier) / 32 - 1) i;
  for n in 1 .. array_length(outcomes, 1) loop
    if outcomes[n] not in ('committed', 'late') then continue; end if;
    tip := sha256('\\x00'::bytea || entries[n]);
    leaf_idx := leaf_idx || length;
    leaf_hash := leaf_hash || tip;
    leaf_entry := leaf_entry || entries[n];
    level := 0;
    while (length >> level) & 1 = 1 loop
      tip := sha256('\\x01'::bytea || stack[array_length(stack, 1)] || tip);
      stack := stack[1 : array_length(stack, 1) - 1];
      level := level + 1;
      if level % 8 = 0 then
        node_level := node_level || level;
        node_idx := node_idx || (length >> level);
        node_hash := node_hash || tip;
      end if;
    end loop;
    stack := stack || tip;
    length := length + 1;
  end loop;
  if length > state.size then
    insert into log_leaves (log, idx, hash, entry)
      select of_tenant, i, h, e from unnest(leaf_idx, leaf_hash, leaf_entry) as leaves (i, h, e);
    insert into log_nodes (log, level, idx, hash)
      select of_tenant, n, i, h from unnest(node_level, node_idx, node_hash) as nodes (n, i, h);
    with used as (
      select u.value ->> 0 as key_id, (u.value ->> 1)::bigint as version, sum((u.value ->> 2)::bigint) as uses
      from jsonb_array_elements(commits) with ordinality c, jsonb_array_elements(c.value -> 'uses') u
      where outcomes[c.ordinality] in ('committed', 'late') group by 1, 2)
    update key_versions v set uses = v.uses + used.uses from used where v.key_id = used.key_id and v.version = used.version;
    update states s set size = length, frontier = coalesce((select string_agg(h, ''::bytea order by i) from unnest(stack) with ordinality as t (h, i)), ''::bytea)
      where s.tenant = of_tenant;
  end if;
  return query select state.resumed, state.epoch, state.revisions, state.mac, state.size, found_leaf, length - state.size, outcomes,
    recent.since, recent.ids, recent.mac;
end $$`;

interface FunctionRow {
  readonly resumed: number;
  readonly epoch: number;
  readonly revisions: number;
  readonly mac: string;
  readonly size: number;
  readonly leaf: Bytes | null;
  readonly appended: number;
  readonly results: CommitResult[] | null;
  readonly touched_since: number | null;
  readonly touched_ids: string | null;
  readonly touched_mac: string | null;
}

/** Calls the function. Throws as `commitBatch` does. */
export async function callCommit(
  db: Queries,
  { macKey, before, acknowledged }: StateReading,
  tenant: string,
  batch: readonly Commit[],
): Promise<BatchOutcome> {
  const known = before(tenant);
  const leastEpoch = known.halted ? unreachable : known.epoch;
  const commits = JSON.stringify(batch.map(argumentOf));
  const entries = batch.map(({ entry }) => Buffer.from(entry.bytes));
  const { rows } = await sql<FunctionRow>`select * from bulla_commit(
    ${tenant}, ${known.resumed}, ${leastEpoch}, ${known.revisions}, ${known.size}, ${known.leaf ?? null}, ${commits}, ${entries})`.execute(
    db,
  );
  const [row] = rows;
  if (!row) throw new IntegrityError('A tenant has no state: it was removed from the store, or never made');
  const { resumed, epoch, revisions, mac, size, leaf, appended } = row;
  const state = stateOf(macKey, { tenant, resumed, epoch, revisions, mac, size, frontier: new Uint8Array() });
  acknowledged.assertState(state, leaf, known);
  if (!row.results) throw new RolledBack(`The state of the tenant ${tenant} went back`);
  const last = batch.findLast((_, n) => row.results?.[n] === 'committed' || row.results?.[n] === 'late');
  const results = checkedResults(macKey, row, tenant, batch);
  const tree = { size: size + appended, hashes: [] };
  return {
    results,
    state: { ...state, tree },
    leaf: last && { index: tree.size - 1, hash: leafHash(last.entry.bytes) },
  };
}

// The function has no key of the MACs. What it lets through must follow from what is authenticated: the epoch, and what was touched up to it.
function checkedResults(macKey: Bytes, row: FunctionRow, tenant: string, batch: readonly Commit[]): CommitResult[] {
  const { resumed, epoch, touched_since: since, touched_ids: ids, touched_mac: mac } = row;
  const found =
    since === null || ids === null || mac === null ? undefined : { tenant, resumed, epoch, since, ids, mac };
  const touched = touchedOf(macKey, found, row);
  return batch.map((commit, n) => {
    const result = row.results?.[n] ?? 'untrusted';
    const follows = result === 'committed' ? isOfEpoch(commit, row) : result !== 'late' || isLate(commit, touched);
    return follows ? result : 'untrusted';
  });
}

/** What became of a call whose answer was lost, by the leaves that are there; under the lock that it would have. `undefined`: nothing, and it can be made again. */
export async function findCommitted(
  tx: Queries,
  { before }: StateReading,
  tenant: string,
  batch: readonly Commit[],
): Promise<CommitResult[] | undefined> {
  const hashes = batch.map(({ entry }) => leafHash(entry.bytes));
  const query = tx.selectFrom('log_leaves').select('hash').where('log', '=', tenant);
  const rows = await query.where('idx', '>=', before(tenant).size).where('hash', 'in', hashes).execute();
  if (rows.length === 0) return undefined;
  const found = new Set(rows.map(({ hash }) => Buffer.from(hash).toString('hex')));
  // A request without a leaf was refused; deciding it again tells why.
  return hashes.map((hash) => (found.has(Buffer.from(hash).toString('hex')) ? 'late' : 'stale'));
}

function argumentOf({ epoch, resumed, keys, tombstones, proof, use, uses, exchanged }: Commit): object {
  return {
    epoch: epoch ?? null,
    resumed: resumed ?? 0,
    keys: keys ?? null,
    tombstones: tombstones ?? false,
    proof: proof ? [proof.id, proof.expires] : null,
    use: use ? [use.principal, use.window, use.items, use.limit] : null,
    uses: uses.map(({ keyId, version, count }) => [keyId, version, count]),
    exchanged: exchanged ? [exchanged.id, exchanged.proofKey, exchanged.expires] : null,
  };
}
