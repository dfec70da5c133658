// A subject is shredded by processes that are killed (kill -9) before, during and after everything that they say to PostgreSQL and the key service; docs/fields.md §7.4.
// `npm run test:fields:all` kills at every such moment, `npm run test:fields` at some.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { createDatabase } from '../../key-service/test/support/postgres.ts';
import { fieldsSql, postgresCells } from '../../src/fields/postgres.ts';
import { createKeyServiceClient, dataKeyRevocations, developmentToken, keyManagement } from '../../src/service.ts';
import { codeOf } from '../support/data.ts';
import { startService } from '../support/key-service.ts';
import { erasureOf, type ShredSettings, visits } from './subjects.ts';

const stride = process.env['BULLA_FIELDS'] === 'all' ? 1 : 7;
const folder = mkdtempSync(join(tmpdir(), 'bulla-killed-'));
let service: Awaited<ReturnType<typeof startService>>;
let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: pg.Pool;
let keyId: string;
const clientOf = (user: string) => {
  const { url, pin } = service;
  return createKeyServiceClient({ url, pin, tokenSource: developmentToken(user) });
};
const application = () => erasureOf(pool, clientOf('alice@north'), keyId);

beforeAll(async () => {
  service = await startService(folder);
  database = await createDatabase(inject('postgresUrl'));
  pool = new pg.Pool({ connectionString: database.url, max: 2 });
  await pool.query('create table visit (id int primary key, clinic text, patient int, diagnosis bytea, note bytea)');
  for (const statement of fieldsSql(visits)) await pool.query(statement);
  keyId = (await keyManagement(clientOf('admin@north')).create()).key_id;
});
afterAll(async () => {
  await pool.end();
  await database.drop();
  await stopService('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
});

async function stopService(signal: NodeJS.Signals): Promise<void> {
  const stopped = new Promise((resolve) => service.child.once('exit', resolve));
  service.child.kill(signal);
  await stopped;
}

/** A visit of each subject, whose number is its id. */
async function fill(from: number, count: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, i) => {
    const id = from + i;
    return { id, clinic: 'north', patient: id, diagnosis: `d${id}`, note: `n${id}` };
  });
  for (const { id, diagnosis, note } of await application().seal('visit', rows)) {
    const cells = [Buffer.from(diagnosis), Buffer.from(note)];
    await pool.query("insert into visit values ($1, 'north', $1, $2, $3)", [id, ...cells]);
  }
}

/** Shreds a subject in a process that dies at an event, or lives. */
async function shredIn(subject: number, killAt: number) {
  const { url, pin } = service;
  const settings: ShredSettings = { database: database.url, service: { url, pin }, keyId, subject: String(subject) };
  const args = ['--conditions=bulla-source', 'test/postgres/shred-worker.ts', JSON.stringify({ ...settings, killAt })];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((done) => {
    child.once('close', (...ended) => done(ended));
  });
  if (signal === null) expect(code).toBe(0);
  return signal === null ? (JSON.parse(text) as { state: string; events: number }) : { killed: signal };
}
const never = -1;

async function stateOf(subject: number) {
  const keys = 'select state, wrapped is null as gone, receipt from bulla_data_keys where subject = $1::int::text';
  const cells =
    'select octet_length(diagnosis) as d, octet_length(note) as n, diagnosis_idx is null as bare from visit where id = $1';
  return { keys: (await pool.query(keys, [subject])).rows, cells: (await pool.query(cells, [subject])).rows };
}

/** What may be left of a subject: wrapped keys go only after they were refused, cells only after that. */
async function assertOrdered(subject: number, isRefused: boolean): Promise<void> {
  const { keys, cells } = await stateOf(subject);
  const marked = keys.filter(({ state }) => state === 'shredded').length;
  expect(keys).toHaveLength(2);
  expect([0, 2]).toContain(marked);
  const gone = keys.filter((key) => key.gone).length;
  expect([0, isRefused ? 2 : 0]).toContain(gone);
  const isReplaced = cells.every(({ d, n }) => d === 3 && n === 3);
  expect(isReplaced || cells.every(({ d, n }) => d > 60 && n > 60)).toBe(true);
  if (isReplaced) expect(gone).toBe(2);
}

const revocationsOf = async () => {
  const all = [];
  for await (const each of dataKeyRevocations(clientOf('revocations@north')).list()) all.push(each);
  return all;
};
const row = async (subject: number) =>
  (await pool.query('select id, clinic, patient, diagnosis, note from visit where id = $1', [subject])).rows;

test('§7.4 whenever a process is killed, the next one goes on, and the data keys are asked for and refused once', {
  timeout: 900_000,
}, async () => {
  await fill(1, 2);
  const asking = await shredIn(1, never);
  expect(asking).toMatchObject({ state: 'requested', events: expect.any(Number) });
  const { events = 0 } = asking as { events: number };
  expect(events).toBeGreaterThan(20);
  const [first] = await revocationsOf();
  await dataKeyRevocations(clientOf('revocations@north')).approve(first?.revocation_id ?? '', 2);
  const finishing = await shredIn(1, never);
  expect(finishing).toMatchObject({ state: 'shredded' });
  const more = (finishing as { events: number }).events;
  expect(more).toBeGreaterThan(20);

  const moments = (count: number) => Array.from({ length: Math.ceil(count / stride) }, (_, i) => i * stride);
  const subjects = Array.from({ length: Math.max(moments(events).length, moments(more).length) }, (_, i) => 10 + i);
  await fill(10, subjects.length);
  // Killed while it asks; then somebody asks again, and another person approves.
  for (const [i, killAt] of moments(events).entries()) {
    const subject = 10 + i;
    expect(await shredIn(subject, killAt)).toEqual({ killed: 'SIGKILL' });
    await assertOrdered(subject, false);
  }
  for (const subject of subjects) {
    const shred = { tenant: 'north', subject: String(subject), cells: postgresCells(pool) };
    const again = await erasureOf(pool, clientOf('revoker@north'), keyId).shred(shred);
    expect(again).toMatchObject({ state: 'requested', receipts: [{ dataKeys: 2 }] });
    const [{ id = '' } = {}] = again.receipts;
    await dataKeyRevocations(clientOf('revocations@north')).approve(id, 2);
  }
  expect(await revocationsOf()).toHaveLength(1 + subjects.length);
  // Killed while it finishes; then it is finished.
  for (const [i, killAt] of moments(more).entries()) {
    const subject = 10 + i;
    expect(await shredIn(subject, killAt)).toEqual({ killed: 'SIGKILL' });
    await assertOrdered(subject, true);
    expect(await codeOf(application().open('visit', await row(subject)))).toBe('ERR_FIELD_SHREDDED');
  }
  for (const subject of subjects) {
    const shred = { tenant: 'north', subject: String(subject), cells: postgresCells(pool) };
    const done = await erasureOf(pool, clientOf('revoker@north'), keyId).shred(shred);
    expect(done).toMatchObject({ state: 'shredded', receipts: [{ leaf: expect.any(Number) }], unrevoked: [] });
    const [{ leaf } = {}] = done.receipts;
    expect(await stateOf(subject)).toEqual({
      keys: [0, 1].map(() => ({ state: 'shredded', gone: true, receipt: expect.stringContaining(`"leaf":${leaf}}`) })),
      cells: [{ d: 3, n: 3, bare: true }],
    });
  }
  expect(await revocationsOf()).toHaveLength(1 + subjects.length);
  expect((await application().open('visit', await row(2)))[0]).toMatchObject({ diagnosis: 'd2', note: 'n2' });
});

test.each(['after it was asked', 'while it is approved', 'after it was approved'])(
  '§7.6 a key service that is killed (kill -9) %s refuses what it said that it refuses',
  async (moment) => {
    const subject = 1_000 + moment.length;
    await fill(subject, 1);
    const before = await row(subject);
    const shred = { tenant: 'north', subject: String(subject) };
    const { receipts } = await erasureOf(pool, clientOf('revoker@north'), keyId).shred(shred);
    const [{ id = '' } = {}] = receipts;
    const officer = () => dataKeyRevocations(clientOf('revocations@north'));
    if (moment.startsWith('while')) {
      const unanswered = officer().approve(id, 2);
      const killed = stopService('SIGKILL');
      await unanswered.catch(() => undefined);
      await killed;
    } else {
      if (moment === 'after it was approved') await officer().approve(id, 2);
      await stopService('SIGKILL');
    }
    service = await startService(folder);
    const { state } = await officer().describe(id);
    const expected = moment.startsWith('while')
      ? ['requested', 'revoked']
      : [moment === 'after it was asked' ? 'requested' : 'revoked'];
    expect(expected).toContain(state);
    if (state === 'requested') await officer().approve(id, 2);
    // A dump from before the subject was shredded.
    await pool.query("update bulla_data_keys set state = 'active' where subject = $1", [String(subject)]);
    expect(await codeOf(application().open('visit', before))).toBe('ERR_FIELD_SHREDDED');
    const done = await erasureOf(pool, clientOf('revoker@north'), keyId).shred(shred);
    expect(done).toMatchObject({ state: 'shredded', receipts: [{ id, leaf: (await officer().describe(id)).leaf }] });
  },
);
