/** Jobs on many machines, with pg-boss to hand out their steps: `docs/fields.md` §10.16. */

import { assert } from '../../../lib/assert.ts';
import {
  integer,
  matching,
  optional,
  type Reader,
  type ReadersOf,
  takeOptions,
  takeText,
} from '../../../lib/options.ts';
import { sqlStateOf } from './database.ts';
import type { FieldJobs } from './jobs.ts';

/** What is used of pg-boss. */
export interface Boss {
  createQueue(name: string, options?: object): Promise<unknown>;
  send(name: string, data: object, options?: object): Promise<unknown>;
  work(name: string, options: object, handler: (jobs: BossJob[]) => Promise<unknown>): Promise<unknown>;
  offWork(name: string): Promise<unknown>;
}

/** A job of pg-boss, as its handler gets it. */
export interface BossJob {
  readonly data: unknown;
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link fieldJobsOnPgBoss}. */
export interface PgBossOptions {
  /** A `PgBoss` of the package pg-boss that was started. */
  readonly boss: Boss;
  /** What `createFieldJobs` made. */
  readonly jobs: FieldJobs;
  /** The queue. Default: `bulla-fields`. */
  readonly queue?: string | undefined;
  /** Rows of a step, 1 to 10,000. Default: 500. */
  readonly batch?: number | undefined;
  /** Milliseconds for which a step holds its part of the table, 1,000 to 3,600,000. Default: 60,000. */
  readonly lease?: number | undefined;
  /** Milliseconds that a replica may be behind, 0 to 3,600,000. Default: 10,000. */
  readonly maxReplicaLag?: number | undefined;
  /** Rows of each worker in a second, 1 to 1,000,000. Default: as many as it can. */
  readonly rowsPerSecond?: number | undefined;
  /** Seconds after which a worker that was killed is given up, 15 to 86,400. Default: 300. */
  readonly expireAfter?: number | undefined;
  /** How often a step that fails is tried again, 0 to 1,000; after that, `send` has the job done from where it stands. Default: 20. */
  readonly retryLimit?: number | undefined;
  /** The most seconds between two attempts, 1 to 86,400; they begin with one and double. Default: 60. */
  readonly retryDelayMax?: number | undefined;
}

/** Jobs on fields, done by workers of pg-boss. */
export interface PgBossFieldJobs {
  /** Makes the queue, and has this process do steps of whatever was sent. */
  work(): Promise<void>;
  /** Has the steps of a job done, by so many workers at once, wherever they are. Harmless to repeat. */
  send(id: string, workers?: number): Promise<void>;
  /** Takes no more steps in this process. */
  stop(): Promise<void>;
}

const methods = ['createQueue', 'send', 'work', 'offWork'] as const;
const takeBoss: Reader<Boss> = (value, name) => {
  const boss = value as Partial<Boss> | null | undefined;
  assert(
    methods.every((method) => typeof boss?.[method] === 'function'),
    name,
    'a PgBoss',
  );
  return value as Boss;
};
const takeJobs: Reader<FieldJobs> = (value, name) => {
  assert(
    typeof (value as Partial<FieldJobs> | null | undefined)?.runBatch === 'function',
    name,
    'made by createFieldJobs',
  );
  return value as FieldJobs;
};
const readers = {
  boss: takeBoss,
  jobs: takeJobs,
  queue: optional(takeText, 'bulla-fields'),
  batch: optional(integer(1, 10_000)),
  lease: optional(integer(1_000, 3_600_000)),
  maxReplicaLag: optional(integer(0, 3_600_000)),
  rowsPerSecond: optional(integer(1, 1_000_000)),
  expireAfter: optional(integer(15, 86_400), 300),
  retryLimit: optional(integer(0, 1_000), 20),
  retryDelayMax: optional(integer(1, 86_400), 60),
} satisfies ReadersOf<PgBossOptions>;
const takeId = matching(/^[1-9]\d{0,18}$/, 'the id of a job');
const takeWorkers = integer(1, 1_000);

/** Seconds after which a worker looks again for a part of the table that is free, or for a replica that has caught up. */
const lookAgain = 1;

/**
 * Has workers of pg-boss do the steps of jobs, on as many machines as there are. Each step is one job of the queue, which sends the next one when it is done; a step that fails, or whose worker is
 * killed, is repeated, and changes nothing twice.
 *
 * Throws a `TypeError` that names a wrong option.
 *
 * @example
 * const distributed = fieldJobsOnPgBoss({ boss, jobs });
 * await distributed.work(); // on each machine
 * const { id } = await jobs.start({ kind: 'backfill', field: 'patient.email' });
 * await distributed.send(id, 4);
 */
export function fieldJobsOnPgBoss(options: PgBossOptions): PgBossFieldJobs {
  const { boss, jobs, queue, rowsPerSecond, expireAfter, retryLimit, retryDelayMax, ...size } = takeOptions(
    options,
    readers,
  );
  const policy = { expireInSeconds: expireAfter, retryLimit, retryDelay: 1, retryBackoff: true, retryDelayMax };
  const next = async (job: string, seconds = 0): Promise<void> => {
    const startAfter = seconds > 0 ? { startAfter: Math.ceil(seconds) } : {};
    const sent = await boss.send(queue, { job }, { ...policy, ...startAfter });
    // Of some policies, a queue drops what is sent.
    if (sent === null) throw new Error(`pg-boss dropped a step: the queue ${queue} must have the policy standard`);
  };
  const step = async ({ data, signal }: BossJob): Promise<void> => {
    const id = takeId((data as { job?: unknown } | null)?.job, 'job');
    const begun = performance.now();
    const { state, rows, wait } = await jobs.runBatch(id, { ...size, signal }).then(
      (result) => ({ ...result, wait: lookAgain }),
      (error: unknown) => ({ state: 'busy' as const, rows: 0, wait: waitAskedBy(error) }),
    );
    const budget = rowsPerSecond === undefined ? 0 : rows / rowsPerSecond - (performance.now() - begun) / 1000;
    if (state === 'running') await next(id, budget);
    if (state === 'busy') await next(id, Math.max(wait, budget));
  };
  return Object.freeze({
    async work() {
      await boss.createQueue(queue, policy);
      await boss.work(queue, { batchSize: 1, pollingIntervalSeconds: 0.5 }, async (given) => {
        for (const job of given) await step(job);
      });
    },
    async send(id: string, workers = 1) {
      const [job, count] = [takeId(id, 'id'), takeWorkers(workers, 'workers')];
      await boss.createQueue(queue, policy);
      for (let i = 0; i < count; i++) await next(job);
    },
    stop: async () => void (await boss.offWork(queue)),
  });
}

/** Seconds that a key service asks to wait (`Retry-After`), at most an hour. What says nothing of the kind is thrown. */
function waitAskedBy(error: unknown): number {
  const asked = (error as { retryAfter?: unknown } | null | undefined)?.retryAfter;
  if (typeof asked === 'number' && asked >= 0) return Math.min(3_600, Math.max(lookAgain, asked));
  throw withoutValues(error);
}

/** pg-boss stores an error with all of its properties, and PostgreSQL quotes rows in `detail`: what is left says no value. */
function withoutValues(error: unknown): Error {
  const state = sqlStateOf(error);
  if (state !== undefined) return new Error(`The database refused a statement (${state})`);
  const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  return new Error([code, message].filter((each) => typeof each === 'string').join(': ') || 'A step failed');
}
