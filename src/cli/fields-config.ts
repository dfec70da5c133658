/** The jobs on database fields that a configuration names, and the errors of its database. */

import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sqlStateOf } from '../fields/postgres/jobs/database.ts';
import type { FieldJobs } from '../fields/postgres/jobs/jobs.ts';
import { reasonOf } from '../node/system-error.ts';
import type { Arguments } from './arguments.ts';
import { FileError } from './failure.ts';

/** Where it is looked for. */
export const defaultConfig = 'bulla.config.mjs';

const methods = [
  'plan',
  'states',
  'fields',
  'sql',
  'shred',
  'estimateShred',
  'estimate',
  'start',
  'run',
  'faults',
  'list',
  'cancel',
] as const;

/** What the configuration exports. Rejects with a {@link FileError} for a file that is not there, fails, or exports something else. */
export async function openJobs(args: Arguments): Promise<FieldJobs> {
  const path = args.get('config') ?? defaultConfig;
  const { href } = pathToFileURL(resolve(path));
  await access(path).catch((error: NodeJS.ErrnoException) => {
    throw new FileError(error.code ?? 'ENOENT', `There is no configuration ${path}`, 'docs/cli.md shows one');
  });
  let module: { readonly default?: unknown };
  try {
    // Of the application, with its copy of this package: made when the command runs.
    module = await import(/* @vite-ignore */ href);
  } catch (error) {
    throw new FileError('ERR_CONFIGURATION', `${path}: ${error instanceof Error ? reasonOf(error) : String(error)}`);
  }
  const jobs = module.default as Partial<FieldJobs> | null | undefined;
  if (methods.every((method) => typeof jobs?.[method] === 'function')) return jobs as FieldJobs;
  throw new FileError('ERR_CONFIGURATION', `${path} has no default export made by createFieldJobs`);
}

/** Classes of SQLSTATE whose messages are about names and connections, and quote no values. */
const harmless = /^(08|28|3D|3F|42|53|55|57)/;

/** What a database says, with the exit code of whatever the system refuses; other errors as they are. */
export function databaseFailure(error: unknown): unknown {
  const code = sqlStateOf(error);
  // EPIPE looks like one.
  if (code === undefined || !(error instanceof Error) || 'syscall' in error) return error;
  const reason = harmless.test(code) ? `: ${error.message}` : '';
  return new FileError('ERR_DATABASE', `The database refused a statement (${code})${reason}`);
}
