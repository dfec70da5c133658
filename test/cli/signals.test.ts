// A signal ends the command at once, whatever it waits for, and leaves neither files nor a terminal that hides what is typed.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { endOf, main, Workplace } from './command.ts';

let place: Workplace;
let alice: string;

beforeEach(async () => {
  place = new Workplace();
  alice = await place.key('alice.key');
  place.write('a', randomBytes(3_000_000));
});

afterEach(() => place.remove());

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** Waits until a process waits: its threads are there, and nothing switches between two looks. */
async function idle({ pid }: ChildProcess): Promise<void> {
  let last = '';
  const look = () => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const [switches] = /^voluntary_ctxt_switches:\s*\d+\nnonvoluntary_ctxt_switches:\s*\d+/m.exec(status) ?? [''];
    const isIdle =
      /^State:\s*S/m.test(status) && switches === last && Number(/^Threads:\s*(\d+)/m.exec(status)?.[1]) > 7;
    last = switches;
    return isIdle;
  };
  await expect.poll(look, { timeout: 60_000, interval: 300 }).toBe(true);
}

/** Makes a FIFO. */
async function fifo(name: string): Promise<string> {
  const path = join(place.folder, name);
  await endOf(spawn('mkfifo', [path]));
  return path;
}

/** Waits until somebody has opened a FIFO to read; gives the writing end. */
async function writerOf(path: string): Promise<number> {
  let fd = -1;
  const attempt = () => {
    try {
      fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
      return true;
    } catch {
      return false;
    }
  };
  await expect.poll(attempt, { timeout: 60_000 }).toBe(true);
  return fd;
}

test.each(signals)('%s at the prompt: the terminal shows again what is typed', async (signal) => {
  const bulla = `'${process.execPath}' '${main}' encrypt -p a`;
  const line = `sh -c "echo pid=\\$\\$=; exec ${bulla}"; echo; stty -a; echo names=$(ls -A)=`;
  const child = spawn('script', ['-qec', line, '/dev/null'], { cwd: place.folder, stdio: ['pipe', 'pipe', 'pipe'] });
  let shown = '';
  child.stdout.on('data', (chunk: Buffer) => {
    shown += chunk;
  });
  await expect.poll(() => shown, { timeout: 60_000 }).toContain('Passphrase: ');
  process.kill(Number(/pid=(\d+)=/.exec(shown)?.[1]), signal);
  await endOf(child);
  expect(shown).toMatch(/[ ;]echo[ ;]/);
  expect(shown).toMatch(/[ ;]icanon[ ;]/);
  expect(shown).not.toContain('.bulla-');
});

test.each(signals)('%s while a descriptor gives no passphrase', async (signal) => {
  const child = place.start(['encrypt', '--passphrase-fd', '3', '-o', 'o', 'a']);
  await idle(child);
  const ended = endOf(child);
  child.kill(signal);
  expect(await ended).toEqual({ code: null, signal });
});

test.each([
  ['a key file', ['decrypt', '-o', '-', '-k', 'fifo', 'a']],
  ['recipients', ['encrypt', '-o', 'o', '-R', 'fifo', 'a']],
  ['a detached envelope', ['decrypt', '-k', 'alice.key', '--detached', 'fifo', '-o', '-', 'a']],
  ['a configuration', ['encrypt', '-o', 'o', '-s', 'fifo', 'a']],
  ['an input', ['encrypt', '-o', 'o', '-r', 'ALICE', 'fifo']],
])('SIGTERM while %s is a FIFO without a writer, and while its writer writes nothing', async (_, args) => {
  const path = await fifo('fifo');
  const command = args.map((arg) => (arg === 'ALICE' ? alice : arg));
  const child = place.start(command);
  await idle(child);
  const ended = endOf(child);
  child.kill('SIGTERM');
  expect(await ended).toEqual({ code: null, signal: 'SIGTERM' });
  expect(place.names().filter((name) => name.startsWith('.bulla-'))).toEqual([]);

  const other = place.start(command);
  const writer = await writerOf(path);
  const otherEnded = endOf(other);
  other.kill('SIGTERM');
  expect(await otherEnded).toEqual({ code: null, signal: 'SIGTERM' });
  closeSync(writer);
  expect(place.names().filter((name) => name.startsWith('.bulla-'))).toEqual([]);
});

test.each(signals)('%s while nobody reads the pipe that is written to', async (signal) => {
  await place.ok(['encrypt', '-r', alice, 'a']);
  const path = await fifo('stalled');
  // Opened to read here, and never read.
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY);
  const decrypt = spawn(process.execPath, [main, 'decrypt', '-k', 'alice.key', '-o', '-', 'a.bulla'], {
    cwd: place.folder,
    stdio: ['ignore', writer, 'ignore'],
  });
  closeSync(writer);
  await idle(decrypt);
  const ended = endOf(decrypt);
  decrypt.kill(signal);
  expect(await ended).toEqual({ code: null, signal });
  closeSync(reader);
});
