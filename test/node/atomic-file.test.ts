import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AtomicFile } from '../../src/node/atomic-file.ts';
import { writeFully } from '../../src/node/file-io.ts';

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
