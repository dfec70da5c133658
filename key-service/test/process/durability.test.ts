/** A few rounds of kill -9; 200 of them are `npm run test:durability`. */

import { afterAll, expect, it } from 'vitest';
import { runDurability } from '../support/durability.ts';
import { newDatabase, storeKinds } from '../support/harness.ts';
import { createDatabase, startPostgres } from '../support/postgres.ts';

const cleanUp: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const work of cleanUp.reverse()) await work();
});

it.each(storeKinds)('%s loses nothing acknowledged', async (kind) => {
  const { config, remove } = await newDatabase('sqlite');
  cleanUp.push(remove);
  const report = await runDurability(kind === 'sqlite' ? config : { postgres: await newPostgres() }, 3);
  expect(report.rounds).toBe(3);
  expect(report.requests).toBeGreaterThan(0);
});

// One of its own, that waits for the disk.
async function newPostgres(): Promise<string> {
  const server = await startPostgres({ own: process.env['DATABASE_URL'] === undefined });
  cleanUp.push(() => server.stop());
  return (await createDatabase(server.url)).url;
}
