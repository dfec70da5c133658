// The command line with a key service: a real one, in development mode, as a process.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Workplace } from './command.ts';

let place: Workplace;
let service: ChildProcess;
let access: { url: string; pin: string };

/** Writes a configuration and gives its name. */
function configure(name: string, members: object): string {
  place.write(name, JSON.stringify({ ...access, ...members }));
  return name;
}

beforeAll(async () => {
  place = new Workplace();
  const bin = resolve('key-service/bin/bulla-key-service.js');
  service = spawn(process.execPath, [bin, 'dev', '--port', '0', '--data', join(place.folder, 'service')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  access = await new Promise((done, fail) => {
    service.on('exit', () => fail(new Error(`the key service ended: ${said}`)));
    service.stdout?.on('data', (chunk: Buffer) => {
      said += chunk;
      const [, url] = /url +(\S+)/.exec(said) ?? [];
      const [, pin] = /identity +([\w-]{43})\s/.exec(said) ?? [];
      if (url !== undefined && pin !== undefined) done({ url, pin });
    });
  });
  configure('admin.json', { token: { developmentUser: 'admin@north' } });
  configure('alice.json', {
    key: 'alias:files',
    keyContext: { purpose: 'files' },
    token: { developmentUser: 'alice@north' },
  });
  configure('bob.json', {
    key: 'alias:files',
    keyContext: { purpose: 'files' },
    token: { developmentUser: 'bob@south' },
  });
  const created = await place.ok([
    'keys',
    'create',
    '-s',
    'admin.json',
    '--alias',
    'files',
    '--description',
    'of tests',
  ]);
  expect(created.stdout.toString()).toMatch(/^key-\w{26} alias:files {2}enabled, tenant north[\s\S]*version 1 +active/);
});

afterAll(async () => {
  service.removeAllListeners('exit');
  await new Promise((done) => service.on('exit', done) && service.kill('SIGTERM'));
  place.remove();
});

test('encrypts and decrypts with data keys of the service, online and offline', async () => {
  place.write('plan', 'attack at dawn');
  await place.ok(['encrypt', '-s', 'alice.json', '-c', 'id=1', 'plan', '-o', 'online.bulla']);
  await place.ok(['encrypt', '-s', 'alice.json', '-c', 'id=1', '--offline', 'plan', '-o', 'offline.bulla']);
  for (const name of ['online', 'offline']) {
    const { stdout } = await place.ok(['decrypt', '-s', 'alice.json', '-c', 'id=1', `${name}.bulla`, '-o', '-']);
    expect(stdout.toString()).toBe('attack at dawn');
    const { wrappedKeys } = JSON.parse((await place.ok(['inspect', '--json', `${name}.bulla`])).stdout.toString());
    const method = name === 'online' ? 'service' : 'service-ecdh';
    expect(wrappedKeys).toMatchObject([{ method, version: 1, keyContext: { purpose: 'files' } }]);
  }
});

test('together with a public key, each opens it', async () => {
  const alice = await place.key('alice.key');
  await place.ok(['encrypt', '-s', 'alice.json', '-r', alice, 'plan', '-o', 'both.bulla']);
  for (const key of [
    ['-s', 'alice.json'],
    ['-k', 'alice.key'],
  ]) {
    expect((await place.ok(['decrypt', ...key, 'both.bulla', '-o', '-'])).stdout.toString()).toBe('attack at dawn');
  }
});

test('another tenant, another key context and another role are refused', async () => {
  const foreign = await place.bulla(['decrypt', '-s', 'bob.json', '-c', 'id=1', 'online.bulla', '-o', '-']);
  expect([foreign.exitCode, foreign.stdout.length]).toEqual([8, 0]);
  expect(foreign.stderr).toContain('ERR_NOT_ALLOWED');
  const context = await place.bulla([
    'decrypt',
    '-s',
    'alice.json',
    '--key-context',
    'purpose=x',
    'online.bulla',
    '-o',
    'x',
  ]);
  expect(context).toMatchObject({ exitCode: 6 });
  const context2 = await place.bulla([
    ...['decrypt', '-s', 'alice.json', '--key-context', 'purpose=x', '-c', 'id=1', 'online.bulla', '-o', 'x'],
  ]);
  expect(context2).toMatchObject({ exitCode: 5 });
  expect((await place.bulla(['keys', 'rotate', 'alias:files', '-s', 'alice.json'])).exitCode).toBe(8);
  const admin = await place.bulla([
    ...['decrypt', '-s', 'admin.json', '--service-key', 'alias:files', '--key-context', 'purpose=files', '-c', 'id=1'],
    ...['online.bulla', '-o', 'x'],
  ]);
  expect([admin.exitCode, admin.stderr]).toEqual([8, expect.stringContaining('ERR_NOT_ALLOWED')]);
});

test('a folder is re-wrapped after a rotation: dry, stopped, resumed', async () => {
  const count = 150;
  mkdirSync(join(place.folder, 'store/deep'), { recursive: true });
  const names = Array.from({ length: count }, (_, i) => `store/${i % 3 === 0 ? 'deep/' : ''}${i}`);
  for (const name of names) place.write(name, name);
  await place.ok(['encrypt', '-q', '-s', 'alice.json', ...names]);
  const payloads = names.map((name) => place.read(`${name}.bulla`).subarray(-20).toString('hex'));
  await place.ok(['keys', 'rotate', 'alias:files', '-s', 'admin.json']);
  const rewrap = ['rewrap', '-s', 'alice.json', '--in-place', '--recursive', '--json', 'store'];

  const dry = linesOf((await place.ok([...rewrap, '--dry-run'])).stdout);
  expect(dry.filter(({ rewrapped }) => rewrapped === false)).toHaveLength(count);
  expect(await versions(names)).toEqual(new Set([1]));

  const child = place.start(rewrap);
  let seen = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    seen += chunk.toString().split('\n').length - 1;
    if (seen > 20) child.kill('SIGKILL');
  });
  await new Promise((done) => child.on('close', done));

  const resumed = linesOf((await place.ok(rewrap)).stdout);
  expect(resumed).toHaveLength(count);
  const again = linesOf((await place.ok(rewrap)).stdout);
  expect(again.filter(({ rewrapped }) => rewrapped === true)).toHaveLength(0);
  expect(await versions(names)).toEqual(new Set([2]));
  expect(names.map((name) => place.read(`${name}.bulla`).subarray(-20).toString('hex'))).toEqual(payloads);
  const { stdout } = await place.ok(['decrypt', '-s', 'alice.json', 'store/7.bulla', '-o', '-']);
  expect(stdout.toString()).toBe('store/7');
});

test('keys are listed, shown, disabled and enabled', async () => {
  const list = linesOf((await place.ok(['keys', 'list', '-s', 'admin.json', '--json'])).stdout);
  expect(list).toMatchObject([{ tenant: 'north', aliases: ['files'], newest_version: 2 }]);
  await place.ok(['keys', 'disable', 'alias:files', '-s', 'admin.json']);
  const refused = await place.bulla(['decrypt', '-s', 'alice.json', '-c', 'id=1', 'online.bulla', '-o', '-']);
  expect([refused.exitCode, refused.stderr]).toEqual([8, expect.stringContaining('ERR_KEY_DISABLED')]);
  await place.ok(['keys', 'enable', 'alias:files', '-s', 'admin.json']);
  await place.ok(['keys', 'alias', 'more', 'alias:files', '-s', 'admin.json']);
  expect((await place.ok(['keys', 'show', 'alias:more', '-s', 'admin.json'])).stdout.toString()).toContain('version 2');
  await place.ok(['keys', 'unalias', 'more', '-s', 'admin.json']);
  expect((await place.bulla(['keys', 'show', 'alias:more', '-s', 'admin.json'])).exitCode).toBe(8);
});

test('wrong pins, addresses, tokens and configurations, each in words', async () => {
  const token = { developmentUser: 'alice@north' };
  const attempts: [file: string, exitCode: number, says: string][] = [
    [configure('pin.json', { token, key: 'alias:files', pin: 'A'.repeat(43) }), 8, 'ERR_SERVICE_IDENTITY'],
    [configure('gone.json', { token, key: 'alias:files', url: 'http://127.0.0.1:9' }), 8, 'ERR_SERVICE_UNREACHABLE'],
    [configure('user.json', { token: { developmentUser: 'eve@north' }, key: 'alias:files' }), 8, 'ERR_'],
    [configure('command.json', { token: { command: ['false'] }, key: 'alias:files' }), 8, 'ERR_TOKEN_UNAVAILABLE'],
    [configure('junk.json', { token: { command: ['echo', 'hush'] }, key: 'alias:files' }), 8, 'ERR_TOKEN_UNAVAILABLE'],
    [configure('none.json', { key: 'alias:files' }), 7, '"token"'],
    [configure('more.json', { token, colour: 'red' }), 7, '"colour"'],
    [configure('nokey.json', { token }), 2, '--service-key'],
    [configure('plain.json', { token, key: 'alias:files', url: 'http://keys.example' }), 2, 'url'],
  ];
  place.write('text.json', 'no JSON');
  attempts.push(['text.json', 7, 'not JSON']);
  for (const [file, exitCode, says] of attempts) {
    const outcome = await place.bulla(['encrypt', '-s', file, 'plan', '-o', 'never.bulla']);
    expect([file, outcome.exitCode, outcome.stderr]).toEqual([file, exitCode, expect.stringContaining(says)]);
    expect(outcome.stderr).not.toContain('hush');
  }
  expect(place.names()).not.toContain('never.bulla');
  expect((await place.bulla(['keys', 'list'])).exitCode).toBe(2);
  expect((await place.bulla(['keys', 'melt', '-s', 'admin.json'])).exitCode).toBe(2);
  expect((await place.bulla(['encrypt', '--offline', '-r', 'x', 'plan'])).exitCode).toBe(2);
});

function linesOf(stdout: Buffer): Record<string, unknown>[] {
  return stdout
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

async function versions(names: readonly string[]): Promise<Set<number>> {
  const args = names.map((name) => `${name}.bulla`);
  const lines = linesOf((await place.ok(['inspect', '--json', ...args])).stdout);
  return new Set(lines.map(({ wrappedKeys }) => (wrappedKeys as { version: number }[])[0]?.version as number));
}
