/** The store over SQL: the same queries for both databases. */

import { type IntegrityError, OperatorError } from '../errors.ts';
import type { Bytes } from '../lib/bytes.ts';
import { serviceLog } from '../model/entry.ts';
import type { KeyRecord, VersionUse } from '../model/keys.ts';
import type { RevocationPage, RevocationQuery, RevocationRecord } from '../model/revocations.ts';
import type { TenantRecord } from '../model/tenants.ts';
import type { TombstoneHead, TombstonePage } from '../model/tombstones.ts';
import { SqlChange } from './change.ts';
import { dumpAll, loadRows } from './dump.ts';
import type { Engine, Queries } from './engine.ts';
import { deleteExpired } from './expiry.ts';
import { refusedHeads } from './heads.ts';
import { type FoundKey, selectKeys, selectNamedKeys, trusted } from './key-queries.ts';
import { selectDueKeys, selectVersionUses } from './key-uses.ts';
import { selectEntries, selectNodes } from './log-queries.ts';
import { currentVersion, runMigrations, schemaVersion } from './migrations.ts';
import type {
  Lost,
  LostOfService,
  NextPublication,
  Publication,
  Published,
  PublishedSlot,
  Resuming,
  ResumingService,
} from './published.ts';
import { Publisher } from './publisher.ts';
import { refusedKeys } from './refused-keys.ts';
import { shareMemory } from './remembered.ts';
import { assertServes, beatReplica, joinReplicas, type Replica, type SeenReplica, selectReplicas } from './replicas.ts';
import { countSealed, resealPage } from './reseal.ts';
import { selectRevocation, selectRevocations } from './revocation-queries.ts';
import { insertSecrets, selectSecrets } from './secret-queries.ts';
import { SqlServiceChange } from './service-change.ts';
import { readState, selectTenants } from './state.ts';
import type {
  Change,
  Commit,
  CommitResult,
  Head,
  OpenSecret,
  SecretRow,
  ServiceChange,
  Store,
  StoredEntry,
  TableRow,
  TransportRow,
} from './store.ts';
import { selectClosingTenants, selectTenantRecord } from './tenant-records.ts';
import { selectTombstones } from './tombstone-queries.ts';
import { Transactions } from './transactions.ts';

export class SqlStore implements Store {
  readonly #engine: Engine;
  readonly #transactions: Transactions;
  readonly #publisher: Publisher;
  #replica: string | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#transactions = new Transactions(engine);
    this.#publisher = new Publisher(engine, this.#transactions);
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
      await runMigrations(tx, this.#engine.dialect, { open, now: await this.#now(tx) });
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
    this.#transactions.unlock(macKey);
  }

  secrets(): Promise<SecretRow[]> {
    return this.#engine.read(selectSecrets);
  }

  async addSecrets(rows: readonly SecretRow[]): Promise<void> {
    await this.#engine.write((tx) => insertSecrets(tx, rows));
  }

  async head(tenant: string): Promise<Head> {
    const state = await this.#transactions.read(tenant, (db, reading) => readState(db, reading, tenant));
    const { resumed, epoch, tree } = state;
    return { resumed, epoch, tree };
  }

  async tenants(): Promise<string[]> {
    return this.#engine.read(selectTenants);
  }

  commit(tenant: string, batch: readonly Commit[]): Promise<CommitResult[]> {
    return this.#transactions.commit(tenant, batch);
  }

  async change<T>(tenant: string, work: (change: Change) => Promise<T>): Promise<T> {
    const { result } = await this.#transactions.run(tenant, async (tx, reading) => {
      const change = new SqlChange(tx, reading, await readState(tx, reading, tenant));
      // Under the tenant's lock, which retiring replicas takes, too.
      if (this.#replica !== undefined) await assertServes(tx, this.#replica);
      const result = await work(change);
      return { ...(await change.finish()), result };
    });
    return result;
  }

  async changeService<T>(work: (change: ServiceChange) => Promise<T>): Promise<T> {
    const { result } = await this.#transactions.runWithTenant(async (tx, reading) => {
      const change = new SqlServiceChange(tx, reading, await readState(tx, reading, serviceLog));
      if (this.#replica !== undefined) await assertServes(tx, this.#replica);
      const result = await work(change);
      return { ...(await change.finish()), result };
    });
    return result;
  }

  publish(next: NextPublication, since: number): Promise<Published> {
    return this.#publisher.publish(next, since);
  }

  publication(): Promise<Publication | undefined> {
    return this.#publisher.newest();
  }

  publishedSlot(tenant: string): Promise<PublishedSlot | undefined> {
    return this.#publisher.slot(tenant);
  }

  resume(tenant: string, resuming: Resuming): Promise<Lost> {
    return this.#publisher.resume(tenant, resuming);
  }

  resumeService(resuming: ResumingService): Promise<LostOfService> {
    return this.#publisher.resumeService(resuming);
  }

  async verifyHeads(): Promise<void> {
    throwFirst(await this.#transactions.outside((reading) => refusedHeads(this.#engine, reading)));
  }

  async haltRefused({ keys }: { readonly keys: boolean }): Promise<ReadonlyMap<string, IntegrityError>> {
    const heads = await this.#transactions.outside((reading) => refusedHeads(this.#engine, reading));
    const refused = new Map([...(keys ? await this.#transactions.snapshot(refusedKeys) : []), ...heads]);
    for (const [tenant, error] of refused) this.#transactions.halt(tenant, error);
    return refused;
  }

  async shareMemory(): Promise<void> {
    await this.#transactions.share((tx, parts) => shareMemory(tx, { ...parts, replica: this.#replica ?? 'a command' }));
  }

  async findKey(tenant: string, reference: string): Promise<KeyRecord | undefined> {
    return trusted((await this.findKeys(tenant, [reference])).get(reference));
  }

  findKeys(tenant: string, references: readonly string[]): Promise<Map<string, FoundKey>> {
    return this.#transactions.snapshot((db, reading) => selectNamedKeys(db, reading, tenant, references));
  }

  listKeys(tenant: string, after: string, limit: number): Promise<KeyRecord[]> {
    return this.#transactions.snapshot((db, reading) => selectKeys(db, reading, tenant, after, limit));
  }

  findRevocation(tenant: string, id: string): Promise<RevocationRecord | undefined> {
    return this.#transactions.snapshot((db, reading) => selectRevocation(db, reading, tenant, id));
  }

  listRevocations(tenant: string, query: RevocationQuery): Promise<RevocationPage> {
    return this.#transactions.snapshot((db, reading) => selectRevocations(db, reading, tenant, query));
  }

  tombstones(tenant: string, after: TombstoneHead): Promise<TombstonePage> {
    return this.#transactions.snapshot((db, reading) => selectTombstones(db, reading, tenant, after));
  }

  findTenant(tenant: string): Promise<TenantRecord> {
    return this.#transactions.snapshot((db, reading) => selectTenantRecord(db, reading, tenant));
  }

  closingTenants(now: number): Promise<string[]> {
    return this.#engine.read((db) => selectClosingTenants(db, now));
  }

  dueKeys(now: number): Promise<{ id: string; tenant: string }[]> {
    return this.#engine.read((db) => selectDueKeys(db, now));
  }

  versionUses(ids: readonly string[]): Promise<VersionUse[]> {
    return this.#engine.read((db) => selectVersionUses(db, ids));
  }

  async verifyKeys(): Promise<void> {
    throwFirst(await this.#transactions.snapshot(refusedKeys));
  }

  transportKeys(): Promise<TransportRow[]> {
    return this.#engine.read((db) => db.selectFrom('transport_keys').selectAll().orderBy('serial', 'desc').execute());
  }

  nodes(log: string, level: number, from: number, to: number): Promise<Bytes[]> {
    return this.#engine.read((db) => selectNodes(db, log, level, from, to));
  }

  entries(log: string, from: number, to: number): Promise<StoredEntry[]> {
    return this.#engine.read((db) => selectEntries(db, log, from, to));
  }

  async expire(now: number): Promise<void> {
    await this.#engine.write((tx) => deleteExpired(tx, now));
  }

  async dump(write: (row: TableRow) => Promise<void>): Promise<void> {
    await this.#engine.snapshot((db) => dumpAll(db, write), { long: true });
  }

  async load(rows: AsyncIterable<TableRow>, open?: OpenSecret): Promise<void> {
    const work = async (tx: Queries): Promise<void> => {
      await loadRows(tx, this.#engine.dialect, rows, { open, now: await this.#now(tx) });
    };
    await this.#engine.write(work, { long: true });
  }

  async ping(): Promise<void> {
    await this.#engine.write((tx) =>
      tx.updateTable('states').set({ tenant: serviceLog }).where('tenant', '=', serviceLog).execute(),
    );
  }

  time(): Promise<number | undefined> {
    return this.#engine.read((db) => this.#engine.time(db));
  }

  async #now(tx: Queries): Promise<number> {
    return Math.round((await this.#engine.time(tx)) ?? Date.now());
  }

  reseal(rootId: string, limit: number, work: OpenSecret): Promise<number> {
    return resealPage(this.#engine, Uint8Array.from(Buffer.from(rootId, 'hex')), limit, work);
  }

  sealedUnder(): Promise<Map<string, number>> {
    return this.#engine.read(countSealed);
  }

  replicas(): Promise<SeenReplica[]> {
    return this.#engine.read(selectReplicas);
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
}

function throwFirst(refused: ReadonlyMap<string, IntegrityError>): void {
  for (const error of refused.values()) throw error;
}
