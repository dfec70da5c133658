// Names and texts from elsewhere reach a terminal only with all that it would obey, or that nobody would see, made visible; JSON holds them as escapes.

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exitCodes } from '../../src/cli/failure.ts';
import { joined, ownText, words } from '../../src/cli/words.ts';
import { readSources } from '../architecture/sources.ts';
import { Workplace } from './command.ts';

/** Erases a line, turns the rest around, begins a line of its own, and isolates what follows. */
const hostile = ['red\x1b[2K\x1b]0;x\x07', 'fdp.\u202etxt', 'a\nfake: b', 'c\u2066d\u200b\u009b', '\u05d0\u05d1'];
/** What may be in the lines of a program, and in a text from right to left that is isolated. */
const unseen = /(?![\n\u2068\u2069])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

let place: Workplace;
let alice: string;

beforeAll(async () => {
  place = new Workplace();
  alice = await place.key('alice.key');
});

afterAll(() => place.remove());

describe.each(hostile)('%j', (name) => {
  test('as the name of every file, in success and in failure', async () => {
    mkdirSync(join(place.folder, 'in', name), { recursive: true });
    const [plain, folder] = [`in/${name}/f`, `in/${name}`];
    place.write(plain, 'x');
    place.write(`${folder}/bad.bulla`, 'no message');
    const key = `${folder}/k`;
    const calls: [exitCode: number, args: string[]][] = [
      [exitCodes.success, ['encrypt', '-f', '-r', alice, '-c', `${name}=${name}`, '-m', `${name}=${name}`, plain]],
      [exitCodes.success, ['inspect', `${plain}.bulla`]],
      [exitCodes.context, ['decrypt', '-f', '-k', 'alice.key', `${plain}.bulla`]],
      [exitCodes.context, ['rewrap', '-i', '-k', 'alice.key', '-r', alice, `${plain}.bulla`]],
      [exitCodes.success, ['rewrap', '-i', '-k', 'alice.key', '-r', alice, '-c', `${name}=${name}`, `${plain}.bulla`]],
      [exitCodes.success, ['decrypt', '-f', '-k', 'alice.key', '-c', `${name}=${name}`, `${plain}.bulla`]],
      [exitCodes.success, ['rewrap', '-n', '-k', 'alice.key', '-r', alice, '-c', `${name}=${name}`, `${plain}.bulla`]],
      [exitCodes.file, ['encrypt', '-r', alice, '-o', 'in', plain]],
      [exitCodes.file, ['encrypt', '-r', alice, plain]],
      [exitCodes.file, ['encrypt', '-r', alice, folder]],
      [exitCodes.file, ['encrypt', '-r', alice, '-o', `${folder}/no/such`, plain]],
      [exitCodes.file, ['encrypt', '-R', `${folder}/missing`, plain]],
      [exitCodes.key, ['encrypt', '-f', '-R', plain, plain]],
      [exitCodes.key, ['decrypt', '-k', plain, '-o', `${folder}/never`, `${plain}.bulla`]],
      [exitCodes.format, ['inspect', `${folder}/bad.bulla`]],
      [exitCodes.usage, ['decrypt', '-k', 'alice.key', plain]],
      [exitCodes.usage, ['encrypt', '-r', alice, plain, plain]],
      [exitCodes.usage, [name]],
      [exitCodes.usage, ['encrypt', `--${name}`]],
      [exitCodes.usage, ['encrypt', '-c', `${name}=1`, '-c', `${name}=2`, plain]],
      [exitCodes.file, ['encrypt', '-s', plain, plain]],
      [exitCodes.usage, ['keys', name]],
      [exitCodes.success, ['keygen', '-f', '-o', key]],
      [exitCodes.file, ['keygen', '-o', key]],
      [
        exitCodes.key,
        ['rewrap', '-i', '-k', 'alice.key', '-r', alice, '--drop', name, '-c', `${name}=${name}`, `${plain}.bulla`],
      ],
    ];
    for (const [exitCode, args] of calls) {
      const outcome = await place.bulla(args);
      const shown = outcome.stdout.toString() + outcome.stderr;
      expect([args, outcome.exitCode, unseen.exec(shown)]).toEqual([args, exitCode, null]);
      expect(shown).not.toMatch(/^fake: b/m);
      // What is isolated ends where it should.
      for (const line of shown.split('\n')) {
        expect(line.split('\u2068').length).toBe(line.split('\u2069').length);
        if (/[\u05d0\u05d1]/.test(line)) expect(line).toContain('\u2068');
      }
    }
  });

  test('in JSON, where it is the same text in escapes', async () => {
    mkdirSync(join(place.folder, 'json', name), { recursive: true });
    const path = `json/${name}/f`;
    place.write(path, 'x');
    const encrypt = ['encrypt', '--json', '-f', '-r', alice, '-m', `${name}=${name}`, path, `json/${name}`];
    const { stdout } = await place.bulla(encrypt);
    const inspected = await place.ok(['inspect', '--json', `${path}.bulla`]);
    for (const output of [stdout, inspected.stdout]) expect(output.toString()).not.toMatch(unseen);
    const lines = stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ input }) => input)).toEqual([path, `json/${name}`]);
    expect(JSON.parse(inspected.stdout.toString()).header.metadata).toEqual({ [name]: name });
  });

  test('in the question for a passphrase', () => {
    const file = join(place.folder, 'answer');
    writeFileSync(file, 'wrong\r');
    mkdirSync(join(place.folder, 'p', name), { recursive: true });
    const key = `p/${name}/k`;
    execFileSync(
      process.execPath,
      ['dist/cli/main.js', 'keygen', '-o', join(place.folder, key), '--passphrase-fd', '0'],
      {
        input: 'orbit',
      },
    );
    const command = [process.execPath, join(process.cwd(), 'dist/cli/main.js'), 'keygen', '--public', '-k', key];
    const quoted = command.map((part) => `'${part}'`).join(' ');
    const shown = execFileSync('bash', ['-c', 'script -qc "$1" /dev/null < answer || true', 'bash', quoted], {
      cwd: place.folder,
      encoding: 'utf8',
    });
    expect(shown).toContain('Passphrase of ');
    expect(shown.replaceAll('\r\n', '\n').match(unseen)).toBeNull();
  });
});

describe('one way to the terminal', () => {
  const sources = readSources().filter(({ path }) => path.startsWith('cli/'));

  test('what is inserted into words is isolated once, words stay as they are', () => {
    const inner = words`<${'\u202e'}>`;
    expect(String(words`a ${inner} ${'\u05d0\n'} ${5}`)).toBe('a <[U+202E]> \u2068\u05d0[U+000A]\u2069 5');
    expect(String(joined([inner, ownText('\n')], ', '))).toBe('<[U+202E]>, \n');
  });

  test('text of our own is made in a few places, of nothing from elsewhere', () => {
    const callers = sources.filter(({ text }) => /\bownText\(|new Words\(/.test(text)).map(({ path }) => path);
    expect(callers.sort()).toEqual(['cli/help.ts', 'cli/standard-streams.ts', 'cli/terminal.ts', 'cli/words.ts']);
  });

  test('nothing is written past the standard streams', () => {
    const wrong = sources
      .filter(({ text }) => /process\.(stdout|stderr)\b(?!\.columns)|\bconsole\./.test(text))
      .map(({ path }) => path);
    expect(wrong).toEqual([]);
  });
});
