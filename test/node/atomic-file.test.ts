import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AtomicFile } from '../../src/node/atomic-file.ts';
import { writeFully } from '../../src/node/file-io.ts';
import { removeTemporaries } from '../../src/node/temporary-files.ts';
import { codeOf } from '../support/data.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bulla-atomic-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function make(name: string, overwrite = false): Promise<AtomicFile> {
  const file = await AtomicFile.create(join(folder, name), { overwrite });
  await writeFully(file.handle, [new TextEncoder().encode(`new ${name}`)], 0);
  return file;
}

const contents = () =>
  Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));

test('two files are published together', async () => {
  await AtomicFile.publishBoth(await make('first'), await make('second'));
  expect(contents()).toEqual({ first: 'new first', second: 'new second' });
});

test.each(['first', 'second'])('or neither, where another file takes the name of the %s meanwhile', async (taken) => {
  const files = [await make('first'), await make('second')] as const;
  writeFileSync(join(folder, taken), 'of somebody else');
  await expect(AtomicFile.publishBoth(...files)).rejects.toMatchObject({ code: 'EEXIST' });
  expect(contents()).toEqual({ [taken]: 'of somebody else' });
});

test('or neither, where the second cannot be written out', async () => {
  writeFileSync(join(folder, 'first'), 'old');
  const files = [await make('first', true), await make('second')] as const;
  await files[1].handle.close();
  await expect(AtomicFile.publishBoth(...files)).rejects.toThrow();
  expect(contents()).toEqual({ first: 'old' });
});

test('a folder that is not there is told by the name of the file', async () => {
  const path = join(folder, 'none/file');
  const error = await AtomicFile.create(path).catch((thrown) => thrown);
  expect(error).toMatchObject({ code: 'ENOENT', path });
  expect(error.message).not.toContain('.tmp');
});

test('or neither, where the second cannot take the place of an old one: the old pair is there', async () => {
  writeFileSync(join(folder, 'first'), 'old first');
  const files = [await make('first', true), await make('second', true)] as const;
  const { ino } = statSync(join(folder, 'first'));
  // A folder that appears cannot be replaced by a file.
  mkdirSync(join(folder, 'second'));
  expect(await codeOf(AtomicFile.publishBoth(...files))).toBe('EISDIR');
  expect(readdirSync(folder).sort()).toEqual(['first', 'second']);
  expect([readFileSync(join(folder, 'first'), 'utf8'), statSync(join(folder, 'first')).ino]).toEqual([
    'old first',
    ino,
  ]);
});

test('both are replaced, and nothing else stays', async () => {
  for (const name of ['first', 'second']) writeFileSync(join(folder, name), 'old');
  await AtomicFile.publishBoth(await make('first', true), await make('second', true));
  expect(contents()).toEqual({ first: 'new first', second: 'new second' });
});

describe('what is in the place of the new file', () => {
  const create = (name: string, overwrite = true) => AtomicFile.create(join(folder, name), { overwrite });

  test('a link stays, and what it leads to is replaced', async () => {
    writeFileSync(join(folder, 'target'), 'old');
    symlinkSync('target', join(folder, 'link'));
    await (await make('link', true)).publish();
    expect(lstatSync(join(folder, 'link')).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(folder, 'target'), 'utf8')).toBe('new link');
  });

  test.each([true, false])(
    'a link to nothing and what is no file are refused, with overwrite %s',
    async (overwrite) => {
      symlinkSync('nothing', join(folder, 'link'));
      expect(await codeOf(create('link', overwrite))).toBe('EINVAL');
      expect(await codeOf(AtomicFile.create('/dev/null', { overwrite }))).toBe('EINVAL');
      expect(readdirSync(folder)).toEqual(['link']);
    },
  );

  test('a file that was removed and is open still is no place', async () => {
    writeFileSync(join(folder, 'gone'), 'old');
    const handle = await open(join(folder, 'gone'));
    rmSync(join(folder, 'gone'));
    symlinkSync(`/proc/self/fd/${handle.fd}`, join(folder, 'link'));
    expect(await codeOf(create('link'))).toBe('EINVAL');
    await handle.close();
  });

  test('its mode is the one that it has at the end', async () => {
    writeFileSync(join(folder, 'a'), 'old', { mode: 0o664 });
    const file = await make('a', true);
    chmodSync(join(folder, 'a'), 0o600);
    await file.publish();
    expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o600);
    expect(file.notKept).toEqual([]);
  });

  test('other names of it are told', async () => {
    writeFileSync(join(folder, 'a'), 'old');
    linkSync(join(folder, 'a'), join(folder, 'b'));
    const file = await make('a', true);
    await file.publish();
    expect([file.notKept, contents()]).toEqual([['hard links'], { a: 'new a', b: 'old' }]);
  });

  test('what the last look refuses is not replaced', async () => {
    writeFileSync(join(folder, 'a'), 'old');
    const file = await make('a', true);
    const look = () => {
      throw new Error('another file');
    };
    await expect(file.publish(look)).rejects.toThrow('another file');
    expect(contents()).toEqual({ a: 'old' });
  });

  test('an error of the replacement is about the name that was given', async () => {
    const file = await make('a', true);
    renameSync(folder, `${folder}-elsewhere`);
    const error = await file.publish().catch((thrown) => thrown);
    renameSync(`${folder}-elsewhere`, folder);
    expect(error).toMatchObject({ code: 'ENOENT', path: join(folder, 'a') });
    expect(error.message).not.toContain('.tmp');
    removeTemporaries();
  });

  const isRoot = process.getuid?.() === 0;

  test.runIf(isRoot)('owner and group are given to the new file', async () => {
    writeFileSync(join(folder, 'a'), 'old', { mode: 0o640 });
    chownSync(join(folder, 'a'), 12_345, 23_456);
    const file = await make('a', true);
    await file.publish();
    expect(statSync(join(folder, 'a'))).toMatchObject({ uid: 12_345, gid: 23_456, mode: 0o100_640 });
    expect(file.notKept).toEqual([]);
  });

  test.runIf(isRoot)('where that is not allowed, it is told, and no other group gets the rights', async () => {
    writeFileSync(join(folder, 'a'), 'old');
    chownSync(join(folder, 'a'), 12_345, 23_456);
    chmodSync(join(folder, 'a'), 0o674);
    chmodSync(folder, 0o777);
    process.setegid?.(65_534);
    process.seteuid?.(65_534);
    try {
      const file = await make('a', true);
      await file.publish();
      expect(file.notKept).toEqual(['owner', 'group']);
    } finally {
      process.seteuid?.(0);
      process.setegid?.(0);
    }
    expect(statSync(join(folder, 'a'))).toMatchObject({ uid: 65_534, gid: 65_534, mode: 0o100_604 });
  });
});

test('a process that has to end at once leaves no temporary file', async () => {
  const file = await make('a');
  expect(readdirSync(folder)).toHaveLength(1);
  removeTemporaries();
  expect(readdirSync(folder)).toEqual([]);
  await file.discard();
});
