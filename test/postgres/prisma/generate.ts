// Clients of Prisma 7, generated for a test from a schema beside this file.

import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';

// biome-ignore lint/suspicious/noExplicitAny: the types of the client are generated with it
export type Prisma = any;

const { resolve } = createRequire(import.meta.url);

/** The class of the client of a schema. Its output must be the folder `name` in `node_modules/.bulla`. */
export async function generateClient(schema: string, name: string): Promise<new (options: object) => Prisma> {
  const path = `test/postgres/prisma/${schema}`;
  // The engine of `migrate` is not needed, and would be downloaded.
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath };
  execFileSync(process.execPath, [resolve('prisma/build/index.js'), 'generate', '--schema', path], {
    env,
    stdio: 'pipe',
  });
  const client: string = `../../../node_modules/.bulla/${name}/index.js`;
  return ((await import(client)) as { PrismaClient: new (options: object) => Prisma }).PrismaClient;
}
