// The programs that the environments run: the portable suite with the ways to load the package, as import or as require.

import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { subpaths } from './suite.js';

/** What a run needs besides the environment. */
export interface Setting {
  /** A project whose `node_modules` holds the package, as installed. */
  readonly project: string;
  /** The development service that the suite asks. */
  readonly service: { readonly url: string; readonly pin: string; readonly keyId: string };
}

const here = import.meta.dirname;

/** Writes all programs into a project. */
export async function writePrograms({ project, service }: Setting): Promise<void> {
  const write = (name: string, ...lines: string[]) => {
    mkdirSync(dirname(join(project, name)), { recursive: true });
    writeFileSync(join(project, name), `${lines.join('\n')}\n`);
  };
  cpSync(join(here, 'suite.js'), join(project, 'suite.js'));
  await build({ entryPoints: [join(here, 'suite.js')], outfile: join(project, 'suite.cjs'), format: 'cjs' });
  // Parcel reads `exports` only where it is told to.
  const parcel = '"@parcel/resolver-default": { "packageExports": true }';
  write('package.json', `{ "name": "project", "private": true, "type": "module", ${parcel} }`);

  const print = 'console.log(JSON.stringify(results));';
  const runs = (more = '') =>
    `runSuite((subpath) => modules[subpath](), { service: ${JSON.stringify(service)}${more} })`;
  const imports = modules((name) => `import('${name}')`);
  const requires = modules((name) => `require('${name}')`);
  const required = (suite: string) => [`const { runSuite } = require('${suite}');`, requires];

  write(
    'all.js',
    "import { runSuite } from './suite.js';",
    imports,
    `export const run = (more) => ${runs(', ...more')};`,
  );
  const node = (load: string) => `{ node: () => ${load}('bulla/node'), fs: () => ${load}('node:fs/promises') }`;
  write('import.mjs', "import { run } from './all.js';", `const results = await run(${node('import')});`, print);
  const other = '{ service: JSON.parse(process.env.SERVICE) }';
  write('service.mjs', "import { run } from './all.js';", `const results = await run(${other});`, print);
  write('timed.mjs', "import { run } from './all.js';", 'const results = await run({ isTimed: true });', print);
  const all = `${runs(`, ...${node('require')}`)}.then((results) => { ${print} });`;
  write('require.cjs', ...required('./suite.cjs'), all);
  write('page.js', "import { run } from './all.js';", 'globalThis.results = run();');
  write('page.cjs', ...required('./suite.cjs'), `globalThis.results = ${runs()};`);
  const names = subpaths.map((subpath, i) => `import * as m${i} from 'bulla${subpath.slice(1)}';`);
  const known = `const modules = { ${subpaths.map((subpath, i) => `'${subpath}': () => m${i}`).join(', ')} };`;
  write('static.js', "import { runSuite } from './suite.js';", ...names, known, `globalThis.results = ${runs()};`);
  write(
    'worker.js',
    "import { run } from './all.js';",
    'export default { fetch: async () => Response.json(await run()) };',
  );

  const save = 'writeFileSync(process.env.RESULTS, JSON.stringify(results));';
  const test = (results: string) =>
    `test('suite', async () => { const results = await ${results}; ${save} }, 300_000);`;
  write('jest/package.json', '{ "type": "commonjs" }');
  write(
    'jest/suite.test.js',
    "const { writeFileSync } = require('node:fs');",
    ...required('../suite.cjs'),
    test(runs()),
  );
  const imported = ["import { writeFileSync } from 'node:fs';", "import { run } from '../all.js';", test('run()')];
  write('jest-esm/suite.test.js', ...imported);
  write('vitest/suite.test.js', ...imported);
}

function modules(load: (name: string) => string): string {
  const entries = subpaths.map((subpath) => `  '${subpath}': () => ${load(`bulla${subpath.slice(1)}`)},`);
  return ['const modules = {', ...entries, '};'].join('\n');
}
