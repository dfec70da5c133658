// 200,000 rows under old programs that write, workers that are killed 20 times, and a restart of PostgreSQL: `npm run test:fields:jobs`.
// Arguments: rows, kills, and `reencrypt` to have sealed rows sealed again under other data keys. Ends with 1 where a row is wrong, lost or left, or progress shrank.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../../key-service/test/support/postgres.ts';
import { encryptedPool } from '../../src/fields/postgres.ts';
import { jobsOn, migrating, openMigrating, openPool } from './migrating.ts';

const [rows = 200_000, kills = 20] = process.argv.slice(2, 4).map(Number);
const kind = process.argv[4] === 'reencrypt' ? 'reencrypt' : 'backfill';
const field = 'patient.email';
const folder = await mkdtemp(join(tmpdir(), 'bulla-jobs-'));
const server = await startPostgres({ own: true, folder });
const database = await openMigrating(server.url, rows);
const earlier = jobsOn(database.pool, migrating);
if (kind === 'reencrypt')
  await earlier.jobs.run((await earlier.jobs.start({ kind: 'backfill', field })).id, { workers: 2 });
/** From then on, data keys that were there before seal no more. */
const notBefore = kind === 'reencrypt' ? Date.now() : 0;
const { jobs } = jobsOn(database.pool, migrating, { notBefore: new Date(notBefore) });
const { id } = await jobs.start({ kind, field, shards: 24 });
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
        ['--conditions=bulla-source', 'test/postgres/job-worker.ts', database.url, id, '', '500', String(notBefore)],
        { stdio: 'ignore' },
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
/** 20 writes a second: of a program that knows the plaintext alone, and of a later one that writes both and knows nothing of a rotation. */
async function write(): Promise<void> {
  const pool = openPool(database.url, 1);
  const sealed = encryptedPool(openPool(database.url, 1), earlier.encryption);
  const programs = [
    (email: string, row: number) => pool.query('update patient set email = $1 where id = $2', [email, row]),
    (email: string, row: number) => {
      const text = 'update patient set email = $1, email_sealed = $2 where id = $3 and clinic = $4';
      return sealed.query(text, [email, email, row, row % 3 === 0 ? 'south' : 'north']);
    },
  ].slice(0, kind === 'reencrypt' ? 2 : 1);
  for (; isWriting; writes++) {
    const program = programs[writes % programs.length];
    // While PostgreSQL is restarted there is nobody to write to.
    await program?.(`changed${writes}@example`, 1 + Math.floor(Math.random() * rows)).catch(() => {});
    await new Promise((done) => setTimeout(done, 50));
  }
  await pool.end();
  await sealed.end();
}

/** Records under data keys that seal no more. */
const outdated = `select count(*)::int as rows from patient p join bulla_data_keys k
  on k.id = substring(p.email_sealed from 4 + 12 * (get_byte(p.email_sealed, 1) & 3) for 16) where k.created < ${notBefore}`;

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
  const again = kind === 'reencrypt' ? await jobs.run((await jobs.start({ kind, field })).id) : { written: 0 };
  const rest = await jobs.run((await jobs.start({ kind: 'backfill', field })).id);
  const old = await query(outdated);
  const verify = await jobs.run((await jobs.start({ kind: 'verify', field })).id, { workers: 2 });
  const left = await query(
    'select count(*)::int as rows from patient where email is not null and email_sealed is null',
  );
  console.log({
    writes,
    shrank,
    first,
    again: again.written,
    rest: rest.written,
    old: old.rows,
    verified: verify.rows,
    faults: verify.faults,
    left: left.rows,
  });
  const isWhole = verify.faults === 0 && verify.rows === rows && left.rows === 0 && old.rows === 0;
  const isRight = isWhole && shrank === 0 && first.state === 'done';
  // At most one sealing write for a row and a change of it.
  if (!isRight || first.written + again.written + rest.written > rows + writes) process.exitCode = 1;
} finally {
  isWriting = false;
  for (const worker of workers) worker.stop();
  await database.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}
console.log(`${((performance.now() - begun) / 1000).toFixed(1)} s: ${process.exitCode ? 'FAILED' : 'passed'}`);
process.exit();
