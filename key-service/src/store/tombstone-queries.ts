/** Reading and writing the lists of tombstones; `docs/key-service.md` §11.11. */

import { IntegrityError } from '../errors.ts';
import { type Bytes, encodeBase64url, equalBytes } from '../lib/bytes.ts';
import {
  emptyHead,
  nextHead,
  type TombstoneEntry,
  type TombstoneHead,
  type TombstonePage,
} from '../model/tombstones.ts';
import type { SeenKey } from './acknowledged.ts';
import type { Queries } from './engine.ts';
import type { KeyReading } from './key-queries.ts';
import { fits, rowMac } from './rows.ts';
import { refusing, type Sums } from './sums.ts';
import type { TombstoneHeadRow } from './tables.ts';

/** Entries that are read at once: what is computed over them takes about a millisecond. */
const pageSize = 1000;

/** The head of a tenant's list. Throws `IntegrityError` where somebody else changed it, or put back an older one. */
export async function selectTombstoneHead(db: Queries, reading: KeyReading, tenant: string): Promise<TombstoneHead> {
  const row = await db.selectFrom('tombstone_heads').selectAll().where('tenant', '=', tenant).executeTakeFirst();
  return headOf(reading, row ?? { tenant, total: 0, hash: emptyHead.hash, mac: '' });
}

/** The entries behind the first `after`, and the head. Throws `IntegrityError` where some are missing, or where the head is not what all of them lead to. */
export async function selectTombstones(
  db: Queries,
  reading: KeyReading,
  tenant: string,
  after: TombstoneHead,
): Promise<TombstonePage> {
  const head = await selectTombstoneHead(db, reading, tenant);
  const rows = await db
    .selectFrom('tombstones')
    .selectAll()
    .where('tenant', '=', tenant)
    .where('seq', '>', after.total)
    .orderBy('seq')
    .limit(pageSize)
    .execute();
  let end = after;
  const entries = rows.map(({ seq, tombstone, stands }) => {
    const entry = { tombstone: Uint8Array.from(tombstone), stands: stands === 1 };
    end = nextHead(end, entry);
    if (seq !== end.total) throw changed();
    return entry;
  });
  const whole =
    end.total === head.total ? equalBytes(end.hash, head.hash) : end.total < head.total && rows.length === pageSize;
  if (!whole) throw changed();
  return { head, entries };
}

/** Adds entries, and gives the row of the head. */
export async function appendTombstones(
  tx: Queries,
  reading: KeyReading,
  tenant: string,
  entries: readonly TombstoneEntry[],
): Promise<{ readonly head: TombstoneHead; readonly row: SeenKey }> {
  let head = await selectTombstoneHead(tx, reading, tenant);
  const rows = entries.map((entry) => {
    head = nextHead(head, entry);
    return { tenant, seq: head.total, tombstone: entry.tombstone, stands: entry.stands ? 1 : 0 };
  });
  if (rows.length > 0) await tx.insertInto('tombstones').values(rows).execute();
  const row = await writeHead(tx, reading.macKey, tenant, head);
  return { head, row: seenHead(row) };
}

/** Checks every list and adds its length to the sum of its tenant, or refuses it there; with `to`, each head gets its MAC under that key. */
export async function sumTombstones(db: Queries, reading: KeyReading, sums: Sums, to?: Bytes): Promise<void> {
  const all = db.selectFrom('tombstone_heads').select('tenant').orderBy('tenant');
  const { tenant: one } = reading;
  const heads = await (one === undefined ? all : all.where('tenant', '=', one)).execute();
  for (const { tenant } of heads) {
    const head = await refusing(sums, tenant, () => wholeList(db, reading, tenant));
    if (!head) continue;
    if (to) await writeHead(db, to, tenant, head);
    sums.add(tenant, head.total);
  }
}

/** The head of a tenant's list, once every entry was read. Throws `IntegrityError`. */
async function wholeList(db: Queries, reading: KeyReading, tenant: string): Promise<TombstoneHead> {
  for (let end = emptyHead; ; ) {
    const { head, entries } = await selectTombstones(db, reading, tenant, end);
    for (const entry of entries) end = nextHead(end, entry);
    if (end.total >= head.total) return head;
  }
}

async function writeHead(tx: Queries, macKey: Bytes, tenant: string, { total, hash }: TombstoneHead) {
  const row = { tenant, total, hash, mac: macOf(macKey, tenant, total, hash) };
  await tx
    .insertInto('tombstone_heads')
    .values(row)
    .onConflict((conflict) => conflict.column('tenant').doUpdateSet({ total, hash, mac: row.mac }))
    .execute();
  return row;
}

function headOf({ macKey, acknowledged, known, committed }: KeyReading, row: TombstoneHeadRow): TombstoneHead {
  const { tenant, total } = row;
  const hash = Uint8Array.from(row.hash);
  const none = total === 0 && row.mac === '' && equalBytes(hash, emptyHead.hash);
  if (!none && !fits(row.mac, macOf(macKey, tenant, total, hash))) throw changed();
  const seen = seenHead(row);
  acknowledged.assertKey(seen, known);
  if (committed && !none) acknowledged.see(seen);
  return { total, hash };
}

function seenHead({ tenant, total, mac }: TombstoneHeadRow): SeenKey {
  return { id: `tombstones of ${tenant}`, tenant, revision: total, mac };
}

function macOf(macKey: Bytes, tenant: string, total: number, hash: Bytes): string {
  return rowMac(macKey, ['tombstones', tenant, total, encodeBase64url(hash)]);
}

function changed(): IntegrityError {
  return new IntegrityError('A list of tombstones was changed in the store by somebody else');
}
