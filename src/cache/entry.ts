/** A cached data key, with what it has been used for. */

import type { WrappedKey } from '../envelope/wrapped-key.ts';
import type { DataKey, KeyNews } from '../keyrings/keyring.ts';
import { elapsed, type Moment } from '../lib/elapsed.ts';
import type { EvictionReason } from '../lib/events.ts';
import type { KeyChange } from '../types.ts';
import type { CacheSettings } from './options.ts';

/** The part of its life after which a data key is replaced ahead of time. */
const refreshAfter = 0.8;

/** A key of a service that an entry depends on, and who tells what becomes of it. */
export interface WatchedKey {
  readonly news: KeyNews;
  readonly wrappedKey: WrappedKey;
}

/** What an entry is made of. */
export interface EntryParts {
  /** What it is kept under, which names the scope that may use it. */
  readonly id: string;
  readonly operation: 'encrypt' | 'decrypt';
  readonly dataKey: DataKey;
  /** The data key's wrapped forms, where it is for encrypting; else the one that it came from. */
  readonly wrappedKeys: readonly WrappedKey[];
  readonly watched: readonly WatchedKey[];
  /** The keys as they were asked for: ids and aliases. */
  readonly asked: readonly string[];
  /** When the data key was asked for. */
  readonly begun: Moment;
  /** Whether it may be kept for others than those who wait for it. */
  readonly keep: boolean;
}

/** A data key in a cache. */
export class CacheEntry {
  readonly parts: EntryParts;
  readonly #settings: CacheSettings;
  #messages = 0;
  #bytes = 0;

  constructor(parts: EntryParts, settings: CacheSettings) {
    this.parts = parts;
    this.#settings = settings;
  }

  /** The id of the key that it is wrapped under. */
  get keyId(): string {
    return this.parts.wrappedKeys[0]?.keyId ?? '';
  }

  /** The version of that key. */
  get version(): number {
    return this.parts.wrappedKeys[0]?.version ?? 0;
  }

  /** Milliseconds that are left of its life. */
  get left(): number {
    return this.#settings.maxAge - this.#age;
  }

  get #age(): number {
    return elapsed(this.parts.begun, this.#settings.now);
  }

  get #limited(): boolean {
    return this.parts.operation === 'encrypt';
  }

  /** Why the entry can no longer be used; `undefined` where it can. */
  expired(): EvictionReason | undefined {
    const { maxMessages, maxBytes } = this.#settings;
    if (this.left <= 0) return 'age';
    if (!this.#limited) return undefined;
    if (this.#messages >= maxMessages) return 'messages';
    return this.#bytes >= maxBytes ? 'bytes' : undefined;
  }

  /** Counts one more use; `false`, and nothing counted, where the limits do not allow it. */
  take(bytes: number): boolean {
    if (this.expired() !== undefined) return false;
    if (this.#limited && this.#bytes + bytes > this.#settings.maxBytes) return false;
    this.count(1, bytes);
    return true;
  }

  /** Counts uses that were promised while it was being fetched. */
  count(messages: number, bytes: number): void {
    this.#messages += messages;
    this.#bytes += bytes;
  }

  /** Whether it is time to replace it. */
  isOld(): boolean {
    const { maxAge, maxMessages, maxBytes } = this.#settings;
    const spent = this.#limited ? [this.#messages / maxMessages, this.#bytes / maxBytes] : [];
    return Math.max(this.#age / maxAge, ...spent) >= refreshAfter;
  }

  /** Why what a teller said of a key ends the entry; `undefined` where it does not. A caller that is not allowed is that one caller; the rest concerns everyone at the service. */
  endedBy(teller: KeyNews, change: KeyChange): EvictionReason | undefined {
    const { key, keyId, unavailable } = change;
    for (const { news, wrappedKey } of this.parts.watched) {
      const told = unavailable === 'for-caller' ? news === teller : news.url === teller.url;
      const named = keyId === undefined ? this.parts.asked.includes(key) : wrappedKey.keyId === keyId;
      const reason = told && named ? reasonOf(change, wrappedKey.version, this.parts.operation) : undefined;
      if (reason !== undefined) return reason;
    }
    return undefined;
  }
}

function reasonOf(
  { unavailable, version: only, newestVersion, floor }: KeyChange,
  version: number,
  operation: 'encrypt' | 'decrypt',
): EvictionReason | undefined {
  if (unavailable !== undefined) return only === undefined || only === version ? 'unavailable' : undefined;
  if (floor !== undefined && version < floor) return 'floor';
  return operation === 'encrypt' && newestVersion !== undefined && version < newestVersion ? 'rotated' : undefined;
}
