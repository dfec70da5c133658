/** Three processes on one PostgreSQL. */

import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStore } from '../../src/open-store.ts';
import { createRootKeyFile } from '../../src/seals/sources.ts';
import { createProofKey, TestClient } from '../support/client.ts';
import { newDatabase, type TestDatabase } from '../support/harness.ts';
import { adminRoles, audience, createTestIssuer, issuerConfig, type TestIssuer, userRoles } from '../support/issuer.ts';
import { freePort } from '../support/postgres.ts';
import { runCommand, type ServiceProcess, startProcess, writeConfig } from '../support/process.ts';

const externalUrl = 'https://keys.test';
let database: TestDatabase;
let issuer: TestIssuer;
let processes: ServiceProcess[];
let urls: string[];
let configs: string[];

beforeAll(async () => {
  database = await newDatabase('postgres');
  issuer = await createTestIssuer();
  const rootKeyFile = join(database.folder, 'root.key');
  createRootKeyFile(rootKeyFile);
  const ports = await Promise.all([freePort(), freePort(), freePort()]);
  urls = ports.map((port) => `http://127.0.0.1:${port}`);
  configs = await Promise.all(
    ports.map((port, index) => {
      const config = {
        service_id: 'bulla-test',
        external_url: externalUrl,
        audience,
        listen: { host: '127.0.0.1', port },
        store: database.config,
        root_key: { file: rootKeyFile },
        issuers: [issuerConfig(issuer.jwk)],
        log_level: 'error',
      };
      return writeConfig(database.folder, config, `config-${index}.json`);
    }),
  );
  // All three at once, on an empty database: migrations and secrets must agree.
  const inits = await Promise.all(configs.map((config) => runCommand(['init', '--config', config])));
  expect(inits.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(new Set(inits.map(({ stdout }) => stdout)).size).toBe(1);
  processes = await Promise.all(configs.map((config) => startProcess(['serve', '--config', config])));
});

afterAll(async () => {
  await Promise.all(processes.map((one) => one.end('SIGTERM')));
  await database.remove();
});

async function clients(roles: readonly string[]): Promise<TestClient[]> {
  const proofKey = await createProofKey();
  const token = await issuer.token({ roles, sub: roles.join('+'), jkt: proofKey.thumbprint });
  return Promise.all(
    urls.map(async (url) => {
      const client = new TestClient(url, proofKey, 'north', fetch, externalUrl);
      await client.discover();
      client.token = token;
      return client;
    }),
  );
}

describe('§12.2 replicas', () => {
  it('share transport keys, nonces and sessions', async () => {
    const [a, b, c] = (await clients(adminRoles)) as [TestClient, TestClient, TestClient];
    expect(new Set([a, b, c].map(({ discovery }) => discovery?.claims.transport_keys[0].kid)).size).toBe(1);
    b.nonce = a.nonce;
    expect((await b.call('GET', '/v1/caller', undefined, { noRetry: true })).status).toBe(200);
  });

  it('concurrent rotations give one new version', async () => {
    const admins = await clients(adminRoles);
    const key = (await admins[0]?.call('POST', '/v1/keys', {}))?.body.key_id;
    for (const from_version of [1, 2, 3]) {
      const replies = await Promise.all(
        [...admins, ...admins].map((admin) => admin.call('POST', `/v1/keys/${key}/rotate`, { from_version })),
      );
      expect(replies.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409, 409]);
    }
    expect((await admins[2]?.call('GET', `/v1/keys/${key}`))?.body.newest_version).toBe(4);
  });

  it('§3.4 a proof is refused at another replica and after a restart', async () => {
    const users = await clients(userRoles);
    const [first, second] = users as [TestClient, TestClient];
    const reply = await first.call('GET', '/v1/caller');
    expect(reply.status).toBe(200);
    expect((await second.call('GET', '/v1/caller', undefined, { proof: reply.proof })).body.check).toBe(
      'proof-replayed',
    );
    await processes[0]?.end('SIGTERM');
    processes[0] = await startProcess(['serve', '--config', configs[0] ?? '']);
    expect((await first.call('GET', '/v1/caller', undefined, { proof: reply.proof })).body.check).toBe(
      'proof-replayed',
    );
  });

  it('§11.3 what one replica disables, none uses any more', async () => {
    const admins = await clients(adminRoles);
    const users = await clients(userRoles);
    const key = (await admins[0]?.call('POST', '/v1/keys', {}))?.body.key_id;
    const generate = (index: number) =>
      users[index]?.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] });
    for (const index of [0, 1, 2]) expect((await generate(index))?.body.results[0].problem).toBeUndefined();
    for (let round = 0; round < 5; round += 1) {
      expect((await admins[round % 3]?.call('POST', `/v1/keys/${key}/disable`, {}))?.status).toBe(200);
      for (const index of [0, 1, 2]) expect((await generate(index))?.body.results[0].problem.code).toBe('key-disabled');
      expect((await admins[(round + 1) % 3]?.call('POST', `/v1/keys/${key}/enable`, {}))?.status).toBe(200);
      for (const index of [0, 1, 2]) expect((await generate(index))?.body.results[0].problem).toBeUndefined();
    }
  });

  it('one replica killed under load loses no acknowledged call', async () => {
    const admins = await clients(adminRoles);
    const users = await clients(userRoles);
    const key = (await admins[1]?.call('POST', '/v1/keys', {}))?.body.key_id;
    const acknowledged: string[] = [];
    let running = true;
    const worker = async (user: TestClient, mayBreak: boolean): Promise<void> => {
      while (running) {
        const bulla_request = globalThis.crypto.randomUUID();
        try {
          const reply = await user.call(
            'POST',
            `/v1/keys/${key}/generate-data-key`,
            { items: [{}] },
            { claims: { bulla_request } },
          );
          if (reply.status === 200) acknowledged.push(bulla_request);
        } catch (error) {
          if (!mayBreak) throw error;
          return;
        }
      }
    };
    const load = Promise.all(users.flatMap((user, index) => [worker(user, index === 0), worker(user, index === 0)]));
    const answers = async (count: number) => {
      while (acknowledged.length < count) await new Promise((resolve) => setTimeout(resolve, 10));
    };
    await answers(50);
    await processes[0]?.end('SIGKILL');
    await answers(acknowledged.length + 50);
    running = false;
    await load;
    const store = openStore({ store: database.config });
    const logged = new Set<string>();
    for (let from = 0; ; from += 1000) {
      const entries = await store.entries('north', from, from + 1000);
      for (const { entry } of entries) logged.add(JSON.parse(Buffer.from(entry).toString()).request);
      if (entries.length === 0) break;
    }
    await store.close();
    expect(acknowledged.filter((id) => !logged.has(id))).toEqual([]);
    processes[0] = await startProcess(['serve', '--config', configs[0] ?? '']);
  });

  it('§12.6 SIGTERM finishes what was accepted', async () => {
    const [user] = (await clients(userRoles)) as [TestClient];
    const calls = Array.from({ length: 20 }, () => user.call('GET', '/v1/caller'));
    await Promise.race(calls);
    const ended = processes[0]?.end('SIGTERM');
    const replies = await Promise.allSettled(calls);
    expect(await ended).toBe(0);
    const answered = replies.filter((reply) => reply.status === 'fulfilled' && reply.value.status === 200);
    expect(answered.length).toBeGreaterThan(0);
    for (const reply of replies) if (reply.status === 'fulfilled') expect(reply.value.status).toBe(200);
    processes[0] = await startProcess(['serve', '--config', configs[0] ?? '']);
  });
});
