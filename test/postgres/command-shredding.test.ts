// `bulla fields shred` and `bulla revocations`: a subject shredded by an operator, on the real service; docs/fields.md §7.4.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest';
import { createDatabase } from '../../key-service/test/support/postgres.ts';
import { fieldsSql, postgresDataKeyStore } from '../../src/fields/postgres.ts';
import { blindIndex, createFieldEncryption, defineFields, encrypted } from '../../src/fields.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import { createKeyServiceClient, developmentToken, keyManagement } from '../../src/service.ts';
import { Workplace } from '../cli/command.ts';
import assertBuilt from '../support/built.ts';
import { codeOf } from '../support/data.ts';
import { startService } from '../support/key-service.ts';
import { openPool } from './migrating.ts';

const fields = defineFields({
  visit: {
    ...{ row: 'id', tenant: 'clinic', subject: 'patient' },
    columns: { diagnosis: encrypted.string({ index: [blindIndex()] }), note: encrypted.string({ key: 'field' }) },
  },
});

let folder: string;
let service: Awaited<ReturnType<typeof startService>>;
let database: Awaited<ReturnType<typeof createDatabase>>;
let pool: pg.Pool;
let place: Workplace;
let keyId: string;
const built = (path: string) => pathToFileURL(`dist/${path}.js`).href;
const clientOf = (user: string) => {
  const { url, pin } = service;
  return createKeyServiceClient({ url, pin, tokenSource: developmentToken(user) });
};

/** A configuration that asks the service as somebody, or that has a key of its own. */
const config = (keyring: string) => `
import { blindIndex, createFieldEncryption, defineFields, encrypted } from '${built('fields')}';
import { createFieldJobs, postgresDataKeyStore } from '${built('fields/postgres')}';
import { aesKeyring } from '${built('keyrings/aes')}';
import { serviceKeyring } from '${built('keyrings/service')}';
import { createKeyServiceClient, developmentToken } from '${built('service')}';
import pg from '${import.meta.resolve('pg')}';
const pool = new pg.Pool({ connectionString: '${database.url}' });
const fields = defineFields({ visit: { row: 'id', tenant: 'clinic', subject: 'patient', columns: {
  diagnosis: encrypted.string({ index: [blindIndex()] }), note: encrypted.string({ key: 'field' }) } } });
const client = (user) => createKeyServiceClient({ url: '${service.url}', pin: '${service.pin}', tokenSource: developmentToken(user) });
const asked = (user, keyContext) => serviceKeyring({ client: client(user), keyId: '${keyId}', keyContext });
const local = (keyContext) => aesKeyring({ keyId: 'k', key: new Uint8Array(32).fill(1), keyContext });
const keyring = (tenant) => { const keyContext = { use: 'bulla-fields', tenant }; return ${keyring}; };
export default createFieldJobs({ encryption: createFieldEncryption({ fields, keyring, dataKeys: postgresDataKeyStore(pool) }), pool });
`;

beforeAll(async () => {
  assertBuilt();
  folder = mkdtempSync(join(tmpdir(), 'bulla-shredding-'));
  service = await startService(folder);
  keyId = (await keyManagement(clientOf('admin@north')).create()).key_id;
});
afterAll(async () => {
  const stopped = new Promise((resolve) => service.child.once('exit', resolve));
  service.child.kill();
  await stopped;
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  database = await createDatabase(inject('postgresUrl'));
  pool = openPool(database.url);
  place = new Workplace();
  place.write('bulla.config.mjs', config("asked('revoker@north', keyContext)"));
  for (const [name, developmentUser] of [
    ['eraser', 'revoker@north'],
    ['officer', 'revocations@north'],
    ['alice', 'alice@north'],
  ]) {
    const { url, pin } = service;
    place.write(`${name}.json`, JSON.stringify({ url, pin, token: { developmentUser } }));
  }
  await pool.query('create table visit (id int primary key, clinic text, patient int, diagnosis bytea, note bytea)');
  for (const statement of fieldsSql(fields)) await pool.query(statement);
  const visits = [1, 2, 3].map((id) => ({
    ...{ id, clinic: 'north', patient: id === 3 ? 8 : 7, diagnosis: `d${id}`, note: `n${id}` },
  }));
  for (const { id, patient, diagnosis, note } of await application().seal('visit', visits)) {
    const cells = [Buffer.from(diagnosis), Buffer.from(note)];
    await pool.query("insert into visit values ($1, 'north', $2, $3, $4)", [id, patient, ...cells]);
  }
});
afterEach(async () => {
  await pool.end();
  await database.drop();
  place.remove();
});

/** The application, with nothing in its caches. */
const application = () =>
  createFieldEncryption({
    fields,
    keyring: (tenant) =>
      serviceKeyring({ client: clientOf('alice@north'), keyId, keyContext: { use: 'bulla-fields', tenant } }),
    dataKeys: postgresDataKeyStore(pool),
  });
const visits = async () =>
  (await pool.query('select id, clinic, patient, diagnosis, note from visit order by id')).rows;
const contents = async () =>
  (await pool.query('select *, (select count(*)::int from bulla_data_keys where wrapped is null) as gone from visit'))
    .rows;
const shred = (...args: string[]) => place.bulla(['fields', 'shred', ...args]);
const revocations = (...args: string[]) => place.bulla(['revocations', ...args]);
const jsonOf = (text: Buffer) =>
  text
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('bulla fields shred', () => {
  test('§7.4 asks, prints what another person has to approve, and ends with the receipt of the log', async () => {
    const before = await contents();
    const dry = await shred('7', '--tenant', 'north', '--dry-run');
    expect([dry.exitCode, dry.stdout.toString()]).toEqual([0, 'subject 7 of north: active, 2 data keys, 2 rows\n']);
    expect(await contents()).toEqual(before);

    const asked = await shred('7', '--tenant', 'north');
    expect([asked.exitCode, asked.stderr]).toEqual([9, '']);
    const said = asked.stdout.toString();
    expect(said).toMatch(/^subject 7 of north: not shredded yet\nrevocation rev-\w{26} of 2 data keys waits at http/);
    expect(said).toMatch(/Run this again once that is approved\.\n$/);
    const dryAgain = await shred('7', '--tenant', 'north', '--dry-run', '--json');
    expect(jsonOf(dryAgain.stdout)).toEqual([{ tenant: 'north', subject: '7', state: 'marked', dataKeys: 2, rows: 2 }]);
    const again = await shred('7', '--tenant', 'north', '--json');
    const [waiting] = jsonOf(again.stdout);
    expect([again.exitCode, waiting.state, waiting.receipts[0].state]).toEqual([9, 'requested', 'requested']);
    const [{ id }] = waiting.receipts;

    // The command as it was printed, by the one who asked and by another person.
    const [, approval = ''] = /^ {2}bulla (revocations approve .*)$/m.exec(said) ?? [];
    const approve = (file: string) => place.bulla(approval.replace('FILE', file).split(' '));
    expect(await approve('eraser.json')).toMatchObject({
      exitCode: 8,
      stderr: expect.stringContaining('ERR_NOT_ALLOWED'),
    });
    const approved = await approve('officer.json');
    expect(approved.exitCode).toBe(0);
    const [, leaf = ''] = /leaf (\d+) of the audit log/.exec(approved.stdout.toString()) ?? [];

    const done = await shred('7', '--tenant', 'north');
    expect([done.exitCode, done.stderr, done.stdout.toString()]).toEqual([
      ...[
        0,
        '',
        `subject 7 of north: shredded, 2 data keys, 2 rows\nreceipt: leaf ${leaf} of the audit log of ${service.url}, revocation ${id} of 2 data keys\n`,
      ],
    ]);
    // The leaf is in the log.
    const auditor = clientOf('admin@north');
    const { entries } = await auditor.request({ method: 'GET', path: `/v1/audit/entries/${leaf}/${Number(leaf) + 1}` });
    const [{ entry }] = entries as [{ entry: string }];
    expect(JSON.parse(Buffer.from(entry, 'base64url').toString())).toMatchObject({
      operation: 'approve-revocation',
      change: { revocation: id, data_keys: 2 },
    });
    const [one, two, other] = await visits();
    for (const row of [one, two]) expect(await codeOf(application().open('visit', [row]))).toBe('ERR_FIELD_SHREDDED');
    expect((await application().open('visit', [other]))[0]).toMatchObject({ diagnosis: 'd3', note: 'n3' });
    const last = await shred('7', '--tenant', 'north', '--json');
    expect([last.exitCode, jsonOf(last.stdout)[0]]).toMatchObject([
      ...[0, { state: 'shredded', rows: 0, receipts: [{ id, leaf: Number(leaf) }], unrevoked: [] }],
    ]);
    expect((await shred('7', '--tenant', 'north', '-q')).stdout.toString()).toBe('');
    expect((await shred('7', '--tenant', 'north', '-n')).stdout.toString()).toContain(
      ': shredded, 2 data keys, 0 rows',
    );
  });

  test('§7.4 a subject of which nothing is found is said so, and not kept out', async () => {
    const none = ['9', '--tenant', 'north'];
    expect((await shred(...none, '-n')).stdout.toString()).toContain(': absent, 0 data keys, 0 rows');
    const mistyped = await shred(...none);
    expect([mistyped.exitCode, mistyped.stdout.toString()]).toEqual([
      ...[1, 'subject 9 of north: not found, nothing was done\n'],
    ]);
    expect(mistyped.stderr).toContain('--block');
    expect(jsonOf((await shred(...none, '--json')).stdout)).toMatchObject([{ state: 'absent', dataKeys: [] }]);
    const row = { id: 9, clinic: 'north', patient: 9, diagnosis: 'd', note: 'n' };
    expect(await application().seal('visit', [row])).toHaveLength(1);
    const blocked = await shred('10', '--tenant', 'north', '--block');
    expect([blocked.exitCode, blocked.stdout.toString()]).toEqual([
      ...[0, 'subject 10 of north: shredded, 0 data keys, 0 rows\n'],
    ]);
    expect(await codeOf(application().seal('visit', [{ ...row, patient: 10 }]))).toBe('ERR_FIELD_SHREDDED');
  });

  test('§7.8 plaintext that cannot be cleared is told of, with an exit code of its own', async () => {
    const local = config('local(keyContext)');
    const migrated = local
      .replace('row:', "name: 'old', table: 'old', row:")
      .replace('string({', "string({ plain: 'was', ");
    place.write('bulla.config.mjs', migrated);
    await pool.query(
      'create table old (id int, clinic text, patient int, diagnosis bytea, note bytea, was text not null)',
    );
    await pool.query("insert into old values (1, 'north', 7, null, null, 'gout'), (2, 'north', 7, null, null, 'flu')");
    const kept = await shred('7', '--tenant', 'north', '--no-revoke');
    expect([kept.exitCode, kept.stdout.toString()]).toEqual([1, 'subject 7 of north: not shredded yet\n']);
    expect(kept.stderr).toContain('2 rows of public.old still hold plaintext of the subject in was: clear it');
    expect(jsonOf((await shred('7', '--tenant', 'north', '--no-revoke', '--json')).stdout)).toMatchObject([
      { state: 'remaining', remaining: [{ table: 'public.old', column: 'was', holds: 'plaintext', rows: 2 }] },
    ]);
    await pool.query('alter table old alter column was drop not null');
    const done = await shred('7', '--tenant', 'north', '--no-revoke');
    expect([done.exitCode, done.stdout.toString()]).toEqual([0, 'subject 7 of north: shredded, 2 data keys, 2 rows\n']);
  });

  test('§7.7 without a key service only with --no-revoke, which says what it leaves', async () => {
    place.write('bulla.config.mjs', config('local(keyContext)'));
    const refused = await shred('7', '--tenant', 'north');
    expect(refused).toMatchObject({ exitCode: 7, stderr: expect.stringMatching(/ERR_KEYRING_CANNOT/) });
    expect(refused.stderr).toContain('--no-revoke');
    expect((await shred('7', '--tenant', 'north', '-n')).stdout.toString()).toContain(': active');
    const bare = await shred('7', '--tenant', 'north', '--no-revoke');
    expect([bare.exitCode, bare.stdout.toString()]).toEqual([0, 'subject 7 of north: shredded, 2 data keys, 2 rows\n']);
    expect(bare.stderr).toContain('no key service refuses 2 of its data keys');
    const [row] = await visits();
    expect(await codeOf(application().open('visit', [row]))).toBe('ERR_FIELD_SHREDDED');
  });

  test('whoever may not ask is refused, and so is a wrong call', async () => {
    place.write('alice.mjs', config("asked('alice@north', keyContext)"));
    const alice = await shred('7', '--tenant', 'north', '--config', 'alice.mjs');
    expect(alice).toMatchObject({ exitCode: 8, stderr: expect.stringContaining('ERR_NOT_ALLOWED') });
    const wrong = [
      [],
      ['7'],
      ['7', '8', '--tenant', 'north'],
      ['7', '--tenant'],
      ['7', '--tenant', 'north', '--workers', '1'],
    ];
    for (const args of wrong) expect([args, (await shred(...args)).exitCode]).toEqual([args, 2]);
  });
});

describe('bulla revocations', () => {
  test('§7.4 lists what waits, what is refused and what was undone, by two persons each', async () => {
    const ids: string[] = [];
    for (const subject of ['7', '8']) {
      const [{ receipts }] = jsonOf((await shred(subject, '--tenant', 'north', '--json')).stdout);
      ids.push(receipts[0].id);
    }
    const [first = '', second = ''] = ids;
    const list = async (...args: string[]) => {
      const { exitCode, stdout } = await revocations('list', '--json', '-s', 'officer.json', ...args);
      expect(exitCode).toBe(0);
      const lines = stdout.toString() === '' ? [] : jsonOf(stdout);
      return lines
        .map(({ revocation_id: id }) => id)
        .filter((id) => ids.includes(id))
        .sort();
    };
    expect(await list('--state', 'requested')).toEqual([...ids].sort());
    expect(await list('--state', 'revoked')).toEqual([]);
    const shown = await revocations('show', first, '-s', 'eraser.json');
    expect(shown.stdout.toString()).toMatch(
      new RegExp(
        `^${first} {2}requested, to be approved by another person until .* UTC, 2 data keys of tenant north, wrapped with ${keyId}\n {2}asked for by .*revoker@north on .*\n$`,
      ),
    );
    const wrongCount = await revocations('approve', first, '--data-keys', '1', '-s', 'officer.json');
    expect(wrongCount).toMatchObject({ exitCode: 8, stderr: expect.stringContaining('ERR_SERVICE_CONFLICT') });
    expect(
      (await revocations('approve', first, '--data-keys', '2', '-q', '-s', 'officer.json')).stdout.toString(),
    ).toBe('');
    expect([await list('--state', 'requested'), await list('--state', 'revoked')]).toEqual([[second], [first]]);

    expect((await revocations('undo', first, '-s', 'officer.json')).exitCode).toBe(8);
    const undone = await revocations('undo', first, '-s', 'eraser.json');
    expect(undone.stdout.toString()).toContain('revoked, its end to be approved by another person until');
    expect((await revocations('approve-undo', first, '--data-keys', '2', '-s', 'eraser.json')).exitCode).toBe(8);
    const ended = await revocations('approve-undo', first, '--data-keys', '2', '-s', 'officer.json');
    expect(ended.stdout.toString()).toMatch(
      /undone, 2 data keys[\s\S]*its end was approved by .*revocations@north on .*: leaf \d+\n$/,
    );
    expect(await list('--state', 'undone')).toEqual([first]);
    expect(await list()).toEqual([...ids].sort());
    expect((await revocations('list', '-s', 'officer.json')).stdout.toString()).toContain(`${second}  requested`);
  });

  test('a wrong call is 2, whoever may not see them is told so', async () => {
    const wrong = [
      [],
      ['list'],
      ['list', 'rev-x', '-s', 'officer.json'],
      ['list', '--state', 'lost', '-s', 'officer.json'],
      ['show', '-s', 'officer.json'],
      ['show', 'rev-x', '-s', 'officer.json'],
      ['approve', `rev-${'a'.repeat(26)}`, '-s', 'officer.json'],
      ['undo', `rev-${'a'.repeat(26)}`, '--data-keys', '1', '-s', 'officer.json'],
    ];
    for (const args of wrong) expect([args, (await revocations(...args)).exitCode]).toEqual([args, 2]);
    for (const args of [['list'], ['show', `rev-${'a'.repeat(26)}`]]) {
      expect(await revocations(...args, '-s', 'alice.json')).toMatchObject({ exitCode: 8, stdout: Buffer.of() });
    }
  });
});
