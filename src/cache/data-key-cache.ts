/** The store of cached data keys: limits, single flight, eviction, counters. It knows nothing of keyrings and users: those are in the ids that it is given. */

import type { KeyNews } from '../keyrings/keyring.ts';
import { BoundedMap } from '../lib/bounded-map.ts';
import { unref } from '../lib/elapsed.ts';
import { type EvictionReason, emit } from '../lib/events.ts';
import { SingleFlight } from '../lib/single-flight.ts';
import type { Awaitable, KeyChange } from '../types.ts';
import type { CacheEntry } from './entry.ts';
import { type CacheSettings, type DataKeyCacheOptions, readCacheSettings } from './options.ts';
import { Watch } from './polling.ts';

/** What a cache has counted since it was made. */
export interface CacheCounters {
  readonly hits: number;
  readonly misses: number;
  /** Waits for a data key that somebody else was fetching already. */
  readonly joined: number;
  /** Data keys that were not shared: the length of the plaintext is unknown or too large, or the keyring does not say whose data keys it gives. */
  readonly bypasses: number;
  readonly evictions: Readonly<Record<EvictionReason, number>>;
}

/** A cache as its owner sees it. */
export interface DataKeyCache {
  /** Data keys in the cache. */
  readonly size: number;
  /** A copy of the counters. */
  readonly counters: CacheCounters;
  /** Drops all data keys, or those under a key id. What is being fetched is given to those who wait for it, and not kept. */
  invalidate(keyId?: string): void;
}

/** A data key that somebody needs. */
export interface Wanted {
  /** The entries that would do. */
  readonly ids: readonly string[];
  /** What is fetched where there is none of them: who wants the same waits for the same. */
  readonly flight: string;
  /** Plaintext bytes that it is for. */
  readonly bytes: number;
  /** Who may tell of the keys, from now on. */
  readonly news: readonly KeyNews[];
  /** Fetches it; the signal is aborted when nobody waits any more. */
  readonly fetch: (signal: AbortSignal) => Promise<CacheEntry>;
}

/** A fetch under way, with the uses that it has promised. */
interface Flight {
  readonly single: SingleFlight<CacheEntry>;
  messages: number;
  bytes: number;
}

const noEvictions: Record<EvictionReason, number> = {
  ...{ age: 0, messages: 0, bytes: 0, entries: 0, rotated: 0 },
  ...{ floor: 0, unavailable: 0, invalidated: 0, failed: 0, refreshed: 0 },
};

/** Keys whose newest versions are remembered. */
const maxKeys = 10_000;

/** Keeps data keys, for one or several keyrings. */
export class DataKeyStore {
  /** The options with their defaults. */
  readonly settings: CacheSettings;
  readonly #entries: BoundedMap<string, { readonly entry: CacheEntry; readonly end: () => void }>;
  readonly #flights = new Map<string, Flight>();
  readonly #counters = { hits: 0, misses: 0, joined: 0, bypasses: 0, evictions: { ...noEvictions } };
  readonly #watch: Watch;
  /** Rises when something makes data keys unusable: what was asked for before is not kept. */
  #generation = 0;
  /** The newest versions that were told of, by service and key: an answer that was on its way meanwhile may be older. */
  readonly #newest = new BoundedMap<string, number>(maxKeys);
  #sweep: { readonly timer: ReturnType<typeof setTimeout>; readonly at: number } | undefined;

  constructor(options: DataKeyCacheOptions) {
    this.settings = readCacheSettings(options);
    this.#entries = new BoundedMap(this.settings.maxEntries, ({ entry, end }) => this.#ended(entry, end, 'entries'));
    this.#watch = new Watch(this.settings.pollInterval, (teller, change) => this.#apply(teller, change));
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
    this.#evictWhere(({ parts }) =>
      keyId === undefined || parts.wrappedKeys.some((key) => key.keyId === keyId) ? 'invalidated' : undefined,
    );
  }

  /** An entry that can be used, from the cache or fetched, once for however many want the same. Failures are not kept. */
  use(wanted: Wanted, signal: AbortSignal | undefined): Awaitable<CacheEntry> {
    return this.#hit(wanted) ?? this.#fetch(wanted, signal);
  }

  /** Drops one entry whose data key turned out not to open a message. */
  fail(id: string): void {
    if (this.#entries.peek(id) !== undefined) this.#evict(id, 'failed');
  }

  /** Counts a data key that is not shared. */
  bypass(operation: 'encrypt' | 'decrypt', keyId: string | undefined): void {
    this.#counters.bypasses++;
    emit(this.settings.onEvent, { type: 'cache', operation, outcome: 'bypass', keyId });
  }

  #hit(wanted: Wanted): CacheEntry | undefined {
    for (const id of wanted.ids) {
      const entry = this.#take(id, wanted.bytes);
      if (entry === undefined) continue;
      this.#count('hit', entry);
      if (this.settings.refreshAhead && entry.isOld()) this.#refresh(wanted);
      return entry;
    }
    return undefined;
  }

  #take(id: string, bytes: number): CacheEntry | undefined {
    const entry = this.#entries.get(id)?.entry;
    if (entry === undefined) return undefined;
    const reason = entry.expired() ?? (entry.take(bytes) ? undefined : 'bytes');
    if (reason === undefined) return entry;
    this.#evict(id, reason);
    return undefined;
  }

  /** Joins the fetch that runs while it has uses to give, and begins another one beside it otherwise. */
  async #fetch(wanted: Wanted, signal: AbortSignal | undefined): Promise<CacheEntry> {
    // Else a flight would be kept that nobody began.
    signal?.throwIfAborted();
    const running = this.#flights.get(this.#flightId(wanted));
    const joins = running?.single.isBusy === true && this.#promise(running, wanted.bytes);
    const flight = joins ? running : { single: new SingleFlight<CacheEntry>(), messages: 1, bytes: wanted.bytes };
    const entry = await this.#join(flight, wanted, signal);
    this.#count(joins ? 'joined' : 'miss', entry);
    return entry;
  }

  #flightId({ flight }: Wanted): string {
    return `${this.#generation} ${flight}`;
  }

  #promise(flight: Flight, bytes: number): boolean {
    const { maxMessages, maxBytes } = this.settings;
    if (flight.messages >= maxMessages || flight.bytes + bytes > maxBytes) return false;
    flight.messages++;
    flight.bytes += bytes;
    return true;
  }

  #join(flight: Flight, wanted: Wanted, signal: AbortSignal | undefined): Promise<CacheEntry> {
    const generation = this.#generation;
    const flightId = this.#flightId(wanted);
    this.#flights.set(flightId, flight);
    return flight.single.join(async (shared) => {
      // Also of what is told while the answer is on its way.
      const ends = wanted.news.map((news) => this.#watch.listen(news));
      try {
        const entry = await wanted.fetch(shared);
        entry.count(flight.messages, flight.bytes);
        if (generation === this.#generation && entry.parts.keep) this.#keep(entry);
        return entry;
      } finally {
        if (this.#flights.get(flightId) === flight) this.#flights.delete(flightId);
        for (const end of ends) end();
      }
    }, signal);
  }

  #refresh(wanted: Wanted): void {
    if (this.#flights.has(this.#flightId(wanted))) return;
    const flight = { single: new SingleFlight<CacheEntry>(), messages: 0, bytes: 0 };
    // Nobody waits, so nobody is told when it fails: the entry that is there serves until its end, and then a caller is told.
    this.#join(flight, wanted, undefined).catch(() => undefined);
  }

  /** Evicts what somebody was told must not be used any more. */
  #apply(teller: KeyNews, change: KeyChange): void {
    const { unavailable, keyId, newestVersion } = change;
    if (unavailable !== undefined) this.#generation++;
    if (keyId !== undefined && newestVersion !== undefined) {
      const key = `${teller.url} ${keyId}`;
      this.#newest.set(key, Math.max(newestVersion, this.#newest.peek(key) ?? 0));
    }
    this.#evictWhere((entry) => entry.endedBy(teller, change));
  }

  #isRotatedOut({ parts: { operation, watched } }: CacheEntry): boolean {
    const newest = ({ news, wrappedKey }: (typeof watched)[number]) =>
      this.#newest.peek(`${news.url} ${wrappedKey.keyId}`) ?? 0;
    return operation === 'encrypt' && watched.some((key) => key.wrappedKey.version < newest(key));
  }

  #keep(entry: CacheEntry): void {
    const { id } = entry.parts;
    // Those who waited for it began before a rotation was known, or before it was used up, and may use it.
    const reason = this.#isRotatedOut(entry) ? 'rotated' : entry.expired();
    if (reason !== undefined) {
      this.#tellEviction(entry, reason);
      return;
    }
    const before = this.#entries.peek(id);
    this.#scheduleSweep(entry.left);
    this.#entries.set(id, { entry, end: this.#watch.watch(entry.parts.watched) });
    // A listener that is told may drop the new one.
    if (before !== undefined) this.#ended(before.entry, before.end, 'refreshed');
  }

  /** Data keys do not outlive their age in memory by more than a twentieth, even where nobody asks for them again. */
  #scheduleSweep(left: number): void {
    const after = Math.max(left, this.settings.maxAge / 20);
    const at = performance.now() + after;
    if (this.#sweep !== undefined && this.#sweep.at <= at) return;
    clearTimeout(this.#sweep?.timer);
    const timer = setTimeout(() => {
      this.#sweep = undefined;
      this.#evictWhere((entry) => (leftOf(entry) <= 0 ? 'age' : undefined));
      if (this.size > 0)
        this.#scheduleSweep(Math.min(...this.#entries.entries().map(([, { entry }]) => leftOf(entry))));
    }, after);
    this.#sweep = { timer, at };
    unref(timer);
  }

  #evictWhere(reasonFor: (entry: CacheEntry) => EvictionReason | undefined): void {
    for (const [id, { entry }] of this.#entries.entries()) {
      const reason = reasonFor(entry);
      if (reason !== undefined) this.#evict(id, reason);
    }
  }

  #evict(id: string, reason: EvictionReason): void {
    const kept = this.#entries.peek(id);
    this.#entries.delete(id);
    if (kept !== undefined) this.#ended(kept.entry, kept.end, reason);
  }

  #ended(entry: CacheEntry, end: () => void, reason: EvictionReason): void {
    end();
    if (this.size === 0) {
      clearTimeout(this.#sweep?.timer);
      this.#sweep = undefined;
    }
    this.#tellEviction(entry, reason);
  }

  #tellEviction({ keyId, version }: CacheEntry, reason: EvictionReason): void {
    this.#counters.evictions[reason]++;
    emit(this.settings.onEvent, { type: 'cache-eviction', reason, keyId, version });
  }

  #count(outcome: 'hit' | 'miss' | 'joined', { parts: { operation }, keyId }: CacheEntry): void {
    this.#counters[outcome === 'hit' ? 'hits' : outcome === 'miss' ? 'misses' : 'joined']++;
    emit(this.settings.onEvent, { type: 'cache', operation, outcome, keyId });
  }
}

/** What is left of an entry's life for a timer, which has nobody to tell that the clock is broken: nothing then. */
function leftOf(entry: CacheEntry): number {
  try {
    return entry.left;
  } catch {
    return 0;
  }
}
