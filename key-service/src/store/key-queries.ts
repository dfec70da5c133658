/** Reading and writing keys with their versions and aliases. */

import { IntegrityError } from '../errors.ts';
import type { KeyRecord } from '../keys/model.ts';
import { isReference } from '../keys/references.ts';
import type { Bytes } from '../lib/bytes.ts';
import type { Queries } from './engine.ts';
import { answerMac, assertAnswer, keyOf, rowOf } from './rows.ts';
import type { KeyRow } from './tables.ts';

const aliasPrefix = 'alias:';

/** The key of a tenant by id or alias. */
export async function selectKey(
  db: Queries,
  macKey: Bytes,
  tenant: string,
  reference: string,
): Promise<KeyRecord | undefined> {
  if (!isReference(reference)) return undefined;
  if (!reference.startsWith(aliasPrefix)) return selectById(db, macKey, tenant, reference);
  const name = reference.slice(aliasPrefix.length);
  const alias = await db
    .selectFrom('aliases')
    .select('key_id')
    .where('tenant', '=', tenant)
    .where('name', '=', name)
    .executeTakeFirst();
  return alias && selectById(db, macKey, tenant, alias.key_id);
}

/** A page of a tenant's keys by id. */
export async function selectKeys(
  db: Queries,
  macKey: Bytes,
  tenant: string,
  after: string,
  limit: number,
): Promise<KeyRecord[]> {
  const rows = await db
    .selectFrom('keys')
    .selectAll()
    .where('tenant', '=', tenant)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
  return Promise.all(rows.map((row) => complete(db, macKey, row)));
}

/** Reads every key, which checks its MAC, and gives the sum of revisions. */
export async function sumRevisions(db: Queries, macKey: Bytes): Promise<number> {
  let sum = 0;
  for await (const { revision } of everyKey(db, macKey)) sum += revision;
  return sum;
}

/** Checks the MAC of every key under one key and writes it under another; gives the sum of revisions. */
export async function renewKeyMacs(tx: Queries, from: Bytes, to: Bytes): Promise<number> {
  let sum = 0;
  for await (const key of everyKey(tx, from)) {
    await tx
      .updateTable('keys')
      .set({ mac: rowOf(to, key).mac })
      .where('id', '=', key.id)
      .execute();
    sum += key.revision;
  }
  return sum;
}

/** The same for the answers that are kept for idempotency keys. */
export async function renewAnswerMacs(tx: Queries, from: Bytes, to: Bytes): Promise<void> {
  for (const { id, body_hash: bodyHash, status, body, mac } of await tx.selectFrom('answers').selectAll().execute()) {
    const answer = { bodyHash, status, body };
    assertAnswer(from, id, answer, mac);
    await tx
      .updateTable('answers')
      .set({ mac: answerMac(to, id, answer) })
      .where('id', '=', id)
      .execute();
  }
}

/** Writes a key. Use counts are left alone: they grow without it. */
export async function writeKey(tx: Queries, macKey: Bytes, key: KeyRecord): Promise<void> {
  const row = rowOf(macKey, key);
  const { id: _, ...columns } = row;
  await tx
    .insertInto('keys')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doUpdateSet(columns))
    .execute();
  for (const { version, state, priorState, created, uses, material, point } of key.versions) {
    const changed = { state, prior_state: priorState, material };
    await tx
      .insertInto('key_versions')
      .values({ key_id: key.id, version, created, uses, point, ...changed })
      .onConflict((conflict) => conflict.columns(['key_id', 'version']).doUpdateSet(changed))
      .execute();
  }
  await tx.deleteFrom('aliases').where('key_id', '=', key.id).execute();
  if (key.aliases.length === 0) return;
  const rows = key.aliases.map((name) => ({ tenant: key.tenant, name, key_id: key.id }));
  await tx.insertInto('aliases').values(rows).execute();
}

async function* everyKey(db: Queries, macKey: Bytes): AsyncGenerator<KeyRecord, void> {
  for (let after = ''; ; ) {
    const rows = await db.selectFrom('keys').selectAll().where('id', '>', after).orderBy('id').limit(500).execute();
    for (const row of rows) yield await complete(db, macKey, row);
    const last = rows.at(-1);
    if (!last) return;
    after = last.id;
  }
}

async function selectById(db: Queries, macKey: Bytes, tenant: string, id: string): Promise<KeyRecord | undefined> {
  // By the tenant, too: a key of others takes no longer to look up than one that does not exist. Whoever changes the tenant of a row fails its MAC.
  const row = await db
    .selectFrom('keys')
    .selectAll()
    .where('id', '=', id)
    .where('tenant', '=', tenant)
    .executeTakeFirst();
  return row && complete(db, macKey, row);
}

async function complete(db: Queries, macKey: Bytes, row: KeyRow): Promise<KeyRecord> {
  const versions = await db.selectFrom('key_versions').selectAll().where('key_id', '=', row.id).execute();
  const aliases = await db.selectFrom('aliases').selectAll().where('key_id', '=', row.id).execute();
  if (aliases.some(({ tenant }) => tenant !== row.tenant)) throw new IntegrityError('An alias is not of its tenant');
  const names = aliases.map(({ name }) => name);
  return keyOf(macKey, row, versions, names);
}
