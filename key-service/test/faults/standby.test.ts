// A failover to a standby that streams: one that has everything, one that has lost the tail, and one that commits wait for; `docs/key-service.md` §11.7 and §11.8.

import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { verifyLogs } from '../../src/operations/verify-logs.ts';
import type { TestClient } from '../support/client.ts';
import { type Harness, startHarness } from '../support/harness.ts';
import { adminRoles, userRoles } from '../support/issuer.ts';
import { createDatabase, type PostgresServer, query, startPostgres } from '../support/postgres.ts';
import { type Relay, startRelay } from '../support/relay.ts';

let cleanUp: (() => Promise<unknown>)[] = [];
let primaryFolder: string;
let primary: PostgresServer;
let standby: PostgresServer;
let relay: Relay;
let harness: Harness;
let admin: TestClient;
let user: TestClient;
let key: string;
let items: object[];
let checkpoint: string;

const portOf = ({ url }: PostgresServer): number => Number(new URL(url).port);

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bulla-standby-'));
  cleanUp.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

beforeAll(async () => {
  primaryFolder = await mkdtemp(join(tmpdir(), 'bulla-primary-'));
  primary = await startPostgres({ own: true, hasty: true, folder: primaryFolder });
});
afterAll(async () => {
  await primary.stop();
  await rm(primaryFolder, { recursive: true, force: true });
});

beforeEach(async () => {
  const [folder, files] = [await newFolder(), await newFolder()];
  const { url } = await createDatabase(primary.url);
  standby = await startPostgres({
    ...{ own: true, hasty: true, folder: files, standbyOf: { url: primary.url, folder: primaryFolder } },
  });
  cleanUp.push(() => standby.stop());
  relay = await startRelay(portOf(primary));
  cleanUp.push(() => relay.close());
  checkpoint = join(folder, 'checkpoint');
  harness = await startHarness({
    database: { config: { postgres: relay.url(url) }, folder, remove: async () => undefined },
    config: { checkpoint_file: checkpoint },
  });
  cleanUp.push(() => harness.stop());
  [admin, user] = [await harness.client(adminRoles), await harness.client(userRoles)];
  key = (await admin.call('POST', '/v1/keys', {})).body.key_id;
  const made = await user.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] });
  items = [{ version: 1, wrapped_key: made.body.results[0].wrapped_key }];
});
afterEach(async () => {
  for (const work of cleanUp.reverse()) await work();
  cleanUp = [];
});

async function unwrap(): Promise<string> {
  const { body } = await user.call('POST', `/v1/keys/${key}/unwrap`, { items });
  return body.code ?? body.results[0].problem?.code ?? 'released';
}

async function until(done: () => Promise<boolean>): Promise<void> {
  while (!(await done())) await sleep(20);
}

/** Waits until the standby has all that the primary has written. */
const caughtUp = (): Promise<void> =>
  until(async () => {
    const followed = 'bool_and(replay_lsn = pg_current_wal_lsn())';
    return (await query(primary.url, `select ${followed} as done from pg_stat_replication`))[0]?.['done'] === true;
  });

/** Callers come to the standby from now on. The primary may still run: nobody can tell it to stop. */
async function failOver(): Promise<void> {
  relay.lead(portOf(standby));
  relay.reset();
  expect(await unwrap()).toBe('unavailable');
  await query(standby.url, 'select pg_promote()');
}

/** Ends the primary at once, as when its host dies. */
async function killPrimary(): Promise<void> {
  const pid = Number(readFileSync(join(primaryFolder, 'data/postmaster.pid'), 'utf8').split('\n')[0]);
  process.kill(pid, 'SIGQUIT');
  await primary.stop();
}

it('to one that has everything: the service goes on, and nothing is undone', async () => {
  await admin.call('POST', `/v1/keys/${key}/disable`, {});
  await caughtUp();
  await failOver();
  await until(async () => (await unwrap()) === 'key-disabled');
  expect((await admin.call('POST', `/v1/keys/${key}/enable`, {})).status).toBe(200);
  expect(await unwrap()).toBe('released');
  await verifyLogs(harness.store, harness.service.logs);
});

it('to one that has lost the tail: nothing is released, changed or signed, until what is known comes back', async () => {
  await caughtUp();
  await query(standby.url, `alter system set primary_conninfo = ''`);
  await query(standby.url, 'select pg_reload_conf()');
  await until(async () => (await query(primary.url, 'select 1 from pg_stat_replication')).length === 0);
  expect((await admin.call('POST', `/v1/keys/${key}/disable`, {})).status).toBe(200);
  await harness.service.changes.publish();
  const kept = readFileSync(checkpoint, 'utf8');
  await failOver();
  await until(async () => /went back/.test(harness.logs.join('')) || (await unwrap()) !== 'unavailable');
  for (let i = 0; i < 3; i += 1) expect(await unwrap()).toBe('unavailable');
  expect((await admin.call('POST', '/v1/keys', {})).status).toBe(503);
  await expect(harness.service.changes.export()).rejects.toThrow(/went back|older/);
  expect(readFileSync(checkpoint, 'utf8')).toBe(kept);
});

it('to one that every commit waited for, from a primary that dies: nothing acknowledged is lost', async () => {
  await query(primary.url, `alter system set synchronous_standby_names = 'standby'`);
  await query(primary.url, 'select pg_reload_conf()');
  await until(
    async () => (await query(primary.url, 'show synchronous_standby_names'))[0]?.['synchronous_standby_names'] !== '',
  );
  const acknowledged: string[] = [];
  let running = true;
  const caller = async () => {
    while (running) {
      const bulla_request = globalThis.crypto.randomUUID();
      const body = { items: [{}] };
      const reply = await user.call('POST', `/v1/keys/${key}/generate-data-key`, body, { claims: { bulla_request } });
      if (reply.status === 200) acknowledged.push(bulla_request);
    }
  };
  const callers = Array.from({ length: 4 }, caller);
  await until(async () => acknowledged.length >= 20);
  const created = (await admin.call('POST', '/v1/keys', { alias: 'late' })).body.key_id;
  await killPrimary();
  await failOver();
  running = false;
  await Promise.all(callers);
  await until(async () => (await unwrap()) === 'released');
  expect((await admin.call('GET', '/v1/keys/alias:late')).body.key_id).toBe(created);
  const size = await verifyLogs(harness.store, harness.service.logs);
  const logged = new Set<string>();
  for (let from = 0; from < size; from += 1000) {
    for (const { entry } of await harness.store.entries('north', from, from + 1000)) {
      logged.add(JSON.parse(Buffer.from(entry).toString()).request);
    }
  }
  expect(acknowledged.filter((request) => !logged.has(request))).toEqual([]);
});
