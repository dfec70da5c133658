// Shreds a subject in a process that kills itself: `node --conditions=bulla-source test/postgres/shred-worker.ts SETTINGS`.
// What it says to PostgreSQL and to the key service is counted, before it is sent, once it is sent, and once it is answered. At the event `killAt` it dies as by kill -9. It prints the state and the
// number of events when it lives.

import pg from 'pg';
import { postgresCells } from '../../src/fields/postgres.ts';
import { createKeyServiceClient, developmentToken } from '../../src/service.ts';
import { erasureOf, type ShredSettings } from './subjects.ts';

const settings = JSON.parse(process.argv[2] ?? '{}') as ShredSettings & { readonly killAt: number };
let events = 0;
const event = (): void => {
  if (events === settings.killAt) process.kill(process.pid, 'SIGKILL');
  events += 1;
};

type Query = (...args: unknown[]) => Promise<unknown> | undefined;
const { query: plain } = pg.Client.prototype as unknown as { query: Query };
/** A query, by a promise or with a callback. */
function query(this: pg.Client, ...args: unknown[]): Promise<unknown> | undefined {
  event();
  const callback = args.at(-1);
  const answered = (...answer: unknown[]) => {
    event();
    if (typeof callback === 'function') callback(...answer);
  };
  const result = plain.apply(this, typeof callback === 'function' ? [...args.slice(0, -1), answered] : args);
  event();
  return result?.then((answer) => {
    event();
    return answer;
  });
}
Object.assign(pg.Client.prototype, { query });

const { url, pin } = settings.service;
const client = createKeyServiceClient({
  ...{ url, pin, tokenSource: developmentToken('revoker@north') },
  async fetch(input, init) {
    event();
    const asked = globalThis.fetch(input, init);
    event();
    const answer = await asked;
    event();
    return answer;
  },
});
const pool = new pg.Pool({ connectionString: settings.database, max: 1 });
const { subject } = settings;
const { state } = await erasureOf(pool, client, settings.keyId).shred({
  ...{ tenant: 'north', subject, cells: postgresCells(pool) },
});
process.stdout.write(JSON.stringify({ state, events }));
await pool.end();
