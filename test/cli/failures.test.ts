import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { endOf, Workplace } from './command.ts';

let place: Workplace;
let alice: string;

beforeAll(async () => {
  place = new Workplace();
  alice = await place.key('alice.key');
  await place.key('bob.key');
  place.write('a', randomBytes(600_000));
  await place.ok(['encrypt', '-r', alice, 'a']);
});

afterAll(() => place.remove());

/** Decrypts bytes to a file that must not come to be, and through a pipe. */
async function decryptBytes(bytes: Uint8Array, key = 'alice.key') {
  place.write('bad.bulla', bytes);
  const before = place.names();
  const fromFile = await place.bulla(['decrypt', '-k', key, 'bad.bulla']);
  expect(place.names()).toEqual(before);
  const fromPipe = await place.bulla(['decrypt', '-k', key], { stdin: bytes });
  expect(fromPipe.exitCode).toBe(fromFile.exitCode);
  return fromFile;
}

describe('exit codes by kind of error', () => {
  test('3: what is no message, and what is malformed', async () => {
    const message = place.read('a.bulla');
    expect(await decryptBytes(randomBytes(100))).toMatchObject({ exitCode: 3, stderr: /ERR_NOT_A_MESSAGE/ });
    expect((await decryptBytes(new Uint8Array(0))).stderr).toContain('ERR_NOT_A_MESSAGE');
    expect((await decryptBytes(message.subarray(0, 50))).stderr).toContain('ERR_TRUNCATED');
    const version = Uint8Array.from(message);
    version[5] = 2;
    expect((await decryptBytes(version)).stderr).toContain('ERR_UNSUPPORTED_VERSION');
    const length = Uint8Array.from(message);
    length.fill(0xff, 6, 10);
    expect((await decryptBytes(length)).stderr).toContain('ERR_LIMIT_EXCEEDED');
    const text = Buffer.from(`bulla1.${message.subarray(0, 300).toString('base64url')}=`);
    expect((await decryptBytes(text)).stderr).toContain('ERR_MALFORMED');
  });

  test('4: a message that was changed, cut or extended', async () => {
    const message = place.read('a.bulla');
    const changed = Uint8Array.from(message);
    (changed[changed.length - 20] as number) ^= 1;
    for (const bytes of [
      changed,
      message.subarray(0, -1),
      message.subarray(0, -75_768),
      Buffer.concat([message, message]),
    ]) {
      expect(await decryptBytes(bytes)).toMatchObject({ exitCode: 4 });
    }
  });

  test('5: a key that is not among those of the message', async () => {
    const { exitCode, stderr } = await decryptBytes(place.read('a.bulla'), 'bob.key');
    expect([exitCode, stderr]).toEqual([5, expect.stringContaining('ERR_NO_MATCHING_KEY')]);
  });

  test('what is said of a message that does not decrypt is about what was used', async () => {
    const message = Uint8Array.from(place.read('a.bulla'));
    (message[message.length - 20] as number) ^= 1;
    place.write('bad.bulla', message);
    place.write('secret', 'attack at dawn');
    await place.ok(['encrypt', '--passphrase-fd', '3', '-c', 'id=1', 'secret'], { fd3: 'orbit' });
    const attempts: [args: string[], hint: string][] = [
      [['-k', 'alice.key', 'bad.bulla'], 'a message that was changed or cut'],
      [
        ['--passphrase-fd', '3', '-c', 'id=2', 'secret.bulla'],
        'a wrong passphrase, or a wrong --context value, or a message that was changed or cut',
      ],
    ];
    for (const [args, hint] of attempts) {
      const { exitCode, stderr } = await place.bulla(['decrypt', ...args, '-o', 'x'], { fd3: 'orbit' });
      expect([exitCode, stderr.split('\n')[1]]).toEqual([4, `bulla: ${hint}`]);
    }
  });

  test('7: folders, each command with what it can do about them', async () => {
    mkdirSync(join(place.folder, 'many'));
    const attempts: [args: string[], hint: string][] = [
      [['encrypt', '-r', alice], 'give the files in it, such as many/*'],
      [['decrypt', '-k', 'alice.key'], 'give the files in it, such as many/*'],
      [['inspect'], 'give the files in it, such as many/*'],
      [
        ['rewrap', '-k', 'alice.key', '-r', alice, '-i'],
        'rewrap takes the messages in folders with --in-place --recursive',
      ],
    ];
    for (const [args, hint] of attempts) {
      const stderr = `bulla: It is a folder: many (EISDIR)\nbulla: ${hint}\n`;
      expect(await place.bulla([...args, 'many'])).toMatchObject({ exitCode: 7, stderr });
    }
    rmSync(join(place.folder, 'many'), { recursive: true });
  });

  test('7: files that are not there, or folders', async () => {
    expect((await place.bulla(['decrypt', '-k', 'alice.key', 'missing.bulla'])).exitCode).toBe(7);
    expect((await place.bulla(['decrypt', '-k', 'missing.key', 'a.bulla'])).exitCode).toBe(7);
    expect((await place.bulla(['encrypt', '-r', alice, '.', '-o', 'x'])).stderr).toContain('folder');
    expect((await place.bulla(['encrypt', '-r', alice, 'a', '-o', 'no/such/folder'])).exitCode).toBe(7);
  });
});

describe('usage', () => {
  const wrong: [what: string, args: string[]][] = [
    ['an unknown command', ['seal', 'a']],
    ['an unknown option', ['encrypt', '--recipients', 'x', 'a']],
    ['a missing value', ['encrypt', 'a', '-r']],
    ['a value where none is taken', ['encrypt', '--text=yes', 'a']],
    ['an option twice', ['encrypt', '-o', 'x', '-o', 'y', 'a']],
    ['two outputs', ['encrypt', '-o', 'x', '-O', 'y', 'a']],
    ['one output of two inputs', ['encrypt', '-o', 'x', 'a', 'b']],
    ['standard input twice', ['encrypt', '-', '-']],
    ['an output that is an input', ['encrypt', '-f', '-r', 'KEY', 'a', 'a.bulla']],
    ['two files of one output', ['encrypt', '-O', '.', 'a', './a']],
    ['JSON and the result in one pipe', ['encrypt', '--json', 'a', '-o', '-']],
    ['a name that does not end in .bulla', ['decrypt', 'a']],
    ['a segment size that is none', ['encrypt', '--segment-size', '1e3', 'a']],
    ['a segment size that is too small', ['encrypt', '--segment-size', '1024', '-r', 'KEY', 'a']],
    ['a segment size that is no power of two', ['encrypt', '-f', '--segment-size', '5000', '-r', 'KEY', 'a']],
    ['a descriptor that is no number', ['encrypt', '--passphrase-fd', 'x', 'a']],
    ['a context name twice', ['encrypt', '-c', 'a=1', '-c', 'a=2', 'a']],
  ];

  test.each(wrong)('2: %s', async (_, args) => {
    const before = place.names();
    const { exitCode, stderr, stdout } = await place.bulla(args.map((arg) => (arg === 'KEY' ? alice : arg)));
    expect([exitCode, stdout.toString()]).toEqual([2, '']);
    expect(stderr).toMatch(/^bulla: /);
    expect(stderr).not.toMatch(/\bat .*:\d+:\d+/);
    expect(place.names()).toEqual(before);
  });

  test('a wrong value is told by the name of its option, a code once', async () => {
    const { stderr } = await place.bulla(['encrypt', '-r', alice, '--segment-size', '1000', 'a']);
    expect(stderr).toContain('bulla: --segment-size takes a power of two from 4096 to 4194304 (ERR_USAGE)');
    const fd = await place.bulla(['decrypt', '--passphrase-fd', '9', 'a.bulla', '-o', 'x']);
    expect(fd.stderr).toMatch(/^bulla: File descriptor 9 could not be read \(E\w+\)\n$/);
  });

  test('the example of the help works, and stands in line', async () => {
    const help = (await place.ok(['--help'])).stdout.toString();
    const rows = help.split('Example:\n')[1]?.trimEnd().split('\n') ?? [];
    expect(new Set(rows.map((row) => /^ {2}bulla .*? {2,}/.exec(row)?.[0].length)).size).toBe(1);
    const own = new Workplace();
    try {
      own.write('plan.pdf', 'attack at dawn');
      const { stdout } = await own.ok(['keygen', '--output', 'alice.key']);
      for (const row of rows.slice(1, 3)) {
        const [, command = ''] = /^ {2}bulla (.*?) {2,}/.exec(row) ?? [];
        await own.ok(command.replace('bullapk1.…', stdout.toString().trim()).split(' '));
      }
      expect(own.text('copy.pdf')).toBe('attack at dawn');
    } finally {
      own.remove();
    }
  });

  test('help for all commands and for each, on standard output', async () => {
    const general = (await place.ok(['--help'])).stdout.toString();
    for (const command of ['keygen', 'encrypt', 'decrypt', 'inspect', 'rewrap', 'keys', 'fields']) {
      expect(general).toMatch(new RegExp(`^ {2}${command} +\\w`, 'm'));
      const { stdout } = await place.ok([command, '--help']);
      expect(stdout.toString()).toMatch(new RegExp(`^bulla ${command}: [\\s\\S]*Options:[\\s\\S]*Exit codes: 0 done`));
      expect((await place.ok(['help', command])).stdout.equals(stdout)).toBe(true);
      expect(
        Math.max(
          ...stdout
            .toString()
            .split('\n')
            .map((line) => line.length),
        ),
      ).toBeLessThanOrEqual(130);
    }
    expect((await place.bulla([])).exitCode).toBe(2);
  });

  test('its version', async () => {
    expect((await place.ok(['--version'])).stdout.toString()).toMatch(/^bulla \d+\.\d+\.\d+\n$/);
  });
});

describe('interruption', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s in the middle of a file leaves nothing', async (signal) => {
    const before = place.names();
    const child = place.start(['encrypt', '-r', alice, '-', '-o', 'half']);
    child.stdin?.on('error', () => {});
    child.stdin?.write(randomBytes(1_000_000));
    await expect.poll(() => place.names().length, { timeout: 20_000 }).toBe(before.length + 1);
    const ended = endOf(child);
    child.kill(signal);
    expect(await ended).toEqual({ code: null, signal });
    expect(place.names()).toEqual(before);
  });
});
