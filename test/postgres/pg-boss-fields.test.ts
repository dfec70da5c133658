// Jobs by workers of pg-boss: the real one, on the real database; docs/fields.md §10.16.

import { PgBoss } from 'pg-boss';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { type BatchResult, type FieldJobs, fieldJobsOnPgBoss, type PgBossOptions } from '../../src/fields/postgres.ts';
import { type Database, jobsOn, migrating, openMigrating } from './migrating.ts';

const rows = 600;
let database: Database;
let bosses: PgBoss[] = [];

beforeEach(async () => {
  database = await openMigrating(inject('postgresUrl'), rows);
});
afterEach(async () => {
  for (const boss of bosses) await boss.stop({ graceful: false, close: true });
  bosses = [];
  await database.close();
});

/** A machine with workers of its own. */
async function machine(change: (jobs: FieldJobs) => FieldJobs = (jobs) => jobs, options: Partial<PgBossOptions> = {}) {
  const boss = new PgBoss({ connectionString: database.url, max: 2 });
  boss.on('error', () => {});
  await boss.start();
  bosses.push(boss);
  const jobs = change(jobsOn(database.pool, migrating).jobs);
  return { jobs, boss, distributed: fieldJobsOnPgBoss({ boss, jobs, batch: 150, ...options }) };
}
const ended = (jobs: FieldJobs, id: string) =>
  expect.poll(async () => (await jobs.status(id)).state, { timeout: 100_000, interval: 200 }).toBe('done');

describe('§10.16 pg-boss', () => {
  test('two machines seal all rows, each once; a step that fails is tried again', async () => {
    let failures = 0;
    const failing = (jobs: FieldJobs): FieldJobs => ({
      ...jobs,
      runBatch(id, options) {
        failures += 1;
        return failures <= 2 ? Promise.reject(new Error('the key service is away')) : jobs.runBatch(id, options);
      },
    });
    const [one, other] = [await machine(failing), await machine()];
    const { id } = await one.jobs.start({ kind: 'backfill', field: 'patient.email', shards: 4 });
    await one.distributed.send(id, 2);
    expect(await one.jobs.status(id)).toMatchObject({ written: 0 });
    await one.distributed.work();
    await expect.poll(() => failures, { timeout: 60_000 }).toBeGreaterThan(1);
    await other.distributed.work();
    await ended(one.jobs, id);
    expect(await one.jobs.status(id)).toMatchObject({ rows, written: rows, faults: 0 });
    const { rows: left } = await database.pool.query(
      'select count(*)::int as n from patient where email_sealed is null',
    );
    expect(left).toEqual([{ n: 0 }]);
    // Sent again, there is nothing to do, and nothing is sent on.
    await one.distributed.send(id);
    const open = "select count(*)::int as n from pgboss.job where name = 'bulla-fields' and state < 'completed'";
    await expect
      .poll(async () => (await database.pool.query(open)).rows[0]?.n, { timeout: 60_000, interval: 200 })
      .toBe(0);
    expect(await one.jobs.status(id)).toMatchObject({ written: rows });
    await one.distributed.stop();
  });

  test('what a step fails with is kept without values', async () => {
    const refused = Object.assign(new Error('violates a check'), { code: '23514', detail: 'Failing row: planted' });
    const { jobs, distributed } = await machine((own) => ({ ...own, runBatch: () => Promise.reject(refused) }));
    const { id } = await jobs.start({ kind: 'verify', field: 'patient.email' });
    await distributed.send(id);
    await distributed.work();
    const outputs =
      "select coalesce(string_agg(output::text, ' '), '') as text from pgboss.job where data ->> 'job' = $1";
    const read = async () => String((await database.pool.query(outputs, [id])).rows[0]?.text);
    await expect.poll(read, { timeout: 60_000 }).toContain('23514');
    expect(await read()).not.toContain('planted');
    await distributed.stop();
    await jobs.cancel(id);
  });

  const stored = async (id: string) =>
    (
      await database.pool.query(
        `select state, retry_limit, retry_delay, retry_backoff, retry_delay_max, expire_seconds,
          extract(epoch from start_after - created_on)::float8 as later from pgboss.job where data ->> 'job' = $1 order by created_on`,
        [id],
      )
    ).rows;

  test('a step is stored with what was asked for, whatever the queue was made with', async () => {
    const asked = { expireAfter: 60, retryLimit: 7, retryDelayMax: 30 };
    const { jobs, boss, distributed } = await machine((own) => own, asked);
    await boss.createQueue('bulla-fields', { retryLimit: 1, retryDelay: 99, expireInSeconds: 1 });
    const { id } = await jobs.start({ kind: 'verify', field: 'patient.email' });
    await distributed.send(id);
    expect(await stored(id)).toMatchObject([
      { retry_limit: 7, retry_delay: 1, retry_backoff: true, retry_delay_max: 30, expire_seconds: 60 },
    ]);
    await (await machine()).distributed.send(id);
    expect((await stored(id))[1]).toMatchObject({ retry_limit: 20, retry_delay_max: 60, expire_seconds: 300 });
  });

  test('a queue that drops steps is told of', async () => {
    const { jobs, boss, distributed } = await machine();
    await boss.createQueue('bulla-fields', { policy: 'short' });
    const { id } = await jobs.start({ kind: 'verify', field: 'patient.email' });
    await expect(distributed.send(id, 2)).rejects.toThrow(/policy standard/);
    expect(await stored(id)).toHaveLength(1);
  });

  test('Retry-After, the lease and the budget of rows are kept to', async () => {
    const leases: unknown[] = [];
    const answers: (() => Promise<BatchResult>)[] = [
      () => Promise.reject(Object.assign(new Error('busy'), { retryAfter: 40 })),
      async () => ({ state: 'running', rows: 150, written: 150, faults: 0 }) as never,
    ];
    const { jobs, distributed } = await machine(
      (own) => ({
        ...own,
        runBatch(_, options) {
          leases.push(options?.lease);
          return answers[leases.length - 1]?.() ?? Promise.reject(new Error('no more'));
        },
      }),
      { lease: 5_000, rowsPerSecond: 3 },
    );
    const { id } = await jobs.start({ kind: 'verify', field: 'patient.email' });
    await distributed.send(id, 2);
    await distributed.work();
    await expect.poll(async () => (await stored(id)).length, { timeout: 60_000 }).toBe(4);
    await distributed.stop();
    const [first, second, ...sent] = await stored(id);
    // What was asked to wait has not failed.
    expect([first.state, second.state]).toEqual(['completed', 'completed']);
    expect(leases).toEqual([5_000, 5_000]);
    expect(sent.map(({ later }) => Math.round(later)).sort()).toEqual([40, 50]);
  });

  test('mistakes are named', async () => {
    const { boss, jobs, distributed } = await machine();
    expect(() => fieldJobsOnPgBoss({ boss: {} as never, jobs })).toThrow(/boss/);
    expect(() => fieldJobsOnPgBoss({ boss, jobs: {} as never })).toThrow(/jobs/);
    for (const [name, value] of Object.entries({
      expireAfter: 1,
      lease: 1,
      rowsPerSecond: 0,
      retryLimit: -1,
      retryDelayMax: 0,
    }))
      expect(() => fieldJobsOnPgBoss({ boss, jobs, [name]: value })).toThrow(new RegExp(name));
    await expect(distributed.send('x')).rejects.toThrow(/id/);
    await expect(distributed.send('1', 0)).rejects.toThrow(/workers/);
  });
});
