/** Reading the log: hashes of the tree and entries, in pages that fit into memory. */

import { sql } from 'kysely';
import type { Bytes } from '../lib/bytes.ts';
import type { Queries } from './engine.ts';
import type { StoredEntry } from './store.ts';

const maxEntryBytes = 4 * 1024 * 1024;

/** Hashes of perfect subtrees of one level; level 0 are leaves. */
export async function selectNodes(db: Queries, level: number, from: number, to: number): Promise<Bytes[]> {
  const table = level === 0 ? sql`audit_leaves where true` : sql`audit_nodes where level = ${level}`;
  const { rows } = await sql<{ hash: Bytes }>`
    select hash from ${table} and idx >= ${from} and idx < ${to} order by idx`.execute(db);
  return rows.map(({ hash }) => Uint8Array.from(hash));
}

/** Entries in order, the first of them in any case, and no more than about 4 MiB. */
export async function selectEntries(db: Queries, from: number, to: number): Promise<StoredEntry[]> {
  // Measured by the database, so that what is too much never comes here.
  const measured = db
    .selectFrom('audit_leaves')
    .select('idx')
    .select(sql<number>`sum(length(entry)) over (order by idx) - length(entry)`.as('before'))
    .where('idx', '>=', from)
    .where('idx', '<', to);
  const rows = await db
    .selectFrom('audit_leaves')
    .innerJoin(measured.as('measured'), 'measured.idx', 'audit_leaves.idx')
    .selectAll('audit_leaves')
    .where('measured.before', '<', maxEntryBytes)
    .orderBy('audit_leaves.idx')
    .execute();
  return rows.map(({ idx, hash, entry, tenant }) => ({
    index: idx,
    hash: Uint8Array.from(hash),
    entry: Uint8Array.from(entry),
    tenant,
  }));
}
