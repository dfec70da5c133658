// 200,000 rows under an old program that writes, workers that are killed 20 times, and a restart of PostgreSQL: `npm run test:fields:jobs`.
// Arguments: rows, kills. Ends with 1 where a row is wrong, lost or left, or progress shrank.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../../key-service/test/support/postgres.ts';
import { jobsOn, migrating, openMigrating, openPool } from './migrating.ts';

const [rows = 200_000, kills = 20] = process.argv.slice(2).map(Number);
const field = 'patient.email';
const folder = await mkdtemp(join(tmpdir(), 'bulla-jobs-'));
const server = await startPostgres({ own: true, folder });
const database = await openMigrating(server.url, rows);
const { jobs } = jobsOn(database.pool, migrating);
const { id } = await jobs.start({ kind: 'backfill', field, shards: 24 });
const begun = performance.now();

/** A worker that is started again whenever it dies. */
class Worker {
  #child: ChildProcess | undefined;
  #isWanted = true;
  readonly ended: Promise<void> = this.#live();

  async #live(): Promise<void> {
    for (let code: number | null = null; this.#isWanted && code !== 0; ) {
      this.#child = spawn(
        process.execPath,
        ['--conditions=bulla-source', 'test/postgres/job-worker.ts', database.url, id, '', '500'],
        {
          stdio: 'ignore',
        },
      );
      code = await new Promise<number | null>((done) => this.#child?.once('exit', done));
    }
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  stop(): void {
    this.#isWanted = false;
    this.kill();
  }
}

let isWriting = true;
let writes = 0;
/** 20 writes a second that know the plaintext alone. */
async function write(): Promise<void> {
  const pool = openPool(database.url, 1);
  for (; isWriting; writes++) {
    const text = `update patient set email = 'changed' || $1 || '@example' where id = $2`;
    // While PostgreSQL is restarted there is nobody to write to.
    await pool.query(text, [writes, 1 + Math.floor(Math.random() * rows)]).catch(() => {});
    await new Promise((done) => setTimeout(done, 50));
  }
  await pool.end();
}

const query = async (text: string) => (await database.pool.query(text)).rows[0];
const status = () => jobs.status(id);
const writing = write();
const workers = Array.from({ length: 3 }, () => new Worker());
let looked = 0;
let shrank = 0;
try {
  for (let i = 1; i <= kills; i++) {
    // Each at another place of the work: when so many rows are done.
    for (let now = 0; now < (rows * i) / (kills + 2); ) {
      const found = await status().catch(() => undefined);
      now = found?.state === 'done' ? rows : (found?.rows ?? looked);
      if (now < looked) shrank++;
      looked = now;
      await new Promise((done) => setTimeout(done, 50));
    }
    workers[i % workers.length]?.kill();
    if (i === Math.ceil(kills / 2)) {
      await server.restart?.stop();
      await server.restart?.start();
    }
    console.log(`${((performance.now() - begun) / 1000).toFixed(1)} s: ${looked} rows, ${i} kills`);
  }
  isWriting = false;
  await writing;
  await Promise.all(workers.map(({ ended }) => ended));
  const first = await status();
  // The old program came again behind shards that were done.
  const rest = await jobs.run((await jobs.start({ kind: 'backfill', field })).id);
  const verify = await jobs.run((await jobs.start({ kind: 'verify', field })).id, { workers: 2 });
  const left = await query(
    'select count(*)::int as rows from patient where email is not null and email_sealed is null',
  );
  console.log({
    writes,
    shrank,
    first,
    rest: rest.written,
    verified: verify.rows,
    faults: verify.faults,
    left: left.rows,
  });
  const isRight =
    verify.faults === 0 && verify.rows === rows && left.rows === 0 && shrank === 0 && first.state === 'done';
  // At most one sealing write for a row and a change of it.
  if (!isRight || first.written + rest.written > rows + writes) process.exitCode = 1;
} finally {
  isWriting = false;
  for (const worker of workers) worker.stop();
  await database.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
console.log(`${((performance.now() - begun) / 1000).toFixed(1)} s: ${process.exitCode ? 'FAILED' : 'passed'}`);
process.exit();
