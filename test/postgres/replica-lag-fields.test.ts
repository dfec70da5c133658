// Jobs wait for replicas: a real standby that streams, whose replay is paused; docs/fields.md §10.14.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PostgresServer, startPostgres } from '../../key-service/test/support/postgres.ts';
import { createFieldJobs } from '../../src/fields/postgres.ts';
import { type Database, jobsOn, migrating, openMigrating, openPool } from './migrating.ts';

const rows = 400;
let folder: string;
let primary: PostgresServer;
let standby: PostgresServer;
let database: Database;
let replica: ReturnType<typeof openPool>;
const onReplica = async (text: string) => (await replica.query(text)).rows;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulla-lag-'));
  primary = await startPostgres({ own: true, hasty: true, folder });
  database = await openMigrating(primary.url, rows);
  standby = await startPostgres({ own: true, hasty: true, standbyOf: { url: primary.url, folder } });
  const url = new URL(database.url);
  url.port = new URL(standby.url).port;
  replica = openPool(url.href);
});
afterAll(async () => {
  await replica.end();
  await database.close();
  await standby.stop();
  await primary.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Jobs that wait for the replica, and how often it was asked. */
function waiting() {
  const { encryption } = jobsOn(database.pool, migrating);
  let asked = 0;
  const counted = {
    query(text: string, values?: unknown[]) {
      asked += 1;
      return replica.query(text, values);
    },
  };
  return { jobs: createFieldJobs({ encryption, pool: database.pool, replicas: [counted] }), asked: () => asked };
}

test('§10.14 no step begins while a replica is behind; then the job goes on', async () => {
  const { jobs, asked } = waiting();
  await onReplica('select pg_wal_replay_pause()');
  const { id } = await jobs.start({ kind: 'backfill', field: 'patient.email' });
  expect(await jobs.runBatch(id, { maxReplicaLag: 0 })).toMatchObject({ state: 'busy', rows: 0, written: 0 });
  const running = jobs.run(id, { batch: 50, workers: 2, maxReplicaLag: 1 });
  await expect.poll(asked, { timeout: 60_000 }).toBeGreaterThan(6);
  expect(await jobs.status(id)).toMatchObject({ state: 'running', rows: 0, written: 0 });
  await onReplica('select pg_wal_replay_resume()');
  expect(await running).toMatchObject({ state: 'done', rows, written: rows, faults: 0 });
  // At least once for each batch.
  expect(asked()).toBeGreaterThan(6 + rows / 50);
  await expect
    .poll(async () => (await onReplica('select count(email_sealed)::int as n from patient'))[0]?.n)
    .toBe(rows);
});

test('§10.14 one that is behind by less than is allowed stops nothing, and one that has all is not behind', async () => {
  const { jobs } = waiting();
  await onReplica('select pg_wal_replay_pause()');
  const { id } = await jobs.start({ kind: 'verify', field: 'patient.email' });
  expect(await jobs.run(id, { maxReplicaLag: 3_600_000 })).toMatchObject({ state: 'done', rows });
  await onReplica('select pg_wal_replay_resume()');
  const { rows: written } = await database.pool.query('select pg_current_wal_lsn()::text as lsn');
  await expect
    .poll(async () => (await onReplica(`select pg_last_wal_replay_lsn() >= '${written[0].lsn}' as done`))[0]?.done)
    .toBe(true);
  // An idle primary: the last transaction is old, and nothing is missing.
  const again = await jobs.start({ kind: 'verify', field: 'patient.name' });
  expect(await jobs.run(again.id, { maxReplicaLag: 0 })).toMatchObject({ state: 'done' });
});

test('a pool that is on no standby, or cannot be asked, ends the run, and the job can be resumed', async () => {
  const { encryption } = jobsOn(database.pool, migrating);
  const { pool } = database;
  const { id } = await createFieldJobs({ encryption, pool }).start({ kind: 'verify', field: 'patient.born' });
  await expect(createFieldJobs({ encryption, pool, replicas: [pool] }).run(id)).rejects.toThrow(/standby/);
  const lost = { query: () => Promise.reject(new Error('connection lost')) };
  await expect(createFieldJobs({ encryption, pool, replicas: [lost] }).run(id)).rejects.toThrow('connection lost');
  expect(() => createFieldJobs({ encryption, pool, replicas: [{} as never] })).toThrow(/replicas/);
  expect(await createFieldJobs({ encryption, pool }).run(id)).toMatchObject({ state: 'done' });
});
