// Runs every test of the project and says at the end what each suite came to: `npm test`. Two suites run at a time, since most of them wait as much as they work; what a
// suite prints comes in one piece when it has ended. All suites run even if one fails; the exit code is 0 only if none did.

import { type ChildProcess, spawn } from 'node:child_process';
import { stripVTControlCharacters } from 'node:util';
import { findBrowsers } from './browsers.ts';

/** Everything else needs it. */
const first = 'build';
/** Each lane runs its suites one after the other. Those that open browsers are in one lane. */
const lanes = [
  [
    'lint',
    'typecheck',
    'vectors:check',
    'test:clauses',
    'test:unit',
    'test:client',
    'test:cli',
    'test:large',
    'test:rewrap:short',
    'test:runtimes',
    'test:package',
    'test:docs',
    'test:fields',
  ],
  ['test:browsers', 'test:client:browsers', 'test:e2e', 'test:matrix:short', 'test:service'],
];

interface Result {
  readonly name: string;
  readonly passed: boolean;
  readonly seconds: number;
  /** The lines of its output that say what failed. */
  readonly failures: readonly string[];
}

/** The suites that run, and what they have printed, by their names. */
const running = new Map<string, { child: ChildProcess; pieces: string[] }>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    for (const [name, { child, pieces }] of running) {
      child.kill(signal);
      show(name, pieces);
    }
    process.exit(1);
  });
}

const results = [await run(first)];
// Installed once, and not by two suites at a time. Who needs them fails without them.
await findBrowsers().catch((error: unknown) => console.error(error));
results.push(...(await Promise.all(lanes.map(runAll))).flat());

console.log('');
for (const { name, passed, seconds } of results) {
  console.log(`${passed ? 'passed' : 'FAILED'} ${seconds.toFixed(1).padStart(7)} s  ${name}`);
}
const failed = results.filter(({ passed }) => !passed);
console.log(`${results.length - failed.length} suites passed, ${failed.length} failed`);
// Last, since the end of a long output is what a reader sees first.
for (const { name, failures } of failed) console.log(`\n${[`${name}:`, ...failures].join('\n  ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;

async function runAll(names: readonly string[]): Promise<Result[]> {
  const ended: Result[] = [];
  for (const name of names) ended.push(await run(name));
  return ended;
}

async function run(name: string): Promise<Result> {
  const begun = performance.now();
  const child = spawn('npm', ['run', '--silent', name], { stdio: ['ignore', 'pipe', 'pipe'] });
  const pieces: string[] = [];
  running.set(name, { child, pieces });
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => pieces.push(text));
  const status = await new Promise((resolve) => child.on('error', () => resolve(undefined)).on('close', resolve));
  running.delete(name);
  show(name, pieces);
  const seconds = (performance.now() - begun) / 1000;
  console.log(`=== npm run ${name}: ${status === 0 ? 'passed' : 'FAILED'} after ${seconds.toFixed(0)} s`);
  return { name, passed: status === 0, seconds, failures: status === 0 ? [] : failuresIn(pieces.join('')) };
}

/** The lines in which Vitest, Playwright, TypeScript or Node names a failure, each once; where there is none, the last lines. */
function failuresIn(output: string): readonly string[] {
  const lines = stripVTControlCharacters(output)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const named = lines.filter((line) => /^(FAIL|✘|×|\d+\) |⎯+ Unhandled|(\w|\.)*Error\b)|\berror TS\d/.test(line));
  return [...new Set(named.length > 0 ? named : lines.slice(-5))].slice(0, 20).map((line) => line.slice(0, 200));
}

function show(name: string, pieces: readonly string[]): void {
  console.log(`\n=== npm run ${name}`);
  process.stdout.write(pieces.join(''));
}
