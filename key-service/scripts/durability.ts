/** `npm run test:durability`: 200 rounds of kill -9 under load on each store. `--rounds` and `--store` choose fewer. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runDurability } from '../test/support/durability.ts';
import { createDatabase, startPostgres } from '../test/support/postgres.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '200' }, store: { type: 'string' } } });
const say = (line: string): void => void process.stdout.write(`${line}\n`);

if (values.store !== 'postgres') {
  const folder = await mkdtemp(join(tmpdir(), 'bulla-durability-db-'));
  say(
    `sqlite ${JSON.stringify(await runDurability({ sqlite: join(folder, 'keys.sqlite') }, Number(values.rounds), say))}`,
  );
  await rm(folder, { recursive: true });
}
if (values.store !== 'sqlite') {
  const server = await startPostgres();
  const database = await createDatabase(server.url);
  say(`postgres ${JSON.stringify(await runDurability({ postgres: database.url }, Number(values.rounds), say))}`);
  await database.drop();
  await server.stop();
}
