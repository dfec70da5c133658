/** The data keys of fields: found in a store, unwrapped by a tenant's keyring, checked, and made where there is none. `docs/fields.md` §4. */

import { type CachingKeyring, cachingKeyring } from '../cache/caching-keyring.ts';
import type { DataKeyCache } from '../cache/data-key-cache.ts';
import { KeyError } from '../errors.ts';
import { generatedBy } from '../keyrings/answers.ts';
import { assertKeyring, type DataKeyRevocation, type Keyring } from '../keyrings/keyring.ts';
import { revokedBy } from '../keyrings/revoked-by.ts';
import { whenAllThere, whenThere } from '../lib/awaitable.ts';
import { BoundedMap } from '../lib/bounded-map.ts';
import { bytesToKey } from '../lib/bytes.ts';
import { timeOf } from '../lib/callbacks.ts';
import { toHex } from '../lib/hex.ts';
import { deriveFieldKeyId } from '../schedule/field-keys.ts';
import type { Awaitable, Bytes, RandomSource } from '../types.ts';
import { type DataKeyRow, type DataKeySlot, type DataKeyStore, slotKey } from './data-key-store.ts';
import { type KnownRow, keyError, type OpenedKey, subjectShredded, unwrapKnown } from './unwrap-key.ts';
import { decodeWrapped, encodeWrapped } from './wrapped.ts';

/** What {@link DataKeys} works with. */
export interface DataKeysSettings {
  readonly store: DataKeyStore;
  readonly keyring: (tenant: string) => Keyring | Promise<Keyring>;
  readonly cache: DataKeyCache;
  /** Milliseconds for which a row is believed to be as it was. */
  readonly rowMaxAge: number;
  /** Milliseconds for which a data key seals. */
  readonly maxWriteAge: number;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  /** Hex ids of a tenant's index data keys, where they are pinned (§5.9). */
  readonly pinned: Readonly<Record<string, readonly string[]>>;
  readonly now: () => number;
  readonly random: RandomSource | undefined;
}

type Signal = AbortSignal | undefined;

const maxRows = 10_000;
/** §4.7: how far ahead of ours another writer's clock may be. */
const maxSkew = 3_600_000;

/** See the head of this file. */
export class DataKeys {
  readonly #settings: DataKeysSettings;
  readonly #rows = new BoundedMap<string, KnownRow>(maxRows);
  /** The ids of the keys that seal, by slot. */
  readonly #active = new BoundedMap<string, KnownRow>(maxRows);
  readonly #keyrings = new WeakMap<Keyring, CachingKeyring>();

  constructor(settings: DataKeysSettings) {
    this.#settings = settings;
  }

  /** The rows of some ids, by `bytesToKey` of the id: one query for those that are not known (§4.9). */
  rows(ids: ReadonlyMap<string, Bytes>, signal: Signal): Awaitable<ReadonlyMap<string, KnownRow>> {
    const found = new Map<string, KnownRow>();
    const missing: Bytes[] = [];
    for (const [key, id] of ids) {
      const known = this.#fresh(this.#rows.get(key));
      if (known === undefined) missing.push(id);
      else found.set(key, known);
    }
    return missing.length === 0 ? found : this.#fetchRows(missing, ids, found, signal);
  }

  async #fetchRows(
    missing: readonly Bytes[],
    ids: ReadonlyMap<string, Bytes>,
    found: Map<string, KnownRow>,
    signal: Signal,
  ): Promise<ReadonlyMap<string, KnownRow>> {
    for (const row of await this.#settings.store.byId(missing, { signal })) {
      const key = bytesToKey(row.id);
      if (ids.has(key)) found.set(key, this.#learn(row));
    }
    return found;
  }

  /** The data keys of rows, all at once. */
  open(rows: readonly KnownRow[], signal: Signal): Awaitable<readonly OpenedKey[]> {
    return whenAllThere(rows, (known) => unwrapKnown(known, (tenant) => this.#keyringOf(tenant), signal));
  }

  /** The keys that seal, by slot; made where there is none that may (§4.6, §4.7). */
  active(slots: ReadonlyMap<string, DataKeySlot>, signal: Signal): Awaitable<ReadonlyMap<string, OpenedKey>> {
    return whenThere(this.#find(slots, signal), (found) => {
      const missing = [...slots].flatMap(([key, slot]) => (found.has(key) ? [] : [slot]));
      const made = missing.length === 0 ? undefined : this.#make(missing, found, signal);
      return whenThere(made, () => this.#openSlots(found, signal));
    });
  }

  /** The same of those that exist: for searching, which makes no key. */
  existing(slots: ReadonlyMap<string, DataKeySlot>, signal: Signal): Awaitable<ReadonlyMap<string, OpenedKey>> {
    return whenThere(this.#find(slots, signal), (found) => this.#openSlots(found, signal));
  }

  /** Whether the store says that a subject was shredded (§7.3). */
  async isShredded(slot: DataKeySlot, signal: Signal): Promise<boolean> {
    const rows = await this.#settings.store.bySlot([slot], { signal });
    return rows.some((row) => isShreddedFor(row, slot));
  }

  /** Whether a row's key seals at the moment (§4.7). */
  isCurrent(row: DataKeyRow): boolean {
    return row.state === 'active' && this.#maySeal(row);
  }

  /** Has the key service of a tenant refuse the data keys of rows, which it was asked for before or not (§7.4). Of no rows it asks whether that is possible. Throws `ERR_KEYRING_CANNOT`. */
  async revoke(rows: readonly DataKeyRow[], tenant: string, signal: Signal): Promise<readonly DataKeyRevocation[]> {
    const keyring = await this.#keyringOf(tenant);
    const wrapped = rows.flatMap((row) => {
      const keys = row.wrapped === null ? [] : decodeWrapped(row.wrapped, row.tenant);
      if (keys === undefined) throw keyError('A data key has a wrapped key that must not stand there');
      return keys;
    });
    const answer = await revokedBy(keyring, wrapped, { signal });
    if (answer !== null) return answer;
    const message =
      'The keyring of the tenant cannot have a key service refuse data keys: see docs/fields.md §7.7 for what shredding means without';
    throw new KeyError('ERR_KEYRING_CANNOT', message);
  }

  /** Forgets what is known of rows: they were changed. */
  forget(): void {
    this.#rows.clear();
    this.#active.clear();
  }

  #openSlots(found: ReadonlyMap<string, KnownRow>, signal: Signal): Awaitable<ReadonlyMap<string, OpenedKey>> {
    return whenThere(
      this.open([...found.values()], signal),
      (keys) => new Map([...found.keys()].map((key, i) => [key, keys[i] as OpenedKey])),
    );
  }

  /** The usable rows of slots. Fails with `ERR_FIELD_SHREDDED`. */
  #find(slots: ReadonlyMap<string, DataKeySlot>, signal: Signal): Awaitable<Map<string, KnownRow>> {
    const found = new Map<string, KnownRow>();
    const missing: DataKeySlot[] = [];
    for (const [key, slot] of slots) {
      const known = this.#fresh(this.#active.get(key));
      if (known !== undefined && this.#maySeal(known.row)) found.set(key, known);
      else missing.push(slot);
    }
    if (missing.length === 0) return found;
    return this.#fetchSlots(missing, found, signal);
  }

  async #fetchSlots(missing: readonly DataKeySlot[], found: Map<string, KnownRow>, signal: Signal) {
    this.#take(await this.#settings.store.bySlot(missing, { signal }), missing, found);
    return found;
  }

  /** Keeps those of rows that may seal. */
  #take(rows: readonly DataKeyRow[], slots: readonly DataKeySlot[], found: Map<string, KnownRow>): void {
    const shredded = slots.find((slot) => rows.some((row) => isShreddedFor(row, slot)));
    if (shredded !== undefined) throw subjectShredded();
    const wanted = new Set(slots.map(slotKey));
    for (const row of rows) {
      const key = slotKey(row);
      if (row.state !== 'active' || !wanted.has(key)) continue;
      if (!this.#isPinned(row)) throw keyError('The index data key of a tenant is not one of those that are pinned');
      if (!this.#maySeal(row)) continue;
      const known = this.#learn(row);
      this.#active.set(key, known);
      found.set(key, known);
    }
  }

  async #make(slots: readonly DataKeySlot[], found: Map<string, KnownRow>, signal: Signal): Promise<void> {
    const { store, pinned } = this.#settings;
    if (slots.some(({ purpose, tenant }) => purpose === 'index' && Object.hasOwn(pinned, tenant))) {
      throw keyError('A pinned index data key of a tenant is not in the store');
    }
    const [old, made] = await Promise.all([
      store.bySlot(slots, { signal }),
      Promise.all(slots.map((slot) => this.#generate(slot, signal))),
    ]);
    const retired = old.filter((row) => row.state === 'active' && !this.#maySeal(row)).map(({ id }) => id);
    this.#take(await store.add(made, retired, { signal }), slots, found);
    if (slots.some((slot) => !found.has(slotKey(slot)))) {
      throw keyError('The store of data keys has none that may seal, although one was added');
    }
  }

  async #generate(slot: DataKeySlot, signal: Signal): Promise<DataKeyRow> {
    const { now, random } = this.#settings;
    const { tenant, subject, purpose, field, version } = slot;
    const created = Math.floor(timeOf(now));
    const keyring = await this.#keyringOf(tenant);
    // No length is said, so that no cache gives a data key that is shared with messages.
    const { dataKey, wrappedKeys } = await generatedBy(keyring, { signal, random });
    const wrapped = encodeWrapped(wrappedKeys, tenant);
    const columns = { tenant, subject, purpose, field, version, created };
    return { ...columns, id: await deriveFieldKeyId(dataKey, columns), state: 'active', wrapped };
  }

  #keyringOf(tenant: string): Awaitable<CachingKeyring> {
    return whenThere(this.#settings.keyring(tenant), (keyring) => {
      const known = this.#keyrings.get(keyring);
      if (known !== undefined) return known;
      assertKeyring(keyring, 'what keyring() returns');
      const caching = 'cache' in keyring ? (keyring as CachingKeyring) : cachingKeyring(keyring, this.#settings.cache);
      this.#keyrings.set(keyring, caching);
      return caching;
    });
  }

  #maySeal({ purpose, created }: DataKeyRow): boolean {
    if (purpose === 'index') return true;
    const { now, maxWriteAge, notBefore } = this.#settings;
    const time = timeOf(now);
    return created >= Math.max(notBefore, time - maxWriteAge) && created <= time + maxSkew;
  }

  #isPinned({ purpose, tenant, id }: DataKeyRow): boolean {
    const { pinned } = this.#settings;
    if (purpose !== 'index' || !Object.hasOwn(pinned, tenant)) return true;
    return pinned[tenant]?.includes(toHex(id)) === true;
  }

  #learn(row: DataKeyRow): KnownRow {
    const known: KnownRow = { row, at: performance.now() };
    const key = bytesToKey(row.id);
    this.#rows.set(key, known);
    return known;
  }

  #fresh(known: KnownRow | undefined): KnownRow | undefined {
    return known !== undefined && performance.now() - known.at < this.#settings.rowMaxAge ? known : undefined;
  }
}

function isShreddedFor(row: DataKeyRow, { tenant, subject }: DataKeySlot): boolean {
  return row.state === 'shredded' && subject !== null && row.tenant === tenant && row.subject === subject;
}
