/** One step of a job, which may be repeated and killed at any moment: `docs/fields.md` §10.11. */

import type { Engine } from '../../engine.ts';
import { inTransaction, type JobPool } from './database.ts';
import { type Claim, claimShard, finishPass, type JobStatus, lockShard, releaseShard, storeProgress } from './state.ts';
import { readBatch } from './walk.ts';
import type { Work } from './work.ts';

/** What a step came to. */
export interface BatchResult {
  /** `busy`: others have all shards that are left, or a replica is too far behind. */
  readonly state: JobStatus['state'] | 'busy';
  /** Rows that were looked at. */
  readonly rows: number;
  readonly written: number;
  readonly missed: number;
  readonly faults: number;
}

/** How large a step is. */
export interface BatchSize {
  readonly rows: number;
  /** Milliseconds for which a shard is held. */
  readonly lease: number;
}

/** What a step came to that could do nothing. */
export const nothingDone = { rows: 0, written: 0, missed: 0, faults: 0 };

/** Takes a shard of a job and does its next rows. */
export async function stepOf(
  pool: JobPool,
  engine: Engine,
  work: Work,
  id: string,
  size: BatchSize,
  signal: AbortSignal | undefined,
): Promise<BatchResult> {
  signal?.throwIfAborted();
  const claim = await claimShard(pool, id, size.lease);
  if (claim === undefined) {
    const state = await finishPass(pool, id, work);
    return { ...nothingDone, state: state === 'running' ? 'busy' : state };
  }
  let isHeld = true;
  try {
    const result = await workOn(pool, engine, work, claim, size.rows, signal);
    isHeld = false;
    return result;
  } finally {
    // Where the database is what failed, the lease runs out.
    if (isHeld) await releaseShard(pool, claim).catch(() => {});
  }
}

async function workOn(
  pool: JobPool,
  engine: Engine,
  work: Work,
  claim: Claim,
  rows: number,
  signal: AbortSignal | undefined,
): Promise<BatchResult> {
  const batch = await inTransaction(pool, (client) => readBatch(client, work.walked, work.reading, claim.range, rows));
  const prepared = await work.prepare(batch, engine, signal);
  signal?.throwIfAborted();
  const stored = await inTransaction(pool, async (client) => {
    if (!(await lockShard(client, claim))) return undefined;
    const { written, missed, faults } = await prepared.store(client);
    const all = [...prepared.faults, ...faults];
    const position = batch.rows.at(-1)?.key ?? null;
    const counts = { rows: batch.rows.length, written, missed };
    await storeProgress(client, claim, { ...counts, position, isDone: batch.isLast, faults: all });
    return { ...counts, faults: all.length };
  });
  // Somebody else has the shard, or the job was cancelled: what was done here counts for nothing.
  if (stored === undefined) return { ...nothingDone, state: 'busy' };
  const state = batch.isLast ? await finishPass(pool, claim.job, work) : 'running';
  return { ...stored, state };
}
