/** One PostgreSQL for all test files, and one cache of compiled modules for the processes that they start. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startPostgres } from './postgres.ts';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Workers and the commands that they run inherit it: a start takes half the time.
  const cache = await mkdtemp(join(tmpdir(), 'bulla-modules-'));
  process.env['NODE_COMPILE_CACHE'] = cache;
  const server = await startPostgres({ hasty: true });
  project.provide('postgresUrl', server.url);
  return async () => {
    await server.stop();
    await rm(cache, { recursive: true, force: true });
  };
}

declare module 'vitest' {
  export interface ProvidedContext {
    postgresUrl: string;
    /** The store of tests that do not choose one themselves. */
    storeKind: 'sqlite' | 'postgres';
  }
}
