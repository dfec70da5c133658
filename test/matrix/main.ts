// The matrix: packs the package, installs the tarball into throwaway projects, and runs the portable suite in every
// environment of `table.ts`: `npm run test:matrix`, after a build. With names as arguments, only environments whose name
// contains one of them. `--docs` writes the table into docs/runtimes.md and runs nothing.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createKeyServiceClient, developmentToken, keyManagement } from '../../src/service.ts';
import { startService } from '../support/key-service.ts';
import { type Result, runIn, writePrograms } from './run.ts';
import { type Environment, environments, type Lacks, markdown } from './table.ts';
import { compileEverywhere } from './types.ts';

const root = resolve(import.meta.dirname, '../..');
const npm = (args: string[], cwd: string) =>
  execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

const page = join(root, 'docs/runtimes.md');
const text = readFileSync(page, 'utf8');
const current = text.replace(/\| tested [\s\S]*?\n(?!\|)/, `${markdown()}\n`);
if (process.argv.includes('--docs')) {
  writeFileSync(page, current);
  process.exit();
}
if (current !== text)
  throw new Error('the table of docs/runtimes.md is not that of table.ts: npm run test:matrix -- --docs');

for (const folder of [import.meta.dirname, join(import.meta.dirname, '../runtimes/nodes')]) {
  if (existsSync(join(folder, 'node_modules'))) continue;
  console.log('installing runtimes, bundlers and test runners');
  npm(['ci', '--no-audit', '--no-fund', '--silent'], folder);
}

const wanted = process.argv.slice(2);
const chosen = environments.filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
const folder = mkdtempSync(join(tmpdir(), 'bulla-matrix-'));
const { child, url, pin } = await startService(join(folder, 'service'));
let failed = 0;
let compiled = 0;
try {
  const admin = createKeyServiceClient({ url, pin, tokenSource: developmentToken('admin@north') });
  const { key_id: keyId } = await keyManagement(admin).create();
  const project = join(folder, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true }');
  const tarball = npm(['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], root).trim();
  npm(['install', '--silent', '--no-audit', '--no-fund', join(folder, tarball)], project);
  const setting = { project, service: { url, pin, keyId } };
  await writePrograms(setting);
  for (const environment of chosen) {
    const problems = await problemsOf(environment, setting);
    failed += problems.length === 0 ? 0 : 1;
    for (const problem of problems) console.log(`    ${problem}`);
  }
  if (wanted.length === 0 || wanted.includes('TypeScript')) {
    for (const { name, errors } of await compileEverywhere(project)) {
      compiled++;
      failed += errors.length === 0 ? 0 : 1;
      console.log(`${errors.length === 0 ? 'passed' : 'FAILED'}  ${name}`);
      for (const error of errors) console.log(`    ${error}`);
    }
  }
} finally {
  child.kill();
  await new Promise((done) => child.once('exit', done));
  rmSync(folder, { recursive: true });
}
const total = chosen.length + compiled;
console.log(`${total - failed} environments passed, ${failed} failed`);
process.exitCode = failed === 0 && total > 0 ? 0 : 1;

/** What an environment did otherwise than the table says, after its line was printed. */
async function problemsOf(environment: Environment, setting: Parameters<typeof runIn>[1]): Promise<readonly string[]> {
  const { name, lacks = {} } = environment;
  try {
    const results = await runIn(environment, setting);
    const problems = compare(results, lacks);
    const passed = results.filter(({ error }) => error === undefined).length;
    const asserted = Object.keys(lacks).length;
    console.log(`${problems.length === 0 ? 'passed' : 'FAILED'}  ${name}: ${passed} cases, ${asserted} refusals`);
    return results.length < 40 ? [...problems, `only ${results.length} cases ran`] : problems;
  } catch (error) {
    console.log(`FAILED  ${name}`);
    return [error instanceof Error ? String((error as { stderr?: string }).stderr || error.stack) : String(error)];
  }
}

function compare(results: readonly Result[], lacks: Lacks): readonly string[] {
  const missing = Object.keys(lacks).filter((name) => !results.some((result) => result.name === name));
  const wrong = results.filter(({ name, error }) => {
    const expected = lacks[name];
    return expected === undefined ? error !== undefined : error?.includes(expected) !== true;
  });
  return [
    ...missing.map((name) => `${name}: did not run`),
    ...wrong.map(({ name, error }) => `${name}: ${error ?? 'works, although the table says that it does not'}`),
  ];
}
