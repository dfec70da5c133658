/** Reading logs: hashes of their trees and entries, in pages that fit into memory. */

import { sql } from 'kysely';
import type { Bytes } from '../lib/bytes.ts';
import type { Queries } from './engine.ts';
import type { StoredEntry } from './store.ts';

const maxEntryBytes = 4 * 1024 * 1024;

/** Hashes of perfect subtrees of one level; level 0 are leaves. */
export async function selectNodes(db: Queries, log: string, level: number, from: number, to: number): Promise<Bytes[]> {
  const table = level === 0 ? sql`log_leaves where true` : sql`log_nodes where level = ${level}`;
  const { rows } = await sql<{ hash: Bytes }>`
    select hash from ${table} and log = ${log} and idx >= ${from} and idx < ${to} order by idx`.execute(db);
  return rows.map(({ hash }) => Uint8Array.from(hash));
}

/** Entries in order, the first of them in any case, and no more than about 4 MiB. */
export async function selectEntries(db: Queries, log: string, from: number, to: number): Promise<StoredEntry[]> {
  // Measured by the database, so that what is too much never comes here.
  const measured = db
    .selectFrom('log_leaves')
    .select('idx')
    .select(sql<number>`sum(length(entry)) over (order by idx) - length(entry)`.as('before'))
    .where('log', '=', log)
    .where('idx', '>=', from)
    .where('idx', '<', to);
  const rows = await db
    .selectFrom('log_leaves')
    .innerJoin(measured.as('measured'), 'measured.idx', 'log_leaves.idx')
    .selectAll('log_leaves')
    .where('log_leaves.log', '=', log)
    .where('measured.before', '<', maxEntryBytes)
    .orderBy('log_leaves.idx')
    .execute();
  return rows.map(({ idx, hash, entry }) => ({
    index: idx,
    hash: Uint8Array.from(hash),
    entry: Uint8Array.from(entry),
  }));
}
