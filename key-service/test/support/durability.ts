/** Rounds of load and kill -9, and the proof that nothing acknowledged was lost; for the tests and `npm run test:durability`. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuditLogs } from '../../src/audit/logs.ts';
import type { Config } from '../../src/config.ts';
import { openRootKey, openStore } from '../../src/open-store.ts';
import { verifyLogs } from '../../src/operations/verify-logs.ts';
import { createRootKeyFile } from '../../src/seals/sources.ts';
import { openSecrets } from '../../src/secrets/secrets.ts';
import { createProofKey, TestClient } from './client.ts';
import { adminRoles, audience, createTestIssuer, issuerConfig, type TestIssuer, userRoles } from './issuer.ts';
import { freePort } from './postgres.ts';
import { runCommand, startProcess, writeConfig } from './process.ts';

/** What the service has acknowledged. */
interface Acknowledged {
  /** Newest version of each key. */
  readonly keys: Map<string, number>;
  readonly disabled: Set<string>;
  /** Request ids of calls that were answered with success. */
  readonly requests: string[];
  dataKeys: number;
}

/** What the rounds saw. */
export interface DurabilityReport {
  readonly rounds: number;
  readonly keys: number;
  readonly requests: number;
  readonly dataKeys: number;
  readonly leaves: number;
}

/** Kills the service `rounds` times under load. Throws where anything acknowledged is missing. */
export async function runDurability(
  store: Config['store'],
  rounds: number,
  say: (line: string) => void = () => undefined,
): Promise<DurabilityReport> {
  const folder = await mkdtemp(join(tmpdir(), 'bulla-durability-'));
  const issuer = await createTestIssuer();
  const port = await freePort();
  const rootKeyFile = join(folder, 'root.key');
  createRootKeyFile(rootKeyFile);
  const config = {
    service_id: 'bulla-test',
    external_url: `http://127.0.0.1:${port}`,
    audience,
    listen: { host: '127.0.0.1', port },
    store,
    root_key: { file: rootKeyFile },
    issuers: [issuerConfig(issuer.jwk)],
    checkpoint_file: join(folder, 'checkpoint'),
    log_level: 'error',
  };
  const file = await writeConfig(folder, config);
  const init = await runCommand(['init', '--config', file]);
  if (init.code !== 0) throw new Error(init.stderr);
  const acknowledged: Acknowledged = { keys: new Map(), disabled: new Set(), requests: [], dataKeys: 0 };
  let leaves = 0;
  let checked = 0;
  for (let round = 1; round <= rounds; round += 1) {
    // Some moments are before the first answer; most are under load.
    const early = round > 1 && Math.random() < 0.1;
    await oneRound(file, config.external_url, issuer, acknowledged, early);
    leaves = await verify(config as unknown as Config, acknowledged, checked);
    checked = acknowledged.requests.length;
    if (round % 20 === 0)
      say(`round ${round}: ${acknowledged.keys.size} keys, ${acknowledged.requests.length} answers, ${leaves} leaves`);
  }
  await rm(folder, { recursive: true });
  return {
    rounds,
    keys: acknowledged.keys.size,
    requests: acknowledged.requests.length,
    dataKeys: acknowledged.dataKeys,
    leaves,
  };
}

async function oneRound(
  file: string,
  url: string,
  issuer: TestIssuer,
  acknowledged: Acknowledged,
  early: boolean,
): Promise<void> {
  const before = acknowledged.requests.length;
  const service = await startProcess(['serve', '--config', file]);
  let running = true;
  const worker = async (work: (admin: TestClient, user: TestClient) => Promise<void>): Promise<void> => {
    try {
      const admin = await signIn(url, issuer, adminRoles);
      const user = await signIn(url, issuer, userRoles);
      while (running) await work(admin, user);
    } catch (error) {
      // Connections break when the process dies; anything else is a fault.
      if (running && !isBroken(error)) throw error;
    }
  };
  const load = Promise.all([
    worker((admin) => createAndChange(admin, acknowledged)),
    worker((_, user) => release(user, acknowledged)),
    worker((_, user) => release(user, acknowledged)),
    worker((_, user) => release(user, acknowledged)),
  ]);
  const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  for (let i = 0; !early && i < 1000 && acknowledged.requests.length === before; i += 1) await wait(10);
  await wait(Math.random() * 500);
  await service.end('SIGKILL');
  running = false;
  await load;
}

async function createAndChange(admin: TestClient, acknowledged: Acknowledged): Promise<void> {
  const note = track(acknowledged);
  const created = await admin.call('POST', '/v1/keys', {}, note.bend());
  if (created.status !== 201) return;
  note.done();
  const id = created.body.key_id;
  acknowledged.keys.set(id, 1);
  const rotated = await admin.call('POST', `/v1/keys/${id}/rotate`, { from_version: 1 }, note.bend());
  if (rotated.status !== 200) return;
  note.done();
  acknowledged.keys.set(id, 2);
  if (Math.random() < 0.5) return;
  const disabled = await admin.call('POST', `/v1/keys/${id}/disable`, {}, note.bend());
  if (disabled.status !== 200) return;
  note.done();
  acknowledged.disabled.add(id);
}

async function release(user: TestClient, acknowledged: Acknowledged): Promise<void> {
  const usable = [...acknowledged.keys.keys()].slice(-20);
  const id = usable[Math.floor(Math.random() * usable.length)];
  if (id === undefined) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return;
  }
  const note = track(acknowledged);
  const reply = await user.call('POST', `/v1/keys/${id}/generate-data-key`, { items: [{}, {}, {}] }, note.bend());
  const released =
    reply.status === 200 ? reply.body.results.filter((result: { sealed_key?: string }) => result.sealed_key).length : 0;
  if (released === 0) return;
  note.done();
  acknowledged.dataKeys += released;
}

function track({ requests }: Acknowledged) {
  let id = '';
  return {
    bend() {
      id = globalThis.crypto.randomUUID();
      return { claims: { bulla_request: id } };
    },
    done: () => void requests.push(id),
  };
}

/** Opens the store beside the service and looks for all that was acknowledged. */
async function verify(config: Config, acknowledged: Acknowledged, from: number): Promise<number> {
  const store = openStore(config);
  try {
    const rootKey = openRootKey({ ...config, previous_root_keys: [] });
    const secrets = await openSecrets(store, rootKey);
    for (const [id, newest] of acknowledged.keys) {
      const key = await store.findKey('north', id);
      if (!key || key.newest < newest) throw new Error(`The key ${id} has lost version ${newest}`);
      if (acknowledged.disabled.has(id) && !key.disabled) throw new Error(`The key ${id} is enabled again`);
    }
    const size = await verifyLogs(store, new AuditLogs(store, secrets, config.service_id));
    const logged = await loggedRequests(store, size);
    for (const id of acknowledged.requests.slice(from)) {
      if (!logged.has(id)) throw new Error(`The answer to ${id} has no leaf`);
    }
    return size;
  } finally {
    await store.close();
  }
}

async function loggedRequests(store: ReturnType<typeof openStore>, size: number): Promise<Set<string>> {
  const ids = new Set<string>();
  for (let from = 0; from < size; from += 1000) {
    for (const { entry } of await store.entries('north', from, Math.min(from + 1000, size))) {
      ids.add((JSON.parse(Buffer.from(entry).toString()) as { request: string }).request);
    }
  }
  return ids;
}

async function signIn(url: string, issuer: TestIssuer, roles: readonly string[]): Promise<TestClient> {
  const client = new TestClient(url, await createProofKey(), 'north');
  await client.discover();
  client.token = await issuer.token({ roles, sub: roles.join('+'), jkt: client.proofKey.thumbprint });
  return client;
}

function isBroken(error: unknown): boolean {
  return error instanceof TypeError && error.message === 'fetch failed' ? true : String(error).includes('terminated');
}
