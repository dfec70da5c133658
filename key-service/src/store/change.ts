/** A transaction that changes keys, over the queries of the store. */

import { IntegrityError } from '../errors.ts';
import type { Bytes } from '../lib/bytes.ts';
import type { LogEntry } from '../model/entry.ts';
import type { KeyRecord } from '../model/keys.ts';
import type { RevocationRecord, RevokedCounts } from '../model/revocations.ts';
import type { TombstoneEntry, TombstoneHead } from '../model/tombstones.ts';
import { type Leaf, lastLeaf, type SeenKey } from './acknowledged.ts';
import { addToWindows } from './commit.ts';
import { resealAll } from './dump.ts';
import type { Queries } from './engine.ts';
import { type KeyReading, renewAnswerMacs, renewKeyMacs, selectKey, writeKey } from './key-queries.ts';
import { type SeenReplica, selectReplicas } from './replicas.ts';
import {
  countRevoked,
  selectRevocation,
  selectSameRevocations,
  sumRevocations,
  writeRevocation,
} from './revocation-queries.ts';
import { answerMac, assertAnswer, type StateRecord } from './rows.ts';
import { appendEntries, writeState } from './state.ts';
import type { Change, SealedSecret, SecretRow, StoredAnswer, TransportRow, UsedProof, WindowUse } from './store.ts';
import { appendTombstones, sumTombstones } from './tombstone-queries.ts';

/** What a change left, to be remembered once it is acknowledged. */
export interface ChangeOutcome {
  readonly state: StateRecord;
  readonly leaf: Leaf | undefined;
  readonly keys: readonly SeenKey[];
}

/** Collects what `finish` then writes to the state. */
export class SqlChange implements Change {
  readonly #tx: Queries;
  readonly #reading: KeyReading;
  #macKey: Bytes;
  readonly #entries: LogEntry[] = [];
  readonly #keys: SeenKey[] = [];
  readonly #before: StateRecord;
  #state: StateRecord;
  #changed = false;

  constructor(tx: Queries, reading: KeyReading, state: StateRecord) {
    this.#tx = tx;
    this.#reading = { ...reading, committed: false };
    this.#macKey = reading.macKey;
    this.#before = state;
    this.#state = state;
  }

  get size(): number {
    return this.#state.tree.size;
  }

  async claim({ id, expires }: UsedProof): Promise<boolean> {
    const inserted = await this.#tx
      .insertInto('proofs')
      .values({ id, expires })
      .onConflict((conflict) => conflict.column('id').doNothing())
      .returning('id')
      .execute();
    return inserted.length === 1;
  }

  async use({ principal, window: started, items, limit }: WindowUse): Promise<boolean> {
    const [row] = await addToWindows(this.#tx, [{ principal, started, items }]);
    return row !== undefined && row.items <= limit;
  }

  findKey(tenant: string, reference: string): Promise<KeyRecord | undefined> {
    return selectKey(this.#tx, this.#reading, tenant, reference);
  }

  async formerHolder(tenant: string, alias: string): Promise<string | undefined> {
    const query = this.#tx.selectFrom('former_aliases').select('key_id').where('tenant', '=', tenant);
    return (await query.where('name', '=', alias).executeTakeFirst())?.key_id;
  }

  async putKey(key: KeyRecord): Promise<KeyRecord> {
    const next = { ...key, revision: key.revision + 1 };
    this.#keys.push(await writeKey(this.#tx, this.#macKey, next));
    this.#state = { ...this.#state, revisions: this.#state.revisions + 1 };
    this.#changed = true;
    return next;
  }

  findRevocation(tenant: string, id: string): Promise<RevocationRecord | undefined> {
    return selectRevocation(this.#tx, this.#reading, tenant, id);
  }

  sameRevocations(tenant: string, digest: string): Promise<RevocationRecord[]> {
    return selectSameRevocations(this.#tx, this.#reading, tenant, digest);
  }

  revokedSince(tenant: string, after: number): Promise<RevokedCounts> {
    return countRevoked(this.#tx, this.#reading, tenant, after);
  }

  async putRevocation(revocation: RevocationRecord): Promise<RevocationRecord> {
    const next = { ...revocation, revision: revocation.revision + 1 };
    this.#keys.push(await writeRevocation(this.#tx, this.#macKey, next));
    this.#state = { ...this.#state, revisions: this.#state.revisions + 1 };
    return next;
  }

  async addTombstones(tenant: string, entries: readonly TombstoneEntry[]): Promise<TombstoneHead> {
    const { head, row } = await appendTombstones(this.#tx, this.#reading, tenant, entries);
    this.#keys.push(row);
    this.#state = { ...this.#state, revisions: this.#state.revisions + entries.length };
    // A request that was decided on the earlier list is decided again.
    this.#changed = true;
    return head;
  }

  append(entry: LogEntry): void {
    this.#entries.push(entry);
  }

  async findAnswer(id: string): Promise<StoredAnswer | undefined> {
    const row = await this.#tx.selectFrom('answers').selectAll().where('id', '=', id).executeTakeFirst();
    if (!row) return undefined;
    const answer = { bodyHash: row.body_hash, status: row.status, body: row.body };
    assertAnswer(this.#macKey, id, answer, row.mac);
    return answer;
  }

  async putAnswer(id: string, answer: StoredAnswer, expires: number): Promise<void> {
    const { bodyHash, status, body } = answer;
    const row = { id, body_hash: bodyHash, status, body, expires, mac: answerMac(this.#macKey, id, answer) };
    await this.#tx.insertInto('answers').values(row).execute();
  }

  transportKeys(): Promise<TransportRow[]> {
    return this.#tx.selectFrom('transport_keys').selectAll().orderBy('serial', 'desc').execute();
  }

  async putTransportKey(row: TransportRow): Promise<void> {
    await this.#tx.insertInto('transport_keys').values(row).execute();
  }

  async replaceSecrets(rows: readonly SecretRow[], macKey: Bytes): Promise<void> {
    for (const { kind, name, sealed } of rows) {
      const query = this.#tx.updateTable('secrets').set({ sealed }).where('kind', '=', kind).where('name', '=', name);
      await query.execute();
    }
    await this.#tx.deleteFrom('transport_keys').execute();
    const ofKeys = await renewKeyMacs(this.#tx, this.#reading, macKey);
    const ofRevocations = await sumRevocations(this.#tx, this.#reading, macKey);
    const ofTombstones = await sumTombstones(this.#tx, this.#reading, macKey);
    if (ofKeys + ofRevocations + ofTombstones !== this.#state.revisions) {
      throw new IntegrityError('A key in the store is older than the state: it was put back or removed');
    }
    await renewAnswerMacs(this.#tx, this.#macKey, macKey);
    this.#macKey = macKey;
    // A request that was decided on keys under the old MACs is decided again.
    this.#changed = true;
  }

  reseal(work: (secret: SealedSecret) => Promise<Bytes>): Promise<number> {
    return resealAll(this.#tx, work);
  }

  replicas(): Promise<SeenReplica[]> {
    return selectReplicas(this.#tx);
  }

  async retireReplicas(): Promise<void> {
    await this.#tx.deleteFrom('replicas').execute();
  }

  /** Writes leaves and state, before the transaction commits. */
  async finish(): Promise<ChangeOutcome> {
    const appended = await appendEntries(this.#tx, this.#state, this.#entries);
    const state = { ...appended, epoch: appended.epoch + (this.#changed ? 1 : 0) };
    const written = state.epoch !== this.#before.epoch || state.revisions !== this.#before.revisions;
    if (written || this.#entries.length > 0) await writeState(this.#tx, this.#macKey, state);
    return { state, leaf: lastLeaf(this.#state.tree.size, this.#entries), keys: this.#keys };
  }
}
