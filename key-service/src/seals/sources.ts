/** Where a root key comes from: a file that only its owner can read, or the environment. */

import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { OperatorError } from '../errors.ts';
import { type Bytes, decodeBase64url, encodeBase64url } from '../lib/bytes.ts';

const prefix = 'bullaroot1.';

/** Where the bytes of a root key are. */
export type RootKeySource = { readonly file: string } | { readonly env: string };

/** The 32 bytes of a root key. Throws `OperatorError`, with no part of the key in it. */
export function readRootKey(source: RootKeySource): Bytes {
  if ('env' in source) {
    const text = process.env[source.env];
    if (text === undefined) throw new OperatorError(`The environment has no ${source.env} for the root key`);
    return parse(text, `The root key in ${source.env}`);
  }
  const descriptor = openExisting(source.file);
  try {
    const { mode } = fstatSync(descriptor);
    if ((mode & 0o077) !== 0) {
      throw new OperatorError(`The root key file ${source.file} can be read by others: it must have the mode 0600`);
    }
    return parse(readFileSync(descriptor, 'utf8').trim(), `The root key file ${source.file}`);
  } finally {
    closeSync(descriptor);
  }
}

/** Makes a root key file with the mode 0600. Throws `OperatorError` where there is a file already. */
export function createRootKeyFile(file: string): void {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'wx', 0o600);
  } catch (error) {
    throw new OperatorError(`The root key file ${file} cannot be made: ${(error as NodeJS.ErrnoException).code}`);
  }
  writeFileSync(descriptor, `${generateRootKey()}\n`);
  fsyncSync(descriptor);
  closeSync(descriptor);
}

/** A new root key as text. **A secret.** */
export function generateRootKey(): string {
  return prefix + encodeBase64url(randomBytes(32));
}

function openExisting(file: string): number {
  try {
    return openSync(file, 'r');
  } catch (error) {
    throw new OperatorError(`The root key file ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

function parse(text: string, what: string): Bytes {
  const bytes = text.startsWith(prefix) ? decodeBase64url(text.slice(prefix.length)) : undefined;
  if (bytes?.byteLength !== 32) throw new OperatorError(`${what} is no root key (${prefix}…)`);
  return bytes;
}
