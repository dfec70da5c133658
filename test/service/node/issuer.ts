// An OpenID provider that issues DPoP-bound JWTs by client credentials, and a key service that is configured to trust it.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { Provider } from 'oidc-provider';

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

export async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

export async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

/** An OpenID provider with one client that authenticates by private_key_jwt. */
export async function startIssuer(
  clientKey: JWK,
): Promise<{ issuer: string; tokenEndpoint: string; stop: () => Promise<void> }> {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const { privateJwk } = await signingKey('issuer-1');
  const provider = new Provider(issuer, {
    jwks: { keys: [privateJwk as never] },
    clients: [
      {
        client_id: 'nightly',
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'ES256',
        id_token_signed_response_alg: 'ES256',
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        jwks: { keys: [clientKey as never] },
        dpop_bound_access_tokens: true,
      },
    ],
    extraTokenClaims: () => ({ tenant: 'north', roles: ['encryptor', 'decryptor', 'rewrapper'] }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 3), requireNonce: () => true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: 'keys',
          audience,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 300,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  });
  const server = createServer(provider.callback());
  await listen(server, port);
  return { issuer, tokenEndpoint: `${issuer}/token`, stop: () => close(server) };
}

/** A key service from a configuration file, as an operator runs it. */
export async function startService(
  issuers: readonly object[],
): Promise<{ url: string; pin: string; stop: () => Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'bulla-tokens-test-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = {
    ...{ service_id: 'keys-test', external_url: url, audience, listen: { host: '127.0.0.1', port } },
    ...{ store: { sqlite: 'keys.sqlite' }, root_key: { file: 'root.key' }, issuers, log_level: 'error' },
  };
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify(config));
  const [, pin = ''] = /identity ([\w-]{43})/.exec(await run(['init', '--config', file, '--create-root-key'])) ?? [];
  const child = spawn(process.execPath, ['key-service/bin/bulla-key-service.js', 'serve', '--config', file], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  for (let i = 0; i < 200; i++) {
    const ready = await fetch(`${url}/readyz`).catch(() => undefined);
    if (ready?.ok) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const stop = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  return { url, pin, stop };
}

async function run(args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, ['key-service/bin/bulla-key-service.js', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const chunk of child.stdout) output += String(chunk);
  return output;
}

const roles = ['encryptor', 'decryptor', 'rewrapper', 'key-administrator'];

/** What a configuration says of an issuer. */
export function trusted(issuer: string, keys: object): object {
  const rules = roles.map((role) => ({ claim: 'roles', value: role, roles: [role] }));
  return { issuer, audience, tenants: ['north'], roles: rules, ...keys };
}
