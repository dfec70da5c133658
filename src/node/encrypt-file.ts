/** Encrypts a file to a file. */

import type { FileHandle } from 'node:fs/promises';
import { magicAndVersion } from '../envelope/framing.ts';
import { tell } from '../lib/callbacks.ts';
import { func, optional, type ReadersOf, takeBoolean, takeOptions } from '../lib/options.ts';
import { beginEncryption, type EncryptionOptions, encryptionReaders } from '../message/begin-encryption.ts';
import { frameEnvelope } from '../message/forms.ts';
import { geometryOfPlaintext, sealedOffset } from '../stream/geometry.ts';
import { sealSegment } from '../stream/segments.ts';
import type { Bytes } from '../types.ts';
import { type AtomicFileOptions, atomicFileReaders, type WrittenFile, writeAtomically } from './atomic-file.ts';
import { writeFully } from './file-io.ts';
import { openFile, type PinnedFile } from './file-source.ts';
import { type FilePath, plainPath } from './paths.ts';
import { runLanes } from './segment-lanes.ts';

/** Options of {@link encryptFile}. */
export interface EncryptFileOptions extends EncryptionOptions, AtomicFileOptions {
  /** `true` writes the body alone; the envelope is then in the result, to be kept elsewhere. Default: `false`. */
  readonly detached?: boolean | undefined;
  /** Told the plaintext bytes done so far, and all there are. What it throws or rejects with is ignored. */
  readonly onProgress?: ((bytes: number, total: number) => void) | undefined;
}

type SealOptions = Omit<EncryptFileOptions, keyof AtomicFileOptions>;

const sealReaders = {
  ...encryptionReaders,
  detached: optional(takeBoolean, false),
  onProgress: optional(func<NonNullable<EncryptFileOptions['onProgress']>>()),
} satisfies ReadersOf<SealOptions>;
const readers = { ...sealReaders, ...atomicFileReaders } satisfies ReadersOf<EncryptFileOptions>;

/** What {@link encryptFile} did. */
export interface EncryptedFile extends SealedFile, WrittenFile {}

/** What was encrypted, before it has its name. */
export interface SealedFile {
  /** Bytes that were encrypted. */
  readonly plaintextLength: number;
  /** Bytes of the new file. */
  readonly length: number;
  /** The detached envelope, with `detached`. */
  readonly envelope: Bytes | undefined;
}

/**
 * Encrypts a regular file to a new file, faster than through streams and in memory that does not grow with it. The new file appears under its name when it is
 * complete and on disk; whatever fails leaves nothing behind. With `overwrite`, it has owner, group and mode of the file that it replaces, or says in `notKept` what it
 * could not keep.
 *
 * Rejects with what `encrypt` rejects with, with `ERR_SOURCE_CHANGED` when the file changes meanwhile, `ERR_SOURCE_UNREADABLE` when it is
 * no regular file or does not have the size that the system tells (procfs), and the file system's own errors: `EEXIST` when `to` exists and `overwrite` is not set, `ENOENT`, `EACCES`, `ENOSPC` and others.
 *
 * @example
 * await encryptFile('backup.tar', 'backup.tar.bulla', { keyring, context: { host: 'db1' } });
 */
export async function encryptFile(
  from: FilePath | FileHandle,
  to: FilePath,
  options: EncryptFileOptions,
): Promise<EncryptedFile> {
  const { overwrite, mode, ...sealing } = takeOptions(options, readers);
  const target = plainPath(to, 'to');
  const source = await openFile(from);
  try {
    return await writeAtomically(
      target,
      { overwrite, mode },
      (file) => seal(source, file, sealing),
      source.lastLook(target),
    );
  } finally {
    await source.close();
  }
}

/** Encrypts an open file into another one, which begins empty. */
export async function seal(source: PinnedFile, target: FileHandle, options: SealOptions): Promise<SealedFile> {
  const taken = takeOptions(options, sealReaders);
  const { detached, onProgress, signal } = taken;
  const { envelope, messageKey, segmentSize } = await beginEncryption(taken);
  const { count, plaintextLength, bodyLength } = geometryOfPlaintext(source.size, segmentSize);
  const front = detached ? magicAndVersion('body') : frameEnvelope(envelope, 'message');
  await writeFully(target, [front], 0);
  let done = 0;
  await runLanes({
    from: { file: source, offset: 0, segmentLength: segmentSize, length: plaintextLength },
    to: { file: target, offset: front.byteLength, segmentLength: sealedOffset(1, segmentSize), length: bodyLength },
    count,
    convert: (index, plaintext) => sealSegment(messageKey, index, plaintext),
    onBatch(bytes) {
      done += bytes;
      tell(onProgress, done, plaintextLength);
    },
    signal,
  });
  await source.assertUnchanged();
  signal?.throwIfAborted();
  const length = front.byteLength + bodyLength;
  return { plaintextLength, length, envelope: detached ? frameEnvelope(envelope, 'envelope') : undefined };
}
