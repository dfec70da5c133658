/** Walking a table by its primary key, a batch at a time: `docs/fields.md` §10.10 and §10.11. */

import { quoted } from '../sql-text.ts';
import type { JobClient } from './database.ts';

/** A table with its primary key. */
export interface Walked {
  /** Its name, quoted. */
  readonly relation: string;
  readonly key: readonly KeyColumn[];
}

/** A column of a primary key, with its type as a cast takes it. */
export interface KeyColumn {
  readonly name: string;
  readonly type: string;
}

/** A key as text, in the order of the primary key. */
export type KeyText = readonly string[];

/** A part of a table: what is behind `after`, up to and with `upper`; `null` is no bound. */
export interface Range {
  readonly after: KeyText | null;
  readonly upper: KeyText | null;
}

/** What is read of each row. */
export interface Reading {
  /** Expressions by the name of the result's column. */
  readonly columns: Readonly<Record<string, string>>;
  /** Bytes that the row takes in memory, as an expression. */
  readonly size: string;
  /** Which rows, as a condition. */
  readonly where: string;
}

/** A batch of rows. */
export interface Batch {
  readonly rows: readonly (Record<string, unknown> & { readonly key: KeyText })[];
  /** Whether nothing is left behind it. */
  readonly isLast: boolean;
}

/** §10.11 */
const maxBytes = 33_554_432;
const pagesOfSample = 500;

const keySql = `SELECT a.attname, quote_ident(n.nspname) || '.' || quote_ident(t.typname) AS type
FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
  JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE i.indrelid = to_regclass($1) AND i.indisprimary ORDER BY k.place`;

/** A table as it can be walked. Rejects with a `TypeError` where it is not there or has no primary key. */
export async function walked(client: JobClient, relation: string): Promise<Walked> {
  const { rows } = await client.query(keySql, [relation]);
  if (rows.length === 0) throw new TypeError(`${relation} must be a table with a primary key`);
  return { relation, key: rows.map(({ attname, type }) => ({ name: String(attname), type: String(type) })) };
}

/** The next rows of a range. */
export async function readBatch(
  client: JobClient,
  { relation, key }: Walked,
  { columns, size, where }: Reading,
  range: Range,
  rows: number,
): Promise<Batch> {
  const order = key.map((_, i) => `k${i}`).join(', ');
  const selected = [
    ...key.map(({ name }, i) => `${quoted(name)} AS k${i}`),
    `ARRAY[${key.map(({ name }) => `${quoted(name)}::text`).join(', ')}] AS "key"`,
    ...Object.entries(columns).map(([name, expression]) => `${expression} AS ${quoted(name)}`),
    `(${size})::bigint AS size`,
  ];
  const text = `SELECT * FROM (
  SELECT q.*, count(*) OVER () AS fetched, sum(size) OVER (ORDER BY ${order} ROWS UNBOUNDED PRECEDING) AS upto FROM (
    SELECT ${selected.join(', ')} FROM ${relation}
    WHERE (${where}) AND ${inRange(key, range)} ORDER BY ${order} LIMIT $3
  ) AS q
) AS batch WHERE upto <= ${maxBytes} OR upto = size ORDER BY ${order}`;
  const found = (await client.query(text, [range.after, range.upper, rows])).rows as Batch['rows'];
  const fetched = Number(found[0]?.['fetched'] ?? 0);
  return { rows: found, isLast: fetched < rows && found.length === fetched };
}

/** Whether any row of a table is so. */
export async function exists(client: JobClient, { relation }: Walked, where: string): Promise<boolean> {
  const { rows } = await client.query(`SELECT EXISTS (SELECT FROM ${relation} WHERE ${where}) AS found`);
  return rows[0]?.['found'] === true;
}

/** Keys that part a table into at most so many ranges of about equal size, by a sample of its pages. */
export async function bounds(client: JobClient, { relation, key }: Walked, count: number): Promise<readonly KeyText[]> {
  if (count === 1) return [];
  const pages = await pagesOf(client, relation);
  const percent = pages <= pagesOfSample ? 100 : (100 * pagesOfSample) / pages;
  const order = key.map(({ name }) => quoted(name)).join(', ');
  const text = `SELECT "key" FROM (
  SELECT "key", tile, row_number() OVER (PARTITION BY tile ORDER BY place DESC) AS back, max(tile) OVER () AS last FROM (
    SELECT ARRAY[${key.map(({ name }) => `${quoted(name)}::text`).join(', ')}] AS "key",
      row_number() OVER (ORDER BY ${order}) AS place, ntile($1) OVER (ORDER BY ${order}) AS tile
    FROM ${relation} TABLESAMPLE SYSTEM (${percent})
  ) AS sampled
) AS tiles WHERE back = 1 AND tile < last ORDER BY tile`;
  return (await client.query(text, [count])).rows.map((row) => row['key'] as KeyText);
}

/** About how many rows a table has; exactly, where it is small. */
export async function roughCount(client: JobClient, relation: string): Promise<number> {
  const [{ reltuples } = { reltuples: -1 }] = (
    await client.query('SELECT reltuples FROM pg_class WHERE oid = to_regclass($1)', [relation])
  ).rows;
  if (Number(reltuples) >= 0 && (await pagesOf(client, relation)) > 20 * pagesOfSample) return Number(reltuples);
  const { rows } = await client.query(`SELECT count(*) AS found FROM ${relation}`);
  return Number(rows[0]?.['found']);
}

async function pagesOf(client: JobClient, relation: string): Promise<number> {
  const { rows } = await client.query('SELECT pg_relation_size(to_regclass($1)) / 8192 AS pages', [relation]);
  return Number(rows[0]?.['pages']);
}

function inRange(key: readonly KeyColumn[], { after, upper }: Range): string {
  const names = `(${key.map(({ name }) => quoted(name)).join(', ')})`;
  const given = (n: number) => `(${key.map(({ type }, i) => `($${n}::text[])[${i + 1}]::${type}`).join(', ')})`;
  const behind = after === null ? '$1::text[] IS NULL' : `${names} > ${given(1)}`;
  return `${behind} AND ${upper === null ? '$2::text[] IS NULL' : `${names} <= ${given(2)}`}`;
}
