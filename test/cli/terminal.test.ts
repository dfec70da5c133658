// The command line on a terminal: util-linux's `script` is one.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { main, outcomeOf, Workplace } from './command.ts';

let place: Workplace;

beforeEach(() => {
  place = new Workplace();
  place.write('a', 'first');
});

afterEach(() => place.remove());

/** Runs `bulla` on a terminal, where somebody answers each question when it is asked. Gives what the terminal showed. */
async function onTerminal(args: readonly string[], answers: readonly [question: string, answer: string][] = []) {
  const command = [process.execPath, main, ...args].map((arg) => `'${arg}'`).join(' ');
  const child = spawn('script', ['-qec', command, '/dev/null'], { cwd: place.folder, stdio: ['pipe', 'pipe', 'pipe'] });
  const waiting = [...answers];
  let shown = '';
  let seen = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    shown += chunk;
    const [question, answer] = waiting[0] ?? [];
    const at = question === undefined ? -1 : shown.indexOf(question, seen);
    if (at < 0) return;
    seen = at + 1;
    waiting.shift();
    child.stdin.write(answer as string);
  });
  const { exitCode } = await outcomeOf(child);
  return { exitCode, shown };
}

test('a passphrase is asked for twice when encrypting, once when decrypting, and never shown', async () => {
  const twice = await onTerminal(
    ['encrypt', '-p', 'a'],
    [
      ['Passphrase: ', 'orbit\r'],
      ['Passphrase again: ', 'orbit\r'],
    ],
  );
  expect(twice.exitCode).toBe(0);
  expect(twice.shown).not.toContain('orbit');
  const once = await onTerminal(['decrypt', '-p', 'a.bulla', '-o', 'b'], [['Passphrase: ', 'orbix\x7ft\r']]);
  expect(once).toMatchObject({ exitCode: 0 });
  expect(place.text('b')).toBe('first');
});

test.each([
  ['a tab', 'or\tbit\r', 'or\tbit'],
  ['arrows and letters in one chunk', '\x1b[Dor\x1b[Cbit\r', 'orbit'],
  ['a bracketed paste', '\x1b[200~orbit\n\x1b[201~\r', 'orbit'],
])('what is typed is what a descriptor gives: %s', async (_, typed, text) => {
  await place.ok(['encrypt', '--passphrase-fd', '3', 'a', '-o', 'b.bulla'], { fd3: text });
  const { exitCode, shown } = await onTerminal(['decrypt', '-p', 'b.bulla'], [['Passphrase: ', typed]]);
  expect([exitCode, place.text('b')]).toEqual([0, 'first']);
  expect(shown).not.toContain('bit');
});

test.each([
  ['a NUL', 'or\0bit\r', 'The passphrase has a NUL'],
  ['two lines', 'orbit\nvelvet\r', 'gives more than the line of a passphrase'],
  ['two lines in a paste', '\x1b[200~orbit\rvelvet\x1b[201~\r', 'gives more than the line of a passphrase'],
  ['nothing', '\x1b[A\r', 'The passphrase is empty'],
])('what a descriptor may not give is refused at the prompt: %s', async (_, typed, words) => {
  const { exitCode, shown } = await onTerminal(['encrypt', '-p', 'a'], [['Passphrase: ', typed]]);
  expect([exitCode, shown]).toEqual([2, expect.stringContaining(words)]);
  expect(place.names()).toEqual(['a']);
});

test('two that differ are refused, and Ctrl-C at the question ends it', async () => {
  const differ = await onTerminal(
    ['encrypt', '-p', 'a'],
    [
      ['Passphrase: ', 'orbit\r'],
      ['Passphrase again: ', 'velvet\r'],
    ],
  );
  expect(differ).toMatchObject({ exitCode: 2 });
  expect((await onTerminal(['encrypt', '-p', 'a'], [['Passphrase: ', '\x03']])).exitCode).toBe(130);
  expect(place.names()).toEqual(['a']);
});

test('a protected key file is asked for by its name', async () => {
  await place.ok(['keygen', '-o', 'alice.key', '--passphrase-fd', '3'], { fd3: 'orbit' });
  const { stdout } = await place.ok(['keygen', '--public', '-k', 'alice.key', '--key-passphrase-fd', '3'], {
    fd3: 'orbit',
  });
  await place.ok(['encrypt', '-r', stdout.toString().trim(), 'a']);
  const { exitCode } = await onTerminal(
    ['decrypt', '-k', 'alice.key', 'a.bulla', '-o', 'b'],
    [['Passphrase of alice.key: ', 'orbit\r']],
  );
  expect(exitCode).toBe(0);
  expect(place.text('b')).toBe('first');
});

test('a progress bar on a terminal, and silence in a pipe or when asked', async () => {
  const alice = await place.key('alice.key');
  place.write('large', randomBytes(300_000_000));
  const loud = await onTerminal(['encrypt', '-r', alice, 'large']);
  expect(loud.shown).toMatch(/\[#*-*\] +\d+% .*\/s {2}large/);
  expect(loud.shown).toMatch(/large\.bulla: 300 MB encrypted/);
  expect((await onTerminal(['encrypt', '-q', '-f', '-r', alice, 'large'])).shown).toBe('');
  expect((await place.ok(['encrypt', '-f', '-r', alice, 'large'])).stderr).toBe('large.bulla: 300 MB encrypted\n');
});

test('no progress bar is drawn into a result that the same terminal shows', async () => {
  const alice = await place.key('alice.key');
  place.write('large', randomBytes(20_000_000));
  for (const output of ['-', '/dev/tty', '/dev/stdout']) {
    const { exitCode, shown } = await onTerminal(['encrypt', '-t', '-r', alice, '-o', output, 'large']);
    expect([output, exitCode, /^bulla1\.[\w-]+\s/.test(shown), shown.includes('\x1b')]).toEqual([
      output,
      0,
      true,
      false,
    ]);
  }
});

test('what is done at once has no bar and no rate', async () => {
  const answers: [string, string][] = [
    ['Passphrase: ', 'orbit\r'],
    ['Passphrase again: ', 'orbit\r'],
  ];
  const { exitCode, shown } = await onTerminal(['encrypt', '-p', 'a'], answers);
  expect(exitCode).toBe(0);
  expect(shown).not.toMatch(/\/s|#/);
  expect(shown).toContain('a.bulla: 5 B encrypted');
});

test.each([
  ['encrypt', ['encrypt', '-p', 'a'], 'a.bulla'],
  ['encrypt --detached', ['encrypt', '-p', 'a', '--detached', 'envelope', '-o', 'body'], 'envelope'],
  ['decrypt', ['decrypt', '-p', 'b.bulla'], 'b'],
  ['rewrap', ['rewrap', '-p', '--new-passphrase', 'b.bulla', '-o', 'c'], 'c'],
  ['keygen', ['keygen', '-p', '-o', 'alice.key'], 'alice.key'],
])('%s says that a file exists before it asks for a passphrase', async (_, args, taken) => {
  await place.ok(['encrypt', '--passphrase-fd', '3', 'a', '-o', 'b.bulla'], { fd3: 'orbit' });
  place.write(taken, 'precious');
  const { exitCode, shown } = await onTerminal(args);
  expect(shown).toMatch(/EEXIST/);
  expect(shown).not.toMatch(/passphrase/i);
  expect(exitCode).toBe(7);
  expect(place.text(taken)).toBe('precious');
});

test('one file that exists is one failure: the passphrase is asked for, for the others', async () => {
  place.write('b', 'second');
  place.write('a.bulla', 'precious');
  const answers: [string, string][] = [
    ['Passphrase: ', 'orbit\r'],
    ['Passphrase again: ', 'orbit\r'],
  ];
  const { exitCode, shown } = await onTerminal(['encrypt', '-p', 'a', 'b'], answers);
  expect(exitCode).toBe(7);
  expect(shown).toContain('b.bulla: 6 B encrypted');
  expect(place.text('a.bulla')).toBe('precious');
});

test('bytes go to a terminal only if it is named, text always', async () => {
  const alice = await place.key('alice.key');
  await place.ok(['encrypt', '-r', alice, '-c', 'id=1', 'a']);
  const refused = await onTerminal(['encrypt', '-r', alice, '-']);
  expect(refused).toMatchObject({ exitCode: 2, shown: expect.stringContaining('--output -') });
  const asked = await onTerminal(['decrypt', '-k', 'alice.key', '-c', 'id=1', 'a.bulla', '-o', '-']);
  expect(asked).toEqual({ exitCode: 0, shown: 'first' });
  expect((await onTerminal(['encrypt', '-r', alice, '-t', 'a', '-o', '-'])).shown).toMatch(/^bulla1\./);
});
