/** One PostgreSQL for all test files. */

import type { TestProject } from 'vitest/node';
import { startPostgres } from './postgres.ts';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startPostgres({ hasty: true });
  project.provide('postgresUrl', server.url);
  return () => server.stop();
}

declare module 'vitest' {
  export interface ProvidedContext {
    postgresUrl: string;
    /** The store of tests that do not choose one themselves. */
    storeKind: 'sqlite' | 'postgres';
  }
}
