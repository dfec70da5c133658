/** Seals the secrets of a database again: all in one transaction, or those of other root keys in pages, beside replicas that serve. */

import { sql } from 'kysely';
import { type Bytes, encodeUtf8 } from '../lib/bytes.ts';
import type { Engine, Queries } from './engine.ts';
import { type OpenSecret, type SealedSecret, type TransportRow, transportSecretName } from './store.ts';

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

/** A sealed secret with the row that it stands in. */
interface SealedRow extends SealedSecret {
  write(tx: Queries, next: Bytes): Promise<unknown>;
}

/**
 * Seals again up to `limit` secrets that are not under the root key with this id, and gives how many there were. Nothing is locked while it is done: what somebody has
 * changed or destroyed meanwhile stays as they left it. Secrets of the service come first, so that no process starts without the new root key once any key is under it.
 */
export async function resealPage(engine: Engine, id: Bytes, limit: number, work: OpenSecret): Promise<number> {
  const page = await engine.read((db) => selectOthers(db, id, limit));
  const sealed = new Map<SealedRow, Bytes>();
  for (const row of page) sealed.set(row, await work(row));
  await engine.write(async (tx) => {
    for (const [row, next] of sealed) await row.write(tx, next);
  });
  return page.length;
}

/** How many secrets are under each root key, by its id in hex. */
export async function countSealed(db: Queries): Promise<Map<string, number>> {
  const { rows } = await sql<{ id: Bytes; n: number }>`
    select id, count(*) as n from (
      select substr(sealed, 2, 8) as id from secrets union all select substr(sealed, 2, 8) from transport_keys
      union all select substr(material, 2, 8) from key_versions where material is not null) as s group by id`.execute(
    db,
  );
  return new Map(rows.map(({ id, n }) => [Buffer.from(id).toString('hex'), Number(n)]));
}

async function selectOthers(db: Queries, id: Bytes, limit: number): Promise<SealedRow[]> {
  const isOther = (column: string) => sql<boolean>`substr(${sql.ref(column)}, 2, 8) <> ${id}`;
  const secrets = await db.selectFrom('secrets').selectAll().where(isOther('sealed')).limit(limit).execute();
  const found = secrets.map(({ kind, name, sealed }): SealedRow => {
    const write = (tx: Queries, next: Bytes) =>
      tx
        .updateTable('secrets')
        .set({ sealed: next })
        .where('kind', '=', kind)
        .where('name', '=', name)
        .where('sealed', '=', sealed)
        .execute();
    return { kind, name, sealed: Uint8Array.from(sealed), write };
  });
  if (found.length > 0) return found;
  const transports = await db.selectFrom('transport_keys').selectAll().where(isOther('sealed')).limit(limit).execute();
  if (transports.length > 0) return transports.map(transportRow);
  const versions = db.selectFrom('key_versions').innerJoin('keys', 'keys.id', 'key_versions.key_id');
  const rows = await versions
    .select(['keys.tenant', 'key_versions.key_id', 'key_versions.version', 'key_versions.material'])
    .where(isOther('key_versions.material'))
    .orderBy('key_versions.key_id')
    .orderBy('key_versions.version')
    .limit(limit)
    .execute();
  return rows.flatMap(({ tenant, key_id: key, version, material }): SealedRow[] => {
    if (material === null) return [];
    const write = (tx: Queries, next: Bytes) =>
      tx
        .updateTable('key_versions')
        .set({ material: next })
        .where('key_id', '=', key)
        .where('version', '=', version)
        .where('material', '=', material)
        .execute();
    return [{ kind: 'kek', name: `${tenant}/${key}/${version}`, sealed: Uint8Array.from(material), write }];
  });
}

function transportRow({ sealed, ...row }: TransportRow): SealedRow {
  const write = (tx: Queries, next: Bytes) =>
    tx
      .updateTable('transport_keys')
      .set({ sealed: next })
      .where('kid', '=', row.kid)
      .where('sealed', '=', sealed)
      .execute();
  return { kind: 'transport', name: transportSecretName(row), sealed: Uint8Array.from(sealed), write };
}
