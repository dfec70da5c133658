/** Reading and writing what operators have set for tenants; each record is under a MAC, and its revision is in the sum of the tenant's state. `docs/key-service.md` §12.10. */

import { IntegrityError } from '../errors.ts';
import type { Bytes } from '../lib/bytes.ts';
import { plainTenant, type TenantRecord } from '../model/tenants.ts';
import type { SeenKey } from './acknowledged.ts';
import type { Queries } from './engine.ts';
import type { KeyReading } from './key-queries.ts';
import { fits, rowMac } from './rows.ts';
import { refusing, type Sums } from './sums.ts';
import type { TenantRow } from './tables.ts';

/** The record of a tenant. Throws `IntegrityError` where somebody else changed it, or put back an older one. */
export async function selectTenantRecord(db: Queries, reading: KeyReading, tenant: string): Promise<TenantRecord> {
  const row = await db.selectFrom('tenant_records').selectAll().where('tenant', '=', tenant).executeTakeFirst();
  const { acknowledged, known } = reading;
  if (row) return recordOf(reading, row);
  acknowledged.assertKey({ ...seenRecord({ tenant, revision: 0, mac: '' }) }, known);
  return plainTenant(tenant);
}

/** Writes a record, and gives what is remembered of it. */
export async function writeTenantRecord(tx: Queries, macKey: Bytes, record: TenantRecord): Promise<SeenKey> {
  const row = rowOf(macKey, record);
  const { tenant: _, ...columns } = row;
  await tx
    .insertInto('tenant_records')
    .values(row)
    .onConflict((conflict) => conflict.column('tenant').doUpdateSet(columns))
    .execute();
  return seenRecord(row);
}

/** Checks every record and adds its revision to the sum of its tenant, or refuses it there; with `to`, each gets its MAC under that key. */
export async function sumTenantRecords(db: Queries, reading: KeyReading, sums: Sums, to?: Bytes): Promise<void> {
  const all = db.selectFrom('tenant_records').selectAll().orderBy('tenant');
  const { tenant: one } = reading;
  const rows = await (one === undefined ? all : all.where('tenant', '=', one)).execute();
  for (const row of rows) {
    const record = await refusing(sums, row.tenant, async () => recordOf(reading, row));
    if (!record) continue;
    sums.add(record.tenant, record.revision);
    if (to) await writeTenantRecord(db, to, record);
  }
}

/** Tenants whose end has come and is not complete. */
export async function selectClosingTenants(db: Queries, now: number): Promise<string[]> {
  const rows = await db.selectFrom('tenant_records').select('tenant').where('closes_at', '<=', now).execute();
  return rows.map(({ tenant }) => tenant);
}

function recordOf({ macKey, acknowledged, known, committed }: KeyReading, row: TenantRow): TenantRecord {
  if (!fits(row.mac, macOf(macKey, row))) {
    throw new IntegrityError(`What was set for the tenant ${row.tenant} was changed in the store by somebody else`);
  }
  const seen = seenRecord(row);
  acknowledged.assertKey(seen, known);
  if (committed) acknowledged.see(seen);
  return { ...(JSON.parse(row.record) as TenantRecord), revision: row.revision };
}

function rowOf(macKey: Bytes, record: TenantRecord): TenantRow {
  const { tenant, closing, revision } = record;
  const closes_at = closing?.closed == null ? (closing?.closesAt ?? null) : null;
  const row = { tenant, record: JSON.stringify(record), revision, closes_at };
  return { ...row, mac: macOf(macKey, row) };
}

function seenRecord({ tenant, revision, mac }: Pick<TenantRow, 'tenant' | 'revision' | 'mac'>): SeenKey {
  return { id: `record of ${tenant}`, tenant, revision, mac };
}

function macOf(macKey: Bytes, { tenant, record, revision, closes_at }: Omit<TenantRow, 'mac'>): string {
  return rowMac(macKey, ['tenant', tenant, record, revision, closes_at]);
}
