/** Reading and writing revocations; `docs/key-service.md` §7.7 and §11.11. */

import { IntegrityError } from '../errors.ts';
import { type Bytes, decodeBase64url } from '../lib/bytes.ts';
import {
  digestOf,
  type RevocationPage,
  type RevocationQuery,
  type RevocationRecord,
  type RevokedCounts,
  stateOf,
} from '../model/revocations.ts';
import type { Queries } from './engine.ts';
import type { KeyReading } from './key-queries.ts';
import { fits, rowMac } from './rows.ts';
import { refusing, type Sums } from './sums.ts';
import type { RevocationRow } from './tables.ts';

/** The revocation of a tenant with an id. Throws `IntegrityError` where somebody else changed it. */
export async function selectRevocation(
  db: Queries,
  reading: KeyReading,
  tenant: string,
  id: string,
): Promise<RevocationRecord | undefined> {
  const query = db.selectFrom('revocations').selectAll().where('tenant', '=', tenant).where('id', '=', id);
  const row = await query.executeTakeFirst();
  return row && recordOf(reading, row);
}

/**
 * A page of a tenant's revocations. Whether one was undone stands in its record alone, so of `revoked` and `undone` a page may hold fewer than its limit. Throws `IntegrityError` where somebody else
 * changed one.
 */
export async function selectRevocations(
  db: Queries,
  reading: KeyReading,
  tenant: string,
  { after = '', limit, state }: RevocationQuery,
): Promise<RevocationPage> {
  let query = db.selectFrom('revocations').selectAll().where('tenant', '=', tenant).where('id', '>', after);
  if (state !== undefined) query = query.where('revoked', state === 'requested' ? 'is' : 'is not', null);
  const rows = await query.orderBy('id').limit(limit).execute();
  const records = rows.map((row) => recordOf(reading, row));
  const revocations = state === undefined ? records : records.filter((record) => stateOf(record) === state);
  return { revocations, next: rows.length === limit ? (rows.at(-1)?.id ?? null) : null };
}

/** The newest revocations of exactly these data keys, newest first. */
export async function selectSameRevocations(
  db: Queries,
  reading: KeyReading,
  tenant: string,
  digest: string,
): Promise<RevocationRecord[]> {
  const query = db.selectFrom('revocations').selectAll().where('tenant', '=', tenant).where('digest', '=', digest);
  const rows = await query.orderBy('requested', 'desc').orderBy('id').limit(100).execute();
  return rows.map((row) => recordOf(reading, row));
}

/** How many data keys a tenant asked to revoke, and revoked, after a moment; with MACs, since the quota rests on it. */
export async function countRevoked(
  db: Queries,
  reading: KeyReading,
  tenant: string,
  after: number,
): Promise<RevokedCounts> {
  const rows = await db
    .selectFrom('revocations')
    .selectAll()
    .where('tenant', '=', tenant)
    .where((either) => either.or([either('requested', '>', after), either('revoked', '>', after)]))
    .execute();
  const records = rows.map((row) => recordOf(reading, row));
  const sum = (moment: (record: RevocationRecord) => number | null) =>
    records.reduce((all, record) => all + ((moment(record) ?? 0) > after ? record.tombstones.length : 0), 0);
  const moments = records.flatMap(({ requested, revoked }) => [requested, revoked ?? 0]).filter((each) => each > after);
  const oldest = moments.length === 0 ? undefined : Math.min(...moments);
  return { asked: sum(({ requested }) => requested), revoked: sum(({ revoked }) => revoked), oldest };
}

/** Writes a revocation and gives its row. */
export async function writeRevocation(tx: Queries, macKey: Bytes, record: RevocationRecord): Promise<RevocationRow> {
  const row = rowOf(macKey, record);
  const { id: _, ...columns } = row;
  await tx
    .insertInto('revocations')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doUpdateSet(columns))
    .execute();
  return row;
}

/** Checks every revocation and adds its revision to the sum of its tenant, or refuses it there; with `to`, each gets its MAC under that key. */
export async function sumRevocations(db: Queries, reading: KeyReading, sums: Sums, to?: Bytes): Promise<void> {
  for (let after = ''; ; ) {
    const all = db.selectFrom('revocations').selectAll().where('id', '>', after).orderBy('id').limit(500);
    const { tenant: one } = reading;
    const rows = await (one === undefined ? all : all.where('tenant', '=', one)).execute();
    for (const row of rows) {
      const record = await refusing(sums, row.tenant, async () => recordOf(reading, row));
      if (!record) continue;
      sums.add(record.tenant, record.revision);
      if (to) await writeRevocation(db, to, record);
    }
    const last = rows.at(-1);
    if (!last) return;
    after = last.id;
  }
}

function recordOf({ macKey, acknowledged, known, committed }: KeyReading, row: RevocationRow): RevocationRecord {
  if (!fits(row.mac, macOf(macKey, row))) throw changed();
  acknowledged.assertKey(row, known);
  if (committed) acknowledged.see(row);
  return { ...(JSON.parse(row.record) as RevocationRecord), revision: row.revision };
}

function rowOf(macKey: Bytes, record: RevocationRecord): RevocationRow {
  const { id, tenant, requested, revoked, revision, tombstones } = record;
  const bytes = tombstones.map((text) => decodeBase64url(text) ?? new Uint8Array());
  const row = {
    ...{ id, tenant, digest: digestOf(bytes), requested, revoked, data_keys: tombstones.length },
    ...{ record: JSON.stringify(record), revision },
  };
  return { ...row, mac: macOf(macKey, row) };
}

function macOf(macKey: Bytes, row: Omit<RevocationRow, 'mac'>): string {
  const { id, tenant, digest, requested, revoked, data_keys, record, revision } = row;
  return rowMac(macKey, ['revocation', id, tenant, digest, requested, revoked, data_keys, record, revision]);
}

function changed(): IntegrityError {
  return new IntegrityError('A revocation was changed in the store by somebody else');
}
