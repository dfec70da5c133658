/**
 * `npm run bench:fleet`: what tenants do to each other on one PostgreSQL that is some way off. `--only commits` measures commits a second, by tenants, replicas and
 * round trip; `--only neighbour` measures one tenant beside a hostile one, against the same hostile load on another process that has a database of its own; `--load listings` takes one kind of load.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createDatabase, startPostgres } from '../test/support/postgres.ts';
import { benchCommits } from './fleet/commits.ts';
import { benchNeighbour } from './fleet/neighbour.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    load: { type: 'string' },
    /** Milliseconds to the database and back. */
    'round-trips': { type: 'string', default: '0.1,1,2.6' },
    replicas: { type: 'string', default: '1,2,4' },
    tenants: { type: 'string', default: '1,8' },
    /** Requests in flight of each tenant at each replica. */
    batch: { type: 'string', default: '8' },
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    rate: { type: 'string', default: '40' },
  },
});
const numbers = (text: string): number[] => text.split(',').map(Number);

const folder = await mkdtemp(join(tmpdir(), 'bulla-fleet-'));
// Without waiting for the disk: the machines that this runs on differ by it, and the question is what waits for the network and for locks.
const server = await startPostgres({ own: true, hasty: true });
const database = () => createDatabase(server.url);
if (values.only !== 'neighbour') {
  await benchCommits(database, {
    roundTrips: numbers(values['round-trips']),
    replicas: numbers(values.replicas),
    tenants: numbers(values.tenants),
    batch: Number(values.batch),
    seconds: Number(values.seconds),
  });
}
if (values.only !== 'commits') {
  const [seconds, rounds, rate] = [Number(values.seconds), Number(values.rounds), Number(values.rate)];
  await benchNeighbour(database, { folder, seconds, rounds, rate, load: values.load });
}
await server.stop();
await rm(folder, { recursive: true });
