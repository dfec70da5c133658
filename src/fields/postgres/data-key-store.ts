/** Data keys in PostgreSQL, `docs/fields.md` §4.1 and §4.6: each call is a transaction of its own, on a connection that is nobody else's. */

import { copy } from '../../lib/bytes.ts';
import { optional, type ReadersOf, takeOptions, takeSignal } from '../../lib/options.ts';
import type {
  DataKeyRow,
  DataKeySlot,
  DataKeyStore,
  DataKeyStoreOptions,
  StoredDefinition,
} from '../data-key-store.ts';
import { toBytea } from './bytea.ts';

/** What is used of a pool of `pg`. */
export interface DataKeyPool extends Queryable {
  connect(): Promise<Queryable & { release(error?: boolean): void }>;
}

/** Runs statements. */
export interface Queryable {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: readonly Record<string, unknown>[] }>;
}

const columns = 'id, tenant, subject, purpose, field, version, created, state, wrapped';
const selected =
  'k.id, k.tenant, k.subject, k.purpose, k.field, k.version, k.created::text AS created, k.state, k.wrapped, k.receipt';
const slotsSql = `SELECT DISTINCT ${selected} FROM bulla_data_keys k
JOIN unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[]) AS s (tenant, subject, purpose, field, version) ON k.tenant = s.tenant
WHERE (k.state = 'active' AND k.subject IS NOT DISTINCT FROM s.subject AND k.purpose = s.purpose AND k.field IS NOT DISTINCT FROM s.field AND k.version = s.version)
  OR (k.state = 'shredded' AND k.subject = s.subject)`;

const readers = { signal: optional(takeSignal) } satisfies ReadersOf<DataKeyStoreOptions>;
const signalOf = (options: DataKeyStoreOptions = {}) => takeOptions(options, readers).signal;

/**
 * A store in the tables `bulla_data_keys` and `bulla_field_schemas`, which {@link fieldsSql} makes. Give it a pool of its own, of two connections for example, that leads to the primary server and
 * is not encrypted itself: a data key is committed before it is used, whatever becomes of the transaction of the application.
 */
export function postgresDataKeyStore(pool: DataKeyPool): DataKeyStore {
  const query = async (text: string, values: unknown[], signal: AbortSignal | undefined) => {
    signal?.throwIfAborted();
    const { rows } = await pool.query(text, values);
    signal?.throwIfAborted();
    return rows;
  };
  const inSlots = async (slots: readonly DataKeySlot[], signal: AbortSignal | undefined) =>
    (await query(slotsSql, slotArrays(slots), signal)).map(rowOf);
  return {
    async byId(ids, options) {
      const text = `SELECT ${selected} FROM bulla_data_keys k WHERE id = ANY($1::bytea[])`;
      return (await query(text, [ids.map(toBytea)], signalOf(options))).map(rowOf);
    },
    bySlot: async (slots, options) => inSlots(slots, signalOf(options)),
    async add(rows, retire, options) {
      const signal = signalOf(options);
      signal?.throwIfAborted();
      const values = [
        ...slotArrays(rows),
        rows.map(({ id }) => toBytea(id)),
        rows.map(({ created }) => created),
        rows.map(({ wrapped }) => toBytea(wrapped ?? new Uint8Array())),
      ];
      await locked(pool, rows, async (client) => {
        if (retire.length > 0) await client.query(retireSql, [retire.map(toBytea)]);
        await client.query(addSql, values);
      });
      return inSlots(rows, signal);
    },
    async shred({ tenant, subject }, marker, options) {
      const signal = signalOf(options);
      signal?.throwIfAborted();
      const { rows } = await locked(pool, [{ tenant, subject }], (client) => mark(client, tenant, subject, marker));
      return rows.map(rowOf);
    },
    async erase(ids, receipt, options) {
      await query(eraseSql, [ids.map(toBytea), receipt], signalOf(options));
    },
    async define(definitions, options) {
      const signal = signalOf(options);
      const values = [
        definitions.map(({ field }) => field),
        definitions.map(({ version }) => version),
        definitions.map(({ definition }) => definition),
      ];
      const read = async () => (await query(definedSql, values.slice(0, 2), signal)) as unknown as StoredDefinition[];
      const known = await read();
      if (known.length === definitions.length) return known;
      await query(defineSql, values, signal);
      return read();
    },
  };
}

/**
 * Works in a transaction that holds the locks of all subjects, so that none gets a key while it is shredded. The locks are taken by a statement of their own: what comes after sees what
 * was committed before.
 */
async function locked<Result>(
  pool: DataKeyPool,
  rows: readonly Pick<DataKeySlot, 'tenant' | 'subject'>[],
  work: (client: Queryable) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  let broken = true;
  try {
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED');
    const subjects = rows.filter(({ subject }) => subject !== null);
    await client.query(lockSql, [subjects.map(({ tenant }) => tenant), subjects.map(({ subject }) => subject)]);
    const result = await work(client);
    await client.query('COMMIT');
    broken = false;
    return result;
  } finally {
    // A connection in the middle of something is closed, and its transaction with it.
    client.release(broken);
  }
}

/** §7.4, §7.9: marks the rows of a subject, once nobody is writing cells of it. */
async function mark(client: Queryable, tenant: string, subject: string, marker: DataKeyRow | undefined) {
  await client.query(`SET LOCAL lock_timeout = ${lockTimeout}`);
  await client.query(holdSql, [tenant, subject]);
  await client.query(markSql, [tenant, subject]);
  if (marker !== undefined) {
    const { id, created, receipt } = marker;
    await client.query(markerSql, [tenant, subject, toBytea(id), created, receipt]);
  }
  return client.query(subjectSql, [tenant, subject]);
}

const lockSql = `SELECT pg_advisory_xact_lock(key) FROM (
  SELECT DISTINCT hashtextextended(tenant || chr(31) || subject, 7045) AS key
  FROM unnest($1::text[], $2::text[]) AS s (tenant, subject) ORDER BY 1) AS keys`;

const retireSql = `UPDATE bulla_data_keys SET state = 'retired' WHERE id = ANY($1::bytea[]) AND state = 'active'`;

const addSql = `WITH given AS (
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::bytea[], $7::bigint[], $8::bytea[])
    AS g (tenant, subject, purpose, field, version, id, created, wrapped)
)
INSERT INTO bulla_data_keys (${columns})
SELECT id, tenant, subject, purpose, field, version, created, 'active', wrapped
FROM given
WHERE NOT EXISTS (
  SELECT FROM bulla_data_keys k WHERE k.tenant = given.tenant AND k.subject = given.subject AND k.state = 'shredded')
ON CONFLICT DO NOTHING`;

/** Milliseconds for which shredding waits for transactions that have written cells of the subject. */
const lockTimeout = 30_000;
/** §7.9: no other statement takes this lock. What the triggers of tables take conflicts with it. */
const holdSql = 'SELECT FROM bulla_data_keys WHERE tenant = $1 AND subject = $2 FOR UPDATE';
const markSql = `UPDATE bulla_data_keys SET state = 'shredded' WHERE tenant = $1 AND subject = $2 AND state <> 'shredded'`;
const markerSql = `INSERT INTO bulla_data_keys (${columns}, receipt)
SELECT $3::bytea, $1, $2, 'data', NULL, 0, $4::bigint, 'shredded', NULL, $5
WHERE NOT EXISTS (SELECT FROM bulla_data_keys WHERE tenant = $1 AND subject = $2)`;
const subjectSql = `SELECT ${selected} FROM bulla_data_keys k WHERE k.tenant = $1 AND k.subject = $2`;
const eraseSql = `UPDATE bulla_data_keys SET wrapped = NULL, receipt = $2
WHERE id = ANY($1::bytea[]) AND state = 'shredded' AND wrapped IS NOT NULL`;

const definedSql = `SELECT field, version, definition FROM bulla_field_schemas
WHERE (field, version) IN (SELECT * FROM unnest($1::text[], $2::int[]))`;
const defineSql = `INSERT INTO bulla_field_schemas (field, version, definition)
SELECT * FROM unnest($1::text[], $2::int[], $3::text[]) ON CONFLICT DO NOTHING`;

function slotArrays(slots: readonly DataKeySlot[]): unknown[] {
  const names = ['tenant', 'subject', 'purpose', 'field', 'version'] as const;
  return names.map((name) => slots.map((slot) => slot[name]));
}

function rowOf(row: Record<string, unknown>): DataKeyRow {
  const { id, wrapped, created } = row;
  return {
    ...(row as unknown as DataKeyRow),
    id: copy(id as Uint8Array),
    created: Number(created),
    wrapped: wrapped === null ? null : copy(wrapped as Uint8Array),
  };
}
