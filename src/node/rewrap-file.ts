/** Replaces the wrapped keys of a message in a file. */

import type { FileHandle } from 'node:fs/promises';
import { formOf, magicLength, preambleLength } from '../envelope/framing.ts';
import { tell } from '../lib/callbacks.ts';
import { maxEnvelopeLength } from '../lib/limits.ts';
import { func, optional, type ReadersOf, type Taken, takeOptions } from '../lib/options.ts';
import { detachedEnvelope, frameEnvelope } from '../message/forms.ts';
import { readFront } from '../message/open.ts';
import type { RewrapOptions } from '../message/rewrap.ts';
import { rewrapEnvelope, rewrapReaders } from '../message/rewrap-envelope.ts';
import { type AtomicFileOptions, atomicFileReaders, type WrittenFile, writeAtomically } from './atomic-file.ts';
import { writeFully } from './file-io.ts';
import { openFile, type PinnedFile } from './file-source.ts';
import { type FilePath, plainPath } from './paths.ts';

/** Options of {@link rewrapFile}. */
export interface RewrapFileOptions extends RewrapOptions, AtomicFileOptions {
  /** Told the bytes copied so far, and all there are. What it throws or rejects with is ignored. */
  readonly onProgress?: ((bytes: number, total: number) => void) | undefined;
}

const readers = {
  ...rewrapReaders,
  ...atomicFileReaders,
  onProgress: optional(func<NonNullable<RewrapFileOptions['onProgress']>>()),
} satisfies ReadersOf<RewrapFileOptions>;
type TakenOptions = Taken<typeof readers>;

const copyLength = 2 ** 20;

/**
 * Re-wraps a message, or a detached envelope, from a file to a file; `to` may be the same file, with `overwrite`. Segments are copied as they are. The new file appears
 * when it is complete and on disk, with owner, group and mode of the file that it replaces, or with `notKept` saying what it could not keep. Whatever fails replaces
 * nothing and leaves nothing behind.
 *
 * Rejects with what `rewrap` rejects with, with `ERR_SOURCE_UNREADABLE`, with the file system's own errors, and with `ERR_SOURCE_CHANGED` when the file changes meanwhile.
 * Where `to` is the file itself, a newer file that was moved to its name is such a change; the last look at it is taken immediately before the new file gets the name, and
 * what another process moves there between the two is lost.
 *
 * @example
 * await rewrapFile('backup.tar.bulla', 'backup.tar.bulla', { from: oldKeyring, to: newKeyring, overwrite: true });
 */
export async function rewrapFile(
  from: FilePath | FileHandle,
  to: FilePath,
  options: RewrapFileOptions,
): Promise<WrittenFile> {
  const taken = takeOptions(options, readers);
  const target = plainPath(to, 'to');
  const source = await openFile(from);
  try {
    return await writeAtomically(target, taken, (file) => rewrapTo(source, file, taken), source.lastLook(target));
  } finally {
    await source.close();
  }
}

async function rewrapTo(source: PinnedFile, target: FileHandle, options: TakenOptions): Promise<object> {
  const magic = await source.read(0, Math.min(magicLength, source.size));
  if (formOf(magic) === 'envelope') await rewrapDetached(source, target, options);
  else await rewrapMessage(source, target, options);
  await source.assertUnchanged();
  options.signal?.throwIfAborted();
  return {};
}

async function rewrapMessage(source: PinnedFile, target: FileHandle, options: TakenOptions): Promise<void> {
  const { envelopeBytes, bodyOffset } = await readFront(source, undefined, options.signal);
  const front = frameEnvelope(await rewrapEnvelope(envelopeBytes, options), 'message');
  await writeFully(target, [front], 0);
  await copyRest(source, bodyOffset, target, front.byteLength, options);
}

async function rewrapDetached(source: PinnedFile, target: FileHandle, options: TakenOptions): Promise<void> {
  // One byte more than any may have, so that what is too long is refused as such.
  const envelope = await source.read(0, Math.min(source.size, preambleLength + maxEnvelopeLength + 1));
  const rewrapped = frameEnvelope(await rewrapEnvelope(detachedEnvelope(envelope), options), 'envelope');
  await writeFully(target, [rewrapped], 0);
}

async function copyRest(
  source: PinnedFile,
  from: number,
  target: FileHandle,
  to: number,
  { onProgress, signal }: TakenOptions,
): Promise<void> {
  const length = source.size - from;
  const buffer = new Uint8Array(Math.min(copyLength, length));
  for (let done = 0; done < length; ) {
    signal?.throwIfAborted();
    const chunk = buffer.subarray(0, Math.min(copyLength, length - done));
    await source.readInto(chunk, from + done);
    await writeFully(target, [chunk], to + done);
    done += chunk.byteLength;
    tell(onProgress, done, length);
  }
}
