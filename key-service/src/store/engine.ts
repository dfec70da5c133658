/** What differs between the databases: connections, transactions, locks, types. */

import type { Kysely } from 'kysely';
import { OperatorError, Problem } from '../errors.ts';
import { StoreError } from './errors.ts';
import type { Tables } from './tables.ts';

export type Queries = Kysely<Tables>;

/** How a dialect writes what they differ in. */
export interface Dialect {
  readonly kind: 'sqlite' | 'postgres';
  readonly int: string;
  readonly bytes: string;
}

/** How a transaction runs. */
export interface TransactionOptions {
  /** Default: `false`. */
  readonly long?: boolean;
}

/** A database under the queries of the store. */
export interface Engine {
  readonly kind: 'sqlite' | 'postgres';
  readonly dialect: Dialect;
  /** Transactions that it runs at once. */
  readonly connections: number;
  /** Reads without a transaction. */
  read<T>(work: (db: Queries) => Promise<T>): Promise<T>;
  /**
   * A transaction that writes. `work` runs again where the database rolled it back, and so must not keep anything of an earlier run; a `long` one does not run
   * again, and may pause for a minute between two statements.
   * Throws `UnknownOutcome` where nobody knows whether it was committed.
   */
  write<T>(work: (db: Queries) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** A transaction that sees one state of everything. */
  snapshot<T>(work: (db: Queries) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /** Runs a statement of a transaction that waits for locks only briefly. Throws `RowHeld`. */
  briefly<T>(tx: Queries, work: () => Promise<T>): Promise<T>;
  /** Milliseconds since 1970 by the clock of the database; `undefined` for one that has none of its own. */
  time(db: Queries): Promise<number | undefined>;
  /** Makes migrations of several processes follow each other, inside `write`. */
  lockMigrations(db: Queries): Promise<void>;
  close(): Promise<void>;
}

/** Passes on what the service itself throws, and makes a `StoreError` of what the database says. */
export async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Problem || error instanceof OperatorError || error instanceof StoreError) throw error;
    // A mistake in the code is no failure of the database: it must not look like one.
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    throw new StoreError('The database failed', { cause: error });
  }
}
