import { execFile } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulla-permission-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Runs a program under Node's permission model; what it can import is in the package, what it can write is the folder. */
async function runRestricted(program: string): Promise<unknown> {
  const code = `
    import { aesKeyring } from 'bulla/keyrings/aes';
    import { decryptFile, encryptFile } from 'bulla/node';
    const keyring = aesKeyring({ keyId: 'k', key: new Uint8Array(32) });
    const [plain, sealed, opened] = ['plain', 'sealed', 'opened'].map((name) => ${JSON.stringify(folder)} + '/' + name);
    console.log(JSON.stringify(await (async () => {${program}})()));`;
  const rights = ['--permission', '--allow-fs-read=*', `--allow-fs-write=${folder}`];
  const args = ['--conditions=bulla-source', ...rights, '--input-type=module', '--eval', code];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root });
  return JSON.parse(stdout);
}

const modeOf = async (name: string) => (await stat(join(folder, name))).mode & 0o777;

test('files are encrypted and decrypted under the permission model; what it forbids is said', async () => {
  await writeFile(join(folder, 'plain'), 'attack at dawn');
  await writeFile(join(folder, 'opened'), 'before', { mode: 0o640 });
  const result = await runRestricted(`
    const first = await encryptFile(plain, sealed, { keyring });
    const second = await decryptFile(sealed, opened, { keyring, overwrite: true });
    return [first.notKept, second.notKept, (await import('node:fs')).readFileSync(opened, 'utf8')];`);
  expect(result).toEqual([['mode'], ['mode'], 'attack at dawn']);
  expect(await modeOf('sealed')).toBe(0o600);
  expect(await modeOf('opened')).toBe(0o600);
});

test('a mode that is asked for is given from the beginning, or the call fails', async () => {
  await writeFile(join(folder, 'plain'), 'attack at dawn');
  const result = await runRestricted(`
    const { notKept } = await encryptFile(plain, sealed, { keyring, mode: 0o640 });
    process.umask(0o077);
    const error = await encryptFile(plain, opened, { keyring, mode: 0o640 }).catch((thrown) => thrown);
    return [notKept, error.code];`);
  expect(result).toEqual([[], 'ERR_ACCESS_DENIED']);
  expect(await modeOf('sealed')).toBe(0o640);
  await expect(stat(join(folder, 'opened'))).rejects.toThrow('ENOENT');
});
