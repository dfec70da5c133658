// Writes the address of the repository where package.json wants it: `repository`, `homepage` and `bugs` of the package
// and of the key service.
//   node scripts/repository.ts https://github.com/OWNER/NAME    writes it
//   node scripts/repository.ts --check                          fails unless it is there, and the same everywhere

import { readFileSync, writeFileSync } from 'node:fs';

const [argument] = process.argv.slice(2);
const manifests = [
  { path: 'package.json', directory: undefined },
  { path: 'key-service/package.json', directory: 'key-service' },
];

/** The members that follow from an address. */
function membersFor(address: string, directory: string | undefined) {
  return {
    repository: { type: 'git', url: `git+${address}.git`, ...(directory && { directory }) },
    homepage: `${address}#readme`,
    bugs: { url: `${address}/issues` },
  };
}

type Manifest = Record<string, unknown> & { repository?: { url?: string } };
const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Manifest;

if (argument === '--check') {
  const url = read('package.json').repository?.url ?? '';
  const [, address] = /^git\+(https:\/\/.+)\.git$/.exec(url) ?? [];
  const wrong = manifests.filter(({ path, directory }) => {
    if (address === undefined) return true;
    const manifest = read(path);
    return Object.entries(membersFor(address, directory)).some(
      ([name, value]) => JSON.stringify(manifest[name]) !== JSON.stringify(value),
    );
  });
  for (const { path } of wrong) {
    console.error(
      `${path} lacks the address of the repository: node scripts/repository.ts https://github.com/OWNER/NAME`,
    );
  }
  process.exitCode = wrong.length === 0 ? 0 : 1;
} else if (argument !== undefined && /^https:\/\/[^/\s]+\/[^/\s]+\/[^/\s]+$/.test(argument)) {
  for (const { path, directory } of manifests) {
    const manifest = { ...read(path), ...membersFor(argument.replace(/\.git$/, ''), directory) };
    writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`);
  }
  console.log('Written. Now: npm run format');
} else {
  console.error('usage: node scripts/repository.ts https://github.com/OWNER/NAME | --check');
  process.exitCode = 2;
}
