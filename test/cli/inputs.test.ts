// Standard input that cannot be read, and outputs that are what a call reads.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, linkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { installedNode, main, outcomeOf, Workplace } from './command.ts';

let place: Workplace;
let alice: string;
const content = randomBytes(300_000);

beforeAll(async () => {
  place = new Workplace();
  alice = await place.key('alice.key');
  place.write('data', content);
  await place.ok(['encrypt', '-r', alice, 'data', '-o', 'message']);
});

beforeEach(() => {
  copyFileSync(join(place.folder, 'data'), join(place.folder, 'a'));
  copyFileSync(join(place.folder, 'message'), join(place.folder, 'm'));
});

afterAll(() => place.remove());

/** Runs a line of the shell in which `bulla` is the command. */
function shell(line: string, node = process.execPath) {
  const script = `ulimit -f 100000; bulla() { "$NODE" "$MAIN" "$@"; }; ${line}`;
  const env = { ...process.env, NODE: node, MAIN: main, ALICE: alice };
  return outcomeOf(spawn('bash', ['-c', script], { cwd: place.folder, env, stdio: ['ignore', 'pipe', 'pipe'] }));
}

describe.each([...new Set([process.execPath, installedNode()])])('standard input: %s', (node) => {
  test.each([
    ['encrypt', 'encrypt -r $ALICE - < .', 'EISDIR'],
    ['encrypt, to a file', 'encrypt -r $ALICE -o new < .', 'EISDIR'],
    ['decrypt', 'decrypt -k alice.key < .', 'EISDIR'],
    ['rewrap', 'rewrap -k alice.key -r $ALICE - < .', 'EISDIR'],
    ['inspect', 'inspect - < .', 'EISDIR'],
    ['an envelope', 'decrypt -k alice.key --detached - a -o new < .', 'EISDIR'],
    ['what can only be written', 'encrypt -r $ALICE -o new 0> written', 'EBADF'],
    ['what fails when it is read', 'encrypt -r $ALICE -o new < /proc/self/mem', 'EIO'],
  ])('%s is a failure, and no empty file', async (_, line, code) => {
    const { exitCode, stderr } = await shell(`bulla ${line}`, node);
    expect([exitCode, stderr]).toEqual([7, expect.stringContaining(`standard input (${code})`)]);
    expect(place.names()).not.toContain('new');
  });

  test.each([
    ['a file', '', '< a'],
    ['a file that somebody has read a line of', 'exec < whole; read -r line; ', ''],
    ['a pipe', '', '< <(cat a)'],
    ['a FIFO that waits', 'mkfifo fifo; (sleep 0.2; cat a > fifo) & ', '< fifo'],
  ])('%s is read', async (_, before, input) => {
    place.write('whole', Buffer.concat([Buffer.from('a line\n'), content]));
    const line = `${before}bulla encrypt -q -r $ALICE ${input} > sealed; rm -f fifo; bulla decrypt -k alice.key sealed -o -`;
    const { exitCode, stdout } = await shell(line, node);
    expect([exitCode, stdout.equals(content)]).toEqual([0, true]);
  });

  test('a socket is read', async () => {
    // What Node gives a child as a pipe is a socket.
    const { stdout } = await place.ok(['encrypt', '-q', '-r', alice], { stdin: content, node });
    const opened = await place.ok(['decrypt', '-k', 'alice.key'], { stdin: stdout, node });
    expect(opened.stdout.equals(content)).toBe(true);
  });

  test('/dev/null and what has no end of its own are read', async () => {
    const empty = await shell('bulla encrypt -q -r $ALICE < /dev/null | bulla decrypt -k alice.key', node);
    expect([empty.exitCode, empty.stdout.byteLength]).toEqual([0, 0]);
    const cut = await shell('bulla encrypt -q -r $ALICE < /dev/zero | head -c 500000 | wc -c', node);
    expect(cut.stdout.toString().trim()).toBe('500000');
  });
});

describe('an output that is the same file as standard input is refused', () => {
  test.each([
    ['encrypt, appended', 'encrypt -r $ALICE - < a >> a', 'a'],
    ['encrypt, over itself', 'encrypt -r $ALICE - < a 1<> a', 'a'],
    ['encrypt, under another name', 'encrypt -r $ALICE - < a >> hard', 'a'],
    ['encrypt, by a path', 'encrypt -r $ALICE -o /dev/stdout < a >> a', 'a'],
    ['decrypt, appended', 'decrypt -k alice.key - < m >> m', 'm'],
    ['decrypt, over itself', 'decrypt -k alice.key - < m 1<> m', 'm'],
    ['rewrap, appended', 'rewrap -k alice.key -r $ALICE - < m >> m', 'm'],
    ['rewrap, over itself', 'rewrap -k alice.key -r $ALICE - < m 1<> m', 'm'],
    ['an envelope', 'encrypt -r $ALICE - -o new --detached a < a', 'a'],
    ['what is read by a descriptor', 'encrypt -r $ALICE /dev/fd/5 -o - 5< a >> a', 'a'],
  ])('%s', async (_, line, file) => {
    if (line.includes('hard')) linkSync(join(place.folder, 'a'), join(place.folder, 'hard'));
    const before = place.read(file);
    const { exitCode, stderr } = await shell(`bulla ${line} -f`);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('ERR_USAGE')]);
    expect(place.read(file).equals(before)).toBe(true);
    expect(place.names()).not.toContain('new');
  });

  test('what replaces it when it has been read is not', async () => {
    expect((await shell('bulla encrypt -q -f -r $ALICE - -o a < a')).exitCode).toBe(0);
    expect((await place.ok(['decrypt', '-k', 'alice.key', 'a', '-o', '-'])).stdout.equals(content)).toBe(true);
    // A terminal and a pipe may be both.
    expect((await shell('bulla encrypt -q -r $ALICE - < /dev/null > /dev/null')).exitCode).toBe(0);
  });
});

describe('an output that is read besides the inputs is refused', () => {
  const token = { serviceAccount: { keyFile: 'service.jwk' } };
  const command = { command: ['cat', './token'] };
  const secret = 'orbit velvet cactus\n';

  beforeEach(() => {
    for (const name of ['pw', 'service.jwk', 'ca.pem', 'token']) place.write(name, secret);
    place.write('account.json', `\ufeff${JSON.stringify({ tls: { ca: 'ca.pem' }, token })}`);
    place.write('command.json', JSON.stringify({ token: command }));
  });

  test.each([
    ['the file behind --passphrase-fd', 'encrypt --passphrase-fd 3 a -o pw 3< pw', 'pw'],
    ['the same, as standard output', 'encrypt --passphrase-fd 3 a -o - 3< pw 1<> pw', 'pw'],
    ['the same, by a descriptor', 'encrypt --passphrase-fd 3 a -o /dev/fd/3 3<> pw', 'pw'],
    ['behind --new-passphrase-fd', 'rewrap -k alice.key --new-passphrase-fd 3 m -o pw 3< pw', 'pw'],
    ['behind --key-passphrase-fd', 'decrypt -k alice.key --key-passphrase-fd 3 m -o pw 3< pw', 'pw'],
    ['that of keygen', 'keygen --passphrase-fd 3 -o pw 3< pw', 'pw'],
    ['an envelope', 'encrypt --passphrase-fd 3 a -o new --detached pw 3< pw', 'pw'],
    ['the key of a configuration', 'encrypt -s account.json a -o service.jwk', 'service.jwk'],
    ['the certificate of a configuration', 'encrypt -s account.json a -o ca.pem', 'ca.pem'],
    ['what a command of a configuration reads', 'encrypt -s command.json a -o token', 'token'],
  ])('%s', async (_, line, file) => {
    const { exitCode, stderr } = await shell(`bulla ${line} -f`);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('is read, and would be written to as well')]);
    expect(place.text(file)).toBe(secret);
    expect(place.names()).not.toContain('new');
  });
});

test.each([
  'encrypt --passphrase-fd 3 a',
  'keygen --passphrase-fd 3 -o new',
  'rewrap -k alice.key --new-passphrase-fd 3 m -o new',
])('a folder as the descriptor of a passphrase is told as one: %s', async (line) => {
  const { exitCode, stderr } = await shell(`bulla ${line} 3< .`);
  expect([exitCode, stderr]).toEqual([7, expect.stringContaining('File descriptor 3 is a folder (EISDIR)')]);
});
