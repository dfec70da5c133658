// A release is made of changesets: that they are found, and what becomes of them.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

test('a changeset becomes the next version and its entry in the changelog, and nothing else is published', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bulla-release-'));
  try {
    const files = ['package.json', 'package-lock.json', 'key-service/package.json', '.changeset', 'CHANGELOG.md'];
    for (const file of files) cpSync(file, join(folder, file), { recursive: true });
    execFileSync('git', ['init', '--quiet', '--initial-branch', 'main', folder]);
    const [major, minor] = manifest(folder).version.split('.').map(Number) as [number, number];
    const text = '---\n"bulla": minor\n---\n\nSomething that users notice.\n';
    writeFileSync(join(folder, '.changeset/one.md'), text);
    const changeset = resolve('node_modules/@changesets/cli/bin.js');
    execFileSync(process.execPath, [changeset, 'version'], { cwd: folder, stdio: 'ignore' });
    expect(manifest(folder).version).toBe(`${major}.${minor + 1}.0`);
    const changelog = readFileSync(join(folder, 'CHANGELOG.md'), 'utf8');
    expect(changelog).toContain(`## ${major}.${minor + 1}.0\n\n### Minor Changes\n\n- Something that users notice.\n`);
    expect(changelog.indexOf(`## ${major}.${minor + 1}.0`)).toBeLessThan(changelog.indexOf(`## ${major}.${minor}.`));
    expect(manifest(join(folder, 'key-service')).private).toBe(true);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function manifest(folder: string): { version: string; private?: boolean } {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}
