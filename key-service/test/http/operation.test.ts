/** Discovery, OpenAPI, health, metrics, methods and the development service; `docs/key-service.md` §1, §2 and §9. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DevService, startDev } from '../../src/dev/dev-service.ts';
import { devUsers } from '../../src/dev/users.ts';
import { endpoints } from '../../src/http/app.ts';
import { type Bend, createProofKey, TestClient } from '../support/client.ts';
import { adminRoles, type Harness, startHarness, userRoles } from '../support/harness.ts';
import { runCommand, writeConfig } from '../support/process.ts';

let folder: string;
let dev: DevService;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulla-dev-'));
  dev = await startDev({ port: 0, data: folder, logLevel: 'silent' });
});
afterAll(async () => {
  await dev.close();
  await rm(folder, { recursive: true });
});

async function signIn(user: string, url = dev.url): Promise<TestClient> {
  const client = new TestClient(url, await createProofKey(), user.split('@')[1] ?? '');
  await client.devLogin(user);
  return client;
}

describe('discovery', () => {
  it('§2.2 §2.3 is signed by the identity, and its serial stays until the transport key changes', async () => {
    const client = new TestClient(dev.url, await createProofKey(), 'north');
    const { thumbprint, claims } = await client.discover(dev.service.identity.thumbprint);
    expect(thumbprint).toBe(dev.service.identity.thumbprint);
    expect(claims).toMatchObject({
      iss: dev.url,
      service_id: 'bulla-dev',
      audience: 'bulla-dev',
      token_endpoint: `${dev.url}/v1/token`,
    });
    expect(claims.exp - claims.iat).toBeLessThanOrEqual(3600);
    expect(claims.transport_keys[0].exp - claims.iat).toBeLessThanOrEqual(86_400);
    expect((await client.discover()).claims.serial).toBe(claims.serial);
    await expect(client.discover('another')).rejects.toThrow(/pinned/);
  });
});

describe('OpenAPI', () => {
  it('§9.3 describes every endpoint, from the same schemas', async () => {
    const api = (await (await fetch(`${dev.url}/openapi.json`)).json()) as {
      openapi: string;
      paths: Record<string, Record<string, object>>;
      components: { schemas: object };
    };
    expect(api.openapi).toBe('3.1.0');
    for (const { method, path } of endpoints) expect(api.paths[path]?.[method.toLowerCase()], path).toBeDefined();
    for (const path of ['/v1/token', '/.well-known/bulla-key-service', '/healthz', '/readyz', '/metrics'])
      expect(api.paths[path]).toBeDefined();
    expect(Object.keys(api.components.schemas)).toEqual(
      expect.arrayContaining(['Key', 'Problem', 'KeyContext', 'DataResult']),
    );
    const ids = Object.values(api.paths).flatMap((methods) =>
      Object.values(methods).map((one) => (one as { operationId?: string }).operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(['/dev/users', '/openapi.json', '/.well-known/bulla-key-service', '/healthz'])(
    '§9.3 says of %s the type that it answers with',
    async (path) => {
      const api = (await (await fetch(`${dev.url}/openapi.json`)).json()) as {
        paths: Record<string, { get: { responses: { 200: { content?: object } } } }>;
      };
      const type = (await fetch(dev.url + path)).headers.get('content-type')?.split(';')[0];
      expect(Object.keys(api.paths[path]?.get.responses[200].content ?? {})).toEqual([type]);
    },
  );
});

describe('query strings', () => {
  const open = ['/.well-known/bulla-key-service', '/healthz', '/readyz', '/metrics', '/openapi.json', '/dev/users'];
  it.each(open)('§1.3 %s takes none', async (path) => {
    for (const query of ['?x=1', '?', '?x=1&x=1']) {
      const response = await fetch(dev.url + path + query);
      expect(response.status, query).toBe(400);
      expect(await response.json()).toMatchObject({ code: 'malformed-request', detail: 'This path takes no query' });
      expect(response.headers.get('dpop-nonce')).not.toBeNull();
    }
  });

  it.each(['/v1/token', '/dev/token'])('§1.3 %s takes none', async (path) => {
    const response = await fetch(`${dev.url}${path}?x=1`, { method: 'POST', body: '{}' });
    expect([response.status, (await response.json()).code]).toEqual([400, 'malformed-request']);
  });

  it('§1.3 nor does a path of authenticated callers', async () => {
    const admin = await signIn('admin@north');
    const { key_id } = (await admin.call('POST', '/v1/keys', {})).body;
    for (const path of ['/v1/caller', `/v1/keys/${key_id}`, `/v1/keys/${key_id}/public`, '/v1/audit/checkpoint']) {
      const reply = await admin.call('GET', `${path}?x=1`);
      expect([reply.status, reply.body.code], path).toEqual([400, 'malformed-request']);
    }
    expect((await admin.call('POST', `/v1/keys/${key_id}/disable?x=1`, {})).status).toBe(400);
    expect((await admin.call('GET', `/v1/keys/${key_id}`)).body.state).toBe('enabled');
  });
});

describe('§4.3 which answers carry a MAC', () => {
  let harness: Harness;
  let client: TestClient;
  beforeAll(async () => {
    harness = await startHarness();
    client = await harness.client([...adminRoles, 'metrics-reader']);
  });
  afterAll(() => harness.stop());

  const macOf = async (method: string, path: string, bend: Bend = {}, json?: unknown) => {
    const { status, headers, macOk } = await client.call(method, path, json, bend);
    return [status, headers.has('bulla-mac') ? macOk : 'none'];
  };

  it('all of authenticated requests to endpoints under /v1/ whose proof has bulla_key', async () => {
    expect(await macOf('GET', '/v1/caller')).toEqual([200, true]);
    expect(await macOf('GET', '/v1/caller?x=1')).toEqual([400, true]);
    expect(await macOf('GET', '/v1/keys/key-none')).toEqual([403, true]);
    expect(await macOf('POST', '/v1/keys', { rawBody: '{' })).toEqual([400, true]);
    expect(await macOf('GET', '/v1/caller', { noTransport: true })).toEqual([200, 'none']);
  });

  it('none of any other', async () => {
    expect(await macOf('GET', '/v1/nothing')).toEqual([404, 'none']);
    expect(await macOf('PUT', '/v1/caller')).toEqual([405, 'none']);
    expect(await macOf('GET', '/metrics')).toEqual([200, 'none']);
    expect(await macOf('POST', '/v1/token', {}, {})).toEqual([401, 'none']);
    expect(await macOf('GET', '/openapi.json')).toEqual([200, 'none']);
    expect(await macOf('GET', '/.well-known/bulla-key-service')).toEqual([200, 'none']);
    expect(await macOf('POST', '/v1/keys', { rawBody: 'x'.repeat(4 * 1024 * 1024 + 1) })).toEqual([413, 'none']);
    expect(await macOf('GET', '/v1/caller', { claims: { bulla_transport: 'x'.repeat(43) } })).toEqual([401, 'none']);
    const { proof } = await client.call('GET', '/v1/caller');
    expect(await macOf('GET', '/v1/caller', { proof })).toEqual([401, 'none']);
    const user = await harness.client(userRoles);
    const refused = await user.call('GET', '/metrics');
    expect([refused.status, refused.headers.has('bulla-mac')]).toEqual([403, false]);
  });

  it('§9.6 the log names operation, request id, status and code of a request, and nobody', async () => {
    const lineOf = (id: string) => {
      const line = harness.logs.findLast((each) => each.includes(id)) ?? '{}';
      expect(line).not.toMatch(/north|issuer\.test|key-/);
      return JSON.parse(line);
    };
    const bend = (id: string) => ({ claims: { bulla_request: id } });
    const { proof } = await client.call('GET', '/v1/caller', undefined, bend('the-first-request'));
    expect(lineOf('the-first-request')).toMatchObject({
      ...{ method: 'GET', operation: 'caller', status: 200, ms: expect.any(Number), msg: 'request' },
    });
    await client.call('GET', '/v1/keys/key-none', undefined, bend('the-second-request'));
    expect(lineOf('the-second-request')).toMatchObject({ operation: 'describe-key', status: 403, code: 'not-allowed' });
    await client.call('GET', '/v1/caller', undefined, { proof });
    expect(lineOf('the-first-request')).toMatchObject({ operation: 'caller', status: 401, code: 'invalid-proof' });
    expect((await fetch(`${harness.url}/nothing/secret`)).status).toBe(404);
    const last = JSON.parse(harness.logs.at(-1) ?? '{}');
    expect(last).toMatchObject({ status: 404, code: 'not-found' });
    expect(JSON.stringify(last)).not.toContain('secret');
  });

  it('§3.7 another scheme, no token, a second header', async () => {
    const check = async (headers: Record<string, string>) =>
      (await client.call('GET', '/v1/caller', undefined, { headers })).body.check;
    expect(await check({ Authorization: `Bearer ${client.token}` })).toBe('token-missing');
    expect(await check({ Authorization: `DPoP ${client.token}, DPoP ${client.token}` })).toBe('token-missing');
    expect(await check({ Authorization: 'DPoP x', DPoP: 'y' })).toBe('token-malformed');
    expect(await check({ DPoP: 'a.b.c, a.b.c' })).toBe('proof-malformed');
    expect(await check({ DPoP: '' })).toBe('proof-missing');
  });

  it('§8.4 the head and the entries of a request are those before it; consistency from 0 is empty', async () => {
    const sizeNow = async () =>
      Number((await client.call('GET', '/v1/audit/checkpoint')).body.checkpoint.split('\n')[1]);
    const size = await sizeNow();
    expect(await sizeNow()).toBe(size + 1);
    const get = async (path: string) => {
      const { status, body } = await client.call('GET', `/v1/audit/${path}`);
      return status === 200 ? (body.proof ?? body.entries).length : status;
    };
    expect(await get(`consistency/0/${size}`)).toBe(0);
    expect(await get('consistency/0/0')).toBe(0);
    expect(await get(`consistency/${size}/${size}`)).toBe(0);
    expect(await get(`consistency/${size}/${size + 1000}`)).toBe(400);
    expect(await get(`consistency/2/1`)).toBe(400);
    expect(await get('inclusion/0/1')).toBe(0);
    expect(await get('inclusion/1/1')).toBe(400);
    expect(await get('entries/0/0')).toBe(0);
    expect(await get('entries/0/1001')).toBe(400);
    expect(await get('entries/5/4')).toBe(400);
    expect(await get('entries/900000/900010')).toBe(0);
    expect(await get('entries/01/2')).toBe(400);
  });
});

describe('operation', () => {
  it('§9.2 health and metrics', async () => {
    expect(await (await fetch(`${dev.url}/healthz`)).text()).toBe('ok\n');
    expect((await fetch(`${dev.url}/readyz`)).status).toBe(200);
    const text = await (await fetch(`${dev.url}/metrics`)).text();
    expect(text).toContain('bulla_requests_total');
  });

  it('§10 404 and 405 are problems, too', async () => {
    const none = await fetch(`${dev.url}/v1/nothing`);
    expect(none.status).toBe(404);
    expect(((await none.json()) as { code: string }).code).toBe('not-found');
    const wrong = await fetch(`${dev.url}/v1/keys`, { method: 'PATCH' });
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('allow')).toBe('POST, GET');
  });

  it('§1.5 every answer has a nonce and is not stored', async () => {
    for (const path of ['/healthz', '/v1/nothing', '/v1/caller', '/openapi.json']) {
      const { headers } = await fetch(dev.url + path);
      expect(headers.get('dpop-nonce')).toBeTruthy();
      expect(headers.get('cache-control')).toBe('no-store');
    }
  });

  it('refuses headers that are too large', async () => {
    const response = await fetch(`${dev.url}/v1/caller`, { headers: { DPoP: 'x'.repeat(40_000) } });
    expect(response.status).toBe(431);
  });
});

describe('the development service', () => {
  it('§9.5 gives bound tokens to its users, and to nobody else', async () => {
    for (const { user, tenant } of devUsers) {
      const { body } = await (await signIn(user)).call('GET', '/v1/caller');
      expect(body).toMatchObject({ tenant, principal: `${dev.url}/dev|${user}` });
    }
    await expect(signIn('mallory@north')).rejects.toThrow(/not-allowed/);
    const unproven = await fetch(`${dev.url}/dev/token`, { method: 'POST', body: '{"user":"alice@north"}' });
    expect(unproven.status).toBe(401);
  });

  it('lets pages of any loopback origin in, and no others', async () => {
    const allowed = async (Origin: string) =>
      (await fetch(`${dev.url}/dev/users`, { headers: { Origin } })).headers.get('access-control-allow-origin');
    expect(await allowed('http://localhost:5173')).toBe('http://localhost:5173');
    expect(await allowed('http://127.0.0.1:1')).toBe('http://127.0.0.1:1');
    expect(await allowed('https://evil.example')).toBeNull();
    expect(await allowed('http://localhost.evil.example')).toBeNull();
  });

  it('keeps keys and identity over a restart, and over another root key', async () => {
    const { thumbprint } = dev.service.identity;
    const admin = await signIn('admin@north');
    const key = (await admin.call('POST', '/v1/keys', {})).body.key_id;
    await dev.close();
    const config = await writeConfig(folder, {
      ...{ service_id: 'bulla-dev', external_url: 'http://127.0.0.1:1', listen: { port: 1 }, issuers: [] },
      ...{ store: { sqlite: 'keys.sqlite' }, root_key: { file: 'root.key' } },
    });
    const created = await runCommand(['root-key', 'create', '--out', join(folder, 'new.key')]);
    const rotated = await runCommand(['root-key', 'rotate', '--config', config, '--new', join(folder, 'new.key')]);
    expect([created.code, rotated.code], rotated.stderr).toEqual([0, 0]);
    const { rename } = await import('node:fs/promises');
    await rename(join(folder, 'new.key'), join(folder, 'root.key'));
    dev = await startDev({ port: 0, data: folder, logLevel: 'silent' });
    expect(dev.service.identity.thumbprint).toBe(thumbprint);
    const again = await signIn('admin@north');
    expect((await again.call('GET', `/v1/keys/${key}`)).body.key_id).toBe(key);
  });
});
