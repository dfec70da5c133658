/** All rows out of one database, and into an empty one; and sealing secrets again. */

import { sql } from 'kysely';
import { OperatorError } from '../errors.ts';
import { type Bytes, encodeUtf8 } from '../lib/bytes.ts';
import type { Queries } from './engine.ts';
import { renewFirstSchema } from './first-schema.ts';
import { type OpenSecret, type SealedSecret, type TableRow, transportSecretName } from './store.ts';
import { backedUpTables, primaryKeys } from './tables.ts';

const pageSize = 1000;

/** The rows of one table, `offset` on. */
export async function dumpPage(
  db: Queries,
  table: (typeof backedUpTables)[number],
  offset: number,
): Promise<TableRow[]> {
  // Leaves are numbered without gaps and may be millions: skipping them by an offset would read them all for each page.
  const page =
    table === 'audit_leaves'
      ? sql`where idx >= ${offset} order by idx limit ${pageSize}`
      : sql`order by ${sql.join(primaryKeys[table].map((column) => sql.ref(column)))} limit ${pageSize} offset ${offset}`;
  const { rows } = await sql<TableRow['row']>`select * from ${sql.table(table)} ${page}`.execute(db);
  return rows.map((row) => ({ table, row: plain(row) }));
}

/** Writes rows to an empty, migrated database. Keys of schema 1 get MACs of today. */
export async function loadRows(
  tx: Queries,
  rows: AsyncIterable<TableRow>,
  open: OpenSecret | undefined,
): Promise<void> {
  const { total } = await tx.selectFrom('keys').select(sql<number>`count(*)`.as('total')).executeTakeFirstOrThrow();
  const { secrets } = await tx
    .selectFrom('secrets')
    .select(sql<number>`count(*)`.as('secrets'))
    .executeTakeFirstOrThrow();
  if (Number(total) + Number(secrets) > 0)
    throw new OperatorError('The database is not empty: a restore needs a new one');
  await tx.deleteFrom('state').execute();
  let first = false;
  for await (const { table, row } of rows) {
    if (!(backedUpTables as readonly string[]).includes(table))
      throw new OperatorError('The backup has an unknown table');
    if (table === 'keys' && !('origin' in row)) first = true;
    const columns = Object.keys(row).map((name) => sql.ref(name));
    const values = Object.values(row).map((value) => sql`${value}`);
    await sql`insert into ${sql.table(table)} (${sql.join(columns)}) values (${sql.join(values)})`.execute(tx);
  }
  if (first) await renewFirstSchema(tx, open);
}

/** Passes every sealed secret through `work`, and gives their number. */
export async function resealAll(tx: Queries, work: (secret: SealedSecret) => Promise<Bytes>): Promise<number> {
  const secrets = await tx.selectFrom('secrets').selectAll().execute();
  for (const { kind, name, sealed } of secrets) {
    const next = await work({ kind, name, sealed: Uint8Array.from(sealed) });
    await tx.updateTable('secrets').set({ sealed: next }).where('kind', '=', kind).where('name', '=', name).execute();
  }
  const transports = await tx.selectFrom('transport_keys').selectAll().execute();
  for (const { sealed, ...row } of transports) {
    const { kid } = row;
    const next = await work({ kind: 'transport', name: transportSecretName(row), sealed: Uint8Array.from(sealed) });
    await tx.updateTable('transport_keys').set({ sealed: next }).where('kid', '=', kid).execute();
  }
  const versions = await tx
    .selectFrom('key_versions')
    .innerJoin('keys', 'keys.id', 'key_versions.key_id')
    .select(['keys.tenant', 'key_versions.key_id as keyId', 'key_versions.version', 'key_versions.material'])
    .where('key_versions.material', 'is not', null)
    .execute();
  for (const { tenant, keyId, version, material } of versions) {
    const name = `${tenant}/${keyId}/${version}`;
    const next = await work({ kind: 'kek', name, sealed: Uint8Array.from(material ?? encodeUtf8('')) });
    await tx
      .updateTable('key_versions')
      .set({ material: next })
      .where('key_id', '=', keyId)
      .where('version', '=', version)
      .execute();
  }
  return secrets.length + transports.length + versions.length;
}

function plain(row: TableRow['row']): TableRow['row'] {
  const entries = Object.entries(row).map(([name, value]) => [
    name,
    value instanceof Uint8Array ? Uint8Array.from(value) : value,
  ]);
  return Object.fromEntries(entries) as TableRow['row'];
}
