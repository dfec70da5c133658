/** What a job would have to do, counted without doing any of it. */

import { tableName } from '../ddl.ts';
import { quoted } from '../sql-text.ts';
import { inTransaction, type JobPool } from './database.ts';
import { outdated, type Source, unsealed } from './field-rows.ts';
import type { JobKind } from './work.ts';

/** What a job would look at. */
export interface JobEstimate {
  /** Rows, or data keys, that it would look at; `reencrypt` leaves those of them that are current. */
  readonly rows: number;
  /** Bytes of their cells, or of their plaintext. */
  readonly bytes: number;
  /** Data keys that it would use: of tenants, or of their subjects. */
  readonly dataKeys: number;
  /** Different values of an indexed plaintext column, and how many rows have the most frequent; `null` for other jobs. */
  readonly distinct: number | null;
  readonly mostFrequent: number | null;
}

const none = { distinct: null, mostFrequent: null };

/** Counts the rows of a job on a field. */
export async function estimateField(pool: JobPool, kind: JobKind, { field }: Source): Promise<JobEstimate> {
  const { table, column, definition } = field;
  const plain = definition.plain === undefined ? 'NULL' : quoted(definition.plain);
  const where = {
    backfill: unsealed(field),
    verify: `${quoted(column)} IS NOT NULL OR ${plain} IS NOT NULL`,
    reencrypt: `${quoted(column)} IS NOT NULL`,
    reindex: outdated(field),
    rewrap: 'true',
  }[kind];
  const owners = [table.tenant, table.subject].flatMap((name) => (name === undefined ? [] : [quoted(name)]));
  const size = kind === 'backfill' ? `octet_length(${plain}::text)` : `octet_length(${quoted(column)})`;
  const relation = tableName(table);
  return inTransaction(pool, async (client) => {
    const [found] = (
      await client.query(`SELECT count(*)::float8 AS rows, coalesce(sum(${size}), 0)::float8 AS bytes,
  count(DISTINCT (${owners.length === 0 ? '1' : owners.join(', ')}))::float8 AS keys FROM ${relation} WHERE ${where}`)
    ).rows;
    const counted = {
      rows: Number(found?.['rows']),
      bytes: Number(found?.['bytes']),
      dataKeys: Number(found?.['keys']),
    };
    const isIndexed = [...definition.schemas.values()].some((slots) => slots.length > 0);
    if (kind !== 'backfill' || !isIndexed) return { ...counted, ...none };
    const [values] = (
      await client.query(`SELECT count(*)::float8 AS found, max(n)::float8 AS most FROM (
  SELECT count(*) AS n FROM ${relation} WHERE ${where} GROUP BY ${plain}::text COLLATE "C") AS counted`)
    ).rows;
    return { ...counted, distinct: Number(values?.['found']), mostFrequent: Number(values?.['most'] ?? 0) };
  });
}

/** Counts data keys. */
export async function estimateRewrap(pool: JobPool): Promise<JobEstimate> {
  const [found] = (
    await pool.query(`SELECT count(*)::float8 AS rows, coalesce(sum(octet_length(wrapped)), 0)::float8 AS bytes
FROM bulla_data_keys WHERE wrapped IS NOT NULL AND state <> 'shredded'`)
  ).rows;
  const rows = Number(found?.['rows']);
  return { rows, bytes: Number(found?.['bytes']), dataKeys: rows, ...none };
}
