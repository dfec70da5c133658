// Runs the portable suite in one environment, in a throwaway project into which the packed package was installed.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { createKeyServiceClient, developmentToken, keyManagement } from '../../src/service.ts';
import { startService } from '../support/key-service.ts';
import { bundle, bundlerVersion } from './bundlers.ts';
import { inNext } from './next.ts';
import { type BrowserName, inPageOf } from './pages.ts';
import type { Setting } from './programs.ts';
import type { Environment } from './table.ts';

/** What a case came to: no error where it passed. */
export interface Result {
  readonly name: string;
  readonly error?: string | undefined;
}

/** What ran, and what it did. */
export interface Outcome {
  readonly version: string;
  readonly results: readonly Result[];
}

const here = import.meta.dirname;
const run = promisify(execFile);

/** The folder of a package that `npm run test:matrix` installed. */
export function toolOf(name: string, folder = '.'): string {
  return join(here, folder, 'node_modules', name);
}

/** The version of a package in a folder. */
export function packageVersion(folder: string): string {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version;
}

/** The executable of a version of Node. */
export function nodeOf(version = 'node24'): string {
  return version === 'node24' ? process.execPath : toolOf(`${version}/bin/node`, '../runtimes/nodes');
}

/** Runs the suite. Rejects where the environment itself could not be started. */
export async function runIn(environment: Environment, { project }: Setting): Promise<Outcome> {
  const { kind, version, bundler = 'esbuild', flags = [] } = environment;
  const command = async (program: string, ...args: string[]): Promise<Outcome> => {
    const { stdout } = await run(program, [kind === 'deno' ? '-V' : '--version']);
    return { version: /[\d.]+/.exec(stdout)?.[0] ?? '', results: await printed(program, args, project) };
  };
  switch (kind) {
    case 'node':
      return command(nodeOf(version), ...flags, 'import.mjs');
    case 'node-require':
      return command(nodeOf(version), ...flags, 'require.cjs');
    case 'node-bundle': {
      const outcome = await command(nodeOf(version), join(await bundle(project, bundler), flags[0] as string));
      return { ...outcome, version: versionOf(environment) };
    }
    case 'bun':
      return command(toolOf('bun/bin/bun.exe'), 'import.mjs');
    case 'deno':
      return command(toolOf('deno/deno'), 'run', '--quiet', '--no-lock', '--allow-all', ...flags);
    case 'jest':
    case 'jest-esm':
      return inJest(environment, project);
    case 'vitest':
      return inVitest(environment, project);
    case 'workerd':
      return inWorkerd(version as string, flags, project);
    case 'service':
      return onService(nodeOf(version), project);
    case 'next':
      return inNext(environment, project);
    case 'page': {
      const outcome = await inPageOf(await bundle(project, bundler), version as BrowserName);
      return environment.bundler === undefined ? outcome : { ...outcome, version: versionOf(environment) };
    }
  }
}

/** The version of the tool that an environment is named after, where that is no runtime. */
export function versionOf({ bundler = 'esbuild' }: Environment): string {
  return bundlerVersion(bundler);
}

/** The suite in this Node, on a development service in another. */
async function onService(node: string, project: string): Promise<Outcome> {
  const { child, url, pin } = await startService(join(project, 'service'), node);
  try {
    const service = JSON.stringify({ url, pin, keyId: await createKey(url, pin) });
    const results = await printed(process.execPath, ['service.mjs'], project, { SERVICE: service });
    return { version: (await run(node, ['--version'])).stdout.trim().slice(1), results };
  } finally {
    child.kill();
    await once(child, 'exit');
  }
}

/** Creates a key of the tenant north, and returns its id. */
export async function createKey(url: string, pin: string): Promise<string> {
  const admin = createKeyServiceClient({ url, pin, tokenSource: developmentToken('admin@north') });
  return (await keyManagement(admin).create()).key_id;
}

/** The results that a program prints as its last line. */
async function printed(
  program: string,
  args: string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<readonly Result[]> {
  const { stdout } = await run(program, args, { cwd, maxBuffer: 2 ** 26, env: { ...process.env, ...env } });
  return JSON.parse(stdout.trim().split('\n').at(-1) as string);
}

/** The results that a test runner's only test writes into a file. */
async function written(program: string, args: string[], cwd: string): Promise<readonly Result[]> {
  const file = join(cwd, 'results.json');
  rmSync(file, { force: true });
  await run(program, args, { cwd, env: { ...process.env, RESULTS: file }, maxBuffer: 2 ** 26 });
  return JSON.parse(readFileSync(file, 'utf8'));
}

async function inJest({ kind, version, flags = [] }: Environment, project: string): Promise<Outcome> {
  const modules = kind === 'jest-esm' ? ['--experimental-vm-modules'] : [];
  const args = [...modules, toolOf('jest/bin/jest.js'), '--rootDir', '.', '--silent', ...flags];
  const results = await written(nodeOf(version), args, join(project, kind));
  return { version: packageVersion(toolOf('jest')), results };
}

async function inVitest({ version = 'node' }: Environment, project: string): Promise<Outcome> {
  const args = ['run', '--globals', '--silent', '--environment', version, '--root', '.', 'vitest/suite'];
  const results = await written(process.execPath, [toolOf('vitest/vitest.mjs', 'bundlers'), ...args], project);
  return { version: packageVersion(toolOf('vitest', 'bundlers')), results };
}

async function inWorkerd(date: string, flags: readonly string[], project: string): Promise<Outcome> {
  const { outputFiles } = await build({
    entryPoints: [join(project, 'worker.js')],
    write: false,
    bundle: true,
    format: 'esm',
    conditions: ['workerd', 'worker', 'browser'],
    logLevel: 'error',
  });
  const { Miniflare } = await import(toolOf('miniflare/dist/src/index.js'));
  const miniflare = new Miniflare({
    modules: true,
    script: outputFiles[0]?.text as string,
    compatibilityDate: date,
    compatibilityFlags: [...flags],
    host: '127.0.0.1',
  });
  try {
    const response = await miniflare.dispatchFetch('http://127.0.0.1/');
    return { version: packageVersion(toolOf('workerd')), results: (await response.json()) as Result[] };
  } finally {
    await miniflare.dispose();
  }
}
