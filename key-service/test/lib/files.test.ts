// New files never replace another and are complete.

import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeNewFile } from '../../src/lib/files.ts';

let folder: string;
const at = (name: string) => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bulla-files-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function* chunks(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}

it('a new file has all chunks and is its owner’s alone', async () => {
  await writeNewFile(at('new'), chunks('one ', '', 'two'));
  expect(readFileSync(at('new'), 'utf8')).toBe('one two');
  expect(statSync(at('new')).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['new']);
});

it('a file that exists stays, and nothing is left behind', async () => {
  writeFileSync(at('old'), 'precious');
  symlinkSync('nowhere', at('link'));
  for (const name of ['old', 'link']) {
    await expect(writeNewFile(at(name), chunks('x'))).rejects.toMatchObject({ code: 'EEXIST' });
  }
  expect(readFileSync(at('old'), 'utf8')).toBe('precious');
  expect(existsSync(at('nowhere'))).toBe(false);
  expect(readdirSync(folder).sort()).toEqual(['link', 'old']);
});

it('nor does one that appears meanwhile', async () => {
  async function* meanwhile() {
    yield Buffer.from('x');
    writeFileSync(at('new'), 'of somebody else');
  }
  await expect(writeNewFile(at('new'), meanwhile())).rejects.toMatchObject({ code: 'EEXIST' });
  expect(readFileSync(at('new'), 'utf8')).toBe('of somebody else');
  expect(readdirSync(folder)).toEqual(['new']);
});

it('chunks that fail leave nothing', async () => {
  async function* failing() {
    yield Buffer.from('x');
    throw new Error('broken');
  }
  await expect(writeNewFile(at('new'), failing())).rejects.toThrow('broken');
  expect(readdirSync(folder)).toEqual([]);
});
