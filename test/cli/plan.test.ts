// Whether two names are one file is for the file system to say.

import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { optionsOf } from '../../src/cli/actions.ts';
import { parseArguments } from '../../src/cli/arguments.ts';
import { encryptCommand } from '../../src/cli/encrypt.ts';
import { readBeginning } from '../../src/cli/files.ts';
import { type Job, planJobs, withoutExtension } from '../../src/cli/plan.ts';
import { rewrapCommand } from '../../src/cli/rewrap.ts';
import { pathIn, shownPath } from '../../src/node/paths.ts';
import { Workplace } from './command.ts';

let folder: string;
const at = (name: string) => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bulla-plan-'));
  for (const name of ['a', 'b', 'key']) writeFileSync(at(name), name);
  mkdirSync(at('sub'));
  writeFileSync(at('sub/c'), 'c');
  linkSync(at('a'), at('hard'));
  symlinkSync('a', at('soft'));
  symlinkSync('soft', at('softer'));
  symlinkSync('sub', at('way'));
  linkSync(at('key'), at('key-2'));
  symlinkSync('key', at('key-3'));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Plans `encrypt` with arguments in which `@name` is a file in the folder. */
function plan(args: readonly string[], nameOf = (path: string | Buffer) => `${path}.bulla`): Promise<Job[]> {
  const command = args.includes('--recursive') ? rewrapCommand : encryptCommand;
  return planJobs(
    parseArguments(
      args.map((arg) => arg.replace(/^@/, `${folder}/`)),
      [...optionsOf(command), keyOption],
    ),
    nameOf as never,
  );
}

const keyOption = { name: 'key', short: 'k', value: 'FILE', multiple: true, help: '' };

describe('an output that is another input is refused, by whatever name', () => {
  test.each(['@b', '@./b', '@sub/../b'])('%s', async (other) => {
    symlinkSync('b', at('a.bulla'));
    await expect(plan(['@a', other, '-f'])).rejects.toThrow(/is an input, and would be written to as well/);
  });

  test('a hard link to it', async () => {
    linkSync(at('b'), at('a.bulla'));
    await expect(plan(['@a', '@b'])).rejects.toThrow(/is an input/);
  });

  test('through a folder that is a link', async () => {
    writeFileSync(at('sub/a.bulla'), '');
    await expect(plan(['@sub/c', '@way/c.bulla'])).rejects.toThrow(/is an input/);
  });
});

describe('an output that is a file of keys or recipients is refused, by whatever name', () => {
  test.each(['@key', '@key-2', '@key-3', '@sub/../key'])('%s', async (output) => {
    for (const option of ['-k', '-R']) {
      await expect(plan([option, '@key', '@a', '-f', '-o', output])).rejects.toThrow(/is read, and would be written/);
    }
  });
});

describe('two outputs that are one place are refused', () => {
  test('the same name in a folder and in a link to it', async () => {
    await expect(plan(['@sub/c', '@way/c'])).rejects.toThrow(/Two inputs would be written to/);
  });

  test('two names in one folder are two places, and so are two hard links', async () => {
    linkSync(at('b'), at('b-2'));
    await expect(plan(['@b', '@b-2'], (path) => String(path))).resolves.toHaveLength(2);
  });
});

test.each(['@a', '@hard', '@soft', '@softer'])(
  'what replaces its own input is for the command to say: %s',
  async (output) => {
    const jobs = await plan(['@a', '-f', '-o', output]);
    expect(jobs).toEqual([{ input: at('a'), output: output.replace('@', `${folder}/`) }]);
  },
);

describe('--recursive and symbolic links', () => {
  test('a link that leads out of the folders is a failure, one within them is nothing', async () => {
    const outside = at('outside');
    mkdirSync(outside);
    for (const path of [join(outside, 'a.bulla'), at('sub/b.bulla'), at('sub/c')]) writeFileSync(path, 'x');
    const links = {
      'out.bulla': join(outside, 'a.bulla'),
      out: outside,
      'in.bulla': at('sub/b.bulla'),
      circle: at('sub'),
    };
    for (const [name, target] of Object.entries(links)) symlinkSync(target, at(`sub/${name}`));
    // Of another name, so that nothing reaches it; and what is no message.
    symlinkSync(at('sub/c'), at('sub/other.bulla'));
    symlinkSync(join(outside, 'a.bulla'), at('sub/other'));
    symlinkSync(at('nowhere'), at('sub/dead.bulla'));
    const jobs = await plan(['--recursive', '--in-place', '@sub'], (path) => path as string);
    const failed = jobs.filter(({ failure }) => failure !== undefined);
    const namesOf = (list: typeof jobs) => list.map(({ input }) => shownPath(input).slice(folder.length));
    expect(namesOf(failed)).toEqual(['/sub/other.bulla', '/sub/out', '/sub/out.bulla']);
    expect(String(failed[0]?.failure)).toMatch(/--recursive does not follow links: .*other\.bulla/);
    expect(namesOf(jobs.filter(({ failure }) => failure === undefined))).toEqual(['/sub/b.bulla']);
  });
});

describe('names that are not UTF-8', () => {
  const odd = Buffer.from('caf\xe9.bulla', 'latin1');

  test('are found in folders, in the order of their bytes', async () => {
    const deep = pathIn(at('sub'), Buffer.from('d\xff', 'latin1'));
    mkdirSync(deep);
    for (const path of [pathIn(at('sub'), odd), pathIn(deep, odd)]) writeFileSync(path, 'x');
    writeFileSync(at('sub/plain.bulla'), 'x');
    writeFileSync(pathIn(at('sub'), Buffer.from('.bulla-\xff.bulla', 'latin1')), 'a temporary file');
    const jobs = await plan(['--recursive', '--in-place', '@sub'], (path) => path as string);
    expect(jobs.map(({ input }) => shownPath(input).slice(folder.length))).toEqual([
      '/sub/caf\\xe9.bulla',
      '/sub/d\\xff/caf\\xe9.bulla',
      '/sub/plain.bulla',
    ]);
    expect(jobs[0]?.input).toEqual(pathIn(at('sub'), odd));
  });

  test.each([
    [['caf\ufffd.txt'], /^An argument is not UTF-8/],
    [['-o', 'caf\ufffd'], /^An argument is not UTF-8/],
    [['--output=caf\ufffd'], /^The argument of --output is not UTF-8/],
    [['\ud800'], /^An argument/],
  ])('as arguments are refused: %j', (args, says) =>
    expect(() => parseArguments(args, optionsOf(encryptCommand))).toThrow(says),
  );

  test('are re-wrapped in place, and told as bytes', async () => {
    const place = new Workplace();
    try {
      const alice = await place.key('alice.key');
      const { stdout } = await place.ok(['encrypt', '-r', alice], { stdin: 'x' });
      mkdirSync(join(place.folder, 'store'));
      const path = pathIn(join(place.folder, 'store'), odd);
      writeFileSync(path, stdout);
      const rewrap = ['rewrap', '-k', 'alice.key', '-r', alice, '-i', '--recursive', 'store'];
      const { stderr } = await place.ok(rewrap);
      expect(stderr).toBe('store/caf\\xe9.bulla: re-wrapped\n');
      const [line] = (await place.ok([...rewrap, '--json'])).stdout.toString().trim().split('\n');
      expect(JSON.parse(line as string)).toMatchObject({
        input: 'store/caf\\xe9.bulla',
        inputBytes: pathIn('store', odd).toString('base64url'),
        rewrapped: true,
      });
    } finally {
      place.remove();
    }
  });
});

test('the file `./-.bulla` is decrypted to the file `./-`, not to standard output', async () => {
  expect((await plan(['./-.bulla'], withoutExtension as never)).map(({ output }) => output)).toEqual(['./-']);
});

test('an envelope that comes byte by byte is read once, and copied a few times', async () => {
  const bytes = Uint8Array.from([...new TextEncoder().encode('bulla'), 1, 0, 1, 0, 0, ...new Uint8Array(2 ** 16 + 1)]);
  let at = 0;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      controller.enqueue(bytes.slice(at, ++at));
      if (at === bytes.byteLength) controller.close();
    },
  });
  let copied = 0;
  const { set } = Uint8Array.prototype;
  const counting = vi.spyOn(Uint8Array.prototype, 'set').mockImplementation(function (this: Uint8Array, part, offset) {
    copied += part.length;
    return set.call(this, part, offset);
  });
  const { beginning } = await readBeginning(stream).finally(() => counting.mockRestore());
  expect(beginning).toEqual(bytes);
  expect(beginning.buffer.byteLength).toBeLessThan(4 * bytes.byteLength);
  expect(copied).toBeLessThan(4 * bytes.byteLength);
});
