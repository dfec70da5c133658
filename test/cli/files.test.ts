import { randomBytes } from 'node:crypto';
import { mkdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Workplace } from './command.ts';

let place: Workplace;
let alice: string;

beforeEach(async () => {
  place = new Workplace();
  alice = await place.key('alice.key');
});

afterEach(() => place.remove());

const s = 4096;
const sizes = [0, 1, s - 1, s, s + 1, 2 * s, 2 * s + 1, 300_001];

describe('files and pipes', () => {
  test.each(sizes)('%i bytes: file to file, pipe to pipe, text, and crosswise', async (size) => {
    const plaintext = randomBytes(size);
    place.write('data', plaintext);
    const options = ['-r', alice, '--segment-size', String(s)];
    await place.ok(['encrypt', ...options, 'data']);
    const { stdout: piped } = await place.ok(['encrypt', ...options], { stdin: plaintext });
    const { stdout: text } = await place.ok(['encrypt', ...options, '--text', '-'], { stdin: plaintext });
    expect(text.toString()).toMatch(/^bulla1\.[\w-]+\n$/);

    await place.ok(['decrypt', '-k', 'alice.key', 'data.bulla', '-o', 'from-file']);
    place.write('piped.bulla', piped);
    place.write('text.bulla', text);
    await place.ok(['decrypt', '-k', 'alice.key', 'piped.bulla', 'text.bulla']);
    const { stdout } = await place.ok(['decrypt', '-k', 'alice.key'], { stdin: place.read('data.bulla') });
    const { stdout: fromText } = await place.ok(['decrypt', '-k', 'alice.key', '-'], { stdin: text });
    for (const result of [place.read('from-file'), place.read('piped'), place.read('text'), stdout, fromText]) {
      expect(result.equals(plaintext)).toBe(true);
    }
  });

  test('several files go beside their inputs, or into a folder', async () => {
    place.write('a', 'first');
    place.write('b', 'second');
    await place.ok(['encrypt', '-r', alice, 'a', 'b']);
    mkdirSync(join(place.folder, 'out'));
    await place.ok(['decrypt', '-k', 'alice.key', '-O', 'out', 'a.bulla', 'b.bulla']);
    expect([place.text('out/a'), place.text('out/b')]).toEqual(['first', 'second']);
  });

  test('one that fails does not keep the others from being done, and decides the exit code', async () => {
    place.write('a', 'first');
    place.write('c', 'third');
    const { exitCode, stderr } = await place.bulla(['encrypt', '-r', alice, 'a', 'missing', 'c']);
    expect(exitCode).toBe(7);
    expect(stderr).toContain('missing');
    expect(place.names()).toEqual(['a', 'a.bulla', 'alice.key', 'c', 'c.bulla']);
  });

  test('nothing is overwritten without --force', async () => {
    place.write('a', 'first');
    place.write('a.bulla', 'precious');
    const { exitCode, stderr } = await place.bulla(['encrypt', '-r', alice, 'a']);
    expect(exitCode).toBe(7);
    expect(stderr).toMatch(/EEXIST[\s\S]*--force/);
    expect(place.text('a.bulla')).toBe('precious');
    await place.ok(['encrypt', '-r', alice, '--force', 'a']);
    await place.ok(['decrypt', '-k', 'alice.key', 'a.bulla', '-o', 'b']);
    expect(place.text('b')).toBe('first');
  });

  test('a link to the output stays a link', async () => {
    place.write('a', 'first');
    place.write('target', 'old');
    symlinkSync('target', join(place.folder, 'link'));
    await place.ok(['encrypt', '-r', alice, '-f', 'a', '-o', 'link']);
    expect(place.text('target').startsWith('bulla')).toBe(true);
  });

  test('detached: the envelope in one file, the body in another', async () => {
    place.write('a', 'first');
    await place.ok(['encrypt', '-r', alice, '--detached', 'a.envelope', 'a', '-o', 'a.body']);
    expect(place.text('a.body').slice(0, 5)).toBe('bullb');
    expect(place.text('a.envelope').slice(0, 5)).toBe('bulle');
    await place.ok(['decrypt', '-k', 'alice.key', '--detached', 'a.envelope', 'a.body', '-o', 'b']);
    expect(place.text('b')).toBe('first');
    expect((await place.bulla(['decrypt', '-k', 'alice.key', 'a.body', '-o', 'c'])).exitCode).toBe(3);
  });

  test('detached: neither file appears without the other, and old ones stay', async () => {
    place.write('a', 'first');
    const encrypt = ['encrypt', '-r', alice, '--detached', 'a.envelope'];
    place.write('a.envelope', 'precious');
    for (const [input, stdin] of [
      ['a', ''],
      ['-', 'piped'],
    ] as const) {
      const taken = await place.bulla([...encrypt, input, '-o', 'a.body'], { stdin });
      expect([taken.exitCode, taken.stderr]).toEqual([7, expect.stringContaining('a.envelope (EEXIST)')]);
      expect(place.names()).toEqual(['a', 'a.envelope', 'alice.key']);
    }
    expect((await place.bulla([...encrypt, '-', '-o', '-'], { stdin: 'piped' })).stdout).toHaveLength(0);
    expect(place.text('a.envelope')).toBe('precious');

    place.write('a.body', 'good');
    mkdirSync(join(place.folder, 'folder'));
    const replace = ['encrypt', '-f', '-r', alice, 'a', '-o', 'a.body', '--detached'];
    for (const nowhere of ['folder', 'no/such']) {
      expect((await place.bulla([...replace, nowhere])).exitCode).toBe(7);
    }
    for (const same of ['a', './a.body']) expect((await place.bulla([...replace, same])).exitCode).toBe(2);
    expect(place.text('a.body')).toBe('good');
    expect((await place.bulla([...encrypt, '-f', 'a', '-o', 'folder'])).exitCode).toBe(7);
    expect(place.text('a.envelope')).toBe('precious');
    expect(place.names()).toEqual(['a', 'a.body', 'a.envelope', 'alice.key', 'folder']);

    await place.ok([...replace, 'a.envelope']);
    await place.ok(['decrypt', '-k', 'alice.key', '--detached', 'a.envelope', 'a.body', '-o', 'b']);
    const { stdout } = await place.ok([...encrypt, '-f', '-', '-o', '-'], { stdin: 'piped' });
    const opened = await place.ok(['decrypt', '-k', 'alice.key', '--detached', 'a.envelope', '-'], { stdin: stdout });
    expect([place.text('b'), opened.stdout.toString()]).toEqual(['first', 'piped']);
  });

  test('a folder that is not there is named once, before any work', async () => {
    for (const name of ['a', 'b']) place.write(name, 'first');
    place.write('team', `${alice}\n`);
    const encrypt = ['encrypt', '-R', 'team'];
    const attempts: [args: string[], says: string][] = [
      [[...encrypt, 'a', 'b', '-O', 'out'], 'bulla: There is no folder out to write to (ENOENT)\n'],
      [[...encrypt, 'a', '-o', 'no/such/b'], 'bulla: There is no folder no/such to write to (ENOENT)\n'],
      [[...encrypt, 'a', '-o', 'b/c'], 'bulla: It is no folder to write to: b (ENOTDIR)\n'],
      [[...encrypt, 'a', '--detached', 'out/b', '-o', 'b'], 'bulla: There is no folder out to write to (ENOENT)\n'],
      [['keygen', '-o', 'out/key'], 'bulla: There is no folder out to write to (ENOENT)\n'],
    ];
    for (const [args, stderr] of attempts) expect(await place.bulla(args)).toMatchObject({ exitCode: 7, stderr });
    expect(place.names()).toEqual(['a', 'alice.key', 'b', 'team']);
  });

  test('--json prints a line for each file, also for failures', async () => {
    place.write('a', 'first');
    const { stdout, exitCode, stderr } = await place.bulla(['encrypt', '-r', alice, '--json', 'a', 'missing']);
    const lines = stdout.toString().trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { input: 'a', output: 'a.bulla', plaintextLength: 5 },
      { input: 'missing', output: 'missing.bulla', error: { code: 'ENOENT', message: expect.any(String) } },
    ]);
    expect([exitCode, stderr]).toEqual([7, expect.stringContaining('ENOENT')]);
  });

  test('a reader that goes away ends it with an error', async () => {
    place.write('a', randomBytes(5_000_000));
    await place.ok(['encrypt', '-r', alice, 'a']);
    const child = place.start(['decrypt', '-k', 'alice.key', 'a.bulla', '-o', '-']);
    child.stdout?.once('data', () => child.stdout?.destroy());
    let stderr = '';
    child.stderr?.on('data', (chunk) => {
      stderr += chunk;
    });
    const exitCode = await new Promise((done) => child.on('close', done));
    expect([exitCode, stderr]).toEqual([7, expect.stringContaining('EPIPE')]);
  });
});

describe('context and metadata', () => {
  test('a context must be given again', async () => {
    place.write('a', 'first');
    await place.ok(['encrypt', '-r', alice, '-c', 'record=4711', '--context', 'field=name=x', 'a']);
    const decrypt = (...context: string[]) =>
      place.bulla(['decrypt', '-k', 'alice.key', 'a.bulla', '-o', '-', ...context.flatMap((pair) => ['-c', pair])]);
    expect((await decrypt('record=4711', 'field=name=x')).stdout.toString()).toBe('first');
    const missing = await decrypt('record=4711');
    expect([missing.exitCode, missing.stderr]).toEqual([6, expect.stringContaining('missing "field"')]);
    expect(missing.stderr).not.toContain('4711');
    expect((await decrypt('record=4712', 'field=name=x')).exitCode).toBe(4);
  });

  test.each(['nothing', '=value'])('--context %s is no pair', async (pair) => {
    const { exitCode, stderr } = await place.bulla(['encrypt', '-r', alice, '-c', pair, 'alice.key']);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('name=value')]);
  });

  test('inspect shows what is in clear and says that it is unverified', async () => {
    place.write('a', 'first');
    await place.ok([
      'encrypt',
      '-r',
      alice,
      '-c',
      'id=1',
      '-m',
      'by=\x1b[31mMallory',
      '--content-type',
      'text/plain',
      'a',
    ]);
    const { stdout } = await place.ok(['inspect', 'a.bulla']);
    const text = stdout.toString();
    expect(text).toContain('unverified');
    expect(text).toMatch(/metadata +by=\[U\+001B\]\[31mMallory/);
    expect(text).toMatch(/context +id=…/);
    expect(text).toMatch(/plaintext +5 B/);
    expect(text).toMatch(/^ {2}segment size +256 KiB$/m);
    expect(text).toMatch(/^ {2}wrapped key +ecdh [\w-]+$/m);
    expect(text).toMatch(/^ {2}created +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/m);
    expect((await place.ok(['inspect', '-q', 'a.bulla'])).stdout.toString()).toBe(text);
    const json = JSON.parse((await place.ok(['inspect', '--json', 'a.bulla'])).stdout.toString());
    expect(json).toMatchObject({
      verified: false,
      plaintextLength: 5,
      header: { contentType: 'text/plain', contextNames: ['id'], keyUse: 'single' },
      wrappedKeys: [{ method: 'ecdh' }],
    });
    expect(new Date(json.header.created).toISOString()).toBe(json.header.created);
    await place.ok(['encrypt', '--passphrase-fd', '3', 'a', '-o', 'b.bulla'], { fd3: 'orbit' });
    expect((await place.ok(['inspect', 'b.bulla'])).stdout.toString()).toMatch(/^ {2}wrapped key +passphrase$/m);
    const piped = await place.ok(['inspect', '--json'], { stdin: place.read('a.bulla') });
    expect(JSON.parse(piped.stdout.toString()).header).toEqual(json.header);
  });
});

describe('rewrap', () => {
  test('another key needs the context that the message was encrypted with, and is told so', async () => {
    const bob = await place.key('bob.key');
    place.write('case', 'x');
    await place.ok(['encrypt', '-r', alice, '-c', 'case=1', 'case']);
    const rewrap = (...more: string[]) =>
      place.bulla(['rewrap', '-k', 'alice.key', '-r', bob, '--in-place', ...more, 'case.bulla']);
    const without = await rewrap();
    expect([without.exitCode, without.stderr]).toEqual([6, expect.stringMatching(/needs the context.*missing "case"/)]);
    expect(without.stderr).toContain('--context name=value');
    expect((await rewrap('-c', 'case=2')).exitCode).toBe(4);
    expect((await rewrap('-c', 'case=1')).exitCode).toBe(0);
  });

  test('hands a message over, in place and elsewhere, from files and pipes', async () => {
    const bob = await place.key('bob.key');
    place.write('a', 'first');
    await place.ok(['encrypt', '-r', alice, 'a']);
    const before = place.read('a.bulla');
    await place.ok(['rewrap', '-k', 'alice.key', '-r', bob, '--keep', 'a.bulla', '-o', 'both.bulla']);
    await place.ok(['rewrap', '-k', 'alice.key', '-r', bob, '--in-place', 'a.bulla']);
    expect(place.read('a.bulla').subarray(-21).equals(before.subarray(-21))).toBe(true);
    const opens = async (key: string, file: string) =>
      (await place.bulla(['decrypt', '-k', key, file, '-o', '-'])).exitCode;
    expect(await opens('bob.key', 'a.bulla')).toBe(0);
    expect(await opens('alice.key', 'a.bulla')).toBe(5);
    expect(await opens('alice.key', 'both.bulla')).toBe(0);
    expect(await opens('bob.key', 'both.bulla')).toBe(0);

    const { stdout } = await place.ok(['rewrap', '-k', 'bob.key', '-r', alice, '--text'], {
      stdin: place.read('a.bulla'),
    });
    place.write('text', stdout);
    await place.ok(['rewrap', '-k', 'alice.key', '-r', bob, '-i', 'text']);
    expect(place.text('text')).toMatch(/^bulla1\./);
    expect(await opens('bob.key', 'text')).toBe(0);
  });

  test('--dry-run says what would happen, and writes nothing', async () => {
    place.write('a', 'first');
    await place.ok(['encrypt', '-r', alice, 'a']);
    place.write('there', '');
    mkdirSync(join(place.folder, 'folder'));
    const rewrap = ['rewrap', '-k', 'alice.key', '-r', alice, 'a.bulla', '-o'];
    const before = place.names();
    for (const output of ['there', 'folder', 'no/folder', 'a.bulla']) {
      const [dry, real] = [await place.bulla([...rewrap, output, '-n']), await place.bulla([...rewrap, output])];
      expect([output, dry.exitCode, dry.stderr]).toEqual([output, 7, real.stderr]);
    }
    for (const options of [['new'], ['there', '-f'], ['-']]) {
      expect((await place.bulla([...rewrap, ...options, '-n'])).exitCode).toBe(0);
    }
    expect([place.names(), place.text('there')]).toEqual([before, '']);
  });

  test('--drop takes a recipient away; the context, where given, is checked', async () => {
    const bob = await place.key('bob.key');
    place.write('a', 'first');
    await place.ok(['encrypt', '-r', alice, '-r', bob, '-c', 'id=1', 'a']);
    const { wrappedKeys } = JSON.parse((await place.ok(['inspect', '--json', 'a.bulla'])).stdout.toString());
    const args = ['rewrap', '-k', 'alice.key', '-r', alice, `--drop=${wrappedKeys[1].keyId}`, '-i', 'a.bulla'];
    expect((await place.bulla([...args, '-c', 'id=2'])).exitCode).toBe(4);
    await place.ok([...args, '-c', 'id=1']);
    expect((await place.bulla(['decrypt', '-k', 'bob.key', '-c', 'id=1', 'a.bulla', '-o', 'b'])).exitCode).toBe(5);
    expect((await place.bulla(['decrypt', '-k', 'alice.key', '-c', 'id=1', 'a.bulla', '-o', 'b'])).exitCode).toBe(0);
  });

  test('a --drop that drops nothing fails, and the message stays', async () => {
    const bob = await place.key('bob.key');
    place.write('a', 'first');
    await place.ok(['encrypt', '-r', alice, 'a']);
    await place.ok(['encrypt', '-r', alice, '-r', bob, 'a', '-o', 'both.bulla']);
    const [, { keyId }] = JSON.parse(
      (await place.ok(['inspect', '--json', 'both.bulla'])).stdout.toString(),
    ).wrappedKeys;
    const before = place.read('a.bulla');
    const drop = ['rewrap', '-k', 'alice.key', '-r', alice, '-i'];
    for (const dry of [[], ['-n']]) {
      const { exitCode, stderr } = await place.bulla([...drop, `--drop=${keyId}`, ...dry, 'a.bulla', 'both.bulla']);
      expect([exitCode, stderr]).toEqual([
        5,
        expect.stringContaining(`a.bulla: The message has no wrapped key ${keyId}`),
      ]);
      expect(place.read('a.bulla').equals(before)).toBe(true);
      if (dry.length === 0) await place.ok(['encrypt', '-f', '-r', alice, '-r', bob, 'a', '-o', 'both.bulla']);
    }
    const piped = await place.bulla(['rewrap', '-k', 'alice.key', '-r', alice, '--drop', 'none'], { stdin: before });
    expect([piped.exitCode, piped.stdout.length]).toEqual([5, 0]);
  });

  test('in folders, what a run that was stopped has dropped is no failure; an id that is nowhere is', async () => {
    const bob = await place.key('bob.key');
    mkdirSync(join(place.folder, 'store'));
    place.write('a', 'first');
    place.write('store/none.bulla', 'no message');
    await place.ok(['encrypt', '-r', alice, 'a', '-o', 'store/done.bulla']);
    await place.ok(['encrypt', '-r', alice, '-r', bob, 'a', '-o', 'store/left.bulla']);
    const keysOf = async (name: string) =>
      JSON.parse((await place.ok(['inspect', '--json', name])).stdout.toString()).wrappedKeys as { keyId: string }[];
    const keyId = (await keysOf('store/left.bulla'))[1]?.keyId as string;
    const before = place.read('store/left.bulla');
    const drop = (...ids: string[]) =>
      place.bulla([
        ...['rewrap', '-k', 'alice.key', '-r', alice, '-i', '--recursive', 'store'],
        // One id in 64 begins with a hyphen.
        ...ids.map((id) => `--drop=${id}`),
      ]);
    const mistaken = await drop(keyId, 'mistaken');
    expect([mistaken.exitCode, mistaken.stderr]).toEqual([5, expect.stringContaining('wrapped key mistaken to drop')]);
    expect(place.read('store/left.bulla').equals(before)).toBe(true);
    const { exitCode, stderr } = await drop(keyId);
    expect([exitCode, stderr]).toEqual([
      3,
      expect.stringMatching(/done.bulla: re-wrapped[\s\S]*left.bulla: re-wrapped/),
    ]);
    expect(await keysOf('store/left.bulla')).toHaveLength(1);
    expect((await drop(keyId)).exitCode).toBe(5);
  });

  test('says how an id that begins with a hyphen is given', async () => {
    const { exitCode, stderr } = await place.bulla(['rewrap', '-k', 'alice.key', '--drop', '-x', '-i', 'a.bulla']);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining('begins with a hyphen is written --drop=VALUE')]);
  });

  test('says where to write', async () => {
    expect((await place.bulla(['rewrap', '-k', 'alice.key', '-r', alice, 'a.bulla'])).stderr).toContain('--in-place');
    expect((await place.bulla(['rewrap', '-k', 'alice.key', '-r', alice, '-i', '-'])).exitCode).toBe(2);
    expect((await place.bulla(['rewrap', '-k', 'alice.key', '-r', alice, '-i', '-o', 'x', 'y'])).exitCode).toBe(2);
  });

  test('a message that cannot be opened stays as it is', async () => {
    const bob = await place.key('bob.key');
    place.write('a', 'first');
    await place.ok(['encrypt', '-r', alice, 'a']);
    const before = place.read('a.bulla');
    expect((await place.bulla(['rewrap', '-k', 'bob.key', '-r', bob, '-i', 'a.bulla'])).exitCode).toBe(5);
    expect(place.read('a.bulla').equals(before)).toBe(true);
  });
});

test('a new file has the rights of any new file, a replaced one its own', async () => {
  place.write('a', 'first');
  await place.ok(['encrypt', '-r', alice, 'a']);
  expect(statSync(join(place.folder, 'a.bulla')).mode & 0o777).toBe(0o666 & ~process.umask());
});
