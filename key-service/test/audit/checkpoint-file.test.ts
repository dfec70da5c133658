/** The file of the newest checkpoint, beside others who may write to its folder; `docs/key-service.md` §11.5. */

import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CheckpointFile } from '../../src/audit/checkpoint-file.ts';
import { StoreError } from '../../src/store/errors.ts';

describe('§11.5 checkpoint_file', () => {
  let folder: string;
  let file: string;
  let checkpoint: CheckpointFile;
  const spare = (): string => join(folder, readdirSync(folder).find((name) => name.endsWith('.tmp')) ?? 'none');

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bulla-checkpoint-'));
    file = join(folder, 'checkpoint');
    checkpoint = new CheckpointFile(file);
  });
  afterEach(() => {
    checkpoint.close();
    rmSync(folder, { recursive: true });
  });

  it('is replaced whole, and leaves nothing beside it', () => {
    expect(checkpoint.read()).toBeUndefined();
    checkpoint.replace('first, which is longer\n');
    const before = statSync(file).ino;
    checkpoint.replace('second\n');
    expect(checkpoint.read()).toBe('second\n');
    expect(statSync(file).ino).not.toBe(before);
    checkpoint.prepare();
    checkpoint.close();
    expect(readdirSync(folder)).toEqual(['checkpoint']);
  });

  it('is written beside it under a name that nobody knows before', () => {
    const names = Array.from({ length: 3 }, () => {
      checkpoint.prepare();
      const name = spare();
      checkpoint.replace('x\n');
      return name;
    });
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(name).toMatch(/checkpoint\.[0-9a-f]{18}\.tmp$/);
  });

  it('is not written through a link that takes the place of what was prepared', () => {
    const victim = join(folder, 'victim');
    writeFileSync(victim, 'precious');
    checkpoint.prepare();
    const name = spare();
    rmSync(name);
    symlinkSync(victim, name);
    checkpoint.replace('note\n');
    expect(readFileSync(victim, 'utf8')).toBe('precious');
    expect(lstatSync(file).isFile()).toBe(true);
    expect(readFileSync(file, 'utf8')).toBe('note\n');
  });

  it('keeps its permissions, and takes those of a new file where it is new', () => {
    checkpoint.replace('one\n');
    expect(statSync(file).mode & 0o777).toBe(0o644);
    chmodSync(file, 0o640);
    checkpoint.replace('two\n');
    expect(statSync(file).mode & 0o777).toBe(0o640);
  });

  it('removes what killed processes left, an hour later, and nothing else', () => {
    const old = new Date(Date.now() - 2 * 3_600_000);
    const names = [`checkpoint.${'a'.repeat(18)}.tmp`, 'checkpoint.tmp', `other.${'a'.repeat(18)}.tmp`];
    for (const name of names) {
      writeFileSync(join(folder, name), '');
      utimesSync(join(folder, name), old, old);
    }
    writeFileSync(join(folder, `checkpoint.${'b'.repeat(18)}.tmp`), '');
    checkpoint.replace('x\n');
    expect(readdirSync(folder).sort()).toEqual(
      ['checkpoint', `checkpoint.${'b'.repeat(18)}.tmp`, ...names.slice(1)].sort(),
    );
  });

  it('that cannot be written is a failure of the store, before and at the change', () => {
    const nowhere = new CheckpointFile(join(folder, 'missing', 'checkpoint'));
    expect(() => nowhere.prepare()).toThrow(StoreError);
    expect(() => nowhere.replace('x')).toThrow(StoreError);
    nowhere.close();
  });
});
