/** A file as a source of random access for `open`, with its size pinned and changes noticed. */

import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { SourceError } from '../errors.ts';
import type { Source } from '../message/sources.ts';
import type { Bytes } from '../types.ts';
import { readFully, sourceChanged, unreadable } from './file-io.ts';

/** A file that is open for random access. */
export interface FileSource extends Source {
  /** Closes the file, unless it was given as a `FileHandle`, which stays its caller's. Reads that are under way finish first. */
  close(): Promise<void>;
}

/**
 * A file as a source for `open`: its size is that of now, and each read checks that the file did not change since (by size and time of modification).
 *
 * Rejects with the file system's own error (`ENOENT`, `EACCES`, …) when the file cannot be opened, and with `ERR_SOURCE_UNREADABLE` when it is no regular
 * file. Its reads reject with `ERR_SOURCE_CHANGED`, `ERR_SOURCE_UNREADABLE`, and the reason of their signal.
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
export async function fileSource(file: string | URL | FileHandle): Promise<FileSource> {
  return openFile(file);
}

/** The same for the helpers of this folder, which read into buffers of their own. */
export async function openFile(file: string | URL | FileHandle): Promise<PinnedFile> {
  if (typeof file !== 'string' && !(file instanceof URL)) return pin(file, false);
  // Without O_NONBLOCK, opening a FIFO waits for its writer before anything could be said about it.
  const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    return await pin(handle, true);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function pin(handle: FileHandle, owned: boolean): Promise<PinnedFile> {
  if (typeof handle?.stat !== 'function') throw new TypeError('file must be a path, a file: URL or a FileHandle');
  const stat = await handle.stat({ bigint: true });
  if (!stat.isFile()) throw new SourceError('ERR_SOURCE_UNREADABLE', 'The source is not a regular file');
  return new PinnedFile(handle, owned, Number(stat.size), stat.mtimeNs);
}

/** See {@link FileSource}. */
export class PinnedFile implements FileSource {
  readonly size: number;
  readonly #handle: FileHandle;
  readonly #owned: boolean;
  readonly #modified: bigint;

  constructor(handle: FileHandle, owned: boolean, size: number, modified: bigint) {
    this.#handle = handle;
    this.#owned = owned;
    this.size = size;
    this.#modified = modified;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Bytes> {
    signal?.throwIfAborted();
    const bytes = new Uint8Array(length);
    await this.readInto(bytes, offset);
    await this.assertUnchanged();
    signal?.throwIfAborted();
    return bytes;
  }

  /** Fills a buffer from an offset on; whoever reads many times calls {@link assertUnchanged} at the end. */
  readInto(buffer: Bytes, offset: number): Promise<void> {
    return readFully(this.#handle, buffer, offset);
  }

  /** Throws `ERR_SOURCE_CHANGED` when size or time of modification are not what they were at first. */
  async assertUnchanged(): Promise<void> {
    const { size, mtimeNs } = await this.#handle.stat({ bigint: true }).catch((error: unknown) => {
      throw unreadable(error);
    });
    if (Number(size) !== this.size || mtimeNs !== this.#modified) throw sourceChanged();
  }

  async close(): Promise<void> {
    if (this.#owned) await this.#handle.close();
  }
}
