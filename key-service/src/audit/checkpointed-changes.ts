/** Changes with the checkpoint outside the database: tried before the commit, and written when the heads of logs are published, `docs/key-service.md` §11.5. */

import { IntegrityError } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { Lost, LostOfService, NextPublication, Published, Resuming, ResumingService } from '../store/published.ts';
import type { Change, ServiceChange, Store } from '../store/store.ts';
import type { AuditLog } from './audit-log.ts';
import type { CheckpointFile } from './checkpoint-file.ts';
import { assertPublished, nextPublication } from './publications.ts';

/** Options of {@link CheckpointedChanges}. */
export interface CheckpointOptions {
  /** The checkpoint outside the database. Default: none. */
  readonly file?: CheckpointFile | undefined;
  /** Milliseconds since 1970. Default: `Date.now`. */
  readonly clock?: Clock | undefined;
  /** Seconds between two publications. Default: 10. */
  readonly everySeconds?: number | undefined;
  /** Told when publications begin to be refused, with the reason, and when they are made again. Default: nobody. */
  readonly onRefusal?: ((refusal: IntegrityError | undefined) => void) | undefined;
}

export class CheckpointedChanges {
  readonly #store: Store;
  readonly #log: AuditLog;
  readonly #options: CheckpointOptions;
  #refusal: IntegrityError | undefined;

  /** `log` is the service's own. */
  constructor(store: Store, log: AuditLog, options: CheckpointOptions = {}) {
    this.#store = store;
    this.#log = log;
    this.#options = options;
  }

  /** A change of a tenant's keys. A checkpoint that cannot be written stops it before anything is committed: `StoreError`. Nothing waits for its publication. */
  async run<T>(tenant: string, work: (change: Change) => Promise<T>): Promise<T> {
    this.#options.file?.prepare();
    return this.#store.change(tenant, work);
  }

  /** A change that is no tenant's, after which the checkpoint is written. */
  async runService<T>(work: (change: ServiceChange) => Promise<T>): Promise<T> {
    this.#options.file?.prepare();
    const result = await this.#store.changeService(work);
    await this.export();
    return result;
  }

  /** Goes on with what there is of a tenant, and publishes that, where what was lost is accepted. */
  async resume(tenant: string, resuming: Pick<Resuming, 'accept' | 'entry'>): Promise<Lost> {
    this.#options.file?.prepare();
    const next = nextPublication(Math.round((this.#options.clock ?? Date.now)()));
    const lost = await this.#store.resume(tenant, { next, ...resuming });
    await this.export();
    return lost;
  }

  /** Goes on with the service's own log that there is, where what was lost is accepted, and writes its checkpoint in place of the one that it contradicts. */
  async resumeService(resuming: Pick<ResumingService, 'accept' | 'entry'>): Promise<LostOfService> {
    const { file, clock = Date.now } = this.#options;
    file?.prepare();
    const note = file?.read();
    const known = note === undefined ? undefined : this.#log.open(note);
    let isAccepted = false;
    const accept = (lost: LostOfService): boolean => {
      isAccepted = resuming.accept(lost);
      return isAccepted;
    };
    const next = nextPublication(Math.round(clock()));
    const lost = await this.#store.resumeService({ next, known, accept, entry: resuming.entry });
    if (isAccepted && file) await this.#log.export(file, { rollback: true });
    return lost;
  }

  /**
   * Publishes what is due, and writes the newest checkpoint. When that is does not depend on what tenants do: every tenant sees when there is a publication. Throws as
   * {@link publish} does, and `IntegrityError` for a tenant that was refused.
   */
  async tick(): Promise<void> {
    const seconds = this.#options.everySeconds ?? 10;
    for (const error of (await this.publish(seconds * 1000)).values()) throw error;
  }

  /**
   * Publishes the heads of all logs unless somebody did within so many milliseconds, and writes the newest checkpoint. The tenants whose logs do not continue what was
   * published: those of others are published all the same. Throws `StoreError`, and `IntegrityError` for what is no tenant's; where nothing was published, and the checkpoint
   * was not written either, what is said of the latter.
   */
  async publish(within = 0): Promise<ReadonlyMap<string, IntegrityError>> {
    const time = Math.round((this.#options.clock ?? Date.now)());
    try {
      return await this.#published(nextPublication(time), time - within);
    } finally {
      await this.export();
    }
  }

  /** Why nothing is published; `undefined` where the last publication was made. */
  get refusal(): IntegrityError | undefined {
    return this.#refusal;
  }

  /** Writes the newest checkpoint of the service's own log. Throws `StoreError`, and `IntegrityError` where the log does not continue the one that is there. */
  async export(): Promise<void> {
    const { file } = this.#options;
    if (file) await this.#log.export(file);
  }

  // Noted before a checkpoint is written: what becomes of that says nothing of the publication.
  async #published(next: NextPublication, since: number): Promise<Published['refused']> {
    try {
      const { refused } = await this.#store.publish(next, since);
      this.#note(undefined);
      return refused;
    } catch (error) {
      // A database that cannot be reached says nothing about what is in it.
      if (error instanceof IntegrityError) this.#note(error);
      throw error;
    }
  }

  #note(refusal: IntegrityError | undefined): void {
    const isNews = this.#refusal?.message !== refusal?.message;
    this.#refusal = refusal;
    if (isNews) this.#options.onRefusal?.(refusal);
  }

  /** Leaves nothing beside the checkpoint. */
  close(): void {
    this.#options.file?.close();
  }

  /** That the service's own log continues the checkpoint in the file, and that the published heads are those of its newest publication. Throws `OperatorError`. */
  async assertContinued(): Promise<void> {
    const note = this.#options.file?.read();
    if (note !== undefined) await this.#log.assertContinues(this.#log.open(note));
    await assertPublished(this.#store, this.#log);
  }
}
