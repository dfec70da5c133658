/** One tenant at its ordinary rate, beside a tenant that asks for all it can get, and beside the same load on another process. */

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRootKeyFile } from '../../src/seals/sources.ts';
import { createProofKey, TestClient } from '../../test/support/client.ts';
import {
  adminRoles,
  audience,
  createTestIssuer,
  issuerConfig,
  type TestIssuer,
  userRoles,
} from '../../test/support/issuer.ts';
import { freePort } from '../../test/support/postgres.ts';
import { runCommand, type ServiceProcess, startProcess, writeConfig } from '../../test/support/process.ts';
import { startRelay } from '../../test/support/relay.ts';

/** What is measured. */
export interface NeighbourOptions {
  readonly folder: string;
  /** Of each phase. */
  readonly seconds: number;
  readonly rounds: number;
  /** Requests a second of the neighbour. */
  readonly rate: number;
  /** Part of the name of the hostile load. Default: all. */
  readonly load: string | undefined;
}

interface Site {
  readonly url: string;
  readonly issuer: TestIssuer;
  readonly process: ServiceProcess;
}

/** What a phase gave: sent and answered requests of the neighbour, and milliseconds. */
interface Phase {
  sent: number;
  answered: number;
  readonly times: number[];
}

type Hostile = (site: Site) => Promise<() => Promise<unknown>>;

const callers = 8;

const hostile: ReadonlyMap<string, Hostile> = new Map(
  Object.entries<Hostile>({
    'batches of 1,000 keys': async (site) => {
      const admin = await signIn(site, adminRoles, 'south');
      const keys = await makeKeys(admin, 200);
      const user = await signIn(site, userRoles, 'south');
      const items = Array.from({ length: 1000 }, (_, i) => ({ key: keys[i % keys.length] }));
      return () => user.call('POST', '/v1/data-keys/generate-data-key', { items });
    },
    'changes of keys': async (site) => {
      const admin = await signIn(site, adminRoles, 'south');
      return () => admin.call('POST', '/v1/keys', {});
    },
    listings: async (site) => {
      const admin = await signIn(site, adminRoles, 'south');
      await makeKeys(admin, 500);
      return () => admin.call('GET', '/v1/keys?limit=1000');
    },
    'floods without tokens': async (site) => {
      const body = JSON.stringify({ items: [{}] });
      const headers = { Authorization: 'DPoP x.y.z', DPoP: 'x.y.z', 'Content-Type': 'application/json' };
      return () => fetch(`${site.url}/v1/data-keys/unwrap`, { method: 'POST', headers, body });
    },
  }),
);

async function makeKeys(admin: TestClient, count: number): Promise<string[]> {
  const keys: string[] = [];
  while (keys.length < count) keys.push((await admin.call('POST', '/v1/keys', {})).body.key_id);
  return keys;
}

/** Prints a line for each kind of hostile load: beside it, and with the same load elsewhere, in turn. */
export async function benchNeighbour(
  create: () => Promise<{ readonly url: string }>,
  { folder, seconds, rounds, rate, load }: NeighbourOptions,
): Promise<void> {
  const [here, there] = [await startSite(create, folder, 'here'), await startSite(create, folder, 'there')];
  const neighbour = await neighbourOf(here);
  for (const [name, make] of hostile) {
    if (load !== undefined && !name.includes(load)) continue;
    const beside: Phase = { sent: 0, answered: 0, times: [] };
    const apart: Phase = { sent: 0, answered: 0, times: [] };
    const [loadHere, loadThere] = [await make(here), await make(there)];
    for (let round = 0; round < rounds; round += 1) {
      await phase(beside, neighbour, loadHere, seconds, rate);
      await phase(apart, neighbour, loadThere, seconds, rate);
    }
    report(name, beside, apart);
  }
  for (const { process } of [here, there]) await process.end('SIGKILL');
}

async function phase(
  into: Phase,
  neighbour: () => Promise<boolean>,
  load: () => Promise<unknown>,
  seconds: number,
  rate: number,
): Promise<void> {
  let running = true;
  const hostiles = Array.from({ length: callers }, async () => {
    while (running) await load().catch(() => sleep(5));
  });
  await sleep(500);
  const sent: Promise<void>[] = [];
  const begun = performance.now();
  for (let i = 0; i < seconds * rate; i += 1) {
    // By the clock, whether answers come or not: who waits for answers asks less when it is starved.
    await sleep(Math.max(0, begun + (i * 1000) / rate - performance.now()));
    into.sent += 1;
    const at = performance.now();
    sent.push(
      neighbour().then((ok) => {
        if (!ok) return;
        into.answered += 1;
        into.times.push(performance.now() - at);
      }),
    );
  }
  await Promise.all(sent);
  running = false;
  await Promise.all(hostiles);
}

function report(name: string, beside: Phase, apart: Phase): void {
  const share = ({ sent, answered }: Phase): number => answered / sent;
  const at95 = ({ times }: Phase): number =>
    [...times].sort((a, b) => a - b)[Math.floor(times.length * 0.95)] ?? Number.NaN;
  const [ratioOfShares, ratioOfTimes] = [share(beside) / share(apart), at95(beside) / at95(apart)];
  const met = ratioOfShares >= 0.95 && ratioOfTimes <= 2 ? 'met' : 'MISSED';
  process.stdout.write(
    `${name.padEnd(22)} answered ${share(beside).toFixed(3)} beside, ${share(apart).toFixed(3)} apart (ratio ${ratioOfShares.toFixed(2)})   p95 ${at95(beside).toFixed(0)} ms beside, ${at95(apart).toFixed(0)} ms apart (ratio ${ratioOfTimes.toFixed(2)})   0.95 and 2: ${met}\n`,
  );
}

async function neighbourOf(site: Site): Promise<() => Promise<boolean>> {
  const admin = await signIn(site, adminRoles, 'north');
  const key = (await admin.call('POST', '/v1/keys', {})).body.key_id;
  const user = await signIn(site, userRoles, 'north');
  const path = `/v1/keys/${key}/generate-data-key`;
  return () =>
    user.call('POST', path, { items: [{}] }).then(
      ({ status }) => status === 200,
      () => false,
    );
}

async function startSite(create: () => Promise<{ readonly url: string }>, folder: string, name: string): Promise<Site> {
  const database = await create();
  const relay = await startRelay(Number(new URL(database.url).port), 0.5);
  const [issuer, port, rootKeyFile] = [await createTestIssuer(), await freePort(), join(folder, `${name}.key`)];
  createRootKeyFile(rootKeyFile);
  const config = {
    service_id: 'bulla-bench',
    external_url: `http://127.0.0.1:${port}`,
    audience,
    listen: { host: '127.0.0.1', port },
    store: { postgres: relay.url(database.url) },
    root_key: { file: rootKeyFile },
    issuers: [issuerConfig(issuer.jwk)],
    log_level: 'silent',
    limits: { items_per_minute: 1_000_000_000 },
  };
  const file = await writeConfig(folder, config, `${name}.json`);
  const init = await runCommand(['init', '--config', file]);
  if (init.code !== 0) throw new Error(init.stderr);
  return { url: config.external_url, issuer, process: await startProcess(['serve', '--config', file]) };
}

async function signIn(site: Site, roles: readonly string[], tenant: string): Promise<TestClient> {
  const patient: typeof fetch = (url, init) => fetch(url, { ...init, signal: AbortSignal.timeout(5000) });
  const client = new TestClient(site.url, await createProofKey(), tenant, patient);
  await client.discover();
  const jkt = client.proofKey.thumbprint;
  client.token = await site.issuer.token({ roles, tenant, sub: `${roles.join('+')}@${tenant}`, jkt });
  return client;
}
