/** The same work on many messages: a bounded number at once, at a bounded rate, resumable, and one that fails does not end the others. */

import { isBullaError } from '../errors.ts';
import { whenAborted } from '../lib/abort.ts';
import { assert } from '../lib/assert.ts';
import { tellOr } from '../lib/callbacks.ts';
import { pause } from '../lib/retry.ts';
import { untilAborted } from '../lib/single-flight.ts';
import type { BulkFailure, BulkItem, BulkOptions, BulkProgress, BulkReport } from './bulk-options.ts';

/**
 * Does `work` on each item, or on what `take` makes of it when it is reached, perhaps several times. Resolves to a report, whatever happens, but rejects with a `TypeError` for items that
 * cannot be gone through. `work` says whether there was something to do. The options were taken already.
 */
export async function forAll<Item extends BulkItem, TakenItem = Item>(
  items: Iterable<Item> | AsyncIterable<Item>,
  options: BulkOptions<Item>,
  work: (item: TakenItem, signal: AbortSignal) => Promise<boolean>,
  take: (item: Item) => TakenItem = (item) => item as unknown as TakenItem,
): Promise<BulkReport<Item>> {
  assert(isIterable(items), 'items', 'an iterable or async iterable of objects');
  const run = new Run(options, work, take);
  try {
    options.signal?.throwIfAborted();
    let passing = options.resumeToken !== undefined;
    for await (const item of untilStopped(items, run)) {
      const id = idOf(item);
      if (passing) passing = id !== options.resumeToken;
      else await run.begin(item, id);
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

function isIterable(items: unknown): boolean {
  if (typeof items !== 'object' && typeof items !== 'function') return false;
  const { [Symbol.asyncIterator]: iterate, [Symbol.iterator]: iterateNow } = (items ?? {}) as Partial<
    AsyncIterable<unknown> & Iterable<unknown>
  >;
  return typeof (iterate ?? iterateNow) === 'function';
}

/** `undefined` for what is no item. Such a thing is one failure. */
function idOf(item: Partial<BulkItem> | null | undefined): string | undefined {
  try {
    const id = item?.id;
    return typeof id === 'string' ? id : undefined;
  } catch {
    return undefined;
  }
}

/** The items, until the run stops: also while their source is waited for, which is then told, and not waited for again. */
async function* untilStopped<Item extends BulkItem>(
  items: Iterable<Item> | AsyncIterable<Item>,
  run: Pick<Run<Item, never>, 'untilStopped'>,
): AsyncGenerator<Item, void, void> {
  const source = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let ended = false;
  try {
    for (;;) {
      const next = await run.untilStopped((async () => source.next())());
      assert(typeof next === 'object' && next !== null, 'what next() of items gives', 'an object');
      const { done, value } = next;
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
/** Seconds. An answer that asks for more may not even be authentic. */
const longestPause = 600;
/** Milliseconds that an item may be behind its time, and those after it make up for: timers are late by 1 ms in Node and by 4 in browsers. The rate is lower by as much, so that no second has too many. */
const lateness = 20;

/** Milliseconds. */
const longestTimer = 2 ** 31 - 1;

/** Milliseconds that items have to finish when a run is stopped: what an application writes may hang for ever. */
const grace = 10_000;

/** An item that was begun and is not finished, among the others in their order. */
interface Place {
  /** The id of the last of those that directly follow and are finished; its own where none is, if it has one. */
  through: string | undefined;
  before: Place | undefined;
  after: Place | undefined;
}

class Run<Item extends BulkItem, TakenItem> {
  readonly #options: BulkOptions<Item>;
  readonly #work: (item: TakenItem, signal: AbortSignal) => Promise<boolean>;
  readonly #take: (item: Item) => TakenItem;
  readonly #controller = new AbortController();
  readonly #failures: BulkFailure<Item>[] = [];
  #active = 0;
  /** Called when the next item is done. */
  #onDone = () => {};
  #newest: Place | undefined;
  #counts = { done: 0, skipped: 0 };
  #token: string | undefined;
  #next = 0;
  #pause: Promise<void> | undefined;
  #stopped: { readonly reason: unknown } | undefined;
  #complete = false;
  /** Lets go of the caller's signal. */
  readonly end: () => void = () => {};

  constructor(
    options: BulkOptions<Item>,
    work: (item: TakenItem, signal: AbortSignal) => Promise<boolean>,
    take: (item: Item) => TakenItem,
  ) {
    this.#options = options;
    this.#work = work;
    this.#take = take;
    this.#token = options.resumeToken;
    const { signal } = options;
    if (signal !== undefined) this.end = whenAborted(signal, () => this.stop(signal.reason));
  }

  /** Begins an item as soon as there is room and time for it. Rejects when the run has stopped. */
  async begin(item: Item, id: string | undefined): Promise<void> {
    while (this.#active >= (this.#options.concurrency ?? 500)) await this.untilStopped(this.#oneDone());
    await this.#turn();
    this.#throwIfStopped();
    void this.#do(item, id, this.#placeOf(id));
  }

  /** Waits for what was begun. Rejects when the run has stopped. */
  async finish(): Promise<void> {
    while (this.#active > 0) await this.untilStopped(this.#oneDone());
    this.#throwIfStopped();
    this.#complete = true;
  }

  /** Waits for what was begun, however it ends, and not for ever. */
  async settle(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, grace);
    });
    const all = async () => {
      while (this.#active > 0) await this.#oneDone();
    };
    await Promise.race([all(), over]);
    clearTimeout(timer);
  }

  #oneDone(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDone = resolve;
    });
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

  async #do(item: Item, id: string | undefined, place: Place): Promise<void> {
    this.#active++;
    try {
      await this.#outcome(item, id);
      this.#finished(place);
      // Where progress cannot be kept, going on is of no use.
      tellOr((error) => this.stop(error), this.#options.onProgress, this.#progress());
    } catch (error) {
      this.stop(error);
    }
    this.#active--;
    this.#onDone();
  }

  #placeOf(id: string | undefined): Place {
    const place: Place = { through: id, before: this.#newest, after: undefined };
    if (this.#newest !== undefined) this.#newest.after = place;
    this.#newest = place;
    return place;
  }

  /** Takes a place out. No more of them are kept than items are in work, however long the first one takes. */
  #finished({ through, before, after }: Place): void {
    if (before === undefined) {
      this.#token = through ?? this.#token;
    } else {
      before.through = through ?? before.through;
      before.after = after;
    }
    if (after === undefined) this.#newest = before;
    else after.before = before;
  }

  async #outcome(item: Item, id: string | undefined): Promise<void> {
    try {
      assert(id !== undefined, 'the id of an item', 'a string');
      const changed = await this.#attempt(this.#take(item));
      this.#counts[changed ? 'done' : 'skipped']++;
    } catch (error) {
      if (this.#stopped !== undefined || (isBullaError(error) && endsAll.test(error.code))) throw error;
      this.#fail({ item, error });
    }
  }

  /** Throttled by a key service, the whole run pauses for as long as it asks for. */
  async #attempt(item: TakenItem): Promise<boolean> {
    for (let pauses = 0; ; pauses++) {
      try {
        return await this.#work(item, this.#controller.signal);
      } catch (error) {
        const throttled = isBullaError(error) && error.code === 'ERR_THROTTLED' && pauses < maxPauses;
        if (!throttled) throw error;
        this.#pause ??= this.#wait(Math.min(error.retryAfter ?? 1, longestPause) * 1000).finally(() => {
          this.#pause = undefined;
        });
        await this.#pause;
      }
    }
  }

  #fail(failure: BulkFailure<Item>): void {
    this.#failures.push(failure);
    tellOr((error) => this.stop(error), this.#options.onFailure, failure);
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

  /** However long: a timer of 25 days or more would be over at once. */
  async #wait(milliseconds: number): Promise<void> {
    for (let rest = milliseconds; rest > 0; rest -= longestTimer) {
      await pause(Math.min(rest, longestTimer), this.#controller.signal);
    }
  }

  #throwIfStopped(): void {
    if (this.#stopped !== undefined) throw this.#stopped.reason;
  }

  #progress(): BulkProgress {
    return { ...this.#counts, failed: this.#failures.length, resumeToken: this.#token };
  }
}
