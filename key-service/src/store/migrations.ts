/** The schema, forward only: each migration runs once, in its own order, and is never edited afterwards. */

import { type Kysely, sql } from 'kysely';
import { OperatorError } from '../errors.ts';
import { commitFunction } from './commit-function.ts';
import type { Dialect } from './engine.ts';
import { renewFirstSchema } from './first-schema.ts';
import { divideState } from './one-log.ts';
import { assertNoneServes, selectReplicas } from './replicas.ts';
import type { OpenSecret } from './store.ts';
import type { Tables } from './tables.ts';

/** Where schemas before the fifth had one state and one log for all tenants. */
const oneLog = ({ int, bytes }: Pick<Dialect, 'int' | 'bytes'>): string[] => [
  `create table state (id ${int} primary key, epoch ${int} not null, revisions ${int} not null, size ${int} not null, frontier text not null, mac text not null)`,
  `create table audit_leaves (idx ${int} primary key, hash ${bytes} not null, tenant text not null, entry ${bytes} not null)`,
  `create table audit_nodes (level ${int} not null, idx ${int} not null, hash ${bytes} not null, primary key (level, idx))`,
];

type Migration = (types: Dialect) => string[];

/** By the schema that each leads to. There was a fourth, which was never released. */
const migrations: ReadonlyMap<number, Migration> = new Map<number, Migration>([
  [
    1,
    ({ int, bytes }) => [
      ...oneLog({ int, bytes }),
      `insert into state values (1, 0, 0, 0, '[]', '')`,
      `create table secrets (kind text not null, name text not null, sealed ${bytes} not null, primary key (kind, name))`,
      `create table transport_keys (kid text primary key, serial ${int} not null unique, point ${bytes} not null, sealed ${bytes} not null, created ${int} not null, expires ${int} not null)`,
      `create table keys (id text primary key, tenant text not null, description text not null, disabled ${int} not null, newest ${int} not null, floor ${int} not null, created ${int} not null, revision ${int} not null, max_age_days ${int}, max_uses ${int}, deletion text, mac text not null)`,
      'create index keys_by_tenant on keys (tenant, id)',
      `create table key_versions (key_id text not null references keys (id), version ${int} not null, state text not null, prior_state text, created ${int} not null, uses ${int} not null, material ${bytes}, point ${bytes} not null, primary key (key_id, version))`,
      'create table aliases (tenant text not null, name text not null, key_id text not null references keys (id), primary key (tenant, name))',
      'create index aliases_by_key on aliases (key_id)',
      `create table proofs (id text primary key, expires ${int} not null)`,
      'create index proofs_by_expiry on proofs (expires)',
      `create table windows (principal text not null, started ${int} not null, items ${int} not null, primary key (principal, started))`,
      `create table answers (id text primary key, body_hash text not null, status ${int} not null, body text not null, expires ${int} not null, mac text not null)`,
    ],
  ],
  [
    2,
    ({ int }) => [
      `create table replicas (id text primary key, name text not null, seen ${int} not null)`,
      `alter table keys add column origin text not null default 'generated'`,
      'alter table keys add column imported_by text',
      'create table former_aliases (tenant text not null, name text not null, key_id text not null, primary key (tenant, name))',
      `create table exchanged (id text primary key, proof_key text not null, expires ${int} not null)`,
      'create index exchanged_by_expiry on exchanged (expires)',
    ],
  ],
  [
    3,
    ({ int, bytes }) => [
      `create table revocations (id text primary key, tenant text not null, digest text not null, requested ${int} not null, revoked ${int}, data_keys ${int} not null, record text not null, revision ${int} not null, mac text not null)`,
      'create index revocations_by_digest on revocations (tenant, digest)',
      'create index revocations_by_time on revocations (tenant, requested)',
      `create table tombstones (tenant text not null, seq ${int} not null, tombstone ${bytes} not null, stands ${int} not null, primary key (tenant, seq))`,
      `create table tombstone_heads (tenant text primary key, total ${int} not null, hash ${bytes} not null, mac text not null)`,
    ],
  ],
  [
    5,
    ({ kind, int, bytes }) => [
      // What a replica of before is at ends first, and what it begins later fails: in between it would change rows that are counted already.
      ...(kind === 'postgres' ? ['lock table state'] : []),
      `create table states (tenant text primary key, resumed ${int} not null, epoch ${int} not null, revisions ${int} not null, mac text not null, size ${int} not null, frontier ${bytes} not null)`,
      `create table heads (tenant text primary key, slot ${int} not null unique, epoch ${int} not null, revisions ${int} not null, size ${int} not null, frontier ${bytes} not null)`,
      `create table publications (idx ${int} primary key, seed ${bytes} not null)`,
      `create table log_leaves (log text not null, idx ${int} not null, hash ${bytes} not null, entry ${bytes} not null, primary key (log, idx))`,
      `create table log_nodes (log text not null, level ${int} not null, idx ${int} not null, hash ${bytes} not null, primary key (log, level, idx))`,
      `alter table replicas add column roots text not null default '[]'`,
      'drop table windows',
      `create table windows (tenant text not null, principal text not null, started ${int} not null, items ${int} not null, primary key (tenant, principal, started))`,
      `create table tenant_records (tenant text primary key, record text not null, revision ${int} not null, closes_at ${int}, mac text not null)`,
      'create index tenant_records_by_end on tenant_records (closes_at)',
      `create table touched (tenant text primary key, resumed ${int} not null, epoch ${int} not null, since ${int} not null, ids text not null, mac text not null)`,
      `create table remembered (tenant text not null, replica text not null, resumed ${int} not null, epoch ${int} not null, revisions ${int} not null, size ${int} not null, leaf ${bytes}, keys text not null, mac text not null, primary key (tenant, replica))`,
      ...(kind === 'postgres' ? [commitFunction] : []),
    ],
  ],
]);

/** What rows are changed with. */
export interface RowChange {
  /** Opens secrets, where rows need it. */
  readonly open: OpenSecret | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** What the rows themselves need after the statements of a migration, by its number. */
const rowChanges: ReadonlyMap<number, (tx: Kysely<Tables>, options: RowChange) => Promise<void>> = new Map([
  [2, renewFirstSchema],
  [5, divideState],
]);

/** Makes the tables of one state and one log for rows of a schema before the fifth, which are being restored. */
export async function openOneLog(tx: Kysely<Tables>, dialect: Dialect): Promise<void> {
  for (const statement of oneLog(dialect)) await sql.raw(statement).execute(tx);
}

/** Brings such rows, and keys of schema 1 among them, to this schema. */
export async function closeOneLog(
  tx: Kysely<Tables>,
  { first, ...options }: RowChange & { readonly first: boolean },
): Promise<void> {
  if (first) await renewFirstSchema(tx, options);
  await divideState(tx, options);
}

const unreleased = 4;

/** The schema that this version of the service works with. */
export const schemaVersion = Math.max(...migrations.keys());

/** Options of {@link runMigrations}. */
export interface MigrationOptions {
  /** Opens secrets, where rows need it. */
  readonly open?: OpenSecret | undefined;
  /** The last migration to run. Default: all. */
  readonly until?: number;
  /** Milliseconds since 1970, by the clock of the database where it has one. Default: by that of this machine. */
  readonly now?: number;
}

/** Runs what is missing, inside a transaction that excludes all others. */
export async function runMigrations(
  tx: Kysely<Tables>,
  dialect: Dialect,
  { open, until = schemaVersion, now = Date.now() }: MigrationOptions = {},
): Promise<void> {
  await sql`create table if not exists migrations (version integer primary key)`.execute(tx);
  const current = await currentVersion(tx);
  if (current > schemaVersion) {
    throw new OperatorError(`The database has schema ${current}; this version of the service knows ${schemaVersion}`);
  }
  if (current === unreleased) {
    throw new OperatorError(
      `The database has schema ${unreleased}, which was never released and is not taken along: restore a backup of schema 3, or begin with a new database`,
    );
  }
  // Of schema 1 no replica says that it lives.
  if (current > 1 && current < until) assertNoneServes(await selectReplicas(tx), Math.floor(now / 1000));
  for (const [version, migration] of migrations) {
    if (version <= current || version > until) continue;
    for (const statement of migration(dialect)) await sql.raw(statement).execute(tx);
    await rowChanges.get(version)?.(tx, { open, now });
    await sql`insert into migrations values (${version})`.execute(tx);
  }
}

/** The version of the schema; 0 for an empty database. */
export async function currentVersion(db: Kysely<Tables>): Promise<number> {
  const tables = await db.introspection.getTables();
  if (!tables.some(({ name }) => name === 'migrations')) return 0;
  const { rows } = await sql<{ version: number | null }>`select max(version) as version from migrations`.execute(db);
  return Number(rows[0]?.version ?? 0);
}
