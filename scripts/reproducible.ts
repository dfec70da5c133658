// Packs the package from two copies of the checkout, in folders of other names and depths, and compares every byte of
// the two tarballs: `npm run test:reproducible`.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'bulla-reproducible-'));
const run = (program: string, args: string[], cwd: string) =>
  execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

try {
  const files = run('git', ['ls-files', '-z'], root).split('\0').filter(Boolean);
  const hashes = ['one', 'another/place'].map((name) => {
    const copy = join(folder, name);
    for (const file of files) cpSync(join(root, file), join(copy, file), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    const tarball = join(copy, run('npm', ['pack', '--silent'], copy).trim().split('\n').at(-1) as string);
    return createHash('sha256').update(readFileSync(tarball)).digest('hex');
  });
  console.log(hashes.join('\n'));
  if (hashes[0] !== hashes[1]) throw new Error('two builds of the same sources differ');
} finally {
  rmSync(folder, { recursive: true });
}
