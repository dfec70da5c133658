/** Rows of the schemas before the fifth, which had one state and one log for all tenants: each tenant gets its own, and the log goes on as the service's. */

import { sql } from 'kysely';
import { IntegrityError, OperatorError } from '../errors.ts';
import { type Bytes, decodeBase64url } from '../lib/bytes.ts';
import { encodeEntry, firstEntry, serviceLog } from '../model/entry.ts';
import { emptyFrontier, type Frontier, rootOf, storedLevels } from '../model/merkle.ts';
import { Acknowledged } from './acknowledged.ts';
import type { Queries } from './engine.ts';
import { type KeyReading, sumRevisions } from './key-queries.ts';
import { insertTenant } from './new-tenant.ts';
import { sumRevocations } from './revocation-queries.ts';
import { fits, rowMac, stateRow } from './rows.ts';
import { appendEntries } from './state.ts';
import type { OpenSecret } from './store.ts';
import { Sums } from './sums.ts';
import { sumTombstones } from './tombstone-queries.ts';

interface FormerState {
  readonly revisions: number;
  readonly epoch: number;
  readonly tree: Frontier;
}

/** Divides the state over tenants, inside the transaction that brings the rows to schema 5, and forgets it. Throws as `renewFirstSchema` does. */
export async function divideState(
  tx: Queries,
  options: { readonly open: OpenSecret | undefined; readonly now: number },
): Promise<void> {
  const row = await tx.selectFrom('state').selectAll().where('id', '=', 1).executeTakeFirstOrThrow();
  const empty = row.mac === '' && row.epoch === 0 && row.size === 0;
  if (empty) await tx.insertInto('states').values(freshState).execute();
  else {
    await moveLog(tx);
    await divide(tx, options);
  }
  for (const table of ['state', 'audit_leaves', 'audit_nodes']) await tx.schema.dropTable(table).execute();
}

/** The log goes on as the service's own. In pages: a statement may take three seconds, and a log has millions of entries. */
export async function moveLog(tx: Queries, pageSize = 5000): Promise<void> {
  for (let from = 0, moved = true; moved; from += pageSize) {
    const { rows } = await sql`insert into log_leaves (log, idx, hash, entry)
      select ${serviceLog}, idx, hash, entry from audit_leaves where idx >= ${from} and idx < ${from + pageSize} returning idx`.execute(
      tx,
    );
    moved = rows.length > 0;
  }
  for (let level = storedLevels, found = true; found; level += storedLevels) {
    found = false;
    for (let from = 0, moved = true; moved; from += pageSize) {
      const { rows } = await sql`insert into log_nodes (log, level, idx, hash)
        select ${serviceLog}, level, idx, hash from audit_nodes
        where level = ${level} and idx >= ${from} and idx < ${from + pageSize} returning idx`.execute(tx);
      moved = rows.length > 0;
      found ||= moved;
    }
  }
}

const freshState = {
  tenant: serviceLog,
  resumed: 0,
  epoch: 0,
  revisions: 0,
  mac: '',
  size: 0,
  frontier: new Uint8Array(),
};

async function divide(
  tx: Queries,
  { open, now: time }: { readonly open: OpenSecret | undefined; readonly now: number },
): Promise<void> {
  if (!open) throw new OperatorError('The database has a log of an older schema: migrating it takes the root key');
  const macKey = await openMacKey(tx, open);
  const former = await readFormerState(tx, macKey);
  const acknowledged = new Acknowledged();
  const reading: KeyReading = { macKey, acknowledged, known: acknowledged.known(), committed: false };
  const sums = new Sums();
  await sumRevisions(tx, reading, sums);
  await sumRevocations(tx, reading, sums);
  await sumTombstones(tx, reading, sums);
  sums.assertWhole();
  if (sums.total !== former.revisions) {
    throw new IntegrityError('A key in the store is older than the state: it was put back or removed');
  }
  const head = { size: former.tree.size, root: rootOf(former.tree) };
  for (const [slot, tenant] of sums.tenants.entries()) {
    const empty = { tenant, resumed: 0, epoch: former.epoch + 1, revisions: sums.of(tenant), tree: emptyFrontier };
    await insertTenant(tx, macKey, empty, { first: firstEntry(tenant, head, time), slot });
  }
  const service = {
    tenant: serviceLog,
    resumed: 0,
    epoch: former.epoch + 1,
    revisions: sums.tenants.length,
    tree: former.tree,
  };
  const said = encodeEntry({
    ...{ time, tenant: serviceLog, principal: 'service', operation: 'divide-log', status: 200 },
    change: { tenants: sums.tenants },
  });
  await tx
    .insertInto('states')
    .values(stateRow(macKey, await appendEntries(tx, service, [said])))
    .execute();
}

/** The one state. Throws `IntegrityError` where its MAC does not fit. */
export async function readFormerState(tx: Queries, macKey: Bytes): Promise<FormerState> {
  const row = await tx.selectFrom('state').selectAll().where('id', '=', 1).executeTakeFirstOrThrow();
  const { epoch, revisions, size, frontier, mac } = row;
  if (!fits(mac, rowMac(macKey, ['state', epoch, revisions, size, frontier]))) {
    throw new IntegrityError('The state was changed in the store by somebody else');
  }
  const hashes = (JSON.parse(frontier) as string[]).map((text) => decodeBase64url(text) ?? new Uint8Array());
  return { epoch, revisions, tree: { size, hashes } };
}

/** The key of the MACs over rows. */
export async function openMacKey(tx: Queries, open: OpenSecret): Promise<Bytes> {
  const [kind, name] = ['mac', 'rows'];
  const query = tx.selectFrom('secrets').select('sealed').where('kind', '=', kind).where('name', '=', name);
  const { sealed } = await query.executeTakeFirstOrThrow();
  return open({ kind, name, sealed: Uint8Array.from(sealed) });
}
