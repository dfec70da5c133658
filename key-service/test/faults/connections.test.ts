// Faults of connections to PostgreSQL: terminated, reset, silent, answers lost at a commit, nodes that cannot be written. Nobody dies, and nothing is lost.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { verifyLogs } from '../../src/operations/verify-logs.ts';
import type { TestClient } from '../support/client.ts';
import { type Harness, newDatabase, startHarness } from '../support/harness.ts';
import { adminRoles, userRoles } from '../support/issuer.ts';
import { createDatabase, type PostgresServer, query, startPostgres } from '../support/postgres.ts';
import { type Relay, startRelay } from '../support/relay.ts';

let server: PostgresServer;
let url: string;
let relay: Relay;
let harness: Harness;
let admin: TestClient;
let user: TestClient;
let key: string;
let cleanUp: (() => unknown)[] = [];
const uncaught: unknown[] = [];
const note = (error: unknown): void => void uncaught.push(error);

beforeAll(async () => {
  server = await startPostgres({ own: true, hasty: true });
  process.on('uncaughtException', note);
});
afterAll(async () => {
  process.off('uncaughtException', note);
  await server.stop();
});

beforeEach(async () => {
  const database = await createDatabase(server.url);
  const { folder, remove } = await newDatabase('sqlite');
  url = database.url;
  relay = await startRelay(Number(new URL(url).port));
  harness = await startHarness({
    database: { config: { postgres: relay.url(url) }, folder, remove: async () => undefined },
    // The relay loses whichever commit comes next, also that of a publication.
    config: { publication_seconds: 60 },
  });
  [admin, user] = [await harness.client(adminRoles), await harness.client(userRoles)];
  key = (await admin.call('POST', '/v1/keys', {})).body.key_id;
  cleanUp = [remove, () => database.drop(), () => relay.close(), () => harness.stop()];
});
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  expect(uncaught).toEqual([]);
});

const generate = async (claims = {}): Promise<number> =>
  (await user.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] }, { claims })).status;
const leaves = async (): Promise<{ request?: string; operation: string }[]> =>
  (await harness.store.entries('north', 0, 1000)).map(({ entry }) => JSON.parse(Buffer.from(entry).toString()));

/** Callers that ask until `stop`, and how they are answered. */
function underLoad(callers: number) {
  const statuses: Record<number, number> = {};
  let running = true;
  const work = Array.from({ length: callers }, async () => {
    while (running) {
      const status = await generate();
      statuses[status] = (statuses[status] ?? 0) + 1;
    }
  });
  const answered = async (more: number): Promise<void> => {
    const target = (statuses[200] ?? 0) + more;
    while ((statuses[200] ?? 0) < target) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  const stop = async () => {
    running = false;
    await Promise.all(work);
    return statuses;
  };
  return { answered, stop };
}

describe('§11.8 connections that end', () => {
  it('terminated while they work: the process lives, and callers notice nothing', async () => {
    const load = underLoad(4);
    for (let round = 0; round < 5; round += 1) {
      await load.answered(10);
      const text = 'select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database()';
      await query(url, `${text} and pid <> pg_backend_pid()`);
    }
    await load.answered(10);
    expect(Object.keys(await load.stop())).toEqual(['200']);
  });

  it('reset, and refused for a while: 503 with Retry-After, then it works again', async () => {
    const load = underLoad(4);
    await load.answered(10);
    relay.refuse(true);
    relay.reset();
    const reply = await user.call('GET', `/v1/keys/${key}`);
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '1']);
    relay.refuse(false);
    await load.answered(10);
    await load.stop();
  });

  it('silent: found within seconds, and replaced all together', async () => {
    const load = underLoad(8);
    await load.answered(50);
    await Promise.all(Array.from({ length: 8 }, () => harness.store.listKeys('north', '', 10)));
    expect(relay.blackhole()).toBeGreaterThan(1);
    const started = performance.now();
    await load.answered(20);
    // A deadline of four seconds, once for all connections.
    expect(performance.now() - started).toBeLessThan(9000);
    await load.stop();
  });

  it('a begin that gets no answer does not go back into the pool', async () => {
    expect(await generate()).toBe(200);
    relay.blackhole();
    const first = await generate();
    expect([200, 503]).toContain(first);
    for (let i = 0; i < 5; i += 1) expect(await generate()).toBe(200);
  });
});

describe('§11.8 what the database rolled back', () => {
  it.each(['40001', '40P01'])('%s is tried again', async (code) => {
    await query(url, 'create sequence tries');
    await query(
      url,
      `create function refuse() returns trigger language plpgsql as $$ begin
        if nextval('tries') % 3 <> 0 then raise exception 'try again' using errcode = '${code}'; end if; return new;
      end $$`,
    );
    await query(url, 'create trigger refuse before update on states for each row execute function refuse()');
    for (let i = 0; i < 5; i += 1) expect(await generate()).toBe(200);
    expect((await admin.call('POST', '/v1/keys', {})).status).toBe(201);
    await verifyLogs(harness.store, harness.service.logs);
  });
});

describe('§11.8 a commit without an answer', () => {
  it.each(['answer', 'question'] as const)('its %s is lost: asked, and told as it is', async (lost) => {
    for (let i = 0; i < 3; i += 1) {
      const bulla_request = `request-${lost}-of-${i}-`.padEnd(20, '0');
      relay.loseCommit(lost);
      expect(await generate({ bulla_request })).toBe(200);
      expect((await leaves()).filter(({ request }) => request === bulla_request)).toHaveLength(1);
    }
    relay.loseCommit(lost);
    const reply = await admin.call('POST', '/v1/keys', {});
    expect(reply.status).toBe(201);
    expect((await leaves()).filter(({ operation }) => operation === 'create-key')).toHaveLength(2);
    expect((await admin.call('GET', '/v1/keys')).body.keys).toHaveLength(2);
    await verifyLogs(harness.store, harness.service.logs);
  });

  it('nobody can be asked: 503 that says so', async () => {
    relay.loseCommit('answer');
    const asked = admin.call('POST', '/v1/keys', {});
    const lost = new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        relay.refuse(true);
        if (relay.connections() > 0) return;
        clearInterval(timer);
        resolve();
      }, 1);
    });
    relay.refuse(true);
    const reply = await asked;
    await lost;
    expect(reply.body).toMatchObject({ status: 503, code: 'unavailable', outcome: 'unknown' });
    relay.refuse(false);
    expect((await admin.call('GET', '/v1/keys')).body.keys).toHaveLength(2);
  });

  it('a warning at a commit, as of an absent synchronous standby, is no success', async () => {
    await query(server.url, `alter system set synchronous_standby_names = 'nobody'`);
    await query(server.url, 'select pg_reload_conf()');
    try {
      const reply = await admin.call('POST', '/v1/keys', {});
      expect(reply.body).toMatchObject({ status: 503, outcome: 'unknown' });
    } finally {
      await query(server.url, 'alter system reset synchronous_standby_names');
      await query(server.url, 'select pg_reload_conf()');
    }
  });
});

describe('§11.8 a node that cannot be written', () => {
  it('is recognised, by new connections and by old ones: 503 until there is another', async () => {
    const name = new URL(url).pathname.slice(1);
    await query(url, `alter database ${name} set default_transaction_read_only = on`);
    relay.reset();
    expect(await generate()).toBe(503);
    expect((await fetch(`${harness.url}/readyz`)).status).toBe(503);
    expect(harness.logs.join('')).toContain('read-only');
    await query(server.url, `alter database ${name} reset default_transaction_read_only`);
    expect(await generate()).toBe(200);
  });
});

describe('listings', () => {
  it('of 40 keys take as many statements as of one', async () => {
    await admin.call('GET', '/v1/keys');
    const before = relay.statements();
    await harness.store.listKeys('north', '', 1000);
    const one = relay.statements() - before;
    for (let i = 0; i < 39; i += 1) await admin.call('POST', '/v1/keys', { alias: `key-of-${i}` });
    const again = relay.statements();
    expect(await harness.store.listKeys('north', '', 1000)).toHaveLength(40);
    expect(relay.statements() - again).toBe(one);
  });
});
