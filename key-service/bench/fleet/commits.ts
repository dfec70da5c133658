/** Commits a second: stores that share a database behind a delaying proxy, each with requests of several tenants in flight. */

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { encodeEntry } from '../../src/model/entry.ts';
import { softwareRootKey } from '../../src/seals/software.ts';
import { createSecrets, openSecrets } from '../../src/secrets/secrets.ts';
import { CommitQueue } from '../../src/store/commit-queue.ts';
import { postgresEngine } from '../../src/store/postgres.ts';
import { SqlStore } from '../../src/store/sql-store.ts';
import type { Commit } from '../../src/store/store.ts';
import { query } from '../../test/support/postgres.ts';
import { startRelay } from '../../test/support/relay.ts';
import { addTenants } from '../../test/support/tenants.ts';

/** What is measured. */
export interface CommitsOptions {
  readonly roundTrips: readonly number[];
  readonly replicas: readonly number[];
  readonly tenants: readonly number[];
  readonly batch: number;
  readonly seconds: number;
}

interface Database {
  readonly url: string;
  drop(): Promise<void>;
}

const rootKey = softwareRootKey(new Uint8Array(32).fill(7));

/** Prints a line for each combination. */
export async function benchCommits(create: () => Promise<Database>, options: CommitsOptions): Promise<void> {
  const { roundTrips, replicas, tenants } = options;
  for (const roundTrip of roundTrips) {
    for (const tenantCount of tenants) {
      for (const replicaCount of replicas) {
        const database = await create();
        const relay = await startRelay(Number(new URL(database.url).port), roundTrip < 0.5 ? 0 : roundTrip / 2);
        const url = relay.url(database.url);
        const effective = await measureRoundTrip(url);
        const stores = await openReplicas(url, replicaCount, tenantCount);
        const { transactions, requests } = await run(stores, database.url, tenantCount, options);
        process.stdout.write(
          `round trip ${effective.toFixed(1).padStart(4)} ms   ${tenantCount} tenant(s) x ${replicaCount} replica(s)   ${transactions.toFixed(0).padStart(6)} transactions/s ${requests.toFixed(0).padStart(7)} requests/s\n`,
        );
        await Promise.all(stores.map((store) => store.close()));
        await relay.close();
        await database.drop();
      }
    }
  }
}

const nameOf = (tenant: number): string => `tenant-${tenant}`;

async function openReplicas(url: string, count: number, tenants: number): Promise<SqlStore[]> {
  const stores: SqlStore[] = [];
  for (let i = 0; i < count; i += 1) {
    const store = new SqlStore(postgresEngine(url));
    await store.migrate();
    await createSecrets(store, rootKey);
    await openSecrets(store, rootKey);
    if (i === 0) await addTenants(store, ...Array.from({ length: tenants }, (_, tenant) => nameOf(tenant)));
    stores.push(store);
  }
  return stores;
}

async function run(stores: readonly SqlStore[], url: string, tenants: number, { batch, seconds }: CommitsOptions) {
  let [requests, running] = [0, true];
  const worker = async (queue: CommitQueue, tenant: number): Promise<void> => {
    while (running) {
      const result = await queue.submit(commitOf(nameOf(tenant)));
      if (result !== 'committed' && result !== 'late') throw new Error(`A commit was ${result}`);
      requests += 1;
    }
  };
  const workers = stores.flatMap((store) => {
    const queue = new CommitQueue(store, { batch });
    return Array.from({ length: tenants * batch }, (_, i) => worker(queue, i % tenants));
  });
  await sleep(500);
  const [before, begun] = [await committed(url), performance.now()];
  requests = 0;
  await sleep(seconds * 1000);
  const [after, elapsed] = [await committed(url), (performance.now() - begun) / 1000];
  const done = requests;
  running = false;
  await Promise.all(workers);
  return { transactions: (after - before) / elapsed, requests: done / elapsed };
}

// Transactions that appended leaves: all those of one have the same xmin.
async function committed(url: string): Promise<number> {
  const [row] = await query(url, 'select count(distinct xmin::text) as n from log_leaves where idx > 0');
  return Number(row?.['n']);
}

function commitOf(tenant: string): Commit {
  const principal = `https://issuer|${tenant}`;
  const id = randomBytes(32).toString('base64url');
  const now = Date.now();
  const who = { time: now, tenant, principal, proofKey: id, request: id.slice(0, 22) };
  const items = [{ key: 'key-aaaaaaaaaaaaaaaaaaaaaaaaaa', version: 1, context: id, outcome: 'ok' }];
  const window = Math.floor(now / 60_000) * 60;
  return {
    epoch: undefined,
    proof: { id, expires: Math.floor(now / 1000) + 180 },
    use: { principal, window, items: 1, limit: 1e9 },
    entry: encodeEntry({ ...who, operation: 'unwrap', status: 200, items }),
    uses: [],
  };
}

async function measureRoundTrip(url: string): Promise<number> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('select 1');
  const begun = performance.now();
  for (let i = 0; i < 50; i += 1) await client.query('select 1');
  const effective = (performance.now() - begun) / 50;
  await client.end();
  return effective;
}
