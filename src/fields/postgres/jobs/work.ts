/** What a kind of job does with a batch of rows. */

import type { Engine } from '../../engine.ts';
import type { JobClient } from './database.ts';
import type { Batch, KeyText, Reading, Walked } from './walk.ts';

/** What a job can do. */
export type JobKind = 'backfill' | 'verify' | 'reencrypt' | 'reindex' | 'rewrap';

/** Something that is wrong with a row, or could not be done with it; never with a value. */
export interface JobFault {
  /** The primary key, as text. */
  readonly row: readonly string[];
  /** A code of a `FieldError`, or one of `unsealed`, `differs`, `orphaned` and `duplicate`. */
  readonly fault: string;
}

/** What a batch stores, and the faults that it found. */
export interface Prepared {
  readonly faults: readonly JobFault[];
  /** Stores what was prepared, in the transaction of the batch. */
  store(client: JobClient): Promise<Stores>;
}

/** What was stored. */
export interface Stores {
  readonly written: number;
  readonly missed: number;
  readonly faults: readonly JobFault[];
}

/** A kind of job, on one table. */
export interface Work {
  readonly walked: Walked;
  readonly reading: Reading;
  /** Which rows are left to do, as a condition; `undefined` where only those that were missed are. */
  readonly left: string | undefined;
  /** Does what needs keys, outside of any transaction. */
  prepare(batch: Batch, engine: Engine, signal: AbortSignal | undefined): Promise<Prepared>;
}

/** Nothing to store. */
export const nothing = async (): Promise<Stores> => ({ written: 0, missed: 0, faults: [] });

/** Faults of rows by their keys. */
export function faultsOf(keys: readonly KeyText[], fault: string): readonly JobFault[] {
  return keys.map((row) => ({ row, fault }));
}
