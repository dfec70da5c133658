/** Small files that a call is configured by: keys, recipients, configurations. None is read by a call that keeps signals from being heard. */

import { open } from 'node:fs/promises';
import type { Bytes } from '../types.ts';
import { FileError } from './failure.ts';
import { encodingOf } from './text-form.ts';

const maxLength = 65_536;

/**
 * A small text file, or what a pipe gives (`/dev/fd/3`), in UTF-8 or, behind a byte order mark, in UTF-16. Rejects with the file system's own errors, with a {@link FileError} for
 * what is no text, and with `tooLong(path)` for what has more than 64 KiB.
 */
export async function readText(path: string, tooLong: (path: string) => Error = isTooLong): Promise<string> {
  const bytes = await readSmallFile(path, maxLength);
  if (bytes.byteLength > maxLength) throw tooLong(path);
  try {
    return new TextDecoder(encodingOf(bytes), { fatal: true }).decode(bytes);
  } catch {
    throw new FileError('ERR_NOT_TEXT', `${path} is not text in UTF-8`);
  }
}

function isTooLong(path: string): FileError {
  return new FileError('EFBIG', `${path} is too long`);
}

/** All of a file that is small: of one that has more than `maxLength` bytes, that many and one. A FIFO is waited for. */
export async function readSmallFile(path: string, maxLength: number): Promise<Bytes> {
  const file = await open(path, 'r');
  try {
    const bytes = new Uint8Array(maxLength + 1);
    let filled = 0;
    for (let read = -1; read !== 0; filled += read) {
      read = (await file.read(bytes, filled, bytes.byteLength - filled, null)).bytesRead;
    }
    return bytes.subarray(0, filled);
  } finally {
    await file.close();
  }
}
