/** The state of jobs in `bulla_jobs` and `bulla_job_shards`: `docs/fields.md` §10.10 and §10.11. */

import { inTransaction, type JobClient, type JobPool } from './database.ts';
import { bounds, exists, type KeyText, type Range, roughCount } from './walk.ts';
import type { JobFault, JobKind, Work } from './work.ts';

/** What is known of a job. */
export interface JobStatus {
  /** By which it is run and asked for. */
  readonly id: string;
  readonly kind: JobKind;
  /** The field, such as `patient.email`; empty for `rewrap`. */
  readonly field: string;
  readonly state: 'running' | 'done' | 'cancelled';
  /** 1, and one more each time that rows were left. */
  readonly pass: number;
  /** About how many rows the table had when the job was made. */
  readonly total: number;
  /** Rows that were looked at, in all passes together. */
  readonly rows: number;
  /** Records or data keys that were stored. */
  readonly written: number;
  /** Rows that somebody changed meanwhile; they were left for another pass. */
  readonly missed: number;
  /** What was found or could not be done, in the last pass. */
  readonly faults: number;
  readonly shards: number;
  readonly shardsDone: number;
  readonly created: Date;
  readonly ended: Date | null;
}

/** A shard that a worker holds. */
export interface Claim {
  readonly job: string;
  readonly shard: number;
  readonly owner: string;
  readonly range: Range;
}

/** What a batch came to. */
export interface Progress {
  readonly position: KeyText | null;
  readonly isDone: boolean;
  readonly rows: number;
  readonly written: number;
  readonly missed: number;
  readonly faults: readonly JobFault[];
}

const maxFaultsOfShard = 1_000;
const maxPasses = 1_000;

const statusSql = (
  where: string,
) => `SELECT j.id::text, j.kind, j.field, j.state, j.pass, j.total::float8, j.created, j.ended,
  coalesce(sum(s.looked_at), 0)::float8 AS rows, coalesce(sum(s.written), 0)::float8 AS written, coalesce(sum(s.missed), 0)::float8 AS missed,
  coalesce(sum(s.faults), 0)::float8 AS faults, count(s.shard)::int AS shards, (count(*) FILTER (WHERE s.is_done))::int AS done
FROM bulla_jobs j LEFT JOIN bulla_job_shards s ON s.job = j.id ${where} GROUP BY j.id ORDER BY j.id`;

/** The running job of a kind and field, or a new one with at most so many shards. */
export async function startJob(
  pool: JobPool,
  kind: JobKind,
  field: string,
  work: Work,
  shards: number,
): Promise<string> {
  for (;;) {
    // Another process may start or end the job at any moment.
    const id = (await runningJob(pool, kind, field)) ?? (await newJob(pool, kind, field, work, shards));
    if (id !== undefined) return id;
  }
}

async function runningJob(client: JobClient, kind: JobKind, field: string): Promise<string | undefined> {
  const { rows } = await client.query(
    `SELECT id::text FROM bulla_jobs WHERE kind = $1 AND field = $2 AND state = 'running'`,
    [kind, field],
  );
  return rows[0]?.['id'] as string | undefined;
}

/** `undefined` where one is running. */
async function newJob(
  pool: JobPool,
  kind: JobKind,
  field: string,
  work: Work,
  shards: number,
): Promise<string | undefined> {
  return inTransaction(pool, async (client) => {
    const total = await roughCount(client, work.walked.relation);
    const { rows } = await client.query(
      `INSERT INTO bulla_jobs (kind, field, total) VALUES ($1, $2, $3)
ON CONFLICT (kind, field) WHERE state = 'running' DO NOTHING RETURNING id::text`,
      [kind, field, total],
    );
    const id = rows[0]?.['id'] as string | undefined;
    if (id === undefined) return undefined;
    const parts = await bounds(client, work.walked, shards);
    const edges = [null, ...parts, null];
    for (let shard = 0; shard <= parts.length; shard++) {
      await client.query('INSERT INTO bulla_job_shards (job, shard, lower_key, upper_key) VALUES ($1, $2, $3, $4)', [
        id,
        shard,
        edges[shard],
        edges[shard + 1],
      ]);
    }
    return id;
  });
}

/** The status of a job. Rejects with a `TypeError` for one that is not there. */
export async function jobStatus(client: JobClient, id: string): Promise<JobStatus> {
  const [row] = (await client.query(statusSql('WHERE j.id = $1'), [id])).rows;
  if (row === undefined) throw new TypeError('id must be that of a job in this database');
  return statusOf(row);
}

/** All jobs, the oldest first. */
export async function allJobs(client: JobClient): Promise<readonly JobStatus[]> {
  return (await client.query(statusSql(''))).rows.map(statusOf);
}

function statusOf({ done, ...row }: Readonly<Record<string, unknown>>): JobStatus {
  return { ...(row as unknown as JobStatus), shardsDone: done as number };
}

/** The faults of a job that were kept. */
export async function jobFaults(client: JobClient, id: string): Promise<readonly JobFault[]> {
  const { rows } = await client.query('SELECT fault_list FROM bulla_job_shards WHERE job = $1 ORDER BY shard', [id]);
  return rows.flatMap((row) => row['fault_list'] as JobFault[]);
}

/** Ends a job that is running. */
export async function cancelJob(client: JobClient, id: string): Promise<void> {
  await client.query(
    `UPDATE bulla_jobs SET state = 'cancelled', ended = clock_timestamp() WHERE id = $1 AND state = 'running'`,
    [id],
  );
}

const claimSql = `UPDATE bulla_job_shards AS s
SET owner = gen_random_uuid(), lease_until = clock_timestamp() + $2 * interval '1 millisecond'
FROM (
  SELECT job, shard FROM bulla_job_shards
  WHERE job = $1 AND NOT is_done AND (lease_until IS NULL OR lease_until < clock_timestamp())
    AND EXISTS (SELECT FROM bulla_jobs WHERE id = $1 AND state = 'running')
  ORDER BY shard LIMIT 1 FOR UPDATE SKIP LOCKED
) AS free WHERE s.job = free.job AND s.shard = free.shard
RETURNING s.shard, s.owner::text, coalesce(s.position, s.lower_key) AS after, s.upper_key`;

/** A shard that nobody works on, for so many milliseconds by the database's clock. */
export async function claimShard(client: JobClient, job: string, lease: number): Promise<Claim | undefined> {
  const [row] = (await client.query(claimSql, [job, lease])).rows;
  if (row === undefined) return undefined;
  const range = { after: row['after'] as KeyText | null, upper: row['upper_key'] as KeyText | null };
  return { job, shard: Number(row['shard']), owner: String(row['owner']), range };
}

/** Gives a shard back as it was. */
export async function releaseShard(client: JobClient, { job, shard, owner }: Claim): Promise<void> {
  await client.query(
    `UPDATE bulla_job_shards SET owner = NULL, lease_until = NULL WHERE job = $1 AND shard = $2 AND owner = $3`,
    [job, shard, owner],
  );
}

/** Locks a shard that a worker claimed; `false` where another one has it. */
export async function lockShard(client: JobClient, { job, shard, owner }: Claim): Promise<boolean> {
  const { rows } = await client.query(
    `SELECT shard FROM bulla_job_shards WHERE job = $1 AND shard = $2 AND owner = $3
  AND EXISTS (SELECT FROM bulla_jobs WHERE id = $1 AND state = 'running') FOR UPDATE`,
    [job, shard, owner],
  );
  return rows.length > 0;
}

const progressSql = `UPDATE bulla_job_shards SET owner = NULL, lease_until = NULL,
  position = coalesce($3, position), is_done = $4, looked_at = looked_at + $5, written = written + $6, missed = missed + $7,
  changes_in_pass = changes_in_pass + $6 + $7, missed_in_pass = missed_in_pass + $7, faults = faults + $8,
  fault_list = fault_list || (SELECT coalesce(jsonb_agg(f), '[]') FROM (
    SELECT f FROM jsonb_array_elements($9::jsonb) AS f LIMIT greatest(0, ${maxFaultsOfShard} - jsonb_array_length(fault_list))) AS kept)
WHERE job = $1 AND shard = $2`;

/** Stores the progress of a locked shard, and gives it back. */
export async function storeProgress(client: JobClient, { job, shard }: Claim, progress: Progress): Promise<void> {
  const { position, isDone, rows, written, missed, faults } = progress;
  const values = [job, shard, position, isDone, rows, written, missed, faults.length, JSON.stringify(faults)];
  await client.query(progressSql, values);
}

/** Ends a job whose shards are done, or begins another pass where rows are left. Gives its state. */
export async function finishPass(pool: JobPool, id: string, work: Work): Promise<JobStatus['state']> {
  return inTransaction(pool, async (client) => {
    const [job] = (await client.query('SELECT state, pass FROM bulla_jobs WHERE id = $1 FOR UPDATE', [id])).rows;
    if (job?.['state'] !== 'running') return (job?.['state'] ?? 'cancelled') as JobStatus['state'];
    const [found] = (
      await client.query(
        `SELECT bool_and(is_done) AS done, sum(changes_in_pass) > 0 AS changed, sum(missed_in_pass) > 0 AS missed
FROM bulla_job_shards WHERE job = $1`,
        [id],
      )
    ).rows;
    if (found?.['done'] !== true) return 'running';
    const mayRepeat = Number(job['pass']) < maxPasses && found[work.left === undefined ? 'missed' : 'changed'] === true;
    if (mayRepeat && (work.left === undefined || (await exists(client, work.walked, work.left)))) {
      await client.query(
        `UPDATE bulla_job_shards SET is_done = false, position = NULL, changes_in_pass = 0, missed_in_pass = 0, faults = 0, fault_list = '[]' WHERE job = $1`,
        [id],
      );
      await client.query('UPDATE bulla_jobs SET pass = pass + 1 WHERE id = $1', [id]);
      return 'running';
    }
    await client.query(`UPDATE bulla_jobs SET state = 'done', ended = clock_timestamp() WHERE id = $1`, [id]);
    return 'done';
  });
}
