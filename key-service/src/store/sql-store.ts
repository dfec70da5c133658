/** The store over SQL: the same queries for both databases. */

import { IntegrityError, OperatorError } from '../errors.ts';
import { type Bytes, equalBytes } from '../lib/bytes.ts';
import type { KeyRecord, VersionUse } from '../model/keys.ts';
import type { RevocationPage, RevocationQuery, RevocationRecord } from '../model/revocations.ts';
import type { TombstoneHead, TombstonePage } from '../model/tombstones.ts';
import { Acknowledged, type AcknowledgedState, type Leaf, type SeenKey } from './acknowledged.ts';
import { SqlChange } from './change.ts';
import { commitBatch } from './commit.ts';
import { dumpPage, loadRows } from './dump.ts';
import type { Engine, Queries } from './engine.ts';
import { UnknownOutcome } from './errors.ts';
import { type KeyReading, selectKeys, selectNamedKeys, sumRevisions } from './key-queries.ts';
import { selectDueKeys, selectVersionUses } from './key-uses.ts';
import { selectEntries, selectNodes } from './log-queries.ts';
import { currentVersion, runMigrations, schemaVersion } from './migrations.ts';
import { assertServes, beatReplica, joinReplicas, type Replica } from './replicas.ts';
import { selectRevocation, selectRevocations, sumRevocations } from './revocation-queries.ts';
import { readState, type StateReading } from './state.ts';
import type {
  Change,
  Commit,
  CommitResult,
  Head,
  OpenSecret,
  SecretRow,
  Store,
  StoredEntry,
  TableRow,
  TransportRow,
} from './store.ts';
import { backedUpTables } from './tables.ts';
import { selectTombstones, sumTombstones } from './tombstone-queries.ts';

type Reading = StateReading & KeyReading;

interface Outcome {
  readonly state: AcknowledgedState;
  readonly leaf: Leaf | undefined;
  readonly keys?: readonly SeenKey[];
}

const attempts = 3;

export class SqlStore implements Store {
  readonly #engine: Engine;
  readonly #acknowledged = new Acknowledged();
  #macKey: Bytes | undefined;
  #replica: string | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get kind(): 'sqlite' | 'postgres' {
    return this.#engine.kind;
  }

  get connections(): number {
    return this.#engine.connections;
  }

  async migrate(open?: OpenSecret): Promise<void> {
    const work = async (tx: Queries): Promise<void> => {
      await this.#engine.lockMigrations(tx);
      await runMigrations(tx, this.#engine.dialect, { open });
    };
    await this.#engine.write(work, { long: true });
  }

  async assertMigrated(): Promise<void> {
    const found = await this.#engine.read(currentVersion);
    if (found === schemaVersion) return;
    throw new OperatorError(
      `The database has schema ${found}, not ${schemaVersion}: run \`bulla-key-service migrate\``,
    );
  }

  unlock(macKey: Bytes): void {
    this.#acknowledged.forgetKeys();
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
    const { epoch, tree } = await this.#read((db, reading) => readState(db, reading));
    return { epoch, tree };
  }

  async epoch(): Promise<number> {
    return (await this.head()).epoch;
  }

  async commit(batch: readonly Commit[]): Promise<CommitResult[]> {
    const { results } = await this.#acknowledge((tx, reading) => commitBatch(tx, reading, batch));
    return results;
  }

  async change<T>(work: (change: Change) => Promise<T>): Promise<T> {
    const { result } = await this.#acknowledge(async (tx, reading) => {
      const change = new SqlChange(tx, reading, await readState(tx, reading));
      if (this.#replica !== undefined) await assertServes(tx, this.#replica);
      const result = await work(change);
      return { ...(await change.finish()), result };
    });
    return result;
  }

  async findKey(tenant: string, reference: string): Promise<KeyRecord | undefined> {
    return (await this.findKeys(tenant, [reference])).get(reference);
  }

  findKeys(tenant: string, references: readonly string[]): Promise<Map<string, KeyRecord>> {
    return this.#snapshot((db, reading) => selectNamedKeys(db, reading, tenant, references));
  }

  listKeys(tenant: string, after: string, limit: number): Promise<KeyRecord[]> {
    return this.#snapshot((db, reading) => selectKeys(db, reading, tenant, after, limit));
  }

  findRevocation(tenant: string, id: string): Promise<RevocationRecord | undefined> {
    return this.#snapshot((db, reading) => selectRevocation(db, reading, tenant, id));
  }

  listRevocations(tenant: string, query: RevocationQuery): Promise<RevocationPage> {
    return this.#snapshot((db, reading) => selectRevocations(db, reading, tenant, query));
  }

  tombstones(tenant: string, after: TombstoneHead): Promise<TombstonePage> {
    return this.#snapshot((db, reading) => selectTombstones(db, reading, tenant, after));
  }

  dueKeys(now: number): Promise<{ id: string; tenant: string }[]> {
    return this.#engine.read((db) => selectDueKeys(db, now));
  }

  versionUses(ids: readonly string[]): Promise<VersionUse[]> {
    return this.#engine.read((db) => selectVersionUses(db, ids));
  }

  async verifyKeys(): Promise<void> {
    await this.#snapshot(async (db, reading) => {
      const { revisions } = await readState(db, reading);
      const ofRevocations = (await sumRevocations(db, reading)) + (await sumTombstones(db, reading));
      if ((await sumRevisions(db, reading)) + ofRevocations !== revisions) {
        throw new IntegrityError('A key in the store is older than the state: it was put back or removed');
      }
    });
  }

  transportKeys(): Promise<TransportRow[]> {
    return this.#engine.read((db) => db.selectFrom('transport_keys').selectAll().orderBy('serial', 'desc').execute());
  }

  nodes(level: number, from: number, to: number): Promise<Bytes[]> {
    return this.#engine.read((db) => selectNodes(db, level, from, to));
  }

  entries(from: number, to: number): Promise<StoredEntry[]> {
    return this.#engine.read((db) => selectEntries(db, from, to));
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
      await tx.deleteFrom('exchanged').where('expires', '<', now).execute();
    });
  }

  async dump(write: (row: TableRow) => Promise<void>): Promise<void> {
    await this.#engine.snapshot(
      async (db) => {
        for (const table of backedUpTables) {
          for (let offset = 0; ; ) {
            const page = await dumpPage(db, table, offset);
            if (page.length === 0) break;
            for (const row of page) await write(row);
            offset += page.length;
          }
        }
      },
      { long: true },
    );
  }

  async load(rows: AsyncIterable<TableRow>, open?: OpenSecret): Promise<void> {
    await this.#engine.write((tx) => loadRows(tx, rows, open), { long: true });
  }

  async ping(): Promise<void> {
    await this.#engine.write((tx) => tx.updateTable('state').set({ id: 1 }).where('id', '=', 1).execute());
  }

  time(): Promise<number | undefined> {
    return this.#engine.read((db) => this.#engine.time(db));
  }

  async join(replica: Replica, now: number): Promise<void> {
    await this.#engine.write((tx) => joinReplicas(tx, replica, now));
    this.#replica = replica.id;
  }

  async beat(now: number): Promise<void> {
    const id = this.#replica;
    if (id !== undefined) await this.#engine.write((tx) => beatReplica(tx, id, now));
  }

  async close(): Promise<void> {
    const id = this.#replica;
    this.#replica = undefined;
    // A replica that ends without this counts as alive for half a minute.
    if (id !== undefined) {
      await this.#engine.write((tx) => tx.deleteFrom('replicas').where('id', '=', id).execute()).catch(() => undefined);
    }
    await this.#engine.close();
  }

  #read<T>(work: (db: Queries, reading: Reading) => Promise<T>): Promise<T> {
    return this.#engine.read((db) => work(db, this.#reading(false)));
  }

  #snapshot<T>(work: (db: Queries, reading: Reading) => Promise<T>): Promise<T> {
    return this.#engine.snapshot((db) => work(db, this.#reading(false)));
  }

  // Taken before the first statement, and so before the snapshot or the lock.
  #reading(lock: boolean): Reading {
    const acknowledged = this.#acknowledged;
    const known = acknowledged.known();
    return { engine: this.#engine, macKey: this.#unlocked, acknowledged, known, committed: true, lock };
  }

  /** Runs a transaction under the lock of the state until its outcome is certain, and remembers what it left. */
  async #acknowledge<T extends Outcome>(work: (tx: Queries, reading: Reading) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      let outcome: T | undefined;
      try {
        await this.#engine.write(async (tx) => {
          outcome = await work(tx, this.#reading(true));
        });
      } catch (error) {
        const doubtful = error instanceof UnknownOutcome && error.askable && outcome?.leaf;
        if (!doubtful || !outcome) throw error;
        if (!(await this.#wasCommitted(doubtful, error))) {
          if (attempt >= attempts) throw error;
          continue;
        }
      }
      if (!outcome) throw new TypeError('A transaction without an outcome');
      this.#acknowledged.raise(outcome.state, outcome.leaf, outcome.keys);
      return outcome;
    }
  }

  // The lock is that of the transaction in doubt: who has it knows that the other one has ended.
  async #wasCommitted({ index, hash }: Leaf, doubt: UnknownOutcome): Promise<boolean> {
    try {
      return await this.#engine.write(async (tx) => {
        await readState(tx, this.#reading(true));
        const found = await tx.selectFrom('audit_leaves').select('hash').where('idx', '=', index).executeTakeFirst();
        return found !== undefined && equalBytes(found.hash, hash);
      });
    } catch {
      throw doubt;
    }
  }

  get #unlocked(): Bytes {
    if (!this.#macKey) throw new TypeError('The store is not unlocked');
    return this.#macKey;
  }
}
