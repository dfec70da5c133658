/** Whether two paths or descriptors are one file, which is for the file system to say. */

import { type BigIntStats, fstatSync, realpathSync, statSync } from 'node:fs';
import { folderOf, nameOf, type PlainPath, shownPath } from '../node/paths.ts';
import { standardOutput } from './standard-streams.ts';

/** Standard input, or standard output. */
export const pipe = '-';

/** The same for all names of a file; `-` is standard output. */
export function identityOf(path: PlainPath): string {
  const found = lookAt(path);
  return (path === pipe ? fileBehind(1) : found && idOf(found)) ?? placeOf(path);
}

/** The same, where `-` is standard input. */
export function identityOfInput(path: PlainPath): string {
  return path === pipe ? (fileBehind(0) ?? pipe) : identityOf(path);
}

/** What a descriptor reads or writes, where that is a file. A terminal or a pipe may be read and written. */
export function fileBehind(descriptor: number | undefined): string | undefined {
  const found = descriptor === undefined ? undefined : lookAtDescriptor(descriptor);
  return found?.isFile() ? idOf(found) : undefined;
}

/** The same for all ways to a name in a folder, whether a file has it or not. Two names of one file are two places: one can be replaced without the other. */
export function placeOf(path: PlainPath): string {
  const real = realpathOf(path);
  const folder = lookAt(folderOf(real));
  return `${folder === undefined ? shownPath(folderOf(real)) : idOf(folder)}/${shownPath(nameOf(real))}`;
}

function realpathOf(path: PlainPath): PlainPath {
  try {
    return typeof path === 'string' ? realpathSync(path) : realpathSync(path, 'buffer');
  } catch {
    return path;
  }
}

function idOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

/** What the system says about a path, where it says anything. */
export function lookAt(path: PlainPath): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true });
  } catch {
    // What cannot be looked at is told when it is its turn.
    return undefined;
  }
}

function lookAtDescriptor(descriptor: number): BigIntStats | undefined {
  try {
    return fstatSync(descriptor, { bigint: true });
  } catch {
    return undefined;
  }
}

/** Whether a path leads to what standard output is, such as `/dev/stdout`. */
export function isStandardOutput(path: PlainPath): boolean {
  if (path === pipe) return true;
  const [found, own] = [lookAt(path), lookAtDescriptor(1)];
  return found !== undefined && own !== undefined && idOf(found) === idOf(own);
}

/** Whether a terminal may show what is written to a path: standard output, or a device. */
export function isOnTerminal(path: PlainPath): boolean {
  return path === pipe ? standardOutput.isTerminal : lookAt(path)?.isCharacterDevice() === true;
}
