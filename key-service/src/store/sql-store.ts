/** The store over SQL: the same queries for both databases. */

import { sql } from 'kysely';
import { IntegrityError, OperatorError } from '../errors.ts';
import type { KeyRecord } from '../keys/model.ts';
import type { Bytes } from '../lib/bytes.ts';
import { SqlChange } from './change.ts';
import { commitBatch } from './commit.ts';
import { dumpPage, loadRows } from './dump.ts';
import type { Engine } from './engine.ts';
import { selectKey, selectKeys, sumRevisions } from './key-queries.ts';
import { currentVersion, runMigrations, schemaVersion } from './migrations.ts';
import { readState } from './state.ts';
import type { Change, Commit, CommitResult, Head, SecretRow, Store, TableRow, TransportRow } from './store.ts';
import { backedUpTables } from './tables.ts';

export class SqlStore implements Store {
  readonly #engine: Engine;
  #macKey: Bytes | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get kind(): 'sqlite' | 'postgres' {
    return this.#engine.kind;
  }

  async migrate(): Promise<void> {
    await this.#engine.write(async (tx) => {
      await this.#engine.lockMigrations(tx);
      await runMigrations(tx, this.#engine.dialect);
    });
  }

  async assertMigrated(): Promise<void> {
    const found = await this.#engine.read(currentVersion).catch(() => 0);
    if (found === schemaVersion) return;
    throw new OperatorError(
      `The database has schema ${found}, not ${schemaVersion}: run \`bulla-key-service migrate\``,
    );
  }

  unlock(macKey: Bytes): void {
    this.#macKey = macKey;
  }

  secrets(): Promise<SecretRow[]> {
    return this.#engine.read(async (db) => {
      const rows = await db.selectFrom('secrets').selectAll().orderBy('kind').orderBy('name').execute();
      return rows.map((row) => ({ ...row, sealed: Uint8Array.from(row.sealed) }));
    });
  }

  async addSecrets(rows: readonly SecretRow[]): Promise<void> {
    await this.#engine.write((tx) =>
      tx
        .insertInto('secrets')
        .values([...rows])
        .onConflict((conflict) => conflict.columns(['kind', 'name']).doNothing())
        .execute(),
    );
  }

  async head(): Promise<Head> {
    const { epoch, tree } = await this.#engine.read((db) => readState(db, this.#engine, this.#unlocked, false));
    return { epoch, tree };
  }

  async epoch(): Promise<number> {
    return (await this.head()).epoch;
  }

  commit(batch: readonly Commit[]): Promise<CommitResult[]> {
    return this.#engine.write((tx) => commitBatch(tx, this.#engine, this.#unlocked, batch));
  }

  change<T>(work: (change: Change) => Promise<T>): Promise<T> {
    return this.#engine.write(async (tx) => {
      const change = new SqlChange(tx, this.#unlocked, await readState(tx, this.#engine, this.#unlocked, true));
      const result = await work(change);
      await change.finish();
      return result;
    });
  }

  findKey(tenant: string, reference: string): Promise<KeyRecord | undefined> {
    return this.#engine.snapshot((db) => selectKey(db, this.#unlocked, tenant, reference));
  }

  listKeys(tenant: string, after: string, limit: number): Promise<KeyRecord[]> {
    return this.#engine.snapshot((db) => selectKeys(db, this.#unlocked, tenant, after, limit));
  }

  dueKeys(now: number): Promise<{ id: string; tenant: string }[]> {
    return this.#engine.read(async (db) => {
      const { rows } = await sql<{ id: string; tenant: string }>`
        select k.id, k.tenant from keys k join key_versions v on v.key_id = k.id and v.version = k.newest
        where k.deletion is not null
          or (v.state = 'active' and k.disabled = 0
            and (v.created + k.max_age_days * 86400 <= ${now} or v.uses >= k.max_uses))
        order by k.id`.execute(db);
      return rows;
    });
  }

  async verifyKeys(): Promise<void> {
    await this.#engine.snapshot(async (db) => {
      const { revisions } = await readState(db, this.#engine, this.#unlocked, false);
      if ((await sumRevisions(db, this.#unlocked)) !== revisions) {
        throw new IntegrityError('A key in the store is older than the state: it was put back or removed');
      }
    });
  }

  transportKeys(): Promise<TransportRow[]> {
    return this.#engine.read((db) => db.selectFrom('transport_keys').selectAll().orderBy('serial', 'desc').execute());
  }

  nodes(level: number, from: number, to: number): Promise<Bytes[]> {
    return this.#engine.read(async (db) => {
      const rows =
        level === 0
          ? await db
              .selectFrom('audit_leaves')
              .select('hash')
              .where('idx', '>=', from)
              .where('idx', '<', to)
              .orderBy('idx')
              .execute()
          : await db
              .selectFrom('audit_nodes')
              .select('hash')
              .where('level', '=', level)
              .where('idx', '>=', from)
              .where('idx', '<', to)
              .orderBy('idx')
              .execute();
      return rows.map(({ hash }) => Uint8Array.from(hash));
    });
  }

  entries(from: number, to: number): Promise<{ index: number; hash: Bytes; entry: Bytes; tenant: string }[]> {
    return this.#engine.read(async (db) => {
      const rows = await db
        .selectFrom('audit_leaves')
        .selectAll()
        .where('idx', '>=', from)
        .where('idx', '<', to)
        .orderBy('idx')
        .execute();
      return rows.map(({ idx, hash, entry, tenant }) => ({
        index: idx,
        hash: Uint8Array.from(hash),
        entry: Uint8Array.from(entry),
        tenant,
      }));
    });
  }

  async expire(now: number): Promise<void> {
    await this.#engine.write(async (tx) => {
      await tx.deleteFrom('proofs').where('expires', '<', now).execute();
      await tx
        .deleteFrom('windows')
        .where('started', '<', now - 600)
        .execute();
      await tx.deleteFrom('answers').where('expires', '<', now).execute();
      await tx.deleteFrom('transport_keys').where('expires', '<=', now).execute();
    });
  }

  async dump(write: (row: TableRow) => Promise<void>): Promise<void> {
    await this.#engine.snapshot(async (db) => {
      for (const table of backedUpTables) {
        for (let offset = 0; ; ) {
          const page = await dumpPage(db, table, offset);
          if (page.length === 0) break;
          for (const row of page) await write(row);
          offset += page.length;
        }
      }
    });
  }

  async load(rows: AsyncIterable<TableRow>): Promise<void> {
    await this.#engine.write((tx) => loadRows(tx, rows));
  }

  async ping(): Promise<void> {
    await this.#engine.write((tx) => tx.updateTable('state').set({ id: 1 }).where('id', '=', 1).execute());
  }

  close(): Promise<void> {
    return this.#engine.close();
  }

  get #unlocked(): Bytes {
    if (!this.#macKey) throw new TypeError('The store is not unlocked');
    return this.#macKey;
  }
}
