/** The same work on many messages: a bounded number at once, at a bounded rate, resumable, and one that fails does not end the others. */

import { isBullaError } from '../errors.ts';
import { whenAborted } from '../lib/abort.ts';
import { assert, assertFunction, assertInteger, assertSignal } from '../lib/assert.ts';
import { untilAborted } from '../lib/single-flight.ts';

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
  /** Told after each message. Keep `resumeToken` to survive a crash. */
  readonly onProgress?: ((progress: BulkProgress) => void) | undefined;
  /** Told of each message that failed, at once. */
  readonly onFailure?: ((failure: BulkFailure<Item>) => void) | undefined;
  /** Ends the work: messages that were begun are finished or given up, and the report says where to resume. */
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

/** A message that could not be worked on; it is as it was. */
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

/** The names of {@link BulkOptions}. */
export const bulkOptionNames = [
  ...['concurrency', 'perSecond', 'resumeToken', 'maxFailures', 'onProgress', 'onFailure', 'signal'],
];

/** Throws a `TypeError` that names a wrong option. */
export function assertBulkOptions<Item extends BulkItem>(options: BulkOptions<Item>): void {
  const { concurrency = 500, perSecond = 1, maxFailures = 0, resumeToken = '' } = options;
  assertInteger(concurrency, 1, 10_000, 'concurrency');
  assert(typeof perSecond === 'number' && perSecond > 0, 'perSecond', 'a number above 0');
  assertInteger(maxFailures, 0, 100_000, 'maxFailures');
  assert(typeof resumeToken === 'string', 'resumeToken', 'a string');
  assertFunction(options.onProgress, 'onProgress');
  assertFunction(options.onFailure, 'onFailure');
}

/** Does `work` on each item. Resolves to a report, whatever happens. `work` says whether there was something to do. */
export async function forAll<Item extends BulkItem>(
  items: Iterable<Item> | AsyncIterable<Item>,
  options: BulkOptions<Item>,
  work: (item: Item, signal: AbortSignal) => Promise<boolean>,
): Promise<BulkReport<Item>> {
  const run = new Run(options, work);
  try {
    assertSignal(options.signal);
    let passing = options.resumeToken !== undefined;
    for await (const item of untilStopped(items, run)) {
      if (passing) {
        passing = item.id !== options.resumeToken;
        continue;
      }
      await run.begin(item);
    }
    if (passing) throw new TypeError('resumeToken must be that of a run over the same items: none of them has it');
    await run.finish();
  } catch (error) {
    run.stop(error);
    await run.settle();
  } finally {
    run.end();
  }
  return run.report();
}

/** The items, until the run stops: also while their source is waited for, which is then told, and not waited for again. */
async function* untilStopped<Item extends BulkItem>(
  items: Iterable<Item> | AsyncIterable<Item>,
  run: Run<Item>,
): AsyncGenerator<Item, void, void> {
  const source = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await run.untilStopped((async () => source.next())());
      ended = done === true;
      if (ended) return;
      yield value;
    }
  } finally {
    if (!ended) (async () => source.return?.())().catch(() => {});
  }
}

/** Codes of errors that say nothing of the one message that met them: the next would meet them too. */
const endsAll = /^ERR_(SERVICE_(?!CONFLICT|REQUEST)|TOKEN_|PROOF_|THROTTLED)/;
const maxPauses = 5;
/** Milliseconds that an item may be behind its time, and those after it make up for: timers are late by 1 ms in Node and by 4 in browsers. The rate is lower by as much, so that no second has too many. */
const lateness = 20;

class Run<Item extends BulkItem> {
  readonly #options: BulkOptions<Item>;
  readonly #work: (item: Item, signal: AbortSignal) => Promise<boolean>;
  readonly #controller = new AbortController();
  readonly #active = new Set<Promise<void>>();
  readonly #failures: BulkFailure<Item>[] = [];
  /** Items begun, in order; those in front that are finished are taken off. */
  #order: { readonly id: string; finished: boolean }[] = [];
  #counts = { done: 0, skipped: 0 };
  #token: string | undefined;
  #next = 0;
  #pause: Promise<void> | undefined;
  #stopped: { readonly reason: unknown } | undefined;
  #complete = false;
  /** Lets go of the caller's signal. */
  readonly end: () => void = () => {};

  constructor(options: BulkOptions<Item>, work: (item: Item, signal: AbortSignal) => Promise<boolean>) {
    this.#options = options;
    this.#work = work;
    this.#token = options.resumeToken;
    const { signal } = options;
    if (signal !== undefined) this.end = whenAborted(signal, () => this.stop(signal.reason));
  }

  /** Begins an item as soon as there is room and time for it. Rejects when the run has stopped. */
  async begin(item: Item): Promise<void> {
    while (this.#active.size >= (this.#options.concurrency ?? 500)) await Promise.race(this.#active);
    await this.#turn();
    this.#throwIfStopped();
    const place = { id: item.id, finished: false };
    this.#order.push(place);
    const running = this.#do(item, place).finally(() => this.#active.delete(running));
    this.#active.add(running);
  }

  /** Waits for what was begun. Rejects when the run has stopped. */
  async finish(): Promise<void> {
    await this.settle();
    this.#throwIfStopped();
    this.#complete = true;
  }

  /** Waits for what was begun, however it ends. */
  async settle(): Promise<void> {
    await Promise.all(this.#active);
  }

  /** Waits for something of the caller's; rejects as soon as the run has stopped. */
  untilStopped<Result>(promise: Promise<Result>): Promise<Result> {
    return untilAborted(promise, this.#controller.signal);
  }

  /** Nothing more is begun. */
  stop(reason: unknown): void {
    if (this.#stopped !== undefined || this.#complete) return;
    this.#stopped = { reason };
    this.#controller.abort(reason);
  }

  /** See {@link BulkReport}. */
  report(): BulkReport<Item> {
    return {
      ...this.#progress(),
      complete: this.#complete,
      failures: [...this.#failures],
      stoppedBy: this.#stopped?.reason,
    };
  }

  async #do(item: Item, place: { finished: boolean }): Promise<void> {
    try {
      await this.#outcome(item);
      place.finished = true;
      while (this.#order[0]?.finished === true) this.#token = this.#order.shift()?.id;
      this.#options.onProgress?.(this.#progress());
    } catch (error) {
      // Also what a callback threw: where progress cannot be kept, going on is of no use.
      this.stop(error);
    }
  }

  async #outcome(item: Item): Promise<void> {
    try {
      const changed = await this.#attempt(item);
      this.#counts[changed ? 'done' : 'skipped']++;
    } catch (error) {
      if (this.#stopped !== undefined || (isBullaError(error) && endsAll.test(error.code))) throw error;
      this.#fail({ item, error });
    }
  }

  /** Throttled by a key service, the whole run pauses for as long as it asks for. */
  async #attempt(item: Item): Promise<boolean> {
    for (let pauses = 0; ; pauses++) {
      try {
        return await this.#work(item, this.#controller.signal);
      } catch (error) {
        const throttled = isBullaError(error) && error.code === 'ERR_THROTTLED' && pauses < maxPauses;
        if (!throttled) throw error;
        this.#pause ??= this.#wait((error.retryAfter ?? 1) * 1000).finally(() => {
          this.#pause = undefined;
        });
        await this.#pause;
      }
    }
  }

  #fail(failure: BulkFailure<Item>): void {
    this.#failures.push(failure);
    this.#options.onFailure?.(failure);
    const { maxFailures = 1_000 } = this.#options;
    if (this.#failures.length > maxFailures) this.stop(new Error(`more than ${maxFailures} messages failed`));
  }

  /** The rate: each item has its own time to begin. */
  async #turn(): Promise<void> {
    await this.#pause;
    const { perSecond } = this.#options;
    if (perSecond === undefined) return;
    const now = performance.now();
    this.#next = Math.max(this.#next, now - lateness);
    const wait = this.#next - now;
    this.#next += (1000 + lateness) / perSecond;
    if (wait > 0) await this.#wait(wait);
  }

  async #wait(milliseconds: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const elapsed = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, milliseconds);
    });
    try {
      await this.untilStopped(elapsed);
    } finally {
      clearTimeout(timer);
    }
  }

  #throwIfStopped(): void {
    if (this.#stopped !== undefined) throw this.#stopped.reason;
  }

  #progress(): BulkProgress {
    return { ...this.#counts, failed: this.#failures.length, resumeToken: this.#token };
  }
}
