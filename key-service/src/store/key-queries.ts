/** Reading and writing keys with their versions and aliases. */

import { setImmediate } from 'node:timers/promises';
import { IntegrityError } from '../errors.ts';
import type { Bytes } from '../lib/bytes.ts';
import type { KeyRecord } from '../model/keys.ts';
import { isReference } from '../model/references.ts';
import type { Acknowledged, Known } from './acknowledged.ts';
import type { Queries } from './engine.ts';
import { answerMac, assertAnswer, keyOf, rowOf } from './rows.ts';
import type { Sums } from './sums.ts';
import type { KeyRow, Tables, VersionRow } from './tables.ts';

/** What rows of keys are checked with. */
export interface KeyReading {
  readonly macKey: Bytes;
  /** Refuses rows that are older than what was seen before. */
  readonly acknowledged: Acknowledged;
  /** What was known when the read began. */
  readonly known: Known;
  /** `true`: what is read is committed, and remembered. */
  readonly committed: boolean;
  /** Whose rows are summed up. Default: those of all. */
  readonly tenant?: string;
  /** The MACs that rows carry. Default: those of this version of the service. */
  readonly macOf?: (macKey: Bytes, key: KeyRecord) => string;
}

/** How rows get their MACs under another key. */
export interface KeyRenewal {
  readonly to: Bytes;
  readonly sums: Sums;
  /** Default: keys stay as they are. */
  readonly work?: (key: KeyRecord) => KeyRecord;
}

const aliasPrefix = 'alias:';
/** Rows that are checked in one turn of the event loop, which takes about two milliseconds. */
const rowsAtOnce = 50;

/** The key of a tenant by id or alias. */
export async function selectKey(
  db: Queries,
  reading: KeyReading,
  tenant: string,
  reference: string,
): Promise<KeyRecord | undefined> {
  return trusted((await selectNamedKeys(db, reading, tenant, [reference])).get(reference));
}

/** A key, or why its rows are not to be trusted: one of many must not keep the others from being used. */
export type FoundKey = KeyRecord | IntegrityError;

/** The key of what was found. Throws the `IntegrityError` that stands for one that is not to be trusted. */
export function trusted<T extends FoundKey | undefined>(found: T): Exclude<T, IntegrityError> {
  if (found instanceof IntegrityError) throw found;
  return found as Exclude<T, IntegrityError>;
}

/** Keys of a tenant by ids and aliases, under the references that they were found by. */
export async function selectNamedKeys(
  db: Queries,
  reading: KeyReading,
  tenant: string,
  references: readonly string[],
): Promise<Map<string, FoundKey>> {
  const wanted = [...new Set(references)].filter(isReference);
  const names = wanted.filter((text) => text.startsWith(aliasPrefix)).map((text) => text.slice(aliasPrefix.length));
  const aliases = names.length === 0 ? [] : await selectAliases(db, tenant, names);
  const ids = new Map(aliases.map(({ name, key_id }) => [aliasPrefix + name, key_id]));
  const all = new Set([...ids.values(), ...wanted.filter((text) => !text.startsWith(aliasPrefix))]);
  if (all.size === 0) return new Map();
  // By the tenant, too: a key of others takes no longer to look up than one that does not exist. A row whose tenant was changed fails its MAC.
  const query = db.selectFrom('keys').selectAll().where('tenant', '=', tenant);
  const rows = await query.where('id', 'in', [...all]).execute();
  const found = await complete(db, reading, rows);
  return new Map(
    wanted.flatMap((reference) => {
      const key = found.get(ids.get(reference) ?? reference);
      return key ? [[reference, key]] : [];
    }),
  );
}

function selectAliases(db: Queries, tenant: string, names: readonly string[]) {
  const query = db.selectFrom('aliases').select(['name', 'key_id']).where('tenant', '=', tenant);
  return query.where('name', 'in', names).execute();
}

/** A page of a tenant's keys by id. */
export async function selectKeys(
  db: Queries,
  reading: KeyReading,
  tenant: string,
  after: string,
  limit: number,
): Promise<KeyRecord[]> {
  const query = db.selectFrom('keys').selectAll().where('tenant', '=', tenant).where('id', '>', after);
  return trustedKeys(await complete(db, reading, await query.orderBy('id').limit(limit).execute()));
}

/** Reads every key, which checks its MAC, and adds its revision to the sum of its tenant, or refuses it there. */
export async function sumRevisions(db: Queries, reading: KeyReading, sums: Sums): Promise<void> {
  for await (const { tenant, key } of everyKey(db, reading)) {
    if (key instanceof IntegrityError) sums.refuse(tenant, key);
    else sums.add(tenant, key.revision);
  }
}

/** Checks the MAC of every key under one key and writes its row, with what `work` made of it, under another; its revision goes into the sum of its tenant. */
export async function renewKeyMacs(
  tx: Queries,
  reading: KeyReading,
  { to, sums, work = (key) => key }: KeyRenewal,
): Promise<void> {
  for await (const found of everyKey(tx, reading)) {
    const key = trusted(found.key);
    await tx
      .updateTable('keys')
      .set(rowOf(to, work(key)))
      .where('id', '=', key.id)
      .execute();
    sums.add(key.tenant, key.revision);
  }
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

/** Writes a key and gives its row. Use counts are left alone: they grow without it. */
export async function writeKey(tx: Queries, macKey: Bytes, key: KeyRecord): Promise<KeyRow> {
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
  await releaseAliases(tx, key);
  if (key.aliases.length === 0) return row;
  const rows = key.aliases.map((name) => ({ tenant: key.tenant, name, key_id: key.id }));
  await tx.insertInto('aliases').values(rows).execute();
  return row;
}

// A name that is given up stays known with its last key: giving it to another one is a move.
async function releaseAliases(tx: Queries, { id, aliases }: KeyRecord): Promise<void> {
  const held = await tx.deleteFrom('aliases').where('key_id', '=', id).returningAll().execute();
  const former = held.filter(({ name }) => !aliases.includes(name));
  if (former.length === 0) return;
  await tx
    .insertInto('former_aliases')
    .values(former)
    .onConflict((conflict) => conflict.columns(['tenant', 'name']).doUpdateSet({ key_id: id }))
    .execute();
}

async function* everyKey(
  db: Queries,
  reading: KeyReading,
): AsyncGenerator<{ readonly tenant: string; readonly key: FoundKey }, void> {
  for (let after = ''; ; ) {
    const all = db.selectFrom('keys').selectAll().where('id', '>', after).orderBy('id').limit(500);
    const { tenant: one } = reading;
    const rows = await (one === undefined ? all : all.where('tenant', '=', one)).execute();
    const found = await complete(db, reading, rows);
    for (const { id, tenant } of rows) {
      const key = found.get(id);
      if (key) yield { tenant, key };
    }
    const last = rows.at(-1);
    if (!last) return;
    after = last.id;
  }
}

/** Keys of these rows under their ids, in two queries for all of them. */
async function complete(
  db: Queries,
  { macKey, acknowledged, known, committed, macOf }: KeyReading,
  rows: readonly KeyRow[],
): Promise<Map<string, FoundKey>> {
  const keys = new Map<string, FoundKey>();
  if (rows.length === 0) return keys;
  const ids = rows.map(({ id }) => id);
  const versions = groups(await db.selectFrom('key_versions').selectAll().where('key_id', 'in', ids).execute());
  const aliases = groups(await db.selectFrom('aliases').selectAll().where('key_id', 'in', ids).execute());
  for (const [n, row] of rows.entries()) {
    // Others get their turn: a page of a thousand keys takes forty milliseconds.
    if (n % rowsAtOnce === rowsAtOnce - 1) await setImmediate();
    try {
      const key = keyWith(macKey, row, versions.get(row.id) ?? [], aliases.get(row.id) ?? [], macOf);
      acknowledged.assertKey(row, known);
      if (committed) acknowledged.see(row);
      keys.set(row.id, key);
    } catch (error) {
      if (!(error instanceof IntegrityError)) throw error;
      keys.set(row.id, error);
    }
  }
  return keys;
}

function trustedKeys(found: ReadonlyMap<string, FoundKey>): KeyRecord[] {
  return [...found.values()].map((key) => trusted(key));
}

function keyWith(
  macKey: Bytes,
  row: KeyRow,
  versions: readonly VersionRow[],
  aliases: readonly Tables['aliases'][],
  macOf: KeyReading['macOf'],
): KeyRecord {
  if (aliases.some(({ tenant }) => tenant !== row.tenant)) throw new IntegrityError('An alias is not of its tenant');
  const names = aliases.map(({ name }) => name);
  return keyOf(macKey, row, versions, names, macOf);
}

function groups<T extends { readonly key_id: string }>(rows: readonly T[]): Map<string, T[]> {
  const result = new Map<string, T[]>();
  for (const row of rows) {
    const group = result.get(row.key_id);
    if (group) group.push(row);
    else result.set(row.key_id, [row]);
  }
  return result;
}
