// `bulla fields` on a real PostgreSQL: a migration from plaintext to encrypted columns, as an operator runs it.

import { spawn } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import type pg from 'pg';
import { afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { createDatabase } from '../../key-service/test/support/postgres.ts';
import { endOf, main, outcomeOf, Workplace } from '../cli/command.ts';
import assertBuilt from '../support/built.ts';
import { openPool } from './migrating.ts';

let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: pg.Pool;
let place: Workplace;
const query = async (text: string) => (await pool.query(text)).rows;
const built = (path: string) => pathToFileURL(`dist/${path}.js`).href;

const config = (url: string) => `
import { blindIndex, createFieldEncryption, defineFields, encrypted } from '${built('fields')}';
import { createFieldJobs, postgresDataKeyStore } from '${built('fields/postgres')}';
import { aesKeyring } from '${built('keyrings/aes')}';
import pg from '${import.meta.resolve('pg')}';
const pool = new pg.Pool({ connectionString: '${url}' });
const fields = defineFields({ patient: { row: 'id', columns: {
  email: encrypted.string({ column: 'sealed', plain: 'email', index: [blindIndex()] }),
  note: encrypted.string({ column: 'note_sealed', plain: 'note' }) } } });
const keyring = (tenant) => aesKeyring({ keyId: 'k', key: new Uint8Array(32).fill(1), keyContext: { use: 'bulla-fields', tenant } });
const encryption = createFieldEncryption({ fields, keyring, dataKeys: postgresDataKeyStore(pool), tenant: 'north' });
export default createFieldJobs({ encryption, pool });
`;

beforeAll(assertBuilt);
beforeEach(async () => {
  database = await createDatabase(inject('postgresUrl'));
  pool = openPool(database.url);
  place = new Workplace();
  place.write('bulla.config.mjs', config(database.url));
  await query('create table patient (id int primary key, email text, note text)');
  await query(`insert into patient select i, 'm' || i, 'n' from generate_series(1, 300) i`);
});
afterEach(async () => {
  await pool.end();
  await database.drop();
  place.remove();
});

const fields = (...args: string[]) => place.bulla(['fields', ...args]);
/** Gives SQL that is printed to the database. */
const migrate = async (...args: string[]) => query((await place.ok(['fields', 'sql', ...args])).stdout.toString());
const jsonOf = (text: Buffer) =>
  text
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const expand = async () => {
  await migrate('tables');
  for (const field of ['patient.email', 'patient.note']) await migrate('expand', field);
};

describe('bulla fields', () => {
  test('§10.15 from plaintext to encrypted columns, with the exit code that each step deserves', async () => {
    const before = await fields('plan');
    expect(before.exitCode).toBe(1);
    expect(before.stdout.toString()).toMatch(
      /^error {4}database: the tables .*\nerror {4}patient.email: column sealed/,
    );
    await expand();
    const plan = await fields('plan', '--json');
    expect(plan.exitCode).toBe(0);
    expect(jsonOf(plan.stdout).map(({ level, field }) => `${level} ${field}`)).toContain('warning patient.note');
    const dry = await fields('backfill', 'patient.email', '--dry-run');
    expect(dry.stdout.toString()).toBe(
      'backfill patient.email: 300 rows, 1.1 kB, 1 data keys, 300 different values, one of them in 1 rows\n',
    );
    expect(await query('select id from bulla_jobs')).toEqual([]);
    const backfill = await fields(
      'backfill',
      'patient.email',
      'patient.note',
      '--workers',
      '2',
      '--shards',
      '3',
      '--batch',
      '50',
    );
    expect(backfill).toMatchObject({ exitCode: 0, stdout: Buffer.of() });
    expect(backfill.stderr).toMatch(/^job 1, backfill patient.email: done, 300 rows, 300 written, 0 faults\njob 2, /);
    expect((await fields('verify', 'patient.email')).exitCode).toBe(0);
    await query(`update patient set sealed = (select sealed from patient where id = 2) where id = 1`);
    const verify = await fields('verify', 'patient.email');
    expect(verify).toMatchObject({ exitCode: 1, stdout: Buffer.from('ERR_FIELD_OPEN  row 1\n') });
    const [found] = jsonOf((await fields('verify', 'patient.email', '--json')).stdout);
    expect(found).toMatchObject({ kind: 'verify', faults: 1, faultList: [{ row: ['1'], fault: 'ERR_FIELD_OPEN' }] });
    const refused = await place.ok(['fields', 'sql', 'contract', 'patient.email']);
    await expect(query(refused.stdout.toString())).rejects.toThrow('is not verified');
    await query('rollback');
    await query('update patient set sealed = null where id = 1');
    await place.ok(['fields', 'backfill', 'patient.email', '-q']);
    await place.ok(['fields', 'verify', 'patient.email', '-q']);
    await migrate('switch', 'patient.email');
    expect((await fields('status')).stdout.toString()).toMatch(
      /^patient.email: switched, check not validated\npatient.note: plain/,
    );
    await migrate('switch', 'patient.email', '--back');
    await migrate('contract', 'patient.email');
    const [status] = jsonOf((await fields('status', '--json')).stdout);
    expect(status.fields[0]).toEqual({ field: 'patient.email', phase: 'sealed', validated: true });
    expect(await query('select email from patient').catch(({ code }) => code)).toBe('42703');
  });

  test('rotates, cancels, and shows what a cell says', async () => {
    await expand();
    await place.ok(['fields', 'backfill', 'patient.email', '-q']);
    for (const action of ['reencrypt', 'reindex']) {
      const { stderr } = await place.ok(['fields', action, 'patient.email']);
      expect(stderr).toContain(`${action} patient.email: done`);
    }
    expect(jsonOf((await place.ok(['fields', 'rewrap', '--json'])).stdout)).toMatchObject([
      { kind: 'rewrap', rows: 2, written: 0 },
    ]);
    await query(`insert into bulla_jobs (kind, field, total) values ('backfill', 'patient.note', 1)`);
    const [{ id }] = (await query('select max(id)::text as id from bulla_jobs')) as [{ id: string }];
    expect((await place.ok(['fields', 'cancel', id])).stdout.toString()).toContain(
      `job ${id}, backfill patient.note: cancelled`,
    );
    const [{ cell }] = (await query(`select sealed::text as cell from patient where id = 7`)) as [{ cell: string }];
    const [said] = jsonOf((await place.ok(['fields', 'inspect', cell, '--json'])).stdout);
    const [key] = await query(`select encode(id, 'hex') as id from bulla_data_keys where purpose = 'data'`);
    expect(said).toMatchObject({ schemaVersion: 1, dataKeyId: key?.id, valueLength: 2 });
    expect((await place.ok(['fields', 'inspect', 'f98002'])).stdout.toString()).toBe(
      'shredded       schema version 2\n',
    );
    for (const wrong of ['00', 'f9', `f90000${'00'.repeat(60)}`, `f9f801${'00'.repeat(60)}`]) {
      expect(await fields('inspect', wrong)).toMatchObject({ exitCode: 3, stdout: Buffer.of() });
    }
  });

  const usage: readonly (readonly string[])[] = [
    ...[
      [],
      ['backfill'],
      ['rewrap', 'patient.email'],
      ['plan', 'x'],
      ['status', 'x'],
      ['cancel'],
      ['cancel', 'x'],
      ['sql'],
    ],
    ...[['sql', 'expand', 'patient.other'], ['sql', 'leap', 'patient.email'], ['verify', 'patient.other'], ['inspect']],
    ...[
      ['inspect', 'xy'],
      ['verify', 'patient.email', '--workers', '0'],
      ['sql', 'contract', 'patient.email', '--back'],
    ],
  ];
  test('§10.15 a wrong call is 2', async () => {
    await query('create table if not exists bulla_jobs (id bigint)');
    for (const args of usage) expect([args, (await fields(...args)).exitCode]).toEqual([args, 2]);
  });

  test('§10.15 no configuration, a wrong one, and a database that refuses are 7, and no secret is said', async () => {
    expect(await fields('plan', '--config', 'none.mjs')).toMatchObject({
      exitCode: 7,
      stderr: expect.stringContaining('ENOENT'),
    });
    place.write('wrong.mjs', 'export default { plan: 1 }');
    expect(await fields('plan', '--config', 'wrong.mjs')).toMatchObject({
      exitCode: 7,
      stderr: expect.stringContaining('createFieldJobs'),
    });
    place.write('broken.mjs', 'import "./missing.mjs"');
    expect(await fields('plan', '--config', 'broken.mjs')).toMatchObject({
      exitCode: 7,
      stderr: expect.stringContaining('ERR_CONFIGURATION'),
    });
    expect(await fields('status')).toMatchObject({
      exitCode: 7,
      stderr: expect.stringMatching(/\(42P01\): .*bulla_jobs.*ERR_DATABASE/),
    });
    const url = new URL(database.url);
    url.password = 'hunter2';
    url.port = '9';
    place.write('bulla.config.mjs', config(url.href));
    const down = await fields('status');
    expect(down.exitCode).toBe(7);
    expect(down.stderr).not.toContain('hunter2');
  });

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'the first %s gives the part of the table back, and the next call resumes',
    async (signal) => {
      await expand();
      const child = place.start(['fields', 'backfill', 'patient.email', '--batch', '2', '--rows-per-second', '1']);
      const written = async () => (await query('select sum(written)::int as rows from bulla_job_shards'))[0]?.rows ?? 0;
      await expect.poll(written, { timeout: 60_000 }).toBeGreaterThan(0);
      const ended = endOf(child);
      child.kill(signal);
      expect(await ended).toEqual({ code: null, signal });
      expect(await query('select shard from bulla_job_shards where owner is not null')).toEqual([]);
      expect(await written()).toBeLessThan(300);
      const { stderr } = await place.ok(['fields', 'backfill', 'patient.email']);
      expect(stderr).toBe('job 1, backfill patient.email: done, 300 rows, 300 written, 0 faults\n');
    },
  );

  test('on a terminal a bar shows the rows', async () => {
    await expand();
    const line = `'${process.execPath}' '${main}' fields backfill patient.email --batch 20 --shards 1 --rows-per-second 400`;
    const child = spawn('script', ['-qec', line, '/dev/null'], { cwd: place.folder, stdio: ['pipe', 'pipe', 'pipe'] });
    const { exitCode, stdout } = await outcomeOf(child);
    expect(exitCode).toBe(0);
    expect(stdout.toString()).toMatch(/\[#+-+\] +\d+% \d+ rows\/s {2}backfill patient.email/);
  });
});
