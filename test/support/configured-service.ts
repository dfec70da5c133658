// The key service as an operator runs it: `init` and `serve` with a configuration file, killed and started again; and an issuer of tokens that it trusts.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Server as NetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWK } from 'jose';

export const audience = 'urn:keys:test';

/** A key pair as JWKs. */
export async function signingKey(kid: string): Promise<{ publicJwk: JWK; privateJwk: JWK }> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  const about = { kid, alg: 'ES256', use: 'sig' };
  return {
    publicJwk: { ...(await exportJWK(publicKey)), ...about },
    privateJwk: { ...(await exportJWK(privateKey)), ...about },
  };
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server, 0);
  await close(server);
  return port;
}

export async function listen(server: NetServer, port: number): Promise<number> {
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

export async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

const roles = ['encryptor', 'decryptor', 'rewrapper', 'key-administrator', 'auditor'];

/** What a configuration says of an issuer. */
export function trusted(issuer: string, keys: object): object {
  const rules = roles.map((role) => ({ claim: 'roles', value: role, roles: [role] }));
  return { issuer, audience, tenants: ['north'], roles: rules, ...keys };
}

/** A service that runs from a configuration. */
export interface ConfiguredService {
  readonly url: string;
  readonly pin: string;
  /** Starts it, if it does not run, and waits until it listens. */
  start(): Promise<void>;
  /** Ends it without a warning. */
  kill(): Promise<void>;
  /** Ends it for good. */
  stop(): Promise<void>;
}

/** Makes the database and starts the service. `change` replaces members of the configuration. */
export async function startService(issuers: readonly object[], change: object = {}): Promise<ConfiguredService> {
  const folder = mkdtempSync(join(tmpdir(), 'bulla-service-test-'));
  const port = await freePort();
  const config = {
    ...{ service_id: 'keys-test', external_url: `http://127.0.0.1:${port}`, audience },
    ...{ listen: { host: '127.0.0.1', port }, store: { sqlite: 'keys.sqlite' } },
    ...{ root_key: { file: 'root.key' }, issuers, log_level: 'error', ...change },
  };
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify(config));
  const made = spawnService(['init', '--config', file, '--create-root-key']);
  const pin = await pinIn(made);
  let child: ChildProcess | undefined;
  const end = async (signal: 'SIGTERM' | 'SIGKILL') => {
    const ended = new Promise((resolve) => child?.once('exit', resolve));
    if (child?.kill(signal)) await ended;
    child = undefined;
  };
  const service: ConfiguredService = {
    url: config.external_url,
    pin,
    async start() {
      child ??= spawnService(['serve', '--config', file]);
      await pinIn(child);
    },
    kill: () => end('SIGKILL'),
    async stop() {
      await end('SIGTERM');
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await service.start();
  return service;
}

function spawnService(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, ['key-service/bin/bulla-key-service.js', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** The thumbprint that `init` prints when it is done, and `serve` when it listens. */
function pinIn(child: ChildProcess): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (chunk) => {
      text += String(chunk);
      const pin = /identity ([\w-]{43})/.exec(text)?.[1];
      if (pin !== undefined) resolve(pin);
    });
    child.once('exit', () => reject(new Error(`the key service did not start: ${text}`)));
  });
}
