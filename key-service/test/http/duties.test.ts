/** Separation of duties: who may do what together with what, and that one person is one; `docs/key-service.md` §3.3, §3.9, §7.2 and §12.3. */

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDev } from '../../src/dev/dev-service.ts';
import { createProofKey, TestClient } from '../support/client.ts';
import {
  adminRoles,
  createTestIssuer,
  type Harness,
  issuerConfig,
  startHarness,
  type TestIssuer,
  userRoles,
} from '../support/harness.ts';

const otherIssuer = 'https://contractors.test';
let harness: Harness;
let corporate: TestIssuer;
let contractors: TestIssuer;
let admin: TestClient;

beforeAll(async () => {
  [corporate, contractors] = [await createTestIssuer(), await createTestIssuer()];
  const person = { claim: 'employee', domain: 'corp' };
  harness = await startHarness({
    issuer: corporate,
    config: {
      issuers: [
        { ...issuerConfig(corporate.jwk), person },
        { ...issuerConfig(contractors.jwk), issuer: otherIssuer, person },
      ],
    },
  });
  admin = await client(corporate, adminRoles, 'alice', 'E-1');
});
afterAll(() => harness.stop());

async function client(issuer: TestIssuer, roles: readonly string[], sub: string, employee?: string) {
  const made = new TestClient(harness.url, await createProofKey(), 'north');
  await made.discover();
  const iss = issuer === contractors ? { iss: otherIssuer } : {};
  const claims = { ...iss, ...(employee === undefined ? {} : { employee }) };
  made.token = await issuer.token({ roles, sub, jkt: made.proofKey.thumbprint, claims });
  return made;
}

async function scheduled(): Promise<string> {
  const key = (await admin.call('POST', '/v1/keys', {})).body.key_id;
  await admin.call('POST', `/v1/keys/${key}/schedule-deletion`, { days: 7 });
  return key;
}

const approve = (by: TestClient, key: string) =>
  by.call('POST', `/v1/keys/${key}/approve-deletion`, { version: null, days: 7 });

describe('§3.9 one person', () => {
  const approver = ['deletion-approver'];

  it('with two issuers cannot approve their own request', async () => {
    const key = await scheduled();
    const same = await client(contractors, approver, 'a.liddell', 'E-1');
    expect((await approve(same, key)).body.code).toBe('state-conflict');
    const other = await client(contractors, approver, 'b.builder', 'E-2');
    expect((await approve(other, key)).status).toBe(200);
  });

  it('nor after an exchange', async () => {
    const key = await scheduled();
    const claims = { iss: otherIssuer, aud: 'bulla-exchange', employee: 'E-1' };
    const subject_token = await contractors.token({ roles: approver, sub: 'a.liddell', claims });
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    });
    const exchanged = new TestClient(harness.url, await createProofKey(), 'north');
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const bend = { token: '', rawBody: form.toString(), noTransport: true, headers };
    exchanged.token = (await exchanged.call('POST', '/v1/token', undefined, bend)).body.access_token;
    expect((await approve(exchanged, key)).body.code).toBe('state-conflict');
  });

  it('without the claim is nobody', async () => {
    const nobody = await client(contractors, approver, 'c.nobody');
    expect((await nobody.call('GET', '/v1/caller')).body.check).toBe('token-claims');
  });
});

describe('§12.3 who brings material directs nothing to it', () => {
  it('under neither of their principals', async () => {
    const importer = await client(corporate, ['key-importer'], 'ivan', 'E-3');
    const bulla_request = randomBytes(16).toString('base64url');
    const sealed = importer.sealForRequest('/v1/keys/import', bulla_request, [{ key: randomBytes(32), context: {} }]);
    const body = { salt: sealed.salt, sealed_key: sealed.sealed[0] };
    const imported = (await importer.call('POST', '/v1/keys/import', body, { claims: { bulla_request } })).body;
    expect(imported.origin).toBe('imported');
    const key = (await admin.call('POST', '/v1/keys', { alias: 'orders' })).body.key_id;

    const put = (by: TestClient) => by.call('PUT', '/v1/aliases/orders', { key: imported.key_id });
    expect((await put(await client(contractors, ['alias-mover'], 'i.vanov', 'E-3'))).body.code).toBe('not-allowed');
    expect((await put(admin)).body.code).toBe('not-allowed');
    const rewrap = async (by: TestClient) => {
      const alice = await client(corporate, userRoles, 'anna', 'E-4');
      const made = await alice.call('POST', `/v1/keys/${key}/generate-data-key`, { items: [{}] });
      const { wrapped_key } = made.body.results[0];
      const items = [{ version: 1, wrapped_key, to: { key: imported.key_id } }];
      return (await by.call('POST', `/v1/keys/${key}/rewrap`, { items })).body.results[0].problem?.code;
    };
    expect(await rewrap(await client(contractors, ['rewrapper'], 'i.vanov', 'E-3'))).toBe('not-allowed');
    expect(await rewrap(await client(corporate, ['recoverer'], 'rita', 'E-5'))).toBe('not-allowed');
    expect(await rewrap(await client(corporate, ['rewrapper'], 'rene', 'E-6'))).toBeUndefined();
    expect((await put(await client(corporate, ['alias-mover'], 'mona', 'E-7'))).status).toBe(200);
  });
});

describe('§3.3 the headers that a proof covers', () => {
  it.each([
    ['If-Match that was added', { headers: { 'If-Match': '"1"' }, claims: { bulla_if_match: undefined } }],
    ['If-Match that was changed', { headers: { 'If-Match': '"1"' }, claims: { bulla_if_match: '"2"' } }],
    ['If-Match that was taken away', { claims: { bulla_if_match: '*' } }],
    [
      'Idempotency-Key that was added',
      { headers: { 'Idempotency-Key': 'a' }, claims: { bulla_idempotency_key: undefined } },
    ],
    [
      'Idempotency-Key that was changed',
      { headers: { 'Idempotency-Key': 'a' }, claims: { bulla_idempotency_key: 'b' } },
    ],
    ['Idempotency-Key that was taken away', { claims: { bulla_idempotency_key: 'b' } }],
  ])('%s: proof-headers', async (_, bend) => {
    const reply = await admin.call('POST', '/v1/keys', {}, bend);
    expect([reply.status, reply.body.check]).toEqual([401, 'proof-headers']);
  });
});

describe('§9.5 the development service', () => {
  it('answers no name of somebody else', async () => {
    const data = mkdtempSync(join(tmpdir(), 'bulla-dev-'));
    const dev = await startDev({ data, port: 0, logLevel: 'silent' });
    const { port } = new URL(dev.url);
    const status = (host: string) =>
      new Promise((resolve, reject) => {
        const asked = request({ host: '127.0.0.1', port, path: '/dev/users', headers: { Host: host } }, (response) => {
          resolve(response.resume().statusCode);
        });
        asked.on('error', reject).end();
      });
    const hosts = [`127.0.0.1:${port}`, `localhost:${port}`, `rebound.example:${port}`, '127.0.0.1.example'];
    expect(await Promise.all(hosts.map(status))).toEqual([200, 200, 421, 421]);
    await dev.close();
    rmSync(data, { recursive: true });
  });
});
