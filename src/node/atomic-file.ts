/** A file that appears under its name when it is complete, or never. */

import { constants, linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { integer, optional, type ReadersOf, takeBoolean } from '../lib/options.ts';
import { type FilePath, folderOf, type PlainPath, plainPath } from './paths.ts';
import { findTarget, type NotKept, takeOver } from './replaced-file.ts';
import { aboutTarget, systemError } from './system-error.ts';
import { forgetTemporary, temporaryBeside } from './temporary-files.ts';

/** How a file comes to be. */
export interface AtomicFileOptions {
  /** Whether a file of the same name is replaced. Default: `false`, which fails with `EEXIST`, also when the file appears meanwhile. */
  readonly overwrite?: boolean | undefined;
  /**
   * Permission bits of the file, 0 to 0o777. Until it is complete it has 0o600, except under Node's permission model. Default: those of the file it replaces, or of any new file (0o666 without the
   * bits of the umask).
   */
  readonly mode?: number | undefined;
}

/** The readers of {@link AtomicFileOptions}. */
export const atomicFileReaders = {
  overwrite: optional(takeBoolean, false),
  mode: optional(integer(0, 0o777)),
} satisfies ReadersOf<AtomicFileOptions>;

/** What is known of a file when it has its name. */
export interface WrittenFile {
  /**
   * What could not be taken from the file that was replaced; empty for a new file, except for `mode` under Node's permission model. Access control lists and extended attributes are never taken: Node has no call for them.
   */
  readonly notKept: readonly NotKept[];
}

/** Says, at the moment of the replacement, whether it still replaces what it was made from. Throws where it does not. */
export type LastLook = (target: PlainPath) => void;

/**
 * A temporary file in the folder of its target, to be published under the target's name or discarded. A process that is killed outright leaves it behind
 * as `.bulla-*.tmp`, readable by its owner alone.
 */
export class AtomicFile implements WrittenFile {
  readonly handle: FileHandle;
  notKept: readonly NotKept[] = [];
  readonly #temporary: PlainPath;
  readonly #target: PlainPath;
  /** As the caller names it. */
  readonly #name: PlainPath;
  readonly #overwrite: boolean;
  readonly #mode: number | undefined;
  #closed = false;

  private constructor(handle: FileHandle, { temporary, target, name }: Names, options: AtomicFileOptions) {
    this.handle = handle;
    this.#temporary = temporary;
    this.#target = target;
    this.#name = name;
    this.#overwrite = options.overwrite === true;
    this.#mode = options.mode;
  }

  /**
   * Rejects with the file system's own errors, with `EEXIST`, `EISDIR` and `EINVAL` (no regular file, a link to nothing) before anything is written. The options
   * were taken already.
   */
  static async create(path: FilePath, { overwrite = false, mode }: AtomicFileOptions = {}): Promise<AtomicFile> {
    const name = plainPath(path, 'to');
    const target = await findTarget(name, overwrite);
    const temporary = temporaryBeside(target);
    const { flags, firstMode } = isRestricted ? restricted(mode) : { flags: 'wx+', firstMode: 0o600 };
    try {
      const handle = await open(temporary, flags, firstMode);
      return new AtomicFile(handle, { temporary, target, name }, { overwrite, mode });
    } catch (error) {
      forgetTemporary(temporary);
      throw aboutTarget(error, name);
    }
  }

  /** Gives the file what the one in its place has, and makes durable what was written; nothing can be added to it. */
  async complete(): Promise<void> {
    if (this.#closed) return;
    this.notKept = await takeOver(this.handle, this.#target, this.#mode);
    if (!isRestricted) await this.handle.sync();
    this.#closed = true;
    await this.handle.close();
  }

  /** Makes the file durable and visible, in this order. Where it rejects, it left nothing behind and replaced nothing. */
  async publish(lastLook?: LastLook): Promise<void> {
    try {
      await this.complete();
      this.#appear(lastLook);
    } catch (error) {
      await this.discard();
      throw aboutTarget(error, this.#name);
    }
    await syncFolder(folderOf(this.#target));
  }

  /**
   * Publishes two files that are nothing without each other. Both are durable before either is visible. Where the second cannot be made visible, the first is taken away
   * again, and what it had replaced is back. Nothing else of this process, no signal included, comes between them; a power failure or SIGKILL may, and then leaves the old
   * first file as `.bulla-*.tmp`.
   */
  static async publishBoth(first: AtomicFile, second: AtomicFile): Promise<void> {
    try {
      await first.complete();
      await second.complete();
      first.#appearWith(second);
    } catch (error) {
      await Promise.all([first.discard(), second.discard()]);
      throw error;
    }
    await Promise.all([first, second].map((file) => syncFolder(folderOf(file.#target))));
  }

  /** Removes what was written. Never rejects; harmless when nothing is left to remove. */
  async discard(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      await this.handle.close().catch(() => {});
    }
    await unlink(this.#temporary).catch(() => {});
    forgetTemporary(this.#temporary);
  }

  /** Synchronous, so that nothing of this process comes between the last look and the new name. */
  #appear(lastLook?: LastLook): void {
    lastLook?.(this.#target);
    if (this.#overwrite) renameSync(this.#temporary, this.#target);
    else moveToNew(this.#temporary, this.#target);
    forgetTemporary(this.#temporary);
  }

  #appearWith(second: AtomicFile): void {
    const bringBack = this.#overwrite ? about(this.#name, () => setAside(this.#target)) : undefined;
    let visible = false;
    try {
      about(this.#name, () => this.#appear());
      visible = true;
      about(second.#name, () => second.#appear());
    } catch (error) {
      if (bringBack !== undefined) bringBack.undo();
      else if (visible) unlinkSync(this.#target);
      throw error;
    }
    bringBack?.done();
  }
}

/**
 * Whether Node's permission model is on. It forbids calls about open files: to change their mode and, from Node 26, to wait until they are durable. So a
 * file has its mode from the beginning, and each write is durable.
 */
const isRestricted = process.permission !== undefined;

function restricted(mode = 0o600): { flags: number; firstMode: number } {
  const { O_CREAT, O_EXCL, O_RDWR, O_SYNC } = constants;
  return { flags: O_CREAT | O_EXCL | O_RDWR | O_SYNC, firstMode: mode };
}

/** Makes a file from what `write` puts in it, and removes it when that fails. */
export async function writeAtomically<Result extends object>(
  path: FilePath,
  options: AtomicFileOptions,
  write: (handle: FileHandle) => Promise<Result>,
  lastLook?: LastLook,
): Promise<Result & WrittenFile> {
  const file = await AtomicFile.create(path, options);
  try {
    const result = await write(file.handle);
    await file.publish(lastLook);
    return { ...result, notKept: file.notKept };
  } catch (error) {
    await file.discard();
    throw error;
  }
}

function about<Result>(name: PlainPath, act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    throw aboutTarget(error, name);
  }
}

interface Names {
  readonly temporary: PlainPath;
  /** The place that it shall have, links resolved. */
  readonly target: PlainPath;
  /** As the caller names it. */
  readonly name: PlainPath;
}

/** Keeps what stands at a path under another name, until it is known whether it is to come back. */
function setAside(target: PlainPath): { undo(): void; done(): void } | undefined {
  if (lstatSync(target, { throwIfNoEntry: false }) === undefined) return undefined;
  const aside = temporaryBeside(target);
  const done = () => {
    if (lstatSync(aside, { throwIfNoEntry: false }) !== undefined) unlinkSync(aside);
  };
  try {
    linkSync(target, aside);
  } catch {
    // No links here, or not to a file of somebody else.
    renameSync(target, aside);
  }
  // Not one that a signal may remove.
  forgetTemporary(aside);
  return {
    undo() {
      renameSync(aside, target);
      // Renaming one name of a file to another one of its names does nothing.
      done();
    },
    done,
  };
}

/** A rename that fails when the target exists: a second name, and away with the first. */
function moveToNew(from: PlainPath, to: PlainPath): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (!withoutLinks.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    // FAT and some network file systems have no links; between this look and the renaming another process may slip a file in.
    if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) throw systemError('EEXIST', 'file already exists', to);
    renameSync(from, to);
    return;
  }
  unlinkSync(from);
}

const withoutLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** Makes a new name durable, where folders can be opened for that. */
async function syncFolder(path: PlainPath): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}
