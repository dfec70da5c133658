/** A transaction on what is nobody's but the service's: secrets, transport keys, replicas, and which tenants there are. */

import { IntegrityError } from '../errors.ts';
import type { Bytes } from '../lib/bytes.ts';
import type { LogEntry } from '../model/entry.ts';
import { emptyFrontier, rootOf } from '../model/merkle.ts';
import { lastLeaf } from './acknowledged.ts';
import { type ChangeOutcome, SqlChange } from './change.ts';
import type { Queries } from './engine.ts';
import { type KeyReading, renewAnswerMacs, renewKeyMacs } from './key-queries.ts';
import { insertTenant } from './new-tenant.ts';
import { type SeenReplica, selectReplicas } from './replicas.ts';
import { resealAll } from './reseal.ts';
import { sumRevocations } from './revocation-queries.ts';
import type { StateRecord } from './rows.ts';
import {
  appendEntries,
  type FoundState,
  readState,
  readStates,
  type StateReading,
  selectTenants,
  writeState,
} from './state.ts';
import type { Change, NewTenant, SealedSecret, SecretRow, ServiceChange, TransportRow } from './store.ts';
import { Sums } from './sums.ts';
import { sumTenantRecords } from './tenant-records.ts';
import { sumTombstones } from './tombstone-queries.ts';

/** Collects what `finish` then writes to the service's state. */
export class SqlServiceChange implements ServiceChange {
  readonly #tx: Queries;
  readonly #reading: StateReading & KeyReading;
  #macKey: Bytes;
  readonly #entries: LogEntry[] = [];
  readonly #others: ChangeOutcome[] = [];
  readonly #before: StateRecord;
  #tenants: number;
  #changed = false;

  constructor(tx: Queries, reading: StateReading & KeyReading, state: StateRecord) {
    this.#tx = tx;
    this.#reading = { ...reading, committed: false };
    this.#macKey = reading.macKey;
    this.#before = state;
    this.#tenants = state.revisions;
  }

  get size(): number {
    return this.#before.tree.size;
  }

  get root(): Bytes {
    return rootOf(this.#before.tree);
  }

  append(entry: LogEntry): void {
    this.#entries.push(entry);
  }

  async tenants(): Promise<string[]> {
    const made = await selectTenants(this.#tx);
    if (made.length === this.#tenants) return made;
    throw new IntegrityError('The head of a tenant was removed from the store, or put there by somebody else');
  }

  async addTenant({ name, first }: NewTenant): Promise<void> {
    const empty = { tenant: name, resumed: 0, epoch: 0, revisions: 0, tree: emptyFrontier };
    await insertTenant(this.#tx, this.#macKey, empty, { first, slot: this.#tenants });
    this.#tenants += 1;
  }

  async changeTenant<T>(tenant: string, work: (change: Change) => Promise<T>): Promise<T> {
    const { engine } = this.#reading;
    const state = await engine.briefly(this.#tx, () => readState(this.#tx, this.#reading, tenant));
    const change = new SqlChange(this.#tx, this.#reading, state);
    const result = await work(change);
    this.#others.push(await change.finish());
    return result;
  }

  transportKeys(): Promise<TransportRow[]> {
    return this.#tx.selectFrom('transport_keys').selectAll().orderBy('serial', 'desc').execute();
  }

  async putTransportKey(row: TransportRow): Promise<void> {
    await this.#tx.insertInto('transport_keys').values(row).execute();
  }

  async replaceSecrets(rows: readonly SecretRow[], macKey: Bytes): Promise<void> {
    const states = await this.#lockAll();
    for (const { kind, name, sealed } of rows) {
      const query = this.#tx.updateTable('secrets').set({ sealed }).where('kind', '=', kind).where('name', '=', name);
      await query.execute();
    }
    await this.#tx.deleteFrom('transport_keys').execute();
    const sums = new Sums();
    await renewKeyMacs(this.#tx, this.#reading, { to: macKey, sums });
    await sumRevocations(this.#tx, this.#reading, sums, macKey);
    await sumTombstones(this.#tx, this.#reading, sums, macKey);
    await sumTenantRecords(this.#tx, this.#reading, sums, macKey);
    sums.assertThose(states, await selectTenants(this.#tx));
    await renewAnswerMacs(this.#tx, this.#macKey, macKey);
    // A request that was decided on keys under the old MACs is decided again.
    for (const state of states.values()) {
      if (!(state instanceof IntegrityError)) await writeState(this.#tx, macKey, { ...state, epoch: state.epoch + 1 });
    }
    this.#macKey = macKey;
    this.#changed = true;
  }

  async reseal(work: (secret: SealedSecret) => Promise<Bytes>): Promise<number> {
    await this.#lockAll();
    return resealAll(this.#tx, work);
  }

  replicas(): Promise<SeenReplica[]> {
    return selectReplicas(this.#tx);
  }

  async retireReplicas(): Promise<void> {
    await this.#lockAll();
    await this.#tx.deleteFrom('replicas').execute();
  }

  /** Writes leaves and state, before the transaction commits. */
  async finish(): Promise<ChangeOutcome> {
    const appended = await appendEntries(this.#tx, this.#before, this.#entries);
    const changed = this.#changed || this.#tenants !== this.#before.revisions;
    const state = { ...appended, revisions: this.#tenants, epoch: appended.epoch + (changed ? 1 : 0) };
    if (changed || this.#entries.length > 0) await writeState(this.#tx, this.#macKey, state);
    return { state, leaf: lastLeaf(this.#before.tree.size, this.#entries), keys: [], others: this.#others };
  }

  // The service's row is locked already, and a change of a tenant's keys locks no other row, so there is no deadlock.
  #lockAll(): Promise<Map<string, FoundState>> {
    return readStates(this.#tx, this.#reading);
  }
}
