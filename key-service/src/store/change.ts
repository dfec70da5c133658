/** A transaction that changes keys of a tenant, over the queries of the store. */

import type { Bytes } from '../lib/bytes.ts';
import type { LogEntry } from '../model/entry.ts';
import type { KeyRecord } from '../model/keys.ts';
import type { RevocationRecord, RevokedCounts } from '../model/revocations.ts';
import type { TenantRecord } from '../model/tenants.ts';
import type { TombstoneEntry, TombstoneHead } from '../model/tombstones.ts';
import { type Leaf, lastLeaf, type SeenKey } from './acknowledged.ts';
import { addToWindows } from './commit.ts';
import type { Queries } from './engine.ts';
import { type KeyReading, selectKey, writeKey } from './key-queries.ts';
import { countRevoked, selectRevocation, selectSameRevocations, writeRevocation } from './revocation-queries.ts';
import { answerMac, assertAnswer, type StateRecord } from './rows.ts';
import { appendEntries, writeHead, writeState } from './state.ts';
import type { Change, StoredAnswer, UsedProof, WindowUse } from './store.ts';
import { selectTenantRecord, writeTenantRecord } from './tenant-records.ts';
import { appendTombstones } from './tombstone-queries.ts';
import { tombstoneList, writeTouched } from './touched.ts';

/** What a change left, to be remembered once it is acknowledged. */
export interface ChangeOutcome {
  readonly state: StateRecord;
  readonly leaf: Leaf | undefined;
  readonly keys: readonly SeenKey[];
  /** What was changed of tenants with it. */
  readonly others?: readonly ChangeOutcome[];
}

/** Collects what `finish` then writes to the state. */
export class SqlChange implements Change {
  readonly #tx: Queries;
  readonly #reading: KeyReading;
  readonly #macKey: Bytes;
  readonly #entries: LogEntry[] = [];
  readonly #keys: SeenKey[] = [];
  readonly #touched: string[] = [];
  readonly #before: StateRecord;
  #state: StateRecord;

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
    const [row] = await addToWindows(this.#tx, [{ tenant: this.#state.tenant, principal, started, items }]);
    return row !== undefined && row.items <= limit;
  }

  findKey(reference: string): Promise<KeyRecord | undefined> {
    return selectKey(this.#tx, this.#reading, this.#state.tenant, reference);
  }

  async formerHolder(alias: string): Promise<string | undefined> {
    const query = this.#tx.selectFrom('former_aliases').select('key_id').where('tenant', '=', this.#state.tenant);
    return (await query.where('name', '=', alias).executeTakeFirst())?.key_id;
  }

  async putKey(key: KeyRecord): Promise<KeyRecord> {
    if (key.tenant !== this.#state.tenant) throw new TypeError('The key is of another tenant');
    const next = { ...key, revision: key.revision + 1 };
    this.#keys.push(await writeKey(this.#tx, this.#macKey, next));
    this.#state = { ...this.#state, revisions: this.#state.revisions + 1 };
    this.#touched.push(key.id);
    return next;
  }

  async hasMaterial(): Promise<boolean> {
    const versions = this.#tx.selectFrom('key_versions').innerJoin('keys', 'keys.id', 'key_versions.key_id');
    const ofTenant = versions.select('key_versions.version').where('keys.tenant', '=', this.#state.tenant);
    return (await ofTenant.where('key_versions.material', 'is not', null).limit(1).execute()).length > 0;
  }

  findTenant(): Promise<TenantRecord> {
    return selectTenantRecord(this.#tx, this.#reading, this.#state.tenant);
  }

  async putTenant(record: TenantRecord): Promise<TenantRecord> {
    if (record.tenant !== this.#state.tenant) throw new TypeError('The record is of another tenant');
    const next = { ...record, revision: record.revision + 1 };
    this.#keys.push(await writeTenantRecord(this.#tx, this.#macKey, next));
    this.#state = { ...this.#state, revisions: this.#state.revisions + 1 };
    return next;
  }

  findRevocation(id: string): Promise<RevocationRecord | undefined> {
    return selectRevocation(this.#tx, this.#reading, this.#state.tenant, id);
  }

  sameRevocations(digest: string): Promise<RevocationRecord[]> {
    return selectSameRevocations(this.#tx, this.#reading, this.#state.tenant, digest);
  }

  revokedSince(after: number): Promise<RevokedCounts> {
    return countRevoked(this.#tx, this.#reading, this.#state.tenant, after);
  }

  async putRevocation(revocation: RevocationRecord): Promise<RevocationRecord> {
    if (revocation.tenant !== this.#state.tenant) throw new TypeError('The revocation is of another tenant');
    const next = { ...revocation, revision: revocation.revision + 1 };
    this.#keys.push(await writeRevocation(this.#tx, this.#macKey, next));
    this.#state = { ...this.#state, revisions: this.#state.revisions + 1 };
    return next;
  }

  async addTombstones(entries: readonly TombstoneEntry[]): Promise<TombstoneHead> {
    const { head, row } = await appendTombstones(this.#tx, this.#reading, this.#state.tenant, entries);
    this.#keys.push(row);
    this.#state = { ...this.#state, revisions: this.#state.revisions + entries.length };
    // A request that was decided on the earlier list is decided again.
    this.#touched.push(tombstoneList);
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

  /** Writes leaves and state, before the transaction commits. */
  async finish(): Promise<ChangeOutcome> {
    const appended = await appendEntries(this.#tx, this.#state, this.#entries);
    const changed = this.#touched.length > 0;
    const state = { ...appended, epoch: appended.epoch + (changed ? 1 : 0) };
    if (changed) await writeTouched(this.#tx, this.#macKey, { ...state, ids: this.#touched });
    const written = state.epoch !== this.#before.epoch || state.revisions !== this.#before.revisions;
    if (written) await writeState(this.#tx, this.#macKey, state);
    else if (this.#entries.length > 0) await writeHead(this.#tx, state);
    return { state, leaf: lastLeaf(this.#state.tree.size, this.#entries), keys: this.#keys };
  }
}
