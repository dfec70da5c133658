/** Files that appear when they are complete and on disk, or never. */

import { randomBytes } from 'node:crypto';
import { type FileHandle, link, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Writes a new file that its owner alone may read. Rejects with the system's own error, `EEXIST` where the file exists already or appears meanwhile, and then leaves
 * nothing behind.
 */
export async function writeNewFile(path: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = `${path}.${randomBytes(9).toString('hex')}.tmp`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    // Of a handle, `writeFile` goes on where a write was cut short.
    for await (const chunk of chunks) await file.writeFile(chunk);
    await file.sync();
    await file.close();
    await moveToNew(temporary, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(path);
}

/** A link fails where the name is taken, and a rename would not. */
async function moveToNew(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!withoutLinks.has(code)) throw error;
    const taken = await stat(to).then(
      () => true,
      () => false,
    );
    if (taken) throw Object.assign(new Error(`EEXIST: file already exists, link '${to}'`), { code: 'EEXIST' });
    await rename(from, to);
    return;
  }
  await rm(from, { force: true });
}

/** What file systems without links say, such as FAT. */
const withoutLinks = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

async function syncFolder(path: string): Promise<void> {
  const folder: FileHandle | undefined = await open(dirname(path), 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}
