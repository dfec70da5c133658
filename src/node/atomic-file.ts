/** A file that appears under its name when it is complete, or never. */

import { randomBytes } from 'node:crypto';
import { type FileHandle, link, lstat, open, realpath, rename, unlink } from 'node:fs/promises';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, assertInteger } from '../lib/assert.ts';

/** How a file comes to be. */
export interface AtomicFileOptions {
  /** Whether a file of the same name is replaced. Default: `false`, which fails with `EEXIST`, also when the file appears meanwhile. */
  readonly overwrite?: boolean | undefined;
  /**
   * Permission bits of the file, 0 to 0o777. Until it is complete it has 0o600. Default: those of the file it replaces, or of any new file (0o666 without the
   * bits of the umask).
   */
  readonly mode?: number | undefined;
}

/** What {@link AtomicFileOptions} may contain. */
export const atomicFileOptionNames = ['overwrite', 'mode'] as const;

/**
 * A temporary file in the folder of its target, to be published under the target's name or discarded. A process that is killed outright leaves it behind
 * as `.bulla-*.tmp`, readable by its owner alone.
 */
export class AtomicFile {
  readonly handle: FileHandle;
  readonly #temporary: string;
  readonly #target: string;
  readonly #overwrite: boolean;
  readonly #mode: number;
  #closed = false;

  private constructor(handle: FileHandle, temporary: string, target: Target, overwrite: boolean) {
    this.handle = handle;
    this.#temporary = temporary;
    this.#target = target.path;
    this.#overwrite = overwrite;
    this.#mode = target.mode;
  }

  /** Rejects with the file system's own errors, with `EEXIST`, `EISDIR` and `EINVAL` (no regular file) before anything is written, and a `TypeError` that names a wrong option. */
  static async create(path: string | URL, { overwrite = false, mode }: AtomicFileOptions = {}): Promise<AtomicFile> {
    assert(typeof overwrite === 'boolean', 'overwrite', 'a boolean');
    if (mode !== undefined) assertInteger(mode, 0, 0o777, 'mode');
    const target = await inspectTarget(pathOf(path), overwrite, mode);
    const temporary = join(dirname(target.path), `.bulla-${randomBytes(9).toString('hex')}.tmp`);
    const handle = await open(temporary, 'wx+', 0o600).catch((error: NodeJS.ErrnoException) => {
      // Nobody has heard of the temporary file.
      error.message = error.message.replace(temporary, target.path);
      throw Object.assign(error, { path: target.path });
    });
    return new AtomicFile(handle, temporary, target, overwrite);
  }

  /** Makes what was written durable; nothing can be added to it. */
  async complete(): Promise<void> {
    if (this.#closed) return;
    await this.handle.chmod(this.#mode);
    await this.handle.sync();
    this.#closed = true;
    await this.handle.close();
  }

  /** Makes the file durable and visible, in this order. What fails leaves nothing behind, and nothing overwritten. */
  async publish(): Promise<void> {
    try {
      await this.complete();
      if (this.#overwrite) await rename(this.#temporary, this.#target);
      else await moveToNew(this.#temporary, this.#target);
    } catch (error) {
      await this.discard();
      throw error;
    }
    await syncFolder(dirname(this.#target));
  }

  /** Removes the file after it was published; what it replaced does not come back. Never rejects. */
  async withdraw(): Promise<void> {
    await unlink(this.#target).catch(() => {});
  }

  /** Removes what was written. Never rejects; harmless when nothing is left to remove. */
  async discard(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      await this.handle.close().catch(() => {});
    }
    await unlink(this.#temporary).catch(() => {});
  }
}

/**
 * Publishes two files that are nothing without each other, `first` before `second`. Both are durable before either is visible; where `second` cannot be made
 * visible, `first` is taken away again.
 */
export async function publishBoth(first: AtomicFile, second: AtomicFile): Promise<void> {
  try {
    await first.complete();
    await second.complete();
    await first.publish();
    await second.publish().catch(async (error) => {
      await first.withdraw();
      throw error;
    });
  } catch (error) {
    await Promise.all([first.discard(), second.discard()]);
    throw error;
  }
}

/** Makes a file from what `write` puts in it, and removes it when that fails. */
export async function writeAtomically<Result>(
  path: string | URL,
  options: AtomicFileOptions,
  write: (handle: FileHandle) => Promise<Result>,
): Promise<Result> {
  const file = await AtomicFile.create(path, options);
  try {
    const result = await write(file.handle);
    await file.publish();
    return result;
  } catch (error) {
    await file.discard();
    throw error;
  }
}

interface Target {
  readonly path: string;
  readonly mode: number;
}

async function inspectTarget(path: string, overwrite: boolean, mode: number | undefined): Promise<Target> {
  const found = await lstat(path).catch(ignoring('ENOENT'));
  if (found === undefined) return { path, mode: mode ?? 0o666 & ~process.umask() };
  if (!overwrite) throw systemError('EEXIST', 'file already exists', path);
  if (found.isSymbolicLink()) {
    const real = await realpath(path).catch(ignoring('ENOENT'));
    // The link stays and what it points to is replaced; a link to nothing is replaced itself.
    return real === undefined ? { path, mode: mode ?? 0o666 & ~process.umask() } : inspectTarget(real, overwrite, mode);
  }
  if (found.isDirectory()) throw systemError('EISDIR', 'illegal operation on a directory', path);
  // Renaming over a device or a FIFO would remove it.
  if (!found.isFile()) throw systemError('EINVAL', 'not a regular file', path);
  return { path, mode: mode ?? found.mode & 0o777 };
}

/** A rename that fails when the target exists: a second name, and away with the first. */
async function moveToNew(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!withoutLinks.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    // FAT and some network file systems have no links; between this look and the renaming another file may slip in there.
    if ((await lstat(to).catch(ignoring('ENOENT'))) !== undefined) {
      throw systemError('EEXIST', 'file already exists', to);
    }
    await rename(from, to);
    return;
  }
  await unlink(from);
}

const withoutLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** Makes a new name durable, where folders can be opened for that. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}

function ignoring(code: string): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (error.code !== code) throw error;
  };
}

/** An error as `node:fs` makes them. */
function systemError(code: 'EEXIST' | 'EISDIR' | 'EINVAL', message: string, path: string): NodeJS.ErrnoException {
  const errno = -constants.errno[code];
  return Object.assign(new Error(`${code}: ${message}, '${path}'`), { code, errno, syscall: 'open', path });
}

function pathOf(path: string | URL): string {
  assert(typeof path === 'string' || path instanceof URL, 'to', 'a path or a file: URL');
  return typeof path === 'string' ? path : fileURLToPath(path);
}
