/** How long, how often and for how much a cached data key may be used. */

import { assert, assertFunction, assertInteger, assertOptions } from '../lib/assert.ts';
import type { OnEvent } from '../lib/events.ts';

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

const names = [
  ...['maxAge', 'maxMessages', 'maxBytes', 'maxEntries', 'refreshAhead', 'pollInterval', 'now', 'onEvent'],
];

/** Throws a `TypeError` that names a wrong option. */
export function readCacheSettings(options: DataKeyCacheOptions): CacheSettings {
  assertNames(options);
  const { maxAge = 300_000, maxMessages = 10_000, maxBytes = 2 ** 30, maxEntries = 1_000 } = options;
  const { refreshAhead = true, pollInterval = 60_000, now = Date.now, onEvent } = options;
  assertInteger(maxAge, 1, 3_600_000, 'maxAge');
  // The salt of 256 bits would allow more; docs/format.md §9.
  assertInteger(maxMessages, 1, 2 ** 32, 'maxMessages');
  assertInteger(maxBytes, 1, 2 ** 46, 'maxBytes');
  assertInteger(maxEntries, 1, 1_000_000, 'maxEntries');
  assertInteger(pollInterval, 0, 3_600_000, 'pollInterval');
  assertFunction(now, 'now');
  assertFunction(onEvent, 'onEvent');
  assert(typeof refreshAhead === 'boolean', 'refreshAhead', 'a boolean');
  return { maxAge, maxMessages, maxBytes, maxEntries, refreshAhead, pollInterval, now, onEvent };
}

// Apart, because the assertion would narrow the options to a record of unknown values.
function assertNames(options: object): void {
  assertOptions(options, names);
}
