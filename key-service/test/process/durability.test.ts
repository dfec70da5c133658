/** A few rounds of kill -9; 200 of them are `npm run test:durability`. */

import { expect, it } from 'vitest';
import { runDurability } from '../support/durability.ts';
import { newDatabase, storeKinds } from '../support/harness.ts';

it.each(storeKinds)('%s loses nothing acknowledged', async (kind) => {
  const database = await newDatabase(kind);
  const report = await runDurability(database.config, 3);
  expect(report.rounds).toBe(3);
  expect(report.requests).toBeGreaterThan(0);
  await database.remove();
});
