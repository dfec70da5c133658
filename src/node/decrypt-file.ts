/** Decrypts a file to a file. */

import type { FileHandle } from 'node:fs/promises';
import { tagLength } from '../crypto/aes-gcm.ts';
import { tell } from '../lib/callbacks.ts';
import { func, optional, type ReadersOf, type Taken, takeOptions } from '../lib/options.ts';
import { beginDecryption, type DecryptionOptions, decryptionReaders } from '../message/begin-decryption.ts';
import { takeEnvelope } from '../message/forms.ts';
import { readFront } from '../message/open.ts';
import { geometryOfBody, sealedOffset } from '../stream/geometry.ts';
import { openSegment } from '../stream/segments.ts';
import type { MessageHeader } from '../types.ts';
import { type AtomicFileOptions, atomicFileReaders, type WrittenFile, writeAtomically } from './atomic-file.ts';
import { openFile, type PinnedFile } from './file-source.ts';
import { type FilePath, plainPath } from './paths.ts';
import { runLanes } from './segment-lanes.ts';

/** Options of {@link decryptFile}. */
export interface DecryptFileOptions extends DecryptionOptions, AtomicFileOptions {
  /** The detached envelope, where the file is a detached body. Default: none, the file is a whole message. */
  readonly envelope?: Uint8Array | string | undefined;
  /** Told the plaintext bytes done so far, and all there seem to be. What it throws or rejects with is ignored. */
  readonly onProgress?: ((bytes: number, total: number) => void) | undefined;
}

const readers = {
  ...decryptionReaders,
  ...atomicFileReaders,
  envelope: optional(takeEnvelope),
  onProgress: optional(func<NonNullable<DecryptFileOptions['onProgress']>>()),
} satisfies ReadersOf<DecryptFileOptions>;

/** What {@link decryptFile} did. */
export interface DecryptedFile extends OpenedFile, WrittenFile {}

/** What was decrypted, before it has its name. */
interface OpenedFile {
  /** Bytes of the new file. */
  readonly plaintextLength: number;
  readonly header: MessageHeader;
}

/**
 * Decrypts a file that holds a message in its binary form, faster than through streams and in memory that does not grow with it. No byte of plaintext is visible
 * under the new file's name before all segments opened; whatever fails leaves nothing behind. With `overwrite`, it has owner, group and mode of the file that it replaces,
 * or says in `notKept` what it could not keep.
 *
 * Rejects with what `decrypt` rejects with, with `ERR_SOURCE_CHANGED` when the file changes meanwhile, `ERR_SOURCE_UNREADABLE`, and the file system's own
 * errors: `EEXIST` when `to` exists and `overwrite` is not set, `ENOENT`, `EACCES`, `ENOSPC` and others.
 *
 * @example
 * const { header } = await decryptFile('backup.tar.bulla', 'backup.tar', { keyring, context: { host: 'db1' } });
 */
export async function decryptFile(
  from: FilePath | FileHandle,
  to: FilePath,
  options: DecryptFileOptions,
): Promise<DecryptedFile> {
  const taken = takeOptions(options, readers);
  const target = plainPath(to, 'to');
  const source = await openFile(from);
  try {
    return await writeAtomically(target, taken, (file) => openTo(source, file, taken), source.lastLook(target));
  } finally {
    await source.close();
  }
}

async function openTo(source: PinnedFile, target: FileHandle, options: Taken<typeof readers>): Promise<OpenedFile> {
  const { envelope: given, onProgress, signal } = options;
  const { envelopeBytes, bodyOffset } = await readFront(source, given, signal);
  const { header, messageKey, segmentSize, failed } = await beginDecryption(envelopeBytes, options);
  const { count, plaintextLength, bodyLength } = geometryOfBody(source.size - bodyOffset, segmentSize);
  const sealedLength = sealedOffset(1, segmentSize);
  let done = 0;
  await runLanes({
    from: { file: source, offset: bodyOffset, segmentLength: sealedLength, length: bodyLength },
    to: { file: target, offset: 0, segmentLength: segmentSize, length: plaintextLength },
    count,
    convert: (index, sealed) => openSegment(messageKey, index, sealed),
    onBatch(bytes) {
      done += bytes - Math.ceil(bytes / sealedLength) * tagLength;
      tell(onProgress, done, plaintextLength);
    },
    signal,
  }).catch((error) => {
    failed(error);
    throw error;
  });
  await source.assertUnchanged();
  signal?.throwIfAborted();
  return { plaintextLength, header };
}
