/** What a new file takes from the one that it replaces: where it is, its owner, its group, its mode. */

import type { Stats } from 'node:fs';
import { type FileHandle, lstat, realpath, stat } from 'node:fs/promises';
import type { PlainPath } from './paths.ts';
import { ignoring, systemError } from './system-error.ts';

/**
 * What a new file could not take from the one that it replaced. Without its owner's permission, `owner` is the one of this process. Where `group` cannot be given, no other
 * group gets its rights. Without its `mode`, or that of any new file, it is readable by its owner alone: Node's permission model forbids to change it. `hard links` are other names of the old file, which still lead to its old content.
 */
export type NotKept = 'owner' | 'group' | 'mode' | 'hard links';

/**
 * The file that a new one shall have the place of. Links are followed, and stay. Rejects with `EEXIST` for any file unless `overwrite` is set, and in any case with
 * `EISDIR` for a folder and `EINVAL` for what is no regular file: renaming over a device, a FIFO or the link `/dev/stdout` would remove it.
 */
export async function findTarget(path: PlainPath, overwrite: boolean): Promise<PlainPath> {
  const found = await stat(path).catch(ignoring('ENOENT'));
  if (found === undefined) {
    const link = await lstat(path).catch(ignoring('ENOENT'));
    if (link === undefined) return path;
    throw systemError('EINVAL', 'the link leads to no file', path);
  }
  if (found.isDirectory()) throw systemError('EISDIR', 'illegal operation on a directory', path);
  if (!found.isFile()) throw systemError('EINVAL', 'not a regular file', path);
  if (!overwrite) throw systemError('EEXIST', 'file already exists', path);
  const real = await realPathOf(path).catch(ignoring('ENOENT'));
  // A link of procfs may name a file that was removed, or is in another place of the same name.
  const named = real === undefined ? undefined : await stat(real).catch(ignoring('ENOENT'));
  if (real === undefined || named === undefined || !isSameFile(named, found)) {
    throw systemError('EINVAL', 'the link leads to a file without this name', path);
  }
  return real;
}

function realPathOf(path: PlainPath): Promise<PlainPath> {
  return typeof path === 'string' ? realpath(path) : realpath(path, 'buffer');
}

/** Whether two looks at the file system saw one file. */
export function isSameFile<Number extends number | bigint>(
  one: { readonly dev: Number; readonly ino: Number },
  other: { readonly dev: Number; readonly ino: Number },
): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}

/**
 * Gives a new file what the one in its place has, or the mode of any new file. Tells what it could not give; a `mode` that was asked for must be given.
 */
export async function takeOver(handle: FileHandle, target: PlainPath, mode: number | undefined): Promise<NotKept[]> {
  // Looked at now: what was tightened meanwhile must not be loosened again.
  const replaced = await stat(target).catch(ignoring('ENOENT'));
  if (replaced === undefined) {
    return giveMode(handle, 0o666 & ~process.umask(), mode);
  }
  const notKept = await giveOwner(handle, replaced);
  const forNewGroup = notKept.includes('group') ? withoutGroup : (wanted: number) => wanted;
  notKept.push(...(await giveMode(handle, forNewGroup(replaced.mode & 0o777), mode && forNewGroup(mode))));
  return replaced.nlink > 1 ? [...notKept, 'hard links'] : notKept;
}

async function giveMode(handle: FileHandle, usual: number, asked: number | undefined): Promise<NotKept[]> {
  const wanted = asked ?? usual;
  if (((await handle.stat()).mode & 0o777) === wanted) return [];
  try {
    await handle.chmod(wanted);
    return [];
  } catch (error) {
    if (asked !== undefined || (error as NodeJS.ErrnoException).code !== 'ERR_ACCESS_DENIED') throw error;
    return ['mode'];
  }
}

async function giveOwner(handle: FileHandle, { uid, gid }: Stats): Promise<NotKept[]> {
  const own = await handle.stat();
  if (own.uid === uid && own.gid === gid) return [];
  if (await gave(handle, uid, gid)) return [];
  const group = own.gid === gid || (await gave(handle, own.uid, gid));
  return [...(own.uid === uid ? [] : (['owner'] as const)), ...(group ? [] : (['group'] as const))];
}

async function gave(handle: FileHandle, uid: number, gid: number): Promise<boolean> {
  return handle.chown(uid, gid).then(
    () => true,
    () => false,
  );
}

/** Who was in the group is now among the others, and gains nothing by that. */
function withoutGroup(mode: number): number {
  const ofGroup = (mode >> 3) & 7;
  return (mode & 0o700) | (mode & 7 & ofGroup);
}
