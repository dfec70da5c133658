/** A file as a source of random access for `open`, with its size pinned and changes noticed. */

import { constants, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { SourceError } from '../errors.ts';
import type { Source } from '../message/source.ts';
import type { Bytes } from '../types.ts';
import type { LastLook } from './atomic-file.ts';
import { readFully, sourceChanged, unreadable } from './file-io.ts';
import { type FilePath, type PlainPath, plainPath, samePath } from './paths.ts';
import { isSameFile } from './replaced-file.ts';

/** A file that is open for random access. */
export interface FileSource extends Source {
  /**
   * Closes the file, unless it was given as a `FileHandle`, which stays its caller's. Reads of the source that have begun finish first; later ones reject with
   * `ERR_SOURCE_UNREADABLE`. Reading from a message may take several of them: wait for its promise before you close its source.
   */
  close(): Promise<void>;
}

/**
 * A file as a source for `open`: its size is that of now, and each read checks that the file did not change since (by size and time of modification).
 *
 * Rejects with the file system's own error (`ENOENT`, `EACCES`, …) when the file cannot be opened, and with `ERR_SOURCE_UNREADABLE` when it is no regular
 * file, or one that gives more or fewer bytes than the system says it has (procfs, sysfs): read such a file as a stream. Its reads reject with `ERR_SOURCE_CHANGED`, `ERR_SOURCE_UNREADABLE`, and the reason of their signal.
 *
 * @example
 * const source = await fileSource('video.bulla');
 * try {
 *   const video = await open(source, { keyring });
 *   const beginning = await video.read(0, 65_536);
 * } finally {
 *   await source.close();
 * }
 */
export async function fileSource(file: FilePath | FileHandle): Promise<FileSource> {
  const pinned = await openFile(file);
  // Closures, because applications keep it: in a Proxy, or taken apart.
  return {
    size: pinned.size,
    read: (offset, length, signal) => pinned.read(offset, length, signal),
    close: () => pinned.close(),
  };
}

/** The same for the helpers of this folder, which read into buffers of their own. */
export async function openFile(file: FilePath | FileHandle): Promise<PinnedFile> {
  if (isHandle(file)) return pin(file, undefined);
  const path = plainPath(file, 'file');
  // Without O_NONBLOCK, opening a FIFO waits for its writer before anything could be said about it.
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    return await pin(handle, path);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function isHandle(file: FilePath | FileHandle): file is FileHandle {
  return typeof (file as FileHandle | undefined)?.stat === 'function';
}

async function pin(handle: FileHandle, path: PlainPath | undefined): Promise<PinnedFile> {
  const seen = await handle.stat({ bigint: true });
  if (!seen.isFile()) throw new SourceError('ERR_SOURCE_UNREADABLE', 'The source is not a regular file');
  if (!(await endsAt(handle, Number(seen.size)))) {
    const { size } = await handle.stat();
    if (size !== Number(seen.size)) throw sourceChanged();
    const reason = `The file does not have the ${size} bytes that the system says it has: read it as a stream`;
    throw new SourceError('ERR_SOURCE_UNREADABLE', reason);
  }
  return new PinnedFile(handle, path, seen);
}

/** Whether there is a last byte and none behind it. Files of procfs have a size of 0 or of a page, whatever they give. */
export async function endsAt(handle: FileHandle, size: number): Promise<boolean> {
  const bytes = new Uint8Array(2);
  const from = Math.max(0, size - 1);
  const { bytesRead } = await handle.read(bytes, 0, 2, from).catch((error: unknown) => {
    throw unreadable(error);
  });
  return bytesRead === size - from;
}

/** What is remembered of a file, to notice that it changed. */
interface Seen {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

/** What stands behind a {@link FileSource}, for this folder alone. */
export class PinnedFile {
  readonly size: number;
  readonly #handle: FileHandle;
  /** Where it was opened by its path. */
  readonly #path: PlainPath | undefined;
  readonly #seen: Seen;
  readonly #reads = new Set<Promise<unknown>>();
  #closed = false;

  constructor(handle: FileHandle, path: PlainPath | undefined, seen: Seen) {
    this.#handle = handle;
    this.#path = path;
    this.size = Number(seen.size);
    this.#seen = seen;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Bytes> {
    signal?.throwIfAborted();
    if (this.#closed) throw new SourceError('ERR_SOURCE_UNREADABLE', 'The source is closed');
    const bytes = new Uint8Array(length);
    const reading = this.readInto(bytes, offset).then(() => this.assertUnchanged());
    this.#reads.add(reading);
    try {
      await reading;
    } finally {
      this.#reads.delete(reading);
    }
    signal?.throwIfAborted();
    return bytes;
  }

  /** Fills a buffer from an offset on; after many reads, call {@link assertUnchanged} at the end. */
  readInto(buffer: Bytes, offset: number): Promise<void> {
    return readFully(this.#handle, buffer, offset);
  }

  /** Throws `ERR_SOURCE_CHANGED` when size or time of modification are not what they were at first. */
  async assertUnchanged(): Promise<void> {
    const { size, mtimeNs } = await this.#handle.stat({ bigint: true }).catch((error: unknown) => {
      throw unreadable(error);
    });
    if (size !== this.#seen.size || mtimeNs !== this.#seen.mtimeNs) throw sourceChanged();
  }

  /**
   * For a file that is replaced by what was made from it: whether it still is what stands at `to`. Where `to` is another file now, the function that is given does nothing; where
   * it is this one, by whatever name, it throws `ERR_SOURCE_CHANGED` once another file stands there, or the file changed.
   */
  lastLook(to: FilePath): LastLook {
    const path = plainPath(to, 'to');
    const replaced = lookAt(path);
    const inPlace =
      (this.#path !== undefined && samePath(this.#path, path)) ||
      (replaced !== undefined && isSameFile(replaced, this.#seen));
    return (target) => {
      if (!inPlace) return;
      const now = lookAt(target);
      const { size, mtimeNs } = this.#seen;
      const same = now !== undefined && isSameFile(now, this.#seen) && now.size === size && now.mtimeNs === mtimeNs;
      if (!same) throw sourceChanged();
    };
  }

  /** Reads that have begun finish first. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#reads);
    if (this.#path !== undefined) await this.#handle.close();
  }
}

function lookAt(path: PlainPath) {
  return statSync(path, { bigint: true, throwIfNoEntry: false });
}
