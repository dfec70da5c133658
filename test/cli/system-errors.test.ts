// What the system refuses is exit code 7, whatever its code; the name of a temporary file is in none of it.

import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeFailure, exitCodes } from '../../src/cli/failure.ts';
import { main, outcomeOf, Workplace } from './command.ts';

let place: Workplace;
let alice: string;

beforeAll(async () => {
  place = new Workplace();
  alice = await place.key('alice.key');
  place.write('a', 'x'.repeat(50_000));
  await place.ok(['encrypt', '-r', alice, 'a']);
});

afterAll(() => place.remove());

/** Runs a command that fails; gives its code. */
async function codeOf(args: readonly string[]): Promise<string | undefined> {
  const before = place.names();
  const { exitCode, stderr } = await place.bulla(args);
  expect([args, exitCode]).toEqual([args, exitCodes.file]);
  expect(stderr).not.toMatch(/\.tmp|\.bulla-|\n {4}at /);
  expect(place.names()).toEqual(before);
  return /\((\w+)\)/.exec(stderr)?.[1];
}

describe('every error of a call of the system', () => {
  test.each(['EIO', 'ESTALE', 'ENODEV', 'ETXTBSY', 'EUCLEAN', 'ENOTCONN', 'UNKNOWN'])('%s is 7', (code) => {
    const error = Object.assign(new Error(`${code}: something odd, rename 'x'`), {
      code,
      syscall: 'rename',
      path: 'x',
    });
    expect(describeFailure(error)).toMatchObject({ code, message: 'Something odd: x', exitCode: exitCodes.file });
  });

  test.each([new Error('x'), Object.assign(new Error('x'), { code: 'ERR_ODD' }), 'x', undefined])(
    'and no other: %j is not',
    (error) => expect(describeFailure(error).exitCode).toBe(exitCodes.unexpected),
  );
});

describe('of files', () => {
  test('ENAMETOOLONG, of input and output', async () => {
    const name = 'n'.repeat(250);
    place.write(name, 'x');
    expect(await codeOf(['encrypt', '-r', alice, name])).toBe('ENAMETOOLONG');
    expect(await codeOf(['encrypt', '-r', alice, 'n'.repeat(300), '-o', 'o'])).toBe('ENAMETOOLONG');
    expect(await codeOf(['keygen', '-o', 'n'.repeat(300)])).toBe('ENAMETOOLONG');
  });

  test('ELOOP, of input, output, key and folder', async () => {
    symlinkSync('circle-2', join(place.folder, 'circle'));
    symlinkSync('circle', join(place.folder, 'circle-2'));
    expect(await codeOf(['encrypt', '-r', alice, 'circle'])).toBe('ELOOP');
    expect(await codeOf(['encrypt', '-f', '-r', alice, 'a', '-o', 'circle'])).toBe('ELOOP');
    expect(await codeOf(['decrypt', '-k', 'circle', 'a.bulla', '-o', 'o'])).toBe('ELOOP');
    expect(await codeOf(['rewrap', '-k', 'alice.key', '-r', alice, '-i', '--recursive', 'circle'])).toBe('ELOOP');
    expect(await codeOf(['encrypt', '-r', alice, 'a', '-o', 'circle/x'])).toBe('ELOOP');
  });

  test('ENOTDIR, ENOENT, EISDIR', async () => {
    expect(await codeOf(['encrypt', '-r', alice, 'a/b', '-o', 'o'])).toBe('ENOTDIR');
    expect(await codeOf(['encrypt', '-r', alice, 'a', '-o', 'a/b'])).toBe('ENOTDIR');
    expect(await codeOf(['inspect', 'none'])).toBe('ENOENT');
    expect(await codeOf(['decrypt', '-k', '.', 'a.bulla', '-o', 'o'])).toBe('EISDIR');
  });

  test.runIf(process.getuid?.() === 0)('EACCES, without the permission', async () => {
    const shared = join(place.folder, 'shared');
    mkdirSync(shared);
    chmodSync(place.folder, 0o755);
    writeFileSync(join(shared, 'secret'), 'x', { mode: 0o600 });
    for (const args of [
      ['secret', '-o', '-'],
      ['../a', '-o', 'new'],
    ]) {
      const child = spawn(process.execPath, [main, 'encrypt', '-r', alice, ...args], {
        cwd: shared,
        uid: 65_534,
        gid: 65_534,
      });
      expect(await outcomeOf(child)).toMatchObject({ exitCode: 7, stderr: /^bulla: .*Permission denied.*\(EACCES\)/ });
    }
  });

  test.runIf(process.getuid?.() === 0)('EBUSY, of a message that is mounted by itself, with what to do', async () => {
    const path = join(place.folder, 'a.bulla');
    try {
      execFileSync('mount', ['--bind', path, path], { stdio: 'ignore' });
    } catch {
      return; // Without the right to mount.
    }
    try {
      const rewrap = ['rewrap', '-i', '-k', 'alice.key', '-r', alice, 'a.bulla'];
      expect(await codeOf(rewrap)).toBe('EBUSY');
      expect((await place.bulla(rewrap)).stderr).toContain('write to another with --output');
    } finally {
      execFileSync('umount', [path]);
    }
  });

  test('EMFILE does not come of files that are no messages', async () => {
    const store = join(place.folder, 'store');
    mkdirSync(store);
    for (let i = 0; i < 150; i++) writeFileSync(join(store, `a${i}.bulla`), 'no message at all');
    for (let i = 0; i < 5; i++) writeFileSync(join(store, `z${i}.bulla`), place.read('a.bulla'));
    const line = 'ulimit -n 64; exec "$@"';
    const rewrap = [main, 'rewrap', '--json', '-i', '--recursive', '-k', 'alice.key', '-r', alice, 'store'];
    const child = spawn('sh', ['-c', line, 'sh', process.execPath, ...rewrap], { cwd: place.folder });
    const { stdout, exitCode } = await outcomeOf(child);
    const lines = stdout
      .toString()
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text));
    expect(exitCode).toBe(exitCodes.format);
    expect(lines.filter(({ error }) => error === undefined)).toHaveLength(5);
    expect(new Set(lines.flatMap(({ error }) => error?.code ?? []))).toEqual(new Set(['ERR_NOT_A_MESSAGE']));
  });
});

describe('files whose size the system does not know', () => {
  test.each(['/proc/self/mounts', '/proc/version', '/sys/kernel/mm/transparent_hugepage/enabled'])(
    '%s is encrypted to its end',
    async (path) => {
      const text = readFileSync(path);
      for (const more of [[], ['--text'], ['--detached', 'envelope']]) {
        await place.ok(['encrypt', '-f', '-r', alice, ...more, '-o', 'proc.bulla', path]);
        const detached = more[0] === '--detached' ? more : [];
        const { stdout } = await place.ok(['decrypt', '-k', 'alice.key', ...detached, '-o', '-', 'proc.bulla']);
        expect(stdout.equals(text)).toBe(true);
      }
    },
  );

  test('keys and recipients may come from one', async () => {
    const child = spawn(
      'bash',
      ['-c', '"$0" "$1" encrypt -f -R <(echo "$2") -o sub.bulla a', process.execPath, main, alice],
      {
        cwd: place.folder,
      },
    );
    expect((await outcomeOf(child)).exitCode).toBe(0);
  });
});
