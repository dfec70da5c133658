/** The transactions of a store: run until their outcome is certain, and held against what is known to have been committed; `docs/key-service.md` §11.7 and §11.8. */

import { setTimeout } from 'node:timers/promises';
import type { IntegrityError } from '../errors.ts';
import { type Bytes, equalBytes } from '../lib/bytes.ts';
import { serviceLog } from '../model/entry.ts';
import { Acknowledged, type AcknowledgedState, type Leaf, type SeenKey } from './acknowledged.ts';
import { commitBatch } from './commit.ts';
import { callCommit, findCommitted } from './commit-function.ts';
import type { Engine, Queries } from './engine.ts';
import { RowHeld, UnknownOutcome } from './errors.ts';
import type { KeyReading } from './key-queries.ts';
import type { SharingMemory } from './remembered.ts';
import { readState, type StateReading } from './state.ts';
import type { Commit, CommitResult } from './store.ts';

/** What queries of a transaction are checked with. */
export type Reading = StateReading & KeyReading;

/** What a transaction left. */
export interface Outcome {
  readonly state: AcknowledgedState;
  readonly leaf: Leaf | undefined;
  /** The last leaf of the log, where the transaction found it and wrote none. */
  readonly last?: Leaf | undefined;
  readonly keys?: readonly SeenKey[];
  /** What it left of tenants besides. */
  readonly others?: readonly Outcome[];
}

const attempts = 3;
/** How often a transaction that holds the service's state tries for a tenant's, and milliseconds between, in which others have their turn. */
const triesForTenant = 100;
const betweenMs = 100;

export class Transactions {
  readonly #engine: Engine;
  readonly #acknowledged = new Acknowledged();
  #macKey: Bytes | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Gives the key of the MACs over rows. */
  unlock(macKey: Bytes): void {
    this.#acknowledged.forgetKeys();
    this.#macKey = macKey;
  }

  /** From now on nothing is done for a tenant. */
  halt(tenant: string, error: IntegrityError): void {
    this.#acknowledged.halt(tenant, error);
  }

  /** A transaction in which processes tell each other what they know. */
  async share(work: (tx: Queries, parts: Omit<SharingMemory, 'replica'>) => Promise<void>): Promise<void> {
    const acknowledged = this.#acknowledged;
    const parts = { macKey: this.#unlocked, acknowledged, doubted: acknowledged.takeDoubted() };
    try {
      await this.#engine.write((tx) => work(tx, parts));
    } catch (error) {
      acknowledged.doubt(parts.doubted);
      throw error;
    }
  }

  /** A read of one tenant's state. */
  read<T>(tenant: string, work: (db: Queries, reading: Reading) => Promise<T>): Promise<T> {
    return this.#engine.read((db) => work(db, this.#reading(false, tenant)));
  }

  /** Reads of all tenants, each by itself. */
  outside<T>(work: (reading: Reading) => Promise<T>): Promise<T> {
    return work(this.#reading(false));
  }

  /** A transaction that sees one state of everything. */
  snapshot<T>(work: (db: Queries, reading: Reading) => Promise<T>): Promise<T> {
    return this.#engine.snapshot((db) => work(db, this.#reading(false)));
  }

  /** Runs a transaction under the lock of a tenant's state until its outcome is certain, and remembers what it left. */
  async run<T extends Outcome>(
    tenant: string | undefined,
    work: (tx: Queries, reading: Reading) => Promise<T>,
  ): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      let outcome: T | undefined;
      try {
        await this.#engine.write(async (tx) => {
          outcome = await work(tx, this.#reading(true, tenant));
        });
      } catch (error) {
        const doubtful = error instanceof UnknownOutcome && error.askable && outcome?.leaf;
        if (!doubtful || !outcome) throw error;
        if (!(await this.#wasCommitted(outcome.state.tenant, doubtful, error))) {
          if (attempt >= attempts) throw error;
          continue;
        }
      }
      if (!outcome) throw new TypeError('A transaction without an outcome');
      for (const { state, leaf, last, keys } of [outcome, ...(outcome.others ?? [])]) {
        this.#acknowledged.raise(state, leaf ?? last, keys);
      }
      return outcome;
    }
  }

  /** A transaction under the lock of the service's state that takes that of a tenant, too, by `briefly`: nobody waits for the one while it waits for the other. */
  async runWithTenant<T extends Outcome>(work: (tx: Queries, reading: Reading) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.run(serviceLog, work);
      } catch (error) {
        if (!(error instanceof RowHeld) || attempt >= triesForTenant) throw error;
        await setTimeout(betweenMs * (0.5 + Math.random()));
      }
    }
  }

  /** Records requests of a tenant: on PostgreSQL by one call, which is a transaction of its own. */
  async commit(tenant: string, batch: readonly Commit[]): Promise<CommitResult[]> {
    if (this.#engine.kind === 'sqlite') {
      return (await this.run(tenant, (tx, reading) => commitBatch(tx, reading, tenant, batch))).results;
    }
    const reading = this.#reading(true, tenant);
    for (let attempt = 1; ; attempt += 1) {
      try {
        const { results, state, leaf } = await this.#engine.read((db) => callCommit(db, reading, tenant, batch));
        this.#acknowledged.raise(state, leaf);
        return results;
      } catch (error) {
        if (!(error instanceof UnknownOutcome && error.askable)) throw error;
        const found = (tx: Queries) => findCommitted(tx, reading, tenant, batch);
        const results = await this.#ask(tenant, reading, found, error);
        if (results) return results;
        if (attempt >= attempts) throw error;
      }
    }
  }

  #wasCommitted(log: string, { index, hash }: Leaf, doubt: UnknownOutcome): Promise<boolean> {
    const isThere = async (tx: Queries): Promise<boolean> => {
      const query = tx.selectFrom('log_leaves').select('hash').where('log', '=', log).where('idx', '=', index);
      const found = await query.executeTakeFirst();
      return found !== undefined && equalBytes(found.hash, hash);
    };
    return this.#ask(log, this.#reading(true, log), isThere, doubt);
  }

  // The lock is that of the transaction in doubt: who has it knows that the other one has ended.
  async #ask<T>(
    tenant: string,
    reading: Reading,
    work: (tx: Queries) => Promise<T>,
    doubt: UnknownOutcome,
  ): Promise<T> {
    try {
      return await this.#engine.write(async (tx) => {
        await readState(tx, reading, tenant);
        return work(tx);
      });
    } catch {
      throw doubt;
    }
  }

  // Taken before the first statement, and so before the snapshot or the lock. A state that is read under a lock besides `tenant`'s does not change until then.
  #reading(lock: boolean, tenant?: string): Reading {
    const acknowledged = this.#acknowledged;
    const known = acknowledged.known();
    const one = tenant === undefined ? undefined : acknowledged.state(tenant);
    const before = (each: string) => (one && each === tenant ? one : acknowledged.stateBefore(each, known));
    return { engine: this.#engine, macKey: this.#unlocked, acknowledged, known, before, committed: true, lock };
  }

  get #unlocked(): Bytes {
    if (!this.#macKey) throw new TypeError('The store is not unlocked');
    return this.#macKey;
  }
}
