/** The store of cached data keys: limits, single flight, eviction, counters. It knows nothing of keyrings. */

import { type EvictionReason, emit } from '../lib/events.ts';
import { SingleFlight } from '../lib/single-flight.ts';
import type { KeyServiceClient } from '../service/client.ts';
import type { KeyChange } from '../service/key-changes.ts';
import type { Awaitable } from '../types.ts';
import type { CacheEntry } from './entry.ts';
import { type CacheSettings, type DataKeyCacheOptions, readCacheSettings } from './options.ts';

/** What a cache has counted since it was made. */
export interface CacheCounters {
  readonly hits: number;
  readonly misses: number;
  /** Waits for a data key that somebody else was fetching already. */
  readonly joined: number;
  /** Data keys that were not shared, because the length of the plaintext is unknown or too large. */
  readonly bypasses: number;
  readonly evictions: Readonly<Record<EvictionReason, number>>;
}

/** A cache as its owner sees it. */
export interface DataKeyCache {
  /** Data keys in the cache. */
  readonly size: number;
  /** A copy of the counters. */
  readonly counters: CacheCounters;
  /** Drops all data keys, or those under a key id. What is being fetched is given to who waits for it, and not kept. */
  invalidate(keyId?: string): void;
}

/** Fetches an entry; the signal is aborted when nobody waits any more. */
export type FetchEntry = (signal: AbortSignal) => Promise<CacheEntry>;

const noEvictions: Record<EvictionReason, number> = {
  ...{ age: 0, messages: 0, bytes: 0, entries: 0, rotated: 0 },
  ...{ floor: 0, unavailable: 0, invalidated: 0, failed: 0, refreshed: 0 },
};

/** Keys whose newest versions are remembered. */
const maxKeys = 10_000;

/** Keeps data keys, for one or several keyrings. */
export class DataKeyStore implements DataKeyCache {
  /** The options with their defaults. */
  readonly settings: CacheSettings;
  // In the order of last use: a Map iterates as inserted.
  readonly #entries = new Map<string, CacheEntry>();
  readonly #flights = new Map<string, SingleFlight<CacheEntry>>();
  readonly #counters = { hits: 0, misses: 0, joined: 0, bypasses: 0, evictions: { ...noEvictions } };
  /** Rises when something makes data keys unusable: what was asked for before is not kept. */
  #generation = 0;
  /** The newest versions that were told of, by service and key: an answer that was on its way meanwhile may be older. */
  readonly #newest = new Map<string, number>();
  #sweep: ReturnType<typeof setTimeout> | undefined;

  constructor(options: DataKeyCacheOptions) {
    this.settings = readCacheSettings(options);
  }

  /** See {@link DataKeyCache.size}. */
  get size(): number {
    return this.#entries.size;
  }

  /** See {@link DataKeyCache.counters}. */
  get counters(): CacheCounters {
    return { ...this.#counters, evictions: { ...this.#counters.evictions } };
  }

  /** See {@link DataKeyCache.invalidate}. */
  invalidate(keyId?: string): void {
    this.#generation++;
    this.#evictWhere((entry) => (keyId === undefined || entry.keyId === keyId ? 'invalidated' : undefined));
  }

  /** The entry of an id that can be used for so many bytes, from the cache or by `fetch`, which runs once however many wait. Failures are not kept. */
  use(id: string, bytes: number, fetch: FetchEntry, signal: AbortSignal | undefined): Awaitable<CacheEntry> {
    return this.#hit(id, bytes, fetch) ?? this.#miss(id, bytes, fetch, signal);
  }

  #hit(id: string, bytes: number, fetch: FetchEntry): CacheEntry | undefined {
    const cached = this.#take(id, bytes);
    if (cached === undefined) return undefined;
    this.#count('hit', cached);
    if (this.settings.refreshAhead && cached.isOld(this.settings)) this.#refresh(id, fetch);
    return cached;
  }

  async #miss(id: string, bytes: number, fetch: FetchEntry, signal: AbortSignal | undefined): Promise<CacheEntry> {
    for (;;) {
      const { entry, outcome } = await this.#fetch(id, fetch, signal);
      if (outcome === 'miss') entry.takeFirst(bytes);
      else if (!entry.take(bytes, this.settings)) {
        const hit = this.#hit(id, bytes, fetch);
        if (hit !== undefined) return hit;
        continue;
      }
      this.#count(outcome, entry);
      return entry;
    }
  }

  /** Whether there is an entry that can be used. */
  has(id: string): boolean {
    return this.#entries.get(id)?.expired(this.settings) === undefined && this.#entries.has(id);
  }

  /** Drops one entry whose data key turned out not to open a message. */
  fail(id: string): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#evict(id, entry, 'failed');
  }

  /** Counts a data key that is not shared. */
  bypass(operation: 'encrypt' | 'decrypt', keyId: string | undefined): void {
    this.#counters.bypasses++;
    emit(this.settings.onEvent, { type: 'cache', operation, outcome: 'bypass', keyId });
  }

  /** Evicts what a client was told must not be used any more: for all clients of its service, except where it is this caller alone who is not allowed to. */
  apply(teller: KeyServiceClient, change: KeyChange): void {
    const { unavailable, key, keyId } = change;
    const concerns = ({ subject, keyId: id }: CacheEntry) =>
      (unavailable === 'for-caller' ? subject.client === teller : subject.client?.url === teller.url) &&
      (id === keyId || (keyId === undefined && subject.key === key));
    if (unavailable !== undefined) this.#generation++;
    if (keyId !== undefined && change.newestVersion !== undefined) this.#learn(teller, keyId, change.newestVersion);
    this.#evictWhere((entry) => (concerns(entry) ? reasonOf(change, entry) : undefined));
  }

  /** The clients of the entries, each with the ids of the keys that it has entries of. */
  subjects(): ReadonlyMap<KeyServiceClient, ReadonlySet<string>> {
    const found = new Map<KeyServiceClient, Set<string>>();
    for (const { subject, keyId } of this.#entries.values()) {
      if (subject.client === undefined) continue;
      found.set(subject.client, (found.get(subject.client) ?? new Set()).add(keyId));
    }
    return found;
  }

  #take(id: string, bytes: number): CacheEntry | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    const reason = entry.expired(this.settings) ?? (entry.take(bytes, this.settings) ? undefined : 'bytes');
    if (reason !== undefined) {
      this.#evict(id, entry, reason);
      return undefined;
    }
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    return entry;
  }

  async #fetch(id: string, fetch: FetchEntry, signal: AbortSignal | undefined) {
    // Else the flight would be kept that nobody began.
    signal?.throwIfAborted();
    const generation = this.#generation;
    const flightId = `${generation} ${id}`;
    const running = this.#flights.get(flightId);
    const flight = running ?? new SingleFlight<CacheEntry>();
    this.#flights.set(flightId, flight);
    const work = async (shared: AbortSignal) => {
      try {
        const fetched = await fetch(shared);
        if (generation === this.#generation) this.#keep(id, fetched);
        return fetched;
      } finally {
        if (this.#flights.get(flightId) === flight) this.#flights.delete(flightId);
      }
    };
    const entry = await flight.join(work, signal);
    return { entry, outcome: running === undefined ? ('miss' as const) : ('joined' as const) };
  }

  #refresh(id: string, fetch: FetchEntry): void {
    if (this.#flights.has(`${this.#generation} ${id}`)) return;
    // Nobody waits, so nobody is told when it fails: the entry that is there serves until its end, and then a caller is told.
    this.#fetch(id, fetch, undefined).catch(() => undefined);
  }

  #learn({ url }: KeyServiceClient, keyId: string, version: number): void {
    const key = `${url} ${keyId}`;
    const known = this.#newest.get(key) ?? 0;
    if (known >= version) return;
    if (this.#newest.size >= maxKeys) this.#newest.clear();
    this.#newest.set(key, version);
  }

  #isRotatedOut({ subject: { operation, client }, keyId, version }: CacheEntry): boolean {
    return (
      operation === 'encrypt' && client !== undefined && version < (this.#newest.get(`${client.url} ${keyId}`) ?? 0)
    );
  }

  #keep(id: string, entry: CacheEntry): void {
    if (this.#isRotatedOut(entry)) {
      // Whoever waited for it began before the rotation was known, and may use it.
      this.#tellEviction(entry, 'rotated');
      return;
    }
    const before = this.#entries.get(id);
    if (before !== undefined) this.#evict(id, before, 'refreshed');
    this.#entries.set(id, entry);
    for (const [oldest, unused] of this.#entries) {
      if (this.#entries.size <= this.settings.maxEntries) break;
      this.#evict(oldest, unused, 'entries');
    }
    this.#scheduleSweep();
  }

  /** Data keys do not outlive their age in memory, even where nobody asks for them again. */
  #scheduleSweep(): void {
    if (this.#sweep !== undefined || this.#entries.size === 0) return;
    this.#sweep = setTimeout(() => {
      this.#sweep = undefined;
      this.#evictWhere((entry) => entry.expired(this.settings));
      this.#scheduleSweep();
    }, this.settings.maxAge);
    unref(this.#sweep);
  }

  #evictWhere(reasonFor: (entry: CacheEntry) => EvictionReason | undefined): void {
    for (const [id, entry] of [...this.#entries]) {
      const reason = reasonFor(entry);
      if (reason !== undefined) this.#evict(id, entry, reason);
    }
  }

  #evict(id: string, entry: CacheEntry, reason: EvictionReason): void {
    this.#entries.delete(id);
    this.#tellEviction(entry, reason);
  }

  #tellEviction({ keyId, version }: CacheEntry, reason: EvictionReason): void {
    this.#counters.evictions[reason]++;
    emit(this.settings.onEvent, { type: 'cache-eviction', reason, keyId, version });
  }

  #count(outcome: 'hit' | 'miss' | 'joined', { subject: { operation }, keyId }: CacheEntry): void {
    this.#counters[outcome === 'hit' ? 'hits' : outcome === 'miss' ? 'misses' : 'joined']++;
    emit(this.settings.onEvent, { type: 'cache', operation, outcome, keyId });
  }
}

/** Lets a Node process end that has nothing else to do; browsers' timers are numbers. */
export function unref(timer: ReturnType<typeof setTimeout>): void {
  (timer as unknown as { unref?: () => void }).unref?.();
}

function reasonOf(
  { unavailable, version, newestVersion, floor }: KeyChange,
  entry: CacheEntry,
): EvictionReason | undefined {
  if (unavailable !== undefined) return version === undefined || version === entry.version ? 'unavailable' : undefined;
  if (floor !== undefined && entry.version < floor) return 'floor';
  const rotated = newestVersion !== undefined && entry.version < newestVersion;
  return rotated && entry.subject.operation === 'encrypt' ? 'rotated' : undefined;
}
