// Prints the bill of materials of the packed package, in CycloneDX: what lands in a project that installs it.
// In the checkout itself `npm sbom` does not end, since the key service depends on the folder it lies in.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'bulla-sbom-'));
const npm = (args: string[], cwd: string) =>
  execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

try {
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder];
  const tarball = npm(pack, resolve(import.meta.dirname, '..')).trim();
  writeFileSync(join(folder, 'package.json'), '{"name":"bulla-bill-of-materials","version":"0.0.0","private":true}');
  npm(['install', '--silent', '--ignore-scripts', '--no-audit', '--no-fund', join(folder, tarball)], folder);
  process.stdout.write(npm(['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'library'], folder));
} finally {
  rmSync(folder, { recursive: true });
}
