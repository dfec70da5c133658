// The matrix: packs the package, installs the tarball into throwaway projects, and runs the portable suite in every
// environment of `table.ts`: `npm run test:matrix`. Builds where there is no build. With names as arguments, only environments whose name
// contains one of them; with `--short`, those of `npm test`. A complete run with `--record` writes its results, and the table of docs/runtimes.md, where
// nothing failed; `--docs` writes that table from the recorded results and runs nothing.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startService } from '../support/key-service.ts';
import { type Setting, writePrograms } from './programs.ts';
import { createKey, type Outcome, type Result, runIn, versionOf } from './run.ts';
import { type Environment, environments, type Lacks, markdown, type Row, ruled } from './table.ts';
import { compileEverywhere } from './types.ts';

const root = resolve(import.meta.dirname, '../..');
const isShort = process.argv.includes('--short');
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const isChosen = (name: string) => wanted.length === 0 || wanted.some((part) => name.includes(part));

/** A row of the table that is printed at the end. */
interface Judged extends Row {
  readonly problems: readonly string[];
}

const isRecording = process.argv.includes('--record');
if (isRecording && (isShort || wanted.length > 0)) throw new Error('only a complete run is recorded');
if (wanted.length === 0 && !isRecording) checkDocs();
const chosen = environments.filter((environment) => isChosen(environment.name) && (!isShort || environment.isShort));
const folder = mkdtempSync(join(tmpdir(), 'bulla-matrix-'));
const rows: Judged[] = [];
installTools();
const { child, url, pin } = await startService(join(folder, 'service'));
try {
  const setting = { project: installPackage(), service: { url, pin, keyId: await createKey(url, pin) } };
  await writePrograms(setting);
  for (const environment of chosen) say(await rowOf(environment, setting));
  if (isChosen('TypeScript')) {
    for (const { name, version, errors } of await compileEverywhere(setting.project, isShort)) {
      say({ name, version, passed: 'compiles', asserted: '', problems: errors });
    }
  }
} finally {
  child.kill();
  await new Promise((done) => child.once('exit', done));
  rmSync(folder, { recursive: true });
}
const cells = rows.map(({ name, version, passed, asserted }) => [name, version, passed, asserted]);
console.log(`\n${ruled(['environment', 'version', 'cases passed', 'refusals asserted'], cells)}\n`);
const failed = rows.filter(({ problems }) => problems.length > 0).length;
console.log(`${rows.length - failed} environments passed, ${failed} failed`);
process.exitCode = failed === 0 && rows.length > 0 ? 0 : 1;
if (isRecording && failed === 0) {
  const results = rows.map(({ problems: _, ...row }) => row);
  writeFileSync(join(import.meta.dirname, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
  // In another process, which reads the new results.
  execFileSync(process.execPath, [...process.execArgv, import.meta.filename, '--docs'], { stdio: 'inherit' });
}

/** The table of docs/runtimes.md is that of `table.ts` and results.json; with `--docs` it becomes so, and that is all. */
function checkDocs(): void {
  const page = join(root, 'docs/runtimes.md');
  const text = readFileSync(page, 'utf8');
  const current = text.replace(/(?:^The last complete run: .*\n\n)?^\| tested [\s\S]*?\n(?!\|)/m, `${markdown()}\n`);
  if (process.argv.includes('--docs')) {
    writeFileSync(page, current);
    process.exit();
  }
  if (current === text) return;
  throw new Error('the table of docs/runtimes.md is not the recorded one: npm run test:matrix -- --docs');
}

function npm(args: string[], cwd: string): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

/** What the chosen environments need, as pinned in lockfiles of its own. */
function installTools(): void {
  const needsBundlers =
    !isShort && chosen.some(({ kind, bundler }) => /vitest|next/.test(kind) || bundler !== undefined);
  for (const tools of ['.', '../runtimes/nodes', ...(needsBundlers ? ['bundlers'] : [])]) {
    const path = join(import.meta.dirname, tools);
    if (existsSync(join(path, 'node_modules'))) continue;
    console.log(`installing ${JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')).description}`);
    npm(['ci', '--no-audit', '--no-fund', '--silent'], path);
  }
}

/** A new project into which the packed package was installed. */
function installPackage(): string {
  const project = join(folder, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true }');
  if (!existsSync(join(root, 'dist/index.js'))) npm(['run', '--silent', 'build'], root);
  const tarball = npm(['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], root).trim();
  npm(['install', '--silent', '--no-audit', '--no-fund', join(folder, tarball)], project);
  return project;
}

function say(row: Judged): void {
  rows.push(row);
  console.log(`${row.problems.length === 0 ? 'passed' : 'FAILED'}  ${row.name}`);
  for (const problem of row.problems) console.log(`    ${problem}`);
}

async function rowOf(environment: Environment, setting: Setting): Promise<Judged> {
  const { name, lacks = {}, refuses } = environment;
  try {
    const { version, results } = await runIn(environment, setting);
    if (refuses !== undefined) {
      return { name, version, passed: '', asserted: '', problems: ['works, although the table says that it does not'] };
    }
    const passed = results.filter(({ error }) => error === undefined).length;
    const asserted = String(Object.keys(lacks).length);
    return { name, version, passed: `${passed} of ${results.length}`, asserted, problems: compare(results, lacks) };
  } catch (error) {
    const { stderr, stdout, stack } = error as { stderr?: string; stdout?: string; stack?: string };
    const said = [stderr, stdout, stack, String(error)].filter(Boolean);
    if (refuses !== undefined && said.some((text) => text?.includes(refuses))) {
      return { name, version: versionOf(environment), passed: 'none', asserted: '1', problems: [] };
    }
    return { name, version: '', passed: 'none', asserted: '', problems: [said[0] as string] };
  }
}

/** What an environment did otherwise than the table says. */
function compare(results: Outcome['results'], lacks: Lacks): readonly string[] {
  const missing = Object.keys(lacks).filter((name) => !results.some((result) => result.name === name));
  const isWrong = ({ name, error }: Result) => {
    const expected = lacks[name];
    return expected === undefined ? error !== undefined : error?.includes(expected) !== true;
  };
  return [
    ...(results.length < 40 ? [`only ${results.length} cases ran`] : []),
    ...missing.map((name) => `${name}: did not run`),
    ...results
      .filter(isWrong)
      .map(({ name, error }) => `${name}: ${error ?? 'works, although the table says that it does not'}`),
  ];
}
