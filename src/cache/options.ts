/** How long, how often and for how much a cached data key may be used. */

import type { OnEvent } from '../lib/events.ts';
import { func, integer, optional, type ReadersOf, takeBoolean, takeClock, takeOptions } from '../lib/options.ts';

/** Options of {@link createDataKeyCache}. */
export interface DataKeyCacheOptions {
  /** Milliseconds from the moment a data key is asked for, at most 3,600,000. Default: 300,000, five minutes. */
  readonly maxAge?: number | undefined;
  /** Messages that are encrypted with one data key, 1 to 2^32. More of them fall together, if the key does. Default: 10,000. */
  readonly maxMessages?: number | undefined;
  /** Plaintext bytes that are encrypted with one data key. What is longer, or of unknown length, gets a data key of its own. Default: 2^30, 1 GiB. */
  readonly maxBytes?: number | undefined;
  /** Data keys that are kept; the one that was used least recently goes first. Default: 1,000. */
  readonly maxEntries?: number | undefined;
  /** Whether a data key that is used in the last fifth of its life is replaced in the background, so that nobody waits. Default: `true`. */
  readonly refreshAhead?: boolean | undefined;
  /**
   * Milliseconds between two looks at the signed documents of the keys that data keys are cached for, so that a rotation, a disabled key or a raised floor reaches a client that asks for nothing else;
   * 0 for none. A single version that is disabled or compromised does not stand in them: its data keys stay until `maxAge`. Who may not read a document keeps no data key beyond a look. An unreachable service does not evict: `maxAge` does. Default: 60,000.
   */
  readonly pollInterval?: number | undefined;
  /** The clock, in milliseconds since 1970. Default: `Date.now`. */
  readonly now?: (() => number) | undefined;
  /** Is told of hits, misses and evictions. */
  readonly onEvent?: OnEvent | undefined;
}

/** The options with their defaults. */
export interface CacheSettings {
  readonly maxAge: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
  readonly maxEntries: number;
  readonly refreshAhead: boolean;
  readonly pollInterval: number;
  readonly now: () => number;
  readonly onEvent: OnEvent | undefined;
}

const readers = {
  maxAge: optional(integer(1, 3_600_000), 300_000),
  // The salt of 256 bits would allow more; docs/format.md §9.
  maxMessages: optional(integer(1, 2 ** 32), 10_000),
  maxBytes: optional(integer(1, 2 ** 46), 2 ** 30),
  maxEntries: optional(integer(1, 1_000_000), 1_000),
  refreshAhead: optional(takeBoolean, true),
  pollInterval: optional(integer(0, 3_600_000), 60_000),
  now: takeClock,
  onEvent: optional(func<OnEvent>()),
} satisfies ReadersOf<DataKeyCacheOptions>;

/** Throws a `TypeError` that names a wrong option. */
export function readCacheSettings(options: DataKeyCacheOptions): CacheSettings {
  return takeOptions(options, readers);
}
