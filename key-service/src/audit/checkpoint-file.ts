/** The file outside the database that holds the newest checkpoint; replaced whole, and tried before it is needed. */

import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { OperatorError } from '../errors.ts';
import { StoreError } from '../store/errors.ts';

// More than any checkpoint has: what was written once can be written over when the disk is full.
const reserved = Buffer.alloc(2048, ' ');
const abandonedMs = 3_600_000;

interface Spare {
  readonly path: string;
  readonly descriptor: number;
}

/** The caller that creates one closes it. */
export class CheckpointFile {
  readonly #file: string;
  #spare: Spare | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** The checkpoint in it, `undefined` where there is none. */
  read(): string | undefined {
    return readCheckpointFile(this.#file);
  }

  /** Makes sure that the next `replace` has room to write to. Throws `StoreError`. */
  prepare(): void {
    this.#guarded(() => {
      if (this.#spare && isThere(this.#spare)) {
        writeSync(this.#spare.descriptor, reserved, 0, 1, 0);
        return;
      }
      this.#discard();
      removeAbandoned(this.#file);
      this.#spare = openSpare(this.#file);
      writeSync(this.#spare.descriptor, reserved);
      fsyncSync(this.#spare.descriptor);
    });
  }

  /** Replaces the checkpoint. Throws `StoreError`. */
  replace(note: string): void {
    this.prepare();
    this.#guarded(() => {
      const { path, descriptor } = this.#spare as Spare;
      const bytes = Buffer.from(note);
      writeSync(descriptor, bytes, 0, bytes.byteLength, 0);
      ftruncateSync(descriptor, bytes.byteLength);
      takeOver(this.#file, descriptor);
      fsyncSync(descriptor);
      renameSync(path, this.#file);
      closeSync(descriptor);
      this.#spare = undefined;
      syncFolder(this.#file);
    });
  }

  /** Leaves nothing but the checkpoint. */
  close(): void {
    this.#discard();
  }

  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#discard();
      throw new StoreError('The checkpoint cannot be written', { cause: error });
    }
  }

  #discard(): void {
    const spare = this.#spare;
    this.#spare = undefined;
    if (!spare) return;
    if (isThere(spare)) rmSync(spare.path, { force: true });
    closeSync(spare.descriptor);
  }
}

/** The checkpoint in a file, `undefined` where there is none. Throws `OperatorError`. */
export function readCheckpointFile(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new OperatorError(`The checkpoint ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

// A name that nobody can guess, and no file or link that is there already: others may write to the folder.
function openSpare(file: string): Spare {
  const path = `${file}.${randomBytes(9).toString('hex')}.tmp`;
  return { path, descriptor: openSync(path, 'wx', 0o644) };
}

function isThere({ path, descriptor }: Spare): boolean {
  const named = lstatSync(path, { throwIfNoEntry: false });
  const opened = fstatSync(descriptor);
  return named?.ino === opened.ino && named.dev === opened.dev;
}

// What processes left that were killed. One that still runs makes another.
function removeAbandoned(file: string): void {
  const prefix = `${basename(file)}.`;
  for (const name of readdirSync(dirname(file))) {
    if (!name.startsWith(prefix) || !/^[0-9a-f]{18}\.tmp$/.test(name.slice(prefix.length))) continue;
    const path = join(dirname(file), name);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found && Date.now() - found.mtimeMs > abandonedMs) rmSync(path, { force: true });
  }
}

/** Gives a file the owner, as far as the system lets us, and the permissions of the one that it replaces. */
function takeOver(file: string, descriptor: number): void {
  const replaced = statSync(file, { throwIfNoEntry: false });
  if (!replaced) return;
  try {
    fchownSync(descriptor, replaced.uid, replaced.gid);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  }
  fchmodSync(descriptor, replaced.mode & 0o777);
}

function syncFolder(file: string): void {
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
