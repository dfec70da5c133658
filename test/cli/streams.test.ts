// Standard output and standard error that are full, closed, stalled or named by a path.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { main, outcomeOf, Workplace } from './command.ts';

let place: Workplace;
let alice: string;

beforeAll(async () => {
  place = new Workplace();
  alice = await place.key('alice.key');
  place.write('a', randomBytes(100_000));
  await place.ok(['encrypt', '-r', alice, 'a']);
});

afterAll(() => place.remove());

/** Runs a line of the shell in which `bulla` is the command. */
function shell(line: string) {
  const script = `bulla() { "$NODE" "$MAIN" "$@"; }; ${line}`;
  const env = { ...process.env, NODE: process.execPath, MAIN: main, ALICE: alice };
  return outcomeOf(spawn('bash', ['-c', script], { cwd: place.folder, env, stdio: ['ignore', 'pipe', 'pipe'] }));
}

describe('every write has a checked end', () => {
  test.each([
    ['keygen, the private key', 'keygen -o -'],
    ['keygen, the public key', 'keygen -f -o other.key'],
    ['keygen --public', 'keygen --public -k alice.key'],
    ['inspect', 'inspect a.bulla'],
    ['--json', 'encrypt --json -f -r $ALICE a'],
    ['decrypt', 'decrypt -k alice.key -o - a.bulla'],
    ['help', 'encrypt --help'],
    ['version', '--version'],
  ])('%s on a full disk is exit code 7', async (_, args) => {
    const { exitCode, stderr } = await shell(`bulla ${args} > /dev/full`);
    expect([exitCode, stderr]).toEqual([
      7,
      expect.stringContaining('No space left on the device: standard output (ENOSPC)'),
    ]);
    expect(stderr).not.toContain('bullapk1.');
  });

  test('a write that was cut short is no success', async () => {
    // Node ignores SIGXFSZ, so that the limit shows as a short write and then EFBIG.
    const { exitCode, stderr } = await shell('ulimit -f 8; bulla decrypt -k alice.key -o - a.bulla > short');
    expect([exitCode, stderr]).toEqual([7, expect.stringContaining('EFBIG')]);
  });

  test('nobody has to listen to standard error', async () => {
    for (const name of ['x', 'y', 'z']) place.write(name, name);
    const child = place.start(['encrypt', '-r', alice, 'x', 'y', 'z']);
    child.stderr?.destroy();
    expect(await new Promise((done) => child.on('exit', done))).toBe(0);
    expect(place.names()).toEqual(expect.arrayContaining(['x.bulla', 'y.bulla', 'z.bulla']));
    expect((await shell('bulla encrypt -f -r $ALICE x 2> /dev/full')).exitCode).toBe(0);
  });

  test('standard output that fails in --json fails the call, and the work is done', async () => {
    place.write('one', '1');
    place.write('two', '2');
    expect((await shell('bulla encrypt --json -r $ALICE one two > /dev/full')).exitCode).toBe(7);
    expect(place.names()).toEqual(expect.arrayContaining(['one.bulla', 'two.bulla']));
  });
});

describe('outputs that are no files are written to, and stay what they are', () => {
  test.each([
    ['/dev/stdout', 'stdout', '/proc/self/fd/1'],
    ['a link to a link', 'link', 'stdout'],
  ])('%s', async (_, name, target) => {
    symlinkSync(target, join(place.folder, name));
    const { stdout, exitCode } = await shell(`bulla decrypt -q -f -k alice.key -o ${name} a.bulla | cat`);
    expect([exitCode, stdout.equals(place.read('a'))]).toEqual([0, true]);
    const toFile = await shell(`bulla decrypt -q -k alice.key -o ${name} a.bulla > out-of-${name}`);
    expect([toFile.exitCode, place.read(`out-of-${name}`).equals(place.read('a'))]).toEqual([0, true]);
    expect((await shell(`readlink ${name}`)).stdout.toString().trim()).toBe(target);
  });

  test('/dev/null, a FIFO, and a pipe of the shell', async () => {
    const before = statSync('/dev/null');
    await place.ok(['decrypt', '-k', 'alice.key', '-o', '/dev/null', 'a.bulla']);
    expect(statSync('/dev/null')).toMatchObject({ ino: before.ino, mode: before.mode });
    expect(
      (await shell('mkfifo fifo; cat fifo > read & bulla decrypt -k alice.key -o fifo a.bulla; wait')).exitCode,
    ).toBe(0);
    expect(place.read('read').equals(place.read('a'))).toBe(true);
    const piped = await shell('bulla decrypt -f -k alice.key -o >(cat) a.bulla | cat');
    expect(piped.stdout.equals(place.read('a'))).toBe(true);
  });
});

describe('standard streams that are closed', () => {
  test.each([
    ['encrypt', 'encrypt -r $ALICE a -o -'],
    ['encrypt, from a pipe', 'encrypt -r $ALICE < a'],
    ['decrypt', 'decrypt -k alice.key a.bulla -o -'],
    ['rewrap', 'rewrap -k alice.key -r $ALICE a.bulla -o -'],
    ['keygen', 'keygen -o -'],
    ['an envelope', 'encrypt -r $ALICE a -o body --detached -'],
  ])('standard output: %s', async (_, args) => {
    const { exitCode, stderr } = await shell(`bulla ${args} >&-`);
    expect([exitCode, stderr]).toEqual([7, expect.stringContaining('Standard output is closed (EBADF)')]);
    expect(place.names()).not.toContain('body');
    if (args !== 'keygen -o -') expect((await shell(`bulla ${args} -q > /dev/null; rm -f body`)).exitCode).toBe(0);
  });

  test.each(['encrypt -f -r $ALICE -o closed', 'inspect', 'decrypt -k alice.key -o closed'])(
    'standard input: %s',
    async (args) => {
      const { exitCode, stderr } = await shell(`bulla ${args} <&-`);
      expect([exitCode, stderr]).toEqual([7, expect.stringContaining('Standard input is closed (EBADF)')]);
      expect(place.names()).not.toContain('closed');
    },
  );

  test('what a user throws away or gives as nothing is no closed stream', async () => {
    expect((await shell('bulla keygen -q -o - > /dev/null')).exitCode).toBe(0);
    expect((await shell('bulla encrypt -q -r $ALICE -o empty < /dev/null')).exitCode).toBe(0);
    expect((await shell('bulla encrypt -q -f -r $ALICE a >&- 2>&- <&-')).exitCode).toBe(0);
    const ignored = spawn(process.execPath, [main, 'keygen', '-f', '-o', 'ignored.key'], {
      cwd: place.folder,
      stdio: 'ignore',
    });
    expect((await outcomeOf(ignored)).exitCode).toBe(0);
  });
});

describe('--detached', () => {
  test.each([
    ['-', ''],
    ['/dev/stdout', ''],
    ['/dev/fd/4', '4>&1'],
    ['>(cat)', ' | cat'],
  ])('%s is written to', async (envelope, more) => {
    const { exitCode, stdout } = await shell(`bulla encrypt -q -f -r $ALICE a -o body --detached ${envelope} ${more}`);
    expect([exitCode, place.names().includes('-')]).toEqual([0, false]);
    place.write('envelope', stdout);
    const opened = await shell('bulla decrypt -k alice.key --detached - body -o - < envelope');
    expect([opened.exitCode, opened.stdout.equals(place.read('a'))]).toEqual([0, true]);
  });

  test('the body may go to a device, and the envelope to nowhere', async () => {
    expect((await shell('bulla encrypt -q -f -r $ALICE a -o /dev/null --detached envelope')).exitCode).toBe(0);
    expect((await shell('bulla encrypt -q -f -r $ALICE a -o body --detached /dev/null')).exitCode).toBe(0);
  });

  test('no body appears where its envelope could not be written', async () => {
    const { exitCode } = await shell('bulla encrypt -q -r $ALICE a -o alone --detached - > /dev/full');
    expect([exitCode, place.names().includes('alone')]).toEqual([7, false]);
  });

  test.each([
    ['both to standard output', 'encrypt -r $ALICE a -o - --detached -'],
    ['with --json', 'encrypt -r $ALICE a -o b --json --detached -'],
    ['body and envelope from standard input', 'decrypt -k alice.key --detached - -'],
  ])('%s is refused', async (_, args) => expect((await shell(`bulla ${args} < a`)).exitCode).toBe(2));

  test('what is wrong with an envelope is told by its name', async () => {
    await shell('bulla encrypt -q -f -r $ALICE a -o body --detached envelope');
    for (const [name, says] of [
      ['body', 'The input is a detached body, not a envelope (ERR_NOT_A_MESSAGE)'],
      ['a.bulla', 'The input is a whole message (ERR_NOT_A_MESSAGE)'],
      ['a', 'The input is not a bulla message (ERR_NOT_A_MESSAGE)'],
    ]) {
      const { exitCode, stderr } = await shell(`bulla decrypt -k alice.key --detached ${name} body -o -`);
      expect([exitCode, stderr]).toEqual([3, expect.stringContaining(`bulla: --detached ${name}: ${says}`)]);
    }
  });
});

test('--passphrase-fd 0 takes the first line, and what follows is the data', async () => {
  const data = 'line 1\nline 2\n'.repeat(3);
  await place.ok(['encrypt', '--passphrase-fd', '0', '-o', 'lines.bulla'], { stdin: `orbit\n${data}` });
  const opened = await place.ok(['decrypt', '--passphrase-fd', '0', '-o', '-', 'lines.bulla'], { stdin: 'orbit' });
  expect(opened.stdout.toString()).toBe(data);
  place.write('both', `orbit\n${data}`);
  const file = openSync(join(place.folder, 'both'), 'r');
  const child = spawn(process.execPath, [main, 'encrypt', '-q', '--passphrase-fd', '0', '-f', '-o', 'lines.bulla'], {
    cwd: place.folder,
    stdio: [file, 'pipe', 'pipe'],
  });
  closeSync(file);
  expect((await outcomeOf(child)).exitCode).toBe(0);
  const again = await place.ok(['decrypt', '--passphrase-fd', '3', '-o', '-', 'lines.bulla'], { fd3: 'orbit' });
  expect(again.stdout.toString()).toBe(data);
});

test('a descriptor that stays open after the passphrase does not keep the process', async () => {
  const child = place.start(['encrypt', '--passphrase-fd', '3', '-f', '-o', 'open.bulla', 'a']);
  (child.stdio[3] as unknown as NodeJS.WritableStream).write('orbit\n');
  expect((await outcomeOf(child)).exitCode).toBe(0);
  expect(readFileSync(join(place.folder, 'open.bulla')).subarray(0, 5).toString()).toBe('bulla');
});
