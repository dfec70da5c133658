// The command line with a key service: a real one, in development mode, as a process.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { installedNode, Workplace } from './command.ts';

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

  // Node 20, where it is the one that is installed, warns of more than ten listeners of one signal.
  const resumed = await place.ok(rewrap, { node: installedNode() });
  expect(linesOf(resumed.stdout)).toHaveLength(count);
  expect(resumed.stderr).toBe('');
  const again = linesOf((await place.ok(rewrap)).stdout);
  expect(again.filter(({ rewrapped }) => rewrapped === true)).toHaveLength(0);
  expect(await versions(names)).toEqual(new Set([2]));
  expect(names.map((name) => place.read(`${name}.bulla`).subarray(-20).toString('hex'))).toEqual(payloads);
  const { stdout } = await place.ok(['decrypt', '-s', 'alice.json', 'store/7.bulla', '-o', '-']);
  expect(stdout.toString()).toBe('store/7');
});

/** Encrypts under the newest version of today, for the tests below. */
async function newest(name: string, ...options: string[]): Promise<Buffer> {
  place.write('plan', 'attack at dawn');
  await place.ok(['encrypt', '-q', '-f', '-s', 'alice.json', ...options, 'plan', '-o', name]);
  return place.read(name);
}

describe('what is under the newest version already', () => {
  const rewrap = ['rewrap', '-s', 'alice.json'];

  test('goes to its output as it is: a pipe, a file, a folder', async () => {
    const message = await newest('m.bulla');
    const piped = await place.ok(rewrap, { stdin: message });
    expect([piped.stdout.equals(message), piped.stderr]).toEqual([true, '']);
    const written = await place.ok([...rewrap, 'm.bulla', '-o', 'copy.bulla']);
    expect(written.stderr).toBe('copy.bulla: under the newest version already, copied\n');
    expect(place.read('copy.bulla')).toEqual(message);
    mkdirSync(join(place.folder, 'copies'));
    const { stdout } = await place.ok([...rewrap, 'm.bulla', '-O', 'copies', '--json']);
    expect(linesOf(stdout)).toMatchObject([{ output: 'copies/m.bulla', rewrapped: false }]);
    expect(place.read('copies/m.bulla')).toEqual(message);
  });

  test('is not replaced in place, and becomes text where that is asked for', async () => {
    const message = await newest('m.bulla');
    const inPlace = await place.ok([...rewrap, '-i', 'm.bulla']);
    expect(inPlace.stderr).toBe('m.bulla: under the newest version already\n');
    expect(place.read('m.bulla')).toEqual(message);
    await place.ok([...rewrap, '-i', '-t', 'm.bulla']);
    expect(place.text('m.bulla')).toMatch(/^bulla1\./);
    const again = await place.ok([...rewrap, '-i', '-t', 'm.bulla']);
    expect(again.stderr).toBe('m.bulla: under the newest version already\n');
    await place.ok([...rewrap, 'm.bulla', '-o', 'bytes.bulla']);
    expect(place.read('bytes.bulla')).toEqual(message);
  });

  test('goes to the key context that is asked for', async () => {
    await newest('m.bulla');
    const { stderr } = await place.ok([...rewrap, '--key-context', 'more=x', '-i', 'm.bulla']);
    expect(stderr).toBe('m.bulla: re-wrapped\n');
    const [{ wrappedKeys } = {}] = linesOf((await place.ok(['inspect', '--json', 'm.bulla'])).stdout);
    expect(wrappedKeys).toMatchObject([{ keyContext: { purpose: 'files', more: 'x' } }]);
    const again = await place.ok([...rewrap, '--key-context', 'more=x', '-i', 'm.bulla']);
    expect(again.stderr).toBe('m.bulla: under the newest version already\n');
    const opened = await place.ok(['decrypt', '-s', 'alice.json', '--key-context', 'more=x', 'm.bulla', '-o', '-']);
    expect(opened.stdout.toString()).toBe('attack at dawn');
  });

  test('goes to another key of the service', async () => {
    await place.ok(['keys', 'create', '--alias', 'other', '-s', 'admin.json']);
    await newest('m.bulla');
    const toOther = [...rewrap, '--service-key', 'alias:other'];
    expect((await place.ok([...toOther, '-i', 'm.bulla'])).stderr).toBe('m.bulla: re-wrapped\n');
    const decrypt = ['decrypt', '-s', 'alice.json', '-o', '-', 'm.bulla'];
    expect((await place.bulla(decrypt)).exitCode).toBe(5);
    expect((await place.ok([...decrypt, '--service-key', 'alias:other'])).stdout.toString()).toBe('attack at dawn');
  });

  test('is taken away from a local key that opens it', async () => {
    const bob = await place.key('bob.key');
    await newest('m.bulla', '-r', bob);
    await place.ok([...rewrap, '-k', 'bob.key', '-i', 'm.bulla']);
    expect((await place.bulla(['decrypt', '-k', 'bob.key', 'm.bulla', '-o', '-'])).exitCode).toBe(5);
    expect((await place.ok(['decrypt', '-s', 'alice.json', 'm.bulla', '-o', '-'])).stdout.toString()).toBe(
      'attack at dawn',
    );
  });
});

test('keys are listed, shown, disabled and enabled', async () => {
  const list = linesOf((await place.ok(['keys', 'list', '-s', 'admin.json', '--json'])).stdout);
  // In the order of their ids, which are random.
  expect(list).toHaveLength(2);
  const files = { tenant: 'north', aliases: ['files'], newest_version: 2 };
  expect(list).toEqual(
    expect.arrayContaining([files, { aliases: ['other'] }].map((key) => expect.objectContaining(key))),
  );
  await place.ok(['keys', 'disable', 'alias:files', '-s', 'admin.json']);
  const refused = await place.bulla(['decrypt', '-s', 'alice.json', '-c', 'id=1', 'online.bulla', '-o', '-']);
  expect([refused.exitCode, refused.stderr]).toEqual([8, expect.stringContaining('ERR_KEY_DISABLED')]);
  await place.ok(['keys', 'enable', 'alias:files', '-s', 'admin.json']);
  await place.ok(['keys', 'alias', 'more', 'alias:files', '-s', 'admin.json']);
  expect((await place.ok(['keys', 'show', 'alias:more', '-s', 'admin.json'])).stdout.toString()).toContain('version 2');
  await place.ok(['keys', 'unalias', 'more', '-s', 'admin.json']);
  expect((await place.bulla(['keys', 'show', 'alias:more', '-s', 'admin.json'])).exitCode).toBe(8);
});

test('a rotation policy is shown, and changes in what is given', async () => {
  const set = async (...options: string[]) => {
    const { stdout } = await place.ok(['keys', 'set-rotation', 'alias:files', '-s', 'admin.json', ...options]);
    return /^ {2}rotation: (.*)$/m.exec(stdout.toString())?.[1];
  };
  expect((await place.ok(['keys', 'show', 'alias:files', '-s', 'admin.json'])).stdout.toString()).toContain(
    '  rotation: only when asked for\n',
  );
  expect(await set('--max-age-days', '90')).toBe('after 90 days');
  expect(await set('--max-uses', '5000')).toBe('after 90 days or after 5000 uses');
  expect(await set('--max-age-days', 'off')).toBe('after 5000 uses');
  expect(await set('-q', '--max-uses', 'off')).toBe(undefined);
  const nothing = await place.bulla(['keys', 'set-rotation', 'alias:files', '-s', 'admin.json']);
  expect([nothing.exitCode, nothing.stderr]).toEqual([2, expect.stringContaining('Give --max-age-days, --max-uses')]);
  const { stdout } = await place.ok(['keys', 'show', 'alias:files', '-q', '-s', 'admin.json']);
  expect(stdout.toString()).toContain('  rotation: only when asked for\n');
});

test('a deletion says of what, by whom, when, and whether approval is missing', async () => {
  configure('approver.json', { token: { developmentUser: 'approver@north' } });
  const keys = async (action: string, as: string, ...options: string[]) =>
    (await place.ok(['keys', action, 'alias:gone', '-s', as, ...options])).stdout.toString();
  await place.ok(['keys', 'create', '--alias', 'gone', '-s', 'admin.json']);
  await keys('rotate', 'admin.json');
  const asked = await keys('schedule-deletion', 'admin.json', '--key-version', '1', '--days', '7');
  expect(asked).toMatch(
    /^ {2}deletion: version 1, asked for by \S+\|admin@north on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; destroyed 7 days after somebody else approves it$/m,
  );
  expect(await keys('show', 'admin.json')).toBe(asked);
  const approved = await keys('approve-deletion', 'approver.json', '--key-version', '1', '--days', '7');
  expect(approved).toMatch(
    /^ {2}deletion: version 1, destroyed on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; asked for by \S+\|admin@north on \S+ \S+ UTC, approved by \S+\|approver@north$/m,
  );
  expect(await keys('cancel-deletion', 'admin.json')).not.toContain('deletion:');
  expect(await keys('schedule-deletion', 'admin.json', '--days', '7')).toContain(
    'deletion: the key with all versions, ',
  );
});

test('wrong pins, addresses, tokens and configurations, each in words', async () => {
  const token = { developmentUser: 'alice@north' };
  const key = 'alias:files';
  place.write('text.json', 'no JSON');
  place.write('robot.jwk', '{"d":"x"}');
  const account = { issuer: 'https://ci.example', subject: 'robot', tenant: 'north' };
  const attempts: [file: string, exitCode: number, says: string][] = [
    ['text.json', 7, 'text.json is not JSON'],
    [configure('pin.json', { token, key, pin: 'A'.repeat(43) }), 8, 'ERR_SERVICE_IDENTITY'],
    [configure('short.json', { token, key, pin: 'A' }), 7, 'short.json: pin must be a thumbprint'],
    [configure('gone.json', { token, key, url: 'http://127.0.0.1:9' }), 8, 'ERR_SERVICE_UNREACHABLE'],
    [configure('plain.json', { token, key, url: 'http://keys.example' }), 7, 'plain.json: url must be https:'],
    [
      configure('user.json', { token: { developmentUser: 'eve@north' }, key }),
      8,
      'the development service has no user "eve@north", but alice@north, admin@north, ',
    ],
    [configure('none.json', { key }), 7, '"token"'],
    [configure('empty.json', { token: {}, key }), 7, '"token" in empty.json has none of'],
    [configure('more.json', { token, colour: 'red' }), 7, '"colour"'],
    [configure('typo.json', { token: { ...token, exchnage: true }, key }), 7, 'unknown member "exchnage" in "token"'],
    [configure('scope.json', { token: { ...token, scope: 'x' }, key }), 7, 'unknown member "scope" in "token"'],
    [configure('two.json', { token: { ...token, command: ['true'] }, key }), 7, 'has both command and developmentUser'],
    [configure('swap.json', { token: { ...token, exchange: true }, key }), 7, 'has exchange, which goes with command'],
    [configure('yes.json', { token: { command: ['true'], exchange: 'yes' }, key }), 7, 'is not true or false'],
    [configure('list.json', { token: [token], key }), 7, 'does not say where tokens come from'],
    [configure('tls.json', { token, key, tls: { cert: 'x' } }), 7, 'unknown member "cert" in "tls"'],
    [configure('context.json', { token, key, keyContext: 'north' }), 7, 'must have objects'],
    [
      configure('said.json', { token: { command: ['sh', '-c', 'echo hush; echo why >&2; exit 3'] }, key }),
      8,
      'why\nbulla: ',
    ],
    [configure('killed.json', { token: { command: ['sh', '-c', 'kill $$'] }, key }), 8, 'it was ended by SIGTERM'],
    [configure('long.json', { token: { command: ['yes'] }, key }), 8, 'it printed more than 65536 bytes'],
    [configure('nokey.json', { token }), 2, '--service-key'],
    [configure('name.json', { token, key: 'files' }), 7, 'name.json: keyId must be the id of a key'],
    [configure('ca.json', { token, key, tls: { ca: 'none.pem' } }), 7, 'No such file or folder'],
    [
      configure('command.json', { token: { command: ['false'] }, key }),
      8,
      'no access token: the command false failed: exit code 1',
    ],
    [configure('nothere.json', { token: { command: ['no-such-program'] }, key }), 8, 'no-such-program failed: spawn'],
    [
      configure('words.json', { token: { command: 'print-token' }, key }),
      7,
      'words.json: token.command must be an array',
    ],
    [configure('junk.json', { token: { command: ['echo', 'hush'] }, key }), 8, 'what its source gave is no JWT'],
    [
      configure('nofile.json', { token: { serviceAccount: account }, key }),
      7,
      'nofile.json: keyFile must be the name of a file',
    ],
    [
      configure('nokeyfile.json', { token: { serviceAccount: { ...account, keyFile: 'text.json' } }, key }),
      7,
      'text.json is no private JWK',
    ],
    [
      configure('extra.json', { token: { serviceAccount: { ...account, keyFile: 'robot.jwk', x: 1 } }, key }),
      7,
      'extra.json: unknown option "x"',
    ],
  ];
  for (const [file, exitCode, says] of attempts) {
    const outcome = await place.bulla(['encrypt', '-s', file, 'plan', '-o', 'never.bulla']);
    expect([file, outcome.exitCode, outcome.stderr]).toEqual([file, exitCode, expect.stringContaining(says)]);
    expect(outcome.stderr).not.toContain('hush');
  }
  expect(place.names()).not.toContain('never.bulla');
  const usage: [args: string[], says: RegExp][] = [
    [['keys', 'list'], /^bulla: Say which key service with --key-service .*\n.*bulla keys --help/],
    [['keys'], /^bulla: Say what bulla keys shall do: list, create, show, /],
    [['keys', 'melt', '-s', 'admin.json'], /^bulla: There is no action "melt": the actions are list, create, /],
    [['keys', 'show', '-s', 'admin.json'], /^bulla: bulla keys show takes a key, and nothing else/],
    [['keys', 'list', 'x', '-s', 'admin.json'], /^bulla: bulla keys list takes no name/],
    [['keys', 'alias', 'x', '-s', 'admin.json'], /^bulla: bulla keys alias takes a name and a key/],
    [['encrypt', '--offline', '-r', 'x', 'plan'], /--offline goes with --key-service/],
    [
      ['keys', 'create', '--key-version', '3', '-s', 'admin.json'],
      /^bulla: --key-version is for bulla keys disable, .*, not for bulla keys create/,
    ],
    [['keys', 'list', '--alias', 'x', '-s', 'admin.json'], /^bulla: --alias is for bulla keys create, not for /],
    [['keys', 'rotate', 'alias:files', '--max-age-days', '9', '-s', 'admin.json'], /^bulla: --max-age-days is for /],
    [['keys', 'show', 'alias:files', '--days', '7', '-s', 'admin.json'], /^bulla: --days is for /],
  ];
  for (const [args, says] of usage) {
    expect(await place.bulla(args)).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(says) });
  }
  const taken = await place.bulla(['keys', 'create', '--alias', 'files', '-s', 'admin.json']);
  expect([taken.exitCode, taken.stderr]).toEqual([
    8,
    expect.stringContaining('conflicts with what is there (alias-taken)'),
  ]);
  mkdirSync(join(place.folder, 'nothing'));
  const none = await place.ok(['rewrap', '-s', 'alice.json', '-i', '--recursive', 'nothing']);
  expect(none.stderr).toBe('bulla: no file in these folders ends in .bulla\n');
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
