/** Jobs on encrypted columns, as applications and the command line call them: `docs/fields.md` §10. */

import { assert } from '../../../lib/assert.ts';
import { tell } from '../../../lib/callbacks.ts';
import {
  arrayOf,
  func,
  integer,
  matching,
  oneOf,
  optional,
  type Reader,
  type ReadersOf,
  takeBoolean,
  takeOptions,
  takeSignal,
  takeText,
} from '../../../lib/options.ts';
import type { Fields } from '../../define.ts';
import { engineOf, type FieldEncryption } from '../../encryption.ts';
import type { Shredded } from '../../shred.ts';
import { postgresCells } from '../cells.ts';
import { type MigrationSqlOptions, pathOf, statementsOf } from '../migration.ts';
import { type BatchResult, nothingDone, stepOf } from './batch.ts';
import type { JobClient, JobPool } from './database.ts';
import { estimateField, estimateRewrap, type JobEstimate } from './estimate.ts';
import { type FieldState, type Finding, fieldStates, findingsOf } from './plan.ts';
import { isBehind } from './replica-lag.ts';
import type { KeyringOf } from './rewrap-work.ts';
import { runSteps } from './run.ts';
import { estimateShred, type ShredEstimate } from './shredding.ts';
import { allJobs, cancelJob, type JobStatus, jobFaults, jobStatus, startJob } from './state.ts';
import type { JobFault, JobKind, Work } from './work.ts';
import { Works } from './works.ts';

/** Options of {@link createFieldJobs}. */
export interface FieldJobsOptions {
  /** What `createFieldEncryption` made. */
  readonly encryption: FieldEncryption;
  /** A pool of `pg` on the primary server, not encrypted itself, of at least one connection for each worker. */
  readonly pool: JobPool;
  /** Pools on standby servers, for which steps wait: {@link RunBatchOptions.maxReplicaLag}. Default: none. */
  readonly replicas?: readonly JobClient[] | undefined;
  /** The keyring that `rewrap` wraps a tenant's data keys with. Default: that of the field encryption. */
  readonly rewrapTo?: KeyringOf | undefined;
}

/** Options of each call. */
export interface FieldJobCallOptions {
  /** Ends the call; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link FieldJobs.estimate}. */
export interface EstimateJobOptions extends FieldJobCallOptions {
  /** What the job does. */
  readonly kind: JobKind;
  /** The field, such as `patient.email`; for all kinds but `rewrap`. Default: none. */
  readonly field?: string | undefined;
}

/** Options of {@link FieldJobs.start}. */
export interface StartJobOptions extends EstimateJobOptions {
  /** Ranges of the table that can be worked on at once, 1 to 1,000. Default: 12. */
  readonly shards?: number | undefined;
}

/** Options of {@link FieldJobs.runBatch}. */
export interface RunBatchOptions extends FieldJobCallOptions {
  /** Rows of a step, 1 to 10,000. Default: 500. */
  readonly batch?: number | undefined;
  /** Milliseconds for which a worker holds a shard, 1,000 to 3,600,000; a worker that takes longer loses what it did. Default: 60,000. */
  readonly lease?: number | undefined;
  /** Milliseconds that a replica may be behind, 0 to 3,600,000: beyond, a step does nothing and is `busy`. Default: 10,000. */
  readonly maxReplicaLag?: number | undefined;
}

/** Options of {@link FieldJobs.run}. */
export interface RunJobOptions extends RunBatchOptions {
  /** Steps at once, 1 to 64. Default: 1. */
  readonly workers?: number | undefined;
  /** Rows of each worker in a second, 1 to 1,000,000. Default: as many as it can. */
  readonly rowsPerSecond?: number | undefined;
  /** Is told after each step. */
  readonly onProgress?: ((status: JobStatus) => void) | undefined;
}

/** Options of {@link FieldJobs.estimateShred}. */
export interface EstimateShredOptions extends FieldJobCallOptions {
  readonly tenant: string;
  /** In the text that PostgreSQL prints for it. */
  readonly subject: string;
}

/** Options of {@link FieldJobs.shred}. */
export interface ShredSubjectOptions extends EstimateShredOptions {
  /** `false` asks no key service and only deletes the wrapped keys here: copies of them still open the subject's cells. Default: `true`. */
  readonly revoke?: boolean | undefined;
  /** Whether a subject of which nothing is found is shredded as well, and never gets a data key. Default: `false`. */
  readonly block?: boolean | undefined;
}

/** The size and the bounds of a step. */
type Step = { readonly batch: number; readonly lease: number; readonly maxReplicaLag: number };

/** Jobs on the encrypted columns of a database. Methods with an `id` reject with a `TypeError` where there is no such job. */
export interface FieldJobs {
  /** What the database lacks, and what you should decide. */
  plan(options?: FieldJobCallOptions): Promise<readonly Finding[]>;
  /** Where each field stands. */
  states(options?: FieldJobCallOptions): Promise<readonly FieldState[]>;
  /** The names of all fields, such as `patient.email`. */
  fields(): readonly string[];
  /** What `migrationSql` makes of the same fields. */
  sql(options: MigrationSqlOptions): readonly string[];
  /** Shreds a subject as {@link FieldEncryption.shred} does, with the cells of this database; called again, it goes on where it stopped. */
  shred(subject: ShredSubjectOptions): Promise<Shredded>;
  /** Counts what {@link FieldJobs.shred} would be about, and changes nothing. */
  estimateShred(subject: EstimateShredOptions): Promise<ShredEstimate>;
  /** Counts what a job would look at, and changes nothing. */
  estimate(options: EstimateJobOptions): Promise<JobEstimate>;
  /** The running job of a kind and field, or a new one. */
  start(options: StartJobOptions): Promise<JobStatus>;
  /** Does one step of a job: safe to repeat, to run in many processes at once, and to kill. A step that fails has changed nothing. */
  runBatch(id: string, options?: RunBatchOptions): Promise<BatchResult>;
  /** Runs a job until it has ended, together with others that run it, and resumes one that was stopped. */
  run(id: string, options?: RunJobOptions): Promise<JobStatus>;
  /** What is known of a job. */
  status(id: string, options?: FieldJobCallOptions): Promise<JobStatus>;
  /** What a job found, up to 1,000 faults of each shard. */
  faults(id: string, options?: FieldJobCallOptions): Promise<readonly JobFault[]>;
  /** All jobs, the oldest first. */
  list(options?: FieldJobCallOptions): Promise<readonly JobStatus[]>;
  /** Ends a job that is running; what it did stays. */
  cancel(id: string, options?: FieldJobCallOptions): Promise<JobStatus>;
}

const takePool: Reader<JobPool> = (value, name) => {
  const pool = value as Partial<JobPool> | null | undefined;
  assert(typeof pool?.query === 'function' && typeof pool.connect === 'function', name, 'a Pool of pg');
  return value as JobPool;
};
const takeReplica: Reader<JobClient> = (value, name) => {
  assert(typeof (value as Partial<JobClient> | null | undefined)?.query === 'function', name, 'a Pool of pg');
  return value as JobClient;
};
const takeEncryption: Reader<FieldEncryption> = (value) => {
  engineOf(value);
  return value as FieldEncryption;
};
const readers = {
  encryption: takeEncryption,
  pool: takePool,
  replicas: optional(arrayOf(takeReplica), []),
  rewrapTo: optional(func<KeyringOf>()),
} satisfies ReadersOf<FieldJobsOptions>;
const call = { signal: optional(takeSignal) } satisfies ReadersOf<FieldJobCallOptions>;
const estimateCall = {
  ...call,
  kind: oneOf('backfill', 'verify', 'reencrypt', 'reindex', 'rewrap'),
  field: optional(takeText),
} satisfies ReadersOf<EstimateJobOptions>;
const startCall = { ...estimateCall, shards: optional(integer(1, 1_000), 12) } satisfies ReadersOf<StartJobOptions>;
const batchCall = {
  ...call,
  batch: optional(integer(1, 10_000), 500),
  lease: optional(integer(1_000, 3_600_000), 60_000),
  maxReplicaLag: optional(integer(0, 3_600_000), 10_000),
} satisfies ReadersOf<RunBatchOptions>;
const runCall = {
  ...batchCall,
  workers: optional(integer(1, 64), 1),
  rowsPerSecond: optional(integer(1, 1_000_000)),
  onProgress: optional(func<(status: JobStatus) => void>()),
} satisfies ReadersOf<RunJobOptions>;
const subjectCall = { ...call, tenant: takeText, subject: takeText } satisfies ReadersOf<EstimateShredOptions>;
const shredCall = {
  ...subjectCall,
  revoke: optional(takeBoolean, true),
  block: optional(takeBoolean, false),
} satisfies ReadersOf<ShredSubjectOptions>;
const takeId = matching(/^[1-9]\d{0,18}$/, 'the id of a job');

/**
 * Makes the jobs of a field encryption: they seal plaintext that is there, check what is sealed, and rotate keys and indexes, while the application goes on. Their state is in the database (step `tables` of {@link migrationSql}).
 *
 * Throws a `TypeError` that names a wrong option.
 *
 * @example
 * const jobs = createFieldJobs({ encryption, pool });
 * const { id } = await jobs.start({ kind: 'backfill', field: 'patient.email' });
 * await jobs.run(id, { onProgress: ({ rows, total }) => bar.update(rows / total) });
 */
export function createFieldJobs<Of extends Fields>(
  options: Omit<FieldJobsOptions, 'encryption'> & { readonly encryption: FieldEncryption<Of> },
): FieldJobs {
  const { encryption, pool, replicas, rewrapTo } = takeOptions(options, readers);
  const engine = engineOf(encryption);
  const works = new Works(engine, pool, rewrapTo);
  const stepper = (work: Work, id: string, { batch, lease, maxReplicaLag }: Step) => {
    const size = { rows: batch, lease };
    return async (signal: AbortSignal | undefined): Promise<BatchResult> => {
      if (await isBehind(pool, replicas, maxReplicaLag)) return { ...nothingDone, state: 'busy' };
      return stepOf(pool, engine, work, id, size, signal);
    };
  };
  const jobs: FieldJobs = {
    plan: async (given) => begun(given, () => findingsOf(pool, works.fields)),
    states: async (given) => begun(given, () => fieldStates(pool, works.fields)),
    fields: () => works.fields.map(pathOf),
    sql: (given) => statementsOf(engine.settings.tables, given),
    shred: async (given) => encryption.shred({ ...takeOptions(given, shredCall), cells: postgresCells(pool) }),
    async estimateShred(given) {
      const { signal, ...about } = takeOptions(given, subjectCall);
      signal?.throwIfAborted();
      return estimateShred(pool, engine.settings, about);
    },
    async estimate(given) {
      const { kind, field, signal } = takeOptions(given, estimateCall);
      works.assertField(kind, field);
      signal?.throwIfAborted();
      if (kind === 'rewrap') return estimateRewrap(pool);
      return estimateField(pool, kind, await works.source(field as string));
    },
    async start(given) {
      const { kind, field = '', shards, signal } = takeOptions(given, startCall);
      works.assertField(kind, field);
      signal?.throwIfAborted();
      const id = await startJob(pool, kind, field, await works.of(kind, field), shards);
      return jobStatus(pool, id);
    },
    async runBatch(id, given = {}) {
      const { signal, ...size } = takeOptions(given, batchCall);
      const { kind, field } = await jobStatus(pool, takeId(id, 'id'));
      return stepper(await works.of(kind, field), id, size)(signal);
    },
    async run(id, given = {}) {
      const { workers, rowsPerSecond, signal, onProgress, ...size } = takeOptions(given, runCall);
      const { kind, field } = await jobStatus(pool, takeId(id, 'id'));
      const step = stepper(await works.of(kind, field), id, size);
      await runSteps(step, { workers, rowsPerSecond }, signal, async () => {
        if (onProgress !== undefined) tell(onProgress, await jobStatus(pool, id));
      });
      return jobStatus(pool, id);
    },
    status: async (id, given) => begun(given, () => jobStatus(pool, takeId(id, 'id'))),
    faults: async (id, given) =>
      begun(given, async () => jobFaults(pool, (await jobStatus(pool, takeId(id, 'id'))).id)),
    list: async (given) => begun(given, () => allJobs(pool)),
    cancel: async (id, given) => begun(given, () => cancelJob(pool, takeId(id, 'id')).then(() => jobStatus(pool, id))),
  };
  return Object.freeze(jobs);
}

/** A call with no options but the signal. */
function begun<Result>(given: FieldJobCallOptions = {}, work: () => Promise<Result>): Promise<Result> {
  takeOptions(given, call).signal?.throwIfAborted();
  return work();
}
