/** Publications of one process, one after the other: of what tenants have grown, and of what an operator has accepted of one; `docs/key-service.md` §8.7 and §12.9. */

import { Mutex } from '../lib/mutex.ts';
import { serviceLog } from '../model/entry.ts';
import { looks, restless } from './accepted-log.ts';
import type { Engine, Queries } from './engine.ts';
import {
  isRecent,
  type Preparing,
  Publications,
  preparePublication,
  publishOver,
  type Written,
  writePublication,
} from './publication.ts';
import type {
  Lost,
  LostOfService,
  NextPublication,
  Publication,
  Published,
  PublishedHead,
  PublishedSlot,
  Resuming,
  ResumingService,
} from './published.ts';
import { inspectTenant, writeResumed } from './resume.ts';
import { inspectService, resumeLog } from './resume-service.ts';
import { SqlServiceChange } from './service-change.ts';
import { assertNewestPublication, followLog, glanceAtLog, type SeenLog } from './service-log.ts';
import { readState } from './state.ts';
import type { Reading, Transactions } from './transactions.ts';

export class Publisher {
  readonly #engine: Engine;
  readonly #transactions: Transactions;
  readonly #publications: Publications;
  readonly #running = new Mutex();
  /** From publications of this process, and from transactions that were acknowledged after others'; never from a read alone. */
  #seen: SeenLog | undefined;

  constructor(engine: Engine, transactions: Transactions) {
    this.#engine = engine;
    this.#transactions = transactions;
    this.#publications = new Publications(engine, () => this.#seen);
  }

  publish(next: NextPublication, since: number): Promise<Published> {
    return this.#running.run(() => this.#publish(next, since));
  }

  newest(): Promise<Publication | undefined> {
    return this.#publications.newest();
  }

  slot(tenant: string): Promise<PublishedSlot | undefined> {
    return this.#publications.slot(tenant);
  }

  async resume(tenant: string, { next, accept, entry }: Resuming): Promise<Lost> {
    for (let look = 1; look <= looks; look += 1) {
      const found = await this.#transactions.outside((reading) => inspectTenant(reading, tenant));
      const { lost } = found;
      if (!accept(lost)) return lost;
      const { accepted } = await this.#transactions.runWithTenant(async (tx, reading) => {
        const state = await readState(tx, reading, serviceLog);
        const accepted = await writeResumed(tx, reading, found, { time: next.time, entry: entry(tenant, lost) });
        if (!accepted) return { state, leaf: undefined, accepted };
        const change = new SqlServiceChange(tx, reading, state);
        change.append(entry(serviceLog, lost));
        return { ...(await change.finish()), accepted };
      });
      if (!accepted) continue;
      // Where this comes to nothing the tenant stays refused, and what was lost can be accepted once more.
      await this.#running.run(() => this.#publish(next, Number.POSITIVE_INFINITY, accepted));
      return lost;
    }
    throw restless(tenant);
  }

  /** Goes on with the service's own log that there is, and publishes over the heads that there are, in one transaction. */
  resumeService(resuming: ResumingService): Promise<LostOfService> {
    return this.#running.run(() => this.#resumeService(resuming));
  }

  async #resumeService({ next, known, accept, entry }: ResumingService): Promise<LostOfService> {
    for (let look = 1; look <= looks; look += 1) {
      const found = await this.#transactions.outside((reading) => inspectService(reading, known));
      const { lost, seen } = found;
      if (!accept(lost)) return lost;
      const prepared = await this.#transactions.outside((reading) =>
        preparePublication(this.#engine, reading, { next, seen, accepted: undefined }),
      );
      if (!prepared) continue;
      const written = await this.#transactions.run(serviceLog, async (tx, reading): Promise<Written> => {
        const resumed = await resumeLog(tx, this.#engine, found, { time: next.time, entry: entry(lost) });
        return resumed ? publishOver(tx, reading, resumed, prepared) : { state: found.state, leaf: undefined, seen };
      });
      if (!written.leaf) continue;
      this.#seen = written.seen;
      this.#publications.keep(prepared, written.leaf.index);
      return lost;
    }
    throw restless(serviceLog);
  }

  async #publish(next: NextPublication, since: number, accepted?: PublishedHead): Promise<Published> {
    for (;;) {
      const seen = await this.#look();
      if (isRecent(seen, next.time, since)) return { done: 'recent', refused: new Map() };
      const preparing: Preparing = { next, seen, accepted };
      const prepared = await this.#transactions.outside((reading) =>
        preparePublication(this.#engine, reading, preparing),
      );
      if (!prepared) continue;
      const write = (tx: Queries, reading: Reading) => writePublication(tx, reading, prepared);
      const written = await this.#transactions.run(serviceLog, write);
      this.#seen = written.seen;
      if (!written.leaf) continue;
      this.#publications.keep(prepared, written.leaf.index);
      return { done: 'published', refused: prepared.refused };
    }
  }

  /** The service's log with its newest publication. Throws `IntegrityError` where the published heads are of another one, or older than what was seen. */
  async #look(): Promise<SeenLog> {
    const known = this.#seen;
    const { leaf, resumed } = await this.#engine.read(glanceAtLog);
    if (known && known.published?.leaf === leaf && known.resumed === resumed) return known;
    // Somebody has published, or put an older publication back, or accepted what there is. Most is read without the lock; what counts is what follows under it.
    const ahead = await this.#transactions.read(serviceLog, async (db, reading) =>
      followLog(db, await readState(db, reading, serviceLog), known),
    );
    const { seen } = await this.#transactions.run(serviceLog, async (tx, reading) => {
      const state = await readState(tx, reading, serviceLog);
      const seen = await followLog(tx, state, ahead);
      await assertNewestPublication(tx, seen);
      return { state, leaf: undefined, last: seen.last, seen };
    });
    this.#seen = seen;
    return seen;
  }
}
