/** What all work on many messages is told, and tells. */

import { assert } from '../lib/assert.ts';
import { func, integer, optional, type ReadersOf, takeSignal, takeString } from '../lib/options.ts';

/** Options that all work on many messages shares. */
export interface BulkOptions<Item extends BulkItem> {
  /** Messages in work at once, 1 to 10,000. What a keyring asks of a key service for them travels together. Default: 500. */
  readonly concurrency?: number | undefined;
  /** Messages begun in a second, at most. Default: no limit. */
  readonly perSecond?: number | undefined;
  /** Where an earlier run over the same items in the same order ended: its `resumeToken`. What comes before is passed over. Default: the beginning. */
  readonly resumeToken?: string | undefined;
  /** Failed messages after which to stop, 0 to 100,000. Default: 1,000. */
  readonly maxFailures?: number | undefined;
  /** Told after each message. Keep `resumeToken` to survive a crash. The run ends with what it throws or rejects with; nobody waits for a promise that it returns. */
  readonly onProgress?: ((progress: BulkProgress) => void) | undefined;
  /** Told of each message that failed, at once. The run ends with what it throws or rejects with. */
  readonly onFailure?: ((failure: BulkFailure<Item>) => void) | undefined;
  /** Ends the work. Messages that were begun have 10 seconds to finish and are given up after that. The report says where to resume. */
  readonly signal?: AbortSignal | undefined;
}

/** One of many messages. */
export interface BulkItem {
  /** What names it; unique among the items. */
  readonly id: string;
}

/** How far the work is. */
export interface BulkProgress {
  /** Messages that were changed and written. */
  readonly done: number;
  /** Messages that needed nothing. */
  readonly skipped: number;
  readonly failed: number;
  /** All items up to this one are done, skipped or reported as failed; `undefined` before the first. */
  readonly resumeToken: string | undefined;
}

/** A message that could not be worked on, and is as it was; or something among the items that is none. */
export interface BulkFailure<Item extends BulkItem> {
  readonly item: Item;
  readonly error: unknown;
}

/** What became of the work. */
export interface BulkReport<Item extends BulkItem> extends BulkProgress {
  /** Whether the end of the items was reached. */
  readonly complete: boolean;
  readonly failures: readonly BulkFailure<Item>[];
  /** Why it ended early: what a key service that cannot be used rejected with, the reason of the signal, or an error of the source of items or of a callback. */
  readonly stoppedBy: unknown;
}

/** The readers of {@link BulkOptions}. */
export const bulkReaders = {
  concurrency: optional(integer(1, 10_000)),
  perSecond: optional(takeRate),
  resumeToken: optional(takeString),
  maxFailures: optional(integer(0, 100_000)),
  onProgress: optional(func<(progress: BulkProgress) => void>()),
  onFailure: optional(func<(failure: BulkFailure<never>) => void>()),
  signal: optional(takeSignal),
} satisfies ReadersOf<BulkOptions<never>>;

function takeRate(value: unknown, name: string): number {
  assert(typeof value === 'number' && value > 0, name, 'a number above 0');
  return value;
}
