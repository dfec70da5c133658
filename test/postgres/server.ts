// One PostgreSQL for all tests of encrypted columns: that of DATABASE_URL, or one that is started here.

import type { TestProject } from 'vitest/node';
import { startPostgres } from '../../key-service/test/support/postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    readonly postgresUrl: string;
  }
}

export default async function setup(project: TestProject) {
  const server = await startPostgres({ hasty: true });
  project.provide('postgresUrl', server.url);
  return () => server.stop();
}
