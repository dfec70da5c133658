// Runs the portable suite in one environment, in a throwaway project into which the packed package was installed.

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { chromium, firefox } from 'playwright';
import { findBrowsers } from '../../scripts/browsers.ts';
import { subpaths } from './suite.js';
import type { Environment } from './table.ts';

/** What a case came to: no error where it passed. */
export interface Result {
  readonly name: string;
  readonly error?: string | undefined;
}

/** What a run needs besides the environment. */
export interface Setting {
  /** A project whose `node_modules` holds the package, as installed. */
  readonly project: string;
  /** The development service that the suite asks. */
  readonly service: { readonly url: string; readonly pin: string; readonly keyId: string };
}

const here = import.meta.dirname;
const tools = join(here, 'node_modules');
const run = promisify(execFile);

/** The executable of a version of Node. */
function nodeOf(version: string | undefined): string {
  return version === 'node24'
    ? process.execPath
    : join(here, '../runtimes/nodes/node_modules', `${version}`, 'bin/node');
}

/** Runs the suite. Rejects where the environment itself could not be started. */
export async function runIn({ kind, version, flags = [] }: Environment, setting: Setting): Promise<readonly Result[]> {
  const { project } = setting;
  const command = (program: string, ...args: string[]) => printed(program, args, project);
  switch (kind) {
    case 'node':
      return command(nodeOf(version), ...flags, 'import.mjs');
    case 'node-require':
      return command(nodeOf(version), ...flags, 'require.cjs');
    case 'bun':
      return command(join(tools, 'bun/bin/bun.exe'), 'import.mjs');
    case 'deno':
      return command(join(tools, 'deno/deno'), 'run', '--quiet', '--no-lock', '--allow-all', 'import.mjs');
    case 'jest':
      return inJest(nodeOf(version), setting);
    case 'workerd':
      return inWorkerd(version as string, flags, setting);
    case 'browser':
      return inBrowser(version as 'chromium' | 'firefox', setting);
  }
}

/** Writes the programs that the environments run into a project. */
export async function writePrograms({ project, service }: Setting): Promise<void> {
  const write = (name: string, text: string) => writeFileSync(join(project, name), text);
  const name = (subpath: string) => `bulla${subpath.slice(1)}`;
  const modules = (load: (subpath: string) => string) =>
    `const modules = {\n${subpaths.map((subpath) => `  '${subpath}': () => ${load(name(subpath))},`).join('\n')}\n};\n`;
  const print = 'console.log(JSON.stringify(results));\n';
  const environment = JSON.stringify({ service });

  cpSync(join(here, 'suite.js'), join(project, 'suite.js'));
  await build({ entryPoints: [join(here, 'suite.js')], outfile: join(project, 'suite.cjs'), format: 'cjs' });
  write('package.json', '{ "name": "project", "private": true, "type": "module" }');
  const imports = modules((path) => `import('${path}')`);
  const requires = modules((path) => `require('${path}')`);
  const runs = `(subpath) => modules[subpath](), ${environment}`;
  write('all.js', `import { runSuite } from './suite.js';\n${imports}export const run = () => runSuite(${runs});\n`);
  write('import.mjs', `import { run } from './all.js';\nconst results = await run();\n${print}`);
  const required = `const { runSuite } = require('./suite.cjs');\n${requires}`;
  write('require.cjs', `${required}runSuite(${runs}).then((results) => {\n${print}});\n`);
  write('page.js', "import { run } from './all.js';\nglobalThis.results = run();\n");
  write(
    'worker.js',
    "import { run } from './all.js';\nexport default { fetch: async () => Response.json(await run()) };\n",
  );
  mkdirSync(join(project, 'jest'), { recursive: true });
  write('jest/package.json', '{ "type": "commonjs" }');
  const saved = "require('node:fs').writeFileSync(process.env.RESULTS, JSON.stringify(results));\n";
  write(
    'jest/suite.test.js',
    `${required.replace('./suite.cjs', '../suite.cjs')}test('suite', async () => {\nconst results = await runSuite(${runs});\n${saved}}, 300_000);\n`,
  );
}

/** The results that a program prints as its last line. */
async function printed(program: string, args: string[], cwd: string): Promise<readonly Result[]> {
  const { stdout } = await run(program, args, { cwd, maxBuffer: 2 ** 26 });
  return JSON.parse(stdout.trim().split('\n').at(-1) as string);
}

async function inJest(node: string, { project }: Setting): Promise<readonly Result[]> {
  const file = join(project, 'jest-results.json');
  const jest = join(tools, 'jest/bin/jest.js');
  await run(node, [jest, '--rootDir', join(project, 'jest'), '--silent'], {
    cwd: join(project, 'jest'),
    env: { ...process.env, RESULTS: file },
  });
  return JSON.parse(readFileSync(file, 'utf8'));
}

async function inWorkerd(date: string, flags: readonly string[], { project }: Setting): Promise<readonly Result[]> {
  const { outputFiles } = await build({
    entryPoints: [join(project, 'worker.js')],
    write: false,
    bundle: true,
    format: 'esm',
    conditions: ['workerd', 'worker', 'browser'],
    logLevel: 'error',
  });
  const { Miniflare } = await import(join(tools, 'miniflare/dist/src/index.js'));
  const miniflare = new Miniflare({
    modules: true,
    script: outputFiles[0]?.text as string,
    compatibilityDate: date,
    compatibilityFlags: [...flags],
    host: '127.0.0.1',
  });
  try {
    const response = await miniflare.dispatchFetch('http://127.0.0.1/');
    return (await response.json()) as Result[];
  } finally {
    await miniflare.dispose();
  }
}

async function inBrowser(name: 'chromium' | 'firefox', { project }: Setting): Promise<readonly Result[]> {
  const site = join(project, `site-${name}`);
  await build({
    entryPoints: [join(project, 'page.js')],
    outdir: site,
    bundle: true,
    format: 'esm',
    logLevel: 'error',
  });
  cpSync(join(project, 'node_modules/bulla/dist/segment-worker.js'), join(site, 'segment-worker.js'));
  writeFileSync(join(site, 'index.html'), '<!doctype html><script type="module" src="page.js"></script>');
  return inPage(name, site);
}

/** Serves a folder and returns what its page puts into `globalThis.results`. */
async function inPage(name: 'chromium' | 'firefox', site: string): Promise<readonly Result[]> {
  const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' };
  const server = createServer(({ url = '/' }, response) => {
    const path = join(site, url === '/' ? 'index.html' : url);
    try {
      const content = readFileSync(path);
      response.writeHead(200, { 'Content-Type': types[extname(path)] ?? 'text/plain' }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const browser = await { chromium, firefox }[name].launch((await findBrowsers())[name]);
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction(() => 'results' in globalThis);
    return await page.evaluate(() => (globalThis as unknown as { results: Promise<Result[]> }).results);
  } finally {
    await browser.close();
    server.close();
    server.closeAllConnections();
  }
}
