/**
 * `npm run bench:service`: requests a second and latencies of unwrap with 1 and with 100 items, DPoP and audit on, on both stores, as ratios to a
 * no-op endpoint with the same authentication in the same run. Proofs are made before the clock runs, so that the client takes as little of the
 * machine as it can; the service is a process of its own.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Config } from '../src/config.ts';
import { createRootKeyFile } from '../src/seals/sources.ts';
import { createProofKey, TestClient } from '../test/support/client.ts';
import {
  adminRoles,
  audience,
  createTestIssuer,
  issuerConfig,
  type TestIssuer,
  userRoles,
} from '../test/support/issuer.ts';
import { createDatabase, freePort, startPostgres } from '../test/support/postgres.ts';
import { runCommand, startProcess, writeConfig } from '../test/support/process.ts';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '4000' },
    concurrency: { type: 'string', default: '32' },
    store: { type: 'string' },
  },
});
const requests = Number(values.requests);
const concurrency = Number(values.concurrency);
const targets = { batchKeys: 15_000, single: 0.5 };
const say = (line: string): void => void process.stdout.write(`${line}\n`);

interface Figures {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

interface Prepared {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

const folder = await mkdtemp(join(tmpdir(), 'bulla-bench-'));
if (values.store !== 'postgres') await benchStore('sqlite', { sqlite: join(folder, 'keys.sqlite') });
if (values.store !== 'sqlite') {
  const server = await startPostgres();
  const database = await createDatabase(server.url);
  await benchStore('postgres', { postgres: database.url });
  await database.drop();
  await server.stop();
}
await rm(folder, { recursive: true });

async function benchStore(name: string, store: Config['store']): Promise<void> {
  const issuer = await createTestIssuer();
  const port = await freePort();
  const file = await configure(name, store, issuer, port);
  const service = await startProcess(['serve', '--config', file]);
  const admin = await signIn(port, issuer, adminRoles);
  const user = await signIn(port, issuer, userRoles);
  const key = (await admin.call('POST', '/v1/keys', {})).body.key_id;
  const items = await wrappedItems(user, key);
  const noop = () => prepare(user, 'GET', '/v1/caller', undefined);
  const unwrap = (count: number) => () =>
    prepare(user, 'POST', `/v1/keys/${key}/unwrap`, { items: items.slice(0, count) });

  await measure(port, noop, requests / 4);
  await measure(port, unwrap(1), requests / 4);
  // The no-op before and after: the machine is noisy, and its mean is what the others are compared with.
  const before = await measure(port, noop, requests);
  const single = await measure(port, unwrap(1), requests);
  const hundred = await measure(port, unwrap(100), Math.ceil(requests / 8));
  const after = await measure(port, noop, requests);
  await service.end('SIGTERM');
  report(name, { before, single, hundred, after });
}

async function configure(name: string, store: Config['store'], issuer: TestIssuer, port: number): Promise<string> {
  const rootKeyFile = join(folder, `${name}.key`);
  createRootKeyFile(rootKeyFile);
  const file = await writeConfig(folder, {
    service_id: 'bulla-bench',
    external_url: `http://127.0.0.1:${port}`,
    audience,
    listen: { host: '127.0.0.1', port },
    store,
    root_key: { file: rootKeyFile },
    issuers: [issuerConfig(issuer.jwk)],
    log_level: 'warn',
    limits: { items_per_minute: 1_000_000_000 },
  });
  const init = await runCommand(['init', '--config', file]);
  if (init.code !== 0) throw new Error(init.stderr);
  return file;
}

async function signIn(port: number, issuer: TestIssuer, roles: readonly string[]): Promise<TestClient> {
  const client = new TestClient(`http://127.0.0.1:${port}`, await createProofKey(), 'north');
  await client.discover();
  client.token = await issuer.token({ roles, sub: roles.join('+'), jkt: client.proofKey.thumbprint });
  return client;
}

function report(name: string, figures: Record<'before' | 'single' | 'hundred' | 'after', Figures>): void {
  const { before, single, hundred, after } = figures;
  const noop = (before.perSecond + after.perSecond) / 2;
  const line = (what: string, { perSecond, p50, p99 }: Figures): void => {
    const ratio = (perSecond / noop).toFixed(2);
    say(
      `${name.padEnd(9)} ${what.padEnd(14)} ${perSecond.toFixed(0).padStart(6)} requests/s   ×${ratio} of no-op   p50 ${p50.toFixed(1)} ms   p99 ${p99.toFixed(1)} ms`,
    );
  };
  line('no-op', before);
  line('unwrap ×1', single);
  line('unwrap ×100', hundred);
  line('no-op again', after);
  const keys = hundred.perSecond * 100;
  const met = (ok: boolean): string => (ok ? 'met' : 'MISSED');
  say(
    `${name.padEnd(9)} ${keys.toFixed(0)} data keys/s in batches of 100 (target ${targets.batchKeys}: ${met(keys >= targets.batchKeys)})`,
  );
  say(
    `${name.padEnd(9)} single unwraps at ${(single.perSecond / noop).toFixed(2)} of the no-op (target ${targets.single}: ${met(single.perSecond / noop >= targets.single)})`,
  );
}

async function wrappedItems(user: TestClient, key: string): Promise<object[]> {
  const key_context = { tenant: 'north', purpose: 'bench' };
  const items = Array.from({ length: 100 }, () => ({ key_context }));
  const made = await user.call('POST', `/v1/keys/${key}/generate-data-key`, { items });
  return made.body.results.map(({ wrapped_key }: { wrapped_key: string }) => ({
    wrapped_key,
    version: 1,
    key_context,
  }));
}

async function prepare(client: TestClient, method: string, path: string, json: object | undefined): Promise<Prepared> {
  const body = json === undefined ? '' : JSON.stringify(json);
  const { proof } = await client.makeProof(method, path, Buffer.from(body));
  const headers: Record<string, string> = { Authorization: `DPoP ${client.token}`, DPoP: proof };
  if (body !== '')
    Object.assign(headers, { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)) });
  return { method, path, headers, body };
}

async function measure(port: number, make: () => Promise<Prepared>, count: number): Promise<Figures> {
  const prepared: Prepared[] = [];
  for (let i = 0; i < count; i += 1) prepared.push(await make());
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const times: number[] = [];
  const started = performance.now();
  const worker = async (): Promise<void> => {
    for (let next = prepared.pop(); next; next = prepared.pop()) {
      const begun = performance.now();
      await send(agent, port, next);
      times.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  const seconds = (performance.now() - started) / 1000;
  agent.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { perSecond: count / seconds, p50: at(0.5), p99: at(0.99) };
}

function send(agent: Agent, port: number, { method, path, headers, body }: Prepared): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ agent, host: '127.0.0.1', port, method, path, headers }, (response) => {
      let text = '';
      response.on('data', (data) => (text += data));
      response.on('end', () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`Answer ${response.statusCode}: ${text.slice(0, 300)}`));
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
