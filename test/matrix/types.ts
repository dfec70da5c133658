// Compiles a program that imports every subpath of the installed package, under every version of TypeScript and every
// way to resolve modules that a project may have: part of `npm run test:matrix`.

import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { subpaths } from './suite.js';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');

/** What a project may set, the versions of TypeScript that know it, and the one of `npm test`. */
const modes = [
  {
    name: 'nodenext',
    flags: ['--module', 'nodenext'],
    file: 'program.mts',
    versions: ['5.4', '5.9', '6', '7'],
    short: '7',
  },
  {
    name: 'nodenext, CommonJS',
    flags: ['--module', 'nodenext'],
    file: 'program.cts',
    versions: ['5.4', '5.9', '6', '7'],
    short: '6',
  },
  {
    name: 'node16, CommonJS',
    flags: ['--module', 'node16'],
    file: 'program.cts',
    versions: ['5.4', '5.9', '6'],
    short: '5.9',
  },
  {
    name: 'bundler',
    flags: ['--module', 'esnext', '--moduleResolution', 'bundler'],
    file: 'program.ts',
    versions: ['5.4', '5.9', '6', '7'],
    short: '6',
  },
  {
    name: 'node10',
    flags: ['--module', 'commonjs', '--moduleResolution', 'node10'],
    file: 'program.ts',
    versions: ['5.4', '5.9'],
    short: '5.4',
  },
];

const settings = [
  { name: 'without the DOM library', flags: ['--lib', 'es2023', '--types', 'node', '--skipLibCheck', 'false'] },
  { name: 'with the DOM library', flags: ['--lib', 'es2023,dom', '--skipLibCheck', 'false'] },
  { name: 'exact optional properties', flags: ['--lib', 'es2023,dom', '--exactOptionalPropertyTypes'] },
];

/** What a compiler said. */
export interface Compilation {
  readonly name: string;
  readonly version: string;
  readonly errors: readonly string[];
}

/** A line for each version and mode: its name, and the errors in the package or in the program. */
export async function compileEverywhere(project: string, isShort: boolean): Promise<Compilation[]> {
  const folder = join(project, 'types');
  mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
  for (const name of ['node', 'undici-types']) {
    const target = name === 'node' ? '@types/node' : name;
    symlinkSync(join(root, 'node_modules', target), join(folder, 'node_modules', target));
  }
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  const imports = subpaths.map((subpath, i) => `import * as m${i} from 'bulla${subpath.slice(1)}';`);
  const uses = `export const all = [${subpaths.map((_, i) => `m${i}`).join(', ')}];`;
  const program = `${imports.join('\n')}\n${uses}\n${misuse}`;
  for (const file of ['program.mts', 'program.cts', 'program.ts']) writeFileSync(join(folder, file), program);

  const results = [];
  for (const { name, flags, file, versions, short } of modes) {
    for (const version of isShort ? [short] : versions) {
      const errors = [];
      // Each costs seconds: only the first mode is tried with all of them.
      for (const setting of name === 'nodenext' && !isShort ? settings : settings.slice(0, 1)) {
        const tsc = join(import.meta.dirname, 'node_modules', `typescript-${version}`, 'bin/tsc');
        const args = [tsc, '--noEmit', '--strict', '--target', 'es2022', ...flags, ...setting.flags, file];
        const { stdout } = await run(process.execPath, args, { cwd: folder }).catch((error) => error);
        const lines = String(stdout)
          .split('\n')
          .filter((line) => /error TS/.test(line));
        // Old compilers find errors in the declarations of Node itself.
        const own = lines.filter((line) => !/@types\/node|undici-types/.test(line));
        errors.push(...own.map((line) => `${setting.name}: ${line}`));
      }
      results.push({ name: `TypeScript ${version}, ${name}`, version: pinned(version), errors });
    }
  }
  return results;
}

function pinned(version: string): string {
  const path = join(import.meta.dirname, 'node_modules', `typescript-${version}`, 'package.json');
  return JSON.parse(readFileSync(path, 'utf8')).version;
}

/** A wrong key must be found: an import that resolves to `any` would let it pass. */
const misuse = `
import { aesKeyring } from 'bulla/keyrings/aes';
// @ts-expect-error: a number is no key
export const keyring = aesKeyring({ keyId: 'k', key: 4711 });
`;
