// Backfill and verify while an old program writes, workers are killed and values cannot be sealed.

import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { KeyServiceError } from '../../src/errors.ts';
import { createFieldJobs, type FieldJobs, type FieldJobsOptions } from '../../src/fields/postgres.ts';
import { blindIndex, defineFields, encrypted } from '../../src/fields.ts';
import { failureOf, tenantKeyring } from '../fields/support.ts';
import { type Database, jobsOn, migrating, openDatabase, openMigrating, openPool } from './migrating.ts';

const rows = 1_500;
const email = 'patient.email';
let database: Database;
let jobs: FieldJobs;
const open = async (count = rows) => {
  database = await openMigrating(inject('postgresUrl'), count);
  jobs = jobsOn(database.pool, migrating).jobs;
};
afterEach(() => database?.close());
const query = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;
const start = async (kind: 'backfill' | 'verify', field = email) => (await jobs.start({ kind, field })).id;
const verify = async (field = email) => {
  const id = await start('verify', field);
  return { status: await jobs.run(id), faults: await jobs.faults(id) };
};

/** A program from before the migration that changes what it likes, until it is stopped. */
function oldProgram() {
  let isStopped = false;
  let writes = 0;
  const done = (async () => {
    for (let i = 0; !isStopped; i++) {
      const id = 1 + ((i * 7919) % rows);
      await query(`update patient set email = 'changed' || $1 || '@example', name = 'n' || $1 where id = $2`, [i, id]);
      if (i % 5 === 0)
        await query(`insert into patient (id, clinic, email) values ($1, 'west', 'new')`, [rows + 1 + i]);
      writes++;
    }
  })();
  return {
    writes: () => writes,
    async stop() {
      isStopped = true;
      await done;
    },
  };
}

function worker(
  id: string,
  mode = '',
): { readonly child: ChildProcess; readonly working: Promise<unknown>; readonly ended: Promise<unknown> } {
  const args = ['--conditions=bulla-source', 'test/postgres/job-worker.ts', database.url, id, mode];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((done) => child.once('exit', (code, signal) => done(signal ?? code)));
  return { child, ended, working: new Promise((done) => child.stdout?.once('data', done)) };
}

describe('backfill', () => {
  beforeEach(() => open());

  test('§10.4 §10.10 of 1,500 rows by three workers seals each once, and says so', async () => {
    await query(`create table writes (id bigint)`);
    await query(`create function count_writes() returns trigger language plpgsql as $$ begin
      insert into writes values (new.id); return null; end $$`);
    await query(
      `create trigger counted after update of email_sealed on patient for each row execute function count_writes()`,
    );
    const told: number[] = [];
    const status = await jobs.run(await start('backfill'), {
      workers: 3,
      batch: 100,
      onProgress: (s) => told.push(s.rows),
    });
    expect(status).toMatchObject({ state: 'done', rows, written: rows, missed: 0, faults: 0, shards: 12, total: rows });
    expect(told.every((count, i) => i === 0 || count >= (told[i - 1] as number))).toBe(true);
    expect(await query('select count(*)::int, count(distinct id)::int as ids from writes')).toEqual([
      { count: rows, ids: rows },
    ]);
    expect((await verify()).faults).toEqual([]);
    const [found] = await query(`select count(distinct email_sealed_idx)::int as tags from patient`);
    expect(found).toEqual({ tags: rows });
  });

  test('§10.3 §10.4 an old program writes meanwhile: nothing is lost, nothing is stale, nothing is left', async () => {
    const program = oldProgram();
    const id = await start('backfill');
    const running = jobs.run(id, { batch: 50, workers: 2 });
    const ofNames = jobs.run(await start('backfill', 'patient.name'), { batch: 50 });
    const slow = { timeout: 60_000 };
    await expect.poll(async () => (await jobs.status(id)).rows, slow).toBeGreaterThan(rows / 2);
    await expect.poll(program.writes, slow).toBeGreaterThan(20);
    await program.stop();
    expect((await running).state).toBe('done');
    await ofNames;
    // The old program came again after some shards were done.
    for (const field of [email, 'patient.name']) await jobs.run(await start('backfill', field));
    for (const field of [email, 'patient.name']) expect((await verify(field)).faults).toEqual([]);
    expect(await query(`select id from patient where email is not null and email_sealed is null`)).toEqual([]);
  });

  test('§10.4 a row that is changed between reading and storing waits for another pass', async () => {
    let changed = false;
    const slow = jobsOn(database.pool, migrating, {
      async keyring(tenant) {
        if (!changed) await query(`update patient set email = 'other@example' where id <= 20`);
        changed = true;
        return tenantKeyring(tenant);
      },
    });
    const { id } = await slow.jobs.start({ kind: 'backfill', field: email, shards: 1 });
    expect(await slow.jobs.runBatch(id, { batch: 100 })).toEqual({
      state: 'running',
      rows: 100,
      written: 80,
      missed: 20,
      faults: 0,
    });
    expect(await slow.jobs.run(id)).toMatchObject({
      state: 'done',
      pass: 2,
      rows: rows + 20,
      written: rows,
      missed: 20,
    });
    expect((await verify()).faults).toEqual([]);
  });

  test('§10.11 a worker that is killed in the middle of a batch loses its lease, and nothing else', {
    timeout: 60_000,
  }, async () => {
    const id = await start('backfill');
    const killed = worker(id, 'hang');
    await killed.working;
    const [held] = await query('select owner from bulla_job_shards where owner is not null');
    expect(held).toBeDefined();
    killed.child.kill('SIGKILL');
    await killed.ended;
    const second = worker(id);
    await second.working;
    second.child.kill('SIGKILL');
    await second.ended;
    const before = await jobs.status(id);
    expect(before.state).toBe('running');
    const status = await jobs.run(id, { workers: 2 });
    expect(status).toMatchObject({ state: 'done', written: rows, faults: 0 });
    expect(status.rows).toBeGreaterThanOrEqual(before.rows);
    expect((await verify()).faults).toEqual([]);
  });

  test('§10.11 a worker that comes back after its lease ran out changes nothing', async () => {
    let release = () => {};
    const waiting = new Promise<void>((done) => {
      release = done;
    });
    let isFirst = true;
    const slow = jobsOn(database.pool, migrating, {
      async keyring(tenant) {
        if (isFirst) {
          isFirst = false;
          await waiting;
        }
        return tenantKeyring(tenant);
      },
    });
    const { id } = await slow.jobs.start({ kind: 'backfill', field: email, shards: 1 });
    const late = slow.jobs.runBatch(id, { batch: 100 });
    await expect.poll(() => isFirst, { timeout: 60_000 }).toBe(false);
    expect(await jobs.runBatch(id)).toMatchObject({ state: 'busy' });
    await query(`update bulla_job_shards set lease_until = clock_timestamp() - interval '1 second'`);
    expect(await jobs.runBatch(id, { batch: 50 })).toMatchObject({ state: 'running', written: 50 });
    release();
    expect(await late).toEqual({ state: 'busy', rows: 0, written: 0, missed: 0, faults: 0 });
    expect(await jobs.run(id)).toMatchObject({ state: 'done', written: rows, rows });
    expect(await jobs.status(id)).toMatchObject({ written: rows, rows });
  });

  test('§10.14 a service that is throttled is asked again, one that fails ends the run, which resumes', async () => {
    let calls = 0;
    const failing = (error: () => Error) =>
      jobsOn(database.pool, migrating, {
        keyring(tenant) {
          if (calls++ === 1) throw error();
          return tenantKeyring(tenant);
        },
      }).jobs;
    const id = await start('backfill');
    const refused = failing(() => new KeyServiceError('ERR_NOT_ALLOWED', 'no'));
    expect((await failureOf(refused.run(id))).code).toBe('ERR_NOT_ALLOWED');
    expect(await query('select shard from bulla_job_shards where owner is not null')).toEqual([]);
    calls = 0;
    const throttled = failing(() => new KeyServiceError('ERR_THROTTLED', 'wait', { retryAfter: 0 }));
    expect(await throttled.run(id)).toMatchObject({ id, state: 'done', written: rows });
  });

  test('§10.14 a signal gives the shard back, a dry run changes nothing, a job is cancelled', async () => {
    expect(await jobs.estimate({ kind: 'backfill', field: email })).toEqual({
      ...{ rows, dataKeys: 2, distinct: rows, mostFrequent: 1 },
      bytes: Number((await query('select sum(octet_length(email))::int as bytes from patient'))[0]?.bytes),
    });
    expect(await query('select id from bulla_data_keys')).toEqual([]);
    const id = await start('backfill');
    expect(await start('backfill')).toBe(id);
    const controller = new AbortController();
    const running = jobs.run(id, {
      batch: 10,
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    });
    expect((await failureOf(running)).message).toBe('enough');
    expect(await query('select shard from bulla_job_shards where owner is not null')).toEqual([]);
    const { written } = await jobs.status(id);
    expect(written).toBeGreaterThan(0);
    expect(await jobs.cancel(id)).toMatchObject({ state: 'cancelled', written });
    expect(await jobs.run(id)).toMatchObject({ state: 'cancelled', written });
    expect(await start('backfill')).not.toBe(id);
    expect((await jobs.list()).map(({ state }) => state)).toEqual(['cancelled', 'running']);
  });

  test('§10.14 a job that another process starts and ends while it is started here is started here', async () => {
    let other: string | undefined;
    const pool: FieldJobsOptions['pool'] = {
      query: (text, values) => database.pool.query(text, values),
      async connect() {
        const client = await database.pool.connect();
        return {
          release: (broken) => client.release(broken),
          async query(text, values) {
            const isNew = text.startsWith('INSERT INTO bulla_jobs ') && other === undefined;
            if (isNew) other = await start('backfill');
            const result = await client.query(text, values);
            if (isNew) await jobs.cancel(other as string);
            return result;
          },
        };
      },
    };
    const { encryption } = jobsOn(database.pool, migrating);
    const { id } = await createFieldJobs({ encryption, pool }).start({ kind: 'backfill', field: email });
    expect((await jobs.list()).map((job) => [job.id, job.state])).toEqual([
      [other, 'cancelled'],
      [id, 'running'],
    ]);
  });
});

describe('values', () => {
  beforeEach(async () => {
    database = await openDatabase(inject('postgresUrl'));
  });

  const types = defineFields({
    thing: {
      row: 'id',
      columns: {
        text: encrypted.string({ column: 's1', plain: 'p1' }),
        bytes: encrypted.bytes({ column: 's2', plain: 'p2' }),
        flag: encrypted.boolean({ column: 's3', plain: 'p3' }),
        real: encrypted.number({ column: 's4', plain: 'p4' }),
        big: encrypted.bigint({ column: 's5', plain: 'p5' }),
        price: encrypted.decimal({ column: 's6', plain: 'p6' }),
        at: encrypted.date({ column: 's7', plain: 'p7' }),
        day: encrypted.date({ column: 's8', plain: 'p8' }),
        data: encrypted.json({ column: 's9', plain: 'p9' }),
      },
    },
  });
  const paths = Object.keys(types.options.thing.columns).map((name) => `thing.${name}`);

  test('§10.5 of every type are those that PostgreSQL prints; what has no value is a fault and stays', async () => {
    await query(
      `create table thing (id int primary key, p1 text, p2 bytea, p3 boolean, p4 float8, p5 bigint, p6 numeric, p7 timestamptz, p8 date, p9 json)`,
    );
    await database.pool.query(`alter database ${new URL(database.url).pathname.slice(1)} set timezone = 'Asia/Tokyo'`);
    await query(`insert into thing values
      (1, '', '\\xf900', true, 0.1, -9223372036854775808, 12.50, '2026-01-02 03:04:05.678901+09', '2026-02-03', '{"b": [1, null], "a": "x"}'),
      (2, null, null, null, null, null, null, null, null, null),
      (3, 'ok', '', false, 'NaN', 1, 'NaN', 'infinity', '0044-03-15 BC', 'null')`);
    await database.step(types, 'tables');
    for (const path of paths) await database.step(types, 'expand', path);
    // Only new connections have the time zone of the database.
    const pool = openPool(database.url);
    const on = jobsOn(pool, types, { tenant: 'north' });
    const faults: unknown[] = [];
    for (const field of paths) {
      const { id } = await on.jobs.start({ kind: 'backfill', field });
      const status = await on.jobs.run(id);
      if (status.faults > 0) faults.push(field, ...(await on.jobs.faults(id)));
      expect(status.state).toBe('done');
    }
    const fault = { row: ['3'], fault: 'ERR_FIELD_VALUE' };
    expect(faults).toEqual(['real', 'price', 'at', 'day', 'data'].flatMap((name) => [`thing.${name}`, fault]));
    const found = await query(
      'select id, s1 as text, s2 as bytes, s3 as flag, s4 as real, s5 as big, s6 as price, s7 as at, s8 as day, s9 as data from thing where id < 3 order by id',
    );
    const [first, second] = await on.encryption.open('thing', found as { id: number }[]);
    expect(first).toEqual({
      ...{ id: 1, text: '', bytes: Uint8Array.of(0xf9, 0), flag: true, real: 0.1, big: -(2n ** 63n), price: '12.50' },
      ...{
        at: new Date('2026-01-01T18:04:05.678Z'),
        day: new Date('2026-02-03T00:00:00Z'),
        data: { b: [1, null], a: 'x' },
      },
    });
    expect(Object.values(second as object)).toEqual([2, ...Array.from({ length: 9 }, () => null)]);
    await query('delete from thing where id = 3');
    for (const field of paths) {
      const { id } = await on.jobs.start({ kind: 'verify', field });
      expect(await on.jobs.run(id)).toMatchObject({ faults: 0 });
    }
    await pool.end();
  });

  const unique = defineFields({
    account: {
      row: 'id',
      subject: 'who',
      columns: {
        mail: encrypted.string({
          column: 'sealed',
          plain: 'mail',
          index: [blindIndex({ normalize: ['lower'], unique: true })],
        }),
      },
    },
  });

  test('§10.4 one bad row is one bad row: a duplicate, a shredded subject, an unknown letter, none', async () => {
    await query('create table account (id int primary key, who text, mail text)');
    await query(`insert into account select i, 'p' || i, 'm' || i from generate_series(1, 200) i`);
    await query(`update account set mail = 'M7' where id = 107`);
    await query(`update account set who = null where id = 32`);
    await query(`update account set mail = $1 where id = 33`, ['\u0378']);
    await database.step(unique, 'tables');
    await database.step(unique, 'expand', 'account.mail');
    const on = jobsOn(database.pool, unique, { tenant: 'north' });
    await on.jobs.shred({ tenant: 'north', subject: 'gone', revoke: false, block: true });
    await query(`update account set who = 'gone' where id = 31`);
    const { id } = await on.jobs.start({ kind: 'backfill', field: 'account.mail', shards: 1 });
    expect(await on.jobs.run(id)).toMatchObject({ state: 'done', written: 196, faults: 4, pass: 2 });
    expect(await on.jobs.faults(id)).toEqual(
      [
        { row: ['33'], fault: 'ERR_FIELD_VALUE' },
        { row: ['32'], fault: 'ERR_FIELD_ROW_UNKNOWN' },
        { row: ['31'], fault: 'ERR_FIELD_SHREDDED' },
        { row: ['107'], fault: 'duplicate' },
      ].sort((a, b) => Number(a.row[0]) - Number(b.row[0])),
    );
  });

  test('§10.6 a shredded cell is no fault, unless plaintext stands beside it', async () => {
    await query('create table account (id int primary key, who text, mail text)');
    await query(`insert into account select i, 'p' || i % 2, 'm' || i from generate_series(1, 6) i`);
    await database.step(unique, 'tables');
    await database.step(unique, 'expand', 'account.mail');
    const on = jobsOn(database.pool, unique, { tenant: 'north' });
    const run = async (kind: 'backfill' | 'verify') => {
      const { id } = await on.jobs.start({ kind, field: 'account.mail' });
      await on.jobs.run(id);
      return on.jobs.faults(id);
    };
    expect(await run('backfill')).toEqual([]);
    const [before] = (await database.pool.query('select sealed from account where id = 3')).rows;
    await on.jobs.shred({ tenant: 'north', subject: 'p1', revoke: false });
    await query('alter table account disable trigger user');
    await query('update account set sealed = $1 where id = 3', [before.sealed]);
    await query(`update account set mail = 'again' where id = 5`);
    expect(await run('verify')).toEqual([{ row: ['5'], fault: 'ERR_FIELD_SHREDDED' }]);
  });

  test('a table that cannot be walked, a job that is not there and a wrong field are refused', async () => {
    await query('create table account (id int, who text, mail text)');
    await database.step(unique, 'tables');
    const on = jobsOn(database.pool, unique, { tenant: 'north' }).jobs;
    await expect(on.start({ kind: 'verify', field: 'account.mail' })).rejects.toThrow(
      'must be a table with a primary key',
    );
    await expect(on.start({ kind: 'rewrap', field: 'account.mail' })).rejects.toThrow(/^field must be left out/);
    await expect(on.start({ kind: 'verify' })).rejects.toThrow('one of account.mail');
    await expect(on.status('1')).rejects.toThrow(/^id must be/);
    await expect(on.runBatch('x')).rejects.toThrow(/^id must be/);
    const none = jobsOn(database.pool, unique).jobs;
    await expect(none.start({ kind: 'verify', field: 'account.mail' })).rejects.toThrow(/^tenant must be given/);
  });
});
