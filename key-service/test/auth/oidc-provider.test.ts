/** Tokens of a real issuer: oidc-provider with DPoP, its keys by URL. */

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { SignJWT } from 'jose';
import Provider from 'oidc-provider';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createProofKey, type ProofKey, TestClient } from '../support/client.ts';
import { type Harness, startHarness } from '../support/harness.ts';
import { freePort } from '../support/postgres.ts';

const resource = 'urn:bulla:test';
let server: Server;
let issuer: string;
let harness: Harness;

beforeAll(async () => {
  const port = await freePort();
  issuer = `http://127.0.0.1:${port}`;
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const client = (client_id: string) => ({
    ...{
      client_id,
      client_secret: 'secret',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    },
    ...{ id_token_signed_response_alg: 'ES256' },
  });
  const provider = new Provider(issuer, {
    clients: [client('alice'), client('admin')],
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'oidc-1', alg: 'ES256', use: 'sig' }] },
    scopes: ['bulla:use', 'bulla:administer'],
    features: {
      clientCredentials: { enabled: true },
      dPoP: { enabled: true, nonceSecret: Buffer.alloc(32, 1) },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: 'bulla:use bulla:administer',
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 600,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
    extraTokenClaims: () => ({ tenant: 'north' }),
  });
  server = createServer(provider.callback());
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  harness = await startHarness({
    config: {
      issuers: [
        {
          ...{ issuer, audience: resource, jwks_uri: `${issuer}/jwks`, algorithms: ['ES256'], tenants: ['north'] },
          roles: [
            { claim: 'scope', value: 'bulla:use', roles: ['encryptor', 'decryptor'] },
            { claim: 'scope', value: 'bulla:administer', roles: ['key-administrator'] },
          ],
        },
      ],
    },
  });
});

afterAll(async () => {
  await harness.stop();
  server.closeAllConnections();
  server.close();
});

async function tokenOf(clientId: string, scope: string, key: ProofKey): Promise<string> {
  const url = `${issuer}/token`;
  const proof = (nonce?: string) =>
    new SignJWT({ jti: randomUUID(), htm: 'POST', htu: url, ...(nonce ? { nonce } : {}) })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: key.jwk })
      .setIssuedAt()
      .sign(key.privateKey);
  const ask = async (nonce?: string) =>
    fetch(url, {
      method: 'POST',
      headers: { DPoP: await proof(nonce), Authorization: `Basic ${btoa(`${clientId}:secret`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope, resource }),
    });
  let response = await ask();
  const nonce = response.headers.get('dpop-nonce');
  if (response.status === 400 && nonce) response = await ask(nonce);
  const body = (await response.json()) as { access_token?: string; token_type?: string };
  if (body.token_type !== 'DPoP' || body.access_token === undefined) throw new Error(JSON.stringify(body));
  return body.access_token;
}

async function signIn(clientId: string, scope: string): Promise<TestClient> {
  const client = new TestClient(harness.url, await createProofKey(), 'north');
  client.token = await tokenOf(clientId, scope, client.proofKey);
  return client;
}

describe('oidc-provider', () => {
  it('its bound tokens are good, with roles by scope', async () => {
    const admin = await signIn('admin', 'bulla:administer');
    const alice = await signIn('alice', 'bulla:use');
    const key = await admin.call('POST', '/v1/keys', {});
    expect(key.status).toBe(201);
    const made = await alice.call('POST', `/v1/keys/${key.body.key_id}/generate-data-key`, { items: [{}] });
    const { wrapped_key } = made.body.results[0];
    const opened = await alice.call('POST', `/v1/keys/${key.body.key_id}/unwrap`, {
      items: [{ version: 1, wrapped_key }],
    });
    expect(opened.openResult(0, {}, wrapped_key)).toEqual(made.openResult(0, {}, wrapped_key));
    expect((await alice.call('POST', '/v1/keys', {})).status).toBe(403);
    expect((await alice.call('GET', '/v1/caller')).body.principal).toBe(`${issuer}|alice`);
  });

  it('a stolen one is not', async () => {
    const alice = await signIn('alice', 'bulla:use');
    const thief = new TestClient(harness.url, await createProofKey(), 'north');
    thief.token = alice.token;
    expect((await thief.call('GET', '/v1/caller')).body.check).toBe('token-binding');
  });
});
