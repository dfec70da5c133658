import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { installedNode, main, outcomeOf, Workplace } from './command.ts';

let place: Workplace;

beforeEach(() => {
  place = new Workplace();
  place.write('a', 'first');
});

afterEach(() => place.remove());

describe('keygen', () => {
  test('writes a private key that its owner alone may read, and prints the public key', async () => {
    const publicKey = await place.key('alice.key');
    expect(publicKey).toMatch(/^bullapk1\.[\w-]{130}$/);
    expect(statSync(join(place.folder, 'alice.key')).mode & 0o777).toBe(0o600);
    expect(place.text('alice.key')).toContain(`# public key: ${publicKey}`);
    const again = await place.ok(['keygen', '--public', '-k', 'alice.key']);
    expect(again.stdout.toString().trim()).toBe(publicKey);
  });

  test('never replaces a key without --force', async () => {
    await place.key('alice.key');
    const before = place.text('alice.key');
    expect((await place.bulla(['keygen', '-o', 'alice.key'])).exitCode).toBe(7);
    expect(place.text('alice.key')).toBe(before);
    await place.key('alice.key', '-f');
    expect(place.text('alice.key')).not.toBe(before);
  });

  test('takes nothing that it does not use: a passphrase for another file protects none', async () => {
    const refused = [
      ['-o', 'alice.key', '--key-passphrase-fd', '3'],
      ['-o', 'alice.key', '-k', 'a'],
      ['--public', '-k', 'alice.key', '-o', 'public'],
      ['--public', '-k', 'alice.key', '--passphrase-fd', '3'],
    ];
    for (const options of refused) {
      const { exitCode, stderr } = await place.bulla(['keygen', ...options], { fd3: 'orbit' });
      expect([exitCode, stderr]).toEqual([2, expect.stringMatching(/^bulla: --[\w-]+ is for bulla keygen/)]);
    }
    expect(place.names()).toEqual(['a']);
    const without = await place.bulla(['decrypt', '--key-passphrase-fd', '3', '--passphrase-fd', '3', 'a.bulla']);
    expect([without.exitCode, without.stderr]).toEqual([2, expect.stringContaining('goes with --key')]);
  });

  test('needs to know where to', async () => {
    expect((await place.bulla(['keygen'])).exitCode).toBe(2);
    expect(place.names()).toEqual(['a']);
  });

  test('a key file may be protected by a passphrase', async () => {
    const { stdout } = await place.ok(['keygen', '-o', 'alice.key', '--passphrase-fd', '3'], { fd3: 'orbit velvet\n' });
    expect(place.text('alice.key')).not.toContain('bullask1.');
    expect(place.text('alice.key')).toMatch(/^bulla1\./m);
    await place.ok(['encrypt', '-r', stdout.toString().trim(), 'a']);
    const decrypt = ['decrypt', '-k', 'alice.key', '--key-passphrase-fd', '3', 'a.bulla', '-o', '-'];
    expect((await place.ok(decrypt, { fd3: 'orbit velvet' })).stdout.toString()).toBe('first');
    // Also where there is no message.
    for (const args of [decrypt, ['keygen', '--public', '-k', 'alice.key', '--key-passphrase-fd', '3']]) {
      const { exitCode, stderr } = await place.bulla(args, { fd3: 'velvet orbit' });
      expect(exitCode).toBe(4);
      expect(stderr).toBe(
        'bulla: alice.key: a wrong passphrase of this key file, or the file was changed (ERR_DECRYPTION_FAILED)\n',
      );
    }
    const unasked = await place.bulla(['decrypt', '-k', 'alice.key', 'a.bulla', '-o', '-']);
    expect(unasked.stdout.toString()).toBe('');
  });
});

describe('recipients', () => {
  test('several, given and listed', async () => {
    const [alice, bob, carol] = [
      await place.key('alice.key'),
      await place.key('bob.key'),
      await place.key('carol.key'),
    ];
    place.write('team', `# the team\n${alice}\n\n  ${bob}  \n`);
    await place.ok(['encrypt', '-R', 'team', '-r', carol, 'a']);
    for (const key of ['alice.key', 'bob.key', 'carol.key']) {
      expect((await place.ok(['decrypt', '-k', key, 'a.bulla', '-o', '-'])).stdout.toString()).toBe('first');
    }
  });

  test.each(['bullapk1.AAAA', 'alice', ''])('%j is no recipient', async (key) => {
    const { exitCode, stderr } = await place.bulla(['encrypt', '-r', key, 'a']);
    expect([exitCode, stderr]).toEqual([5, expect.stringContaining('--recipient has no public key')]);
    expect(place.names()).toEqual(['a']);
  });

  test('a private key given as a recipient is not repeated', async () => {
    await place.key('alice.key');
    const secret = place.text('alice.key').split('\n').at(-2) as string;
    expect(secret).toMatch(/^bullask1\./);
    const { exitCode, stderr } = await place.bulla(['encrypt', '-r', secret, 'a']);
    expect(exitCode).toBe(5);
    expect(stderr).not.toContain(secret.slice(9, 30));
  });

  test('as Windows stores it: UTF-16, or behind a byte order mark', async () => {
    const alice = await place.key('alice.key');
    const key = place.text('alice.key');
    for (const encode of [
      (text: string) => Buffer.from(`\ufeff${text}`),
      (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le'),
    ]) {
      place.write('team', encode(`${alice}\r\n`));
      place.write('alice.txt', encode(key.replaceAll('\n', '\r\n')));
      await place.ok(['encrypt', '-f', '-R', 'team', 'a']);
      const { stdout } = await place.ok(['decrypt', '-k', 'alice.txt', 'a.bulla', '-o', '-']);
      expect(stdout.toString()).toBe('first');
    }
    place.write('team', Buffer.from('fffefd', 'hex'));
    expect((await place.bulla(['encrypt', '-f', '-R', 'team', 'a'])).exitCode).toBe(7);
  });

  test('a bad line in a list is named', async () => {
    const alice = await place.key('alice.key');
    place.write('team', `${alice}\nnobody\n`);
    expect((await place.bulla(['encrypt', '-R', 'team', 'a'])).stderr).toContain('team, line 2');
  });

  test('nobody at all is refused', async () => {
    expect((await place.bulla(['encrypt', 'a'])).exitCode).toBe(2);
    expect((await place.bulla(['decrypt', 'a.bulla'])).exitCode).toBe(2);
  });
});

describe('passphrases', () => {
  test.each([
    ['the Node of the tests', process.execPath],
    ['the installed Node', installedNode()],
  ])('are not waited for at descriptors that nobody gave, %s', async (_, node) => {
    const attempts = Array.from({ length: 20 }, (_, i) => i + 4).map(async (fd) => {
      const outcome = await place.bulla(['encrypt', '--passphrase-fd', `${fd}`, 'a', '-o', '-'], { node });
      return [fd, [2, 7].includes(outcome.exitCode ?? -1), outcome.stdout.length];
    });
    expect(await Promise.all(attempts)).toEqual(Array.from({ length: 20 }, (_, i) => [i + 4, true, 0]));
  });

  test('come from files, sockets, pipes and FIFOs', async () => {
    const run = (redirection: string) => {
      const command = `"$NODE" "$MAIN" encrypt -q -f --passphrase-fd 9 a ${redirection}`;
      const env = { ...process.env, NODE: process.execPath, MAIN: main };
      return outcomeOf(spawn('bash', ['-c', command], { cwd: place.folder, env, stdio: ['ignore', 'pipe', 'pipe'] }));
    };
    place.write('pw', 'orbit\n');
    for (const redirection of ['9< pw', '9< <(cat pw)', '9<<< orbit', '9< <(sleep 0.5; cat pw)']) {
      expect(await run(redirection)).toMatchObject({ exitCode: 0, stderr: '' });
    }
    const fifo = 'mkfifo fifo; exec 9<> fifo; cat pw >&9; "$NODE" "$MAIN" encrypt -q -f --passphrase-fd 9 a';
    expect(await run(`--help > /dev/null; ${fifo}`)).toMatchObject({ exitCode: 0, stderr: '' });
    await place.ok(['decrypt', '--passphrase-fd', '3', 'a.bulla', '-o', 'b'], { fd3: 'orbit' });
  });

  test('from a file descriptor', async () => {
    await place.ok(['encrypt', '--passphrase-fd', '3', 'a'], { fd3: 'orbit velvet cactus\n' });
    const decrypt = ['decrypt', '--passphrase-fd', '3', 'a.bulla', '-o', '-'];
    expect((await place.ok(decrypt, { fd3: 'orbit velvet cactus\r\n' })).stdout.toString()).toBe('first');
    expect((await place.bulla(decrypt, { fd3: '\ufefforbit velvet cactus' })).exitCode).toBe(0);
    expect((await place.bulla(decrypt, { fd3: 'wrong' })).exitCode).toBe(4);
    expect((await place.bulla(decrypt, { fd3: '' })).exitCode).toBe(2);
    expect((await place.bulla(['decrypt', '--passphrase-fd', '9', 'a.bulla', '-o', '-'])).exitCode).toBe(7);
  });

  test.each([
    ['Latin-1', Buffer.from('gr\xfc\xdfe\n', 'latin1'), 'is not UTF-8'],
    ['random bytes', Buffer.from('80818283', 'hex'), 'is not UTF-8'],
    ['UTF-16', Buffer.from('\ufefforbit\n', 'utf16le'), 'is not UTF-8'],
    ['UTF-16 without a mark', Buffer.from('orbit', 'utf16le'), 'has a NUL'],
    ['a second line', 'orbit\nvelvet', 'more than the line'],
    ['a second line behind bytes', Buffer.from('ab\n\x81rest', 'latin1'), 'more than the line'],
    ['nothing', '', 'is empty'],
    ['a mark alone', '\ufeff\n', 'is empty'],
    ['a character of a later Unicode', '\u{105d2}\u0307', 'Unicode 15.0'],
    ['too much', 'x'.repeat(5_000), 'too long'],
  ])('%s is refused, and nothing of it repeated', async (_, given, says) => {
    place.write('passphrase', given);
    for (const fd3 of [given, undefined]) {
      const line = 'exec "$0" "$1" encrypt --passphrase-fd 3 -o o a 3< passphrase';
      const { exitCode, stderr } =
        fd3 === undefined
          ? await outcomeOf(spawn('sh', ['-c', line, process.execPath, main], { cwd: place.folder }))
          : await place.bulla(['encrypt', '--passphrase-fd', '3', '-o', 'o', 'a'], { fd3 });
      expect([exitCode, stderr]).toEqual([2, expect.stringContaining(says)]);
      expect(stderr).not.toMatch(/orbit|rest|gr/);
      expect(place.names()).toEqual(['a', 'passphrase']);
    }
  });

  test('two lines of one descriptor are two passphrases', async () => {
    await place.ok(['encrypt', '--passphrase-fd', '3', 'a'], { fd3: 'old' });
    const rewrap = ['rewrap', '--passphrase-fd', '3', '--new-passphrase-fd', '3', '-i', 'a.bulla'];
    await place.ok(rewrap, { fd3: 'old\nnew\n' });
    await place.ok(['decrypt', '--passphrase-fd', '3', 'a.bulla', '-o', '-'], { fd3: 'new' });
  });

  test('together with public keys, and exchanged by rewrap', async () => {
    const alice = await place.key('alice.key');
    await place.ok(['encrypt', '-r', alice, '--passphrase-fd', '3', 'a'], { fd3: 'old' });
    expect((await place.ok(['decrypt', '-k', 'alice.key', 'a.bulla', '-o', '-'])).stdout.toString()).toBe('first');
    await place.ok(['rewrap', '--passphrase-fd', '3', '--new-passphrase-fd', '0', '-i', 'a.bulla'], {
      fd3: 'old',
      stdin: 'new',
    });
    const decrypt = ['decrypt', '--passphrase-fd', '3', 'a.bulla', '-o', '-'];
    expect((await place.bulla(decrypt, { fd3: 'new' })).stdout.toString()).toBe('first');
    expect((await place.bulla(decrypt, { fd3: 'old' })).exitCode).toBe(4);
  });

  test('never as an argument', async () => {
    const { exitCode, stderr } = await place.bulla(['encrypt', '--passphrase=secret', 'a']);
    expect([exitCode, stderr]).toEqual([2, expect.not.stringContaining('secret')]);
  });

  test('without a terminal there is nobody to ask', async () => {
    // setsid takes the controlling terminal away.
    const { spawnSync } = await import('node:child_process');
    const { status, stderr } = spawnSync('setsid', ['-w', process.execPath, main, 'encrypt', '-p', 'a'], {
      cwd: place.folder,
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([7, expect.stringContaining('--passphrase-fd')]);
  });
});

describe('key files', () => {
  test.each(['', 'hello', 'bullask1.AAAA', 'bullask1.AAAA\nbullask1.AAAA', 'bulla1.AAAA'])(
    '%j is none',
    async (text) => {
      place.write('bad.key', text);
      const { exitCode } = await place.bulla(['decrypt', '-k', 'bad.key', '--key-passphrase-fd', '3', 'a.bulla'], {
        fd3: 'x',
      });
      expect([3, 5]).toContain(exitCode);
    },
  );

  test('one that is too long is not read', async () => {
    const { exitCode, stderr } = await place.bulla(['decrypt', '-k', '/dev/zero', 'a.bulla']);
    expect([exitCode, stderr]).toEqual([5, expect.stringContaining('no key file')]);
  });
});
