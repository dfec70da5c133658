/** What attackers try with tokens, proofs and answers, each with the answer it gets; `docs/key-service.md` §3 and §4. */

import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exportJWK } from 'jose';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Bend, createProofKey, type Reply, TestClient } from '../support/client.ts';
import {
  adminRoles,
  audience,
  type Harness,
  issuerConfig,
  newDatabase,
  startHarness,
  type TokenOptions,
  userRoles,
} from '../support/harness.ts';

let harness: Harness;
let alice: TestClient;
let keyId: string;

beforeAll(async () => {
  harness = await startHarness();
  alice = await harness.client(userRoles, { sub: 'alice' });
  keyId = (await (await harness.client(adminRoles)).call('POST', '/v1/keys', {})).body.key_id;
});
afterAll(() => harness.stop());

const path = () => `/v1/keys/${keyId}/generate-data-key`;
const generate = (bend: Bend = {}, client = alice): Promise<Reply> =>
  client.call('POST', path(), { items: [{}] }, bend);

function expectRefused(
  reply: Reply,
  check: string,
  code = check.startsWith('token') ? 'invalid-token' : 'invalid-proof',
): void {
  expect(reply.body).toMatchObject({ status: 401, code, check });
  expect(reply.status).toBe(401);
  expect(reply.raw.toString()).not.toContain('sealed_key');
  const challenge = reply.headers.get('www-authenticate') ?? '';
  const error = {
    'invalid-token': 'invalid_token',
    'invalid-proof': 'invalid_dpop_proof',
    'use-dpop-nonce': 'use_dpop_nonce',
  }[code];
  expect(challenge).toMatch(new RegExp(`^DPoP error="${error}", error_description="[^"]+", algs="[^"]*ES256`));
}

describe('proofs', () => {
  const now = () => Math.floor(Date.now() / 1000);
  const b64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

  it('a stolen token without the proof key', async () => {
    const thief = new TestClient(harness.url, await createProofKey(), 'north');
    thief.token = alice.token;
    expectRefused(await generate({}, thief), 'token-binding');
    const reply = await fetch(harness.url + path(), {
      method: 'POST',
      headers: { Authorization: `DPoP ${alice.token}` },
    });
    expect((await reply.json()).check).toBe('proof-missing');
    const bearer = await fetch(harness.url + path(), {
      method: 'POST',
      headers: { Authorization: `Bearer ${alice.token}` },
    });
    expect((await bearer.json()).check).toBe('token-missing');
  });

  it.each([
    ['another URL', { claims: { htu: 'https://elsewhere.example/v1/keys' } }, 'proof-url'],
    ['another path', { send: { path: '/v1/keys/alias:other/generate-data-key' } }, 'proof-url'],
    ['another method', { claims: { htm: 'GET' } }, 'proof-method'],
    ['another body', { send: { body: '{"items":[{},{}]}' } }, 'proof-body'],
    ['no body', { send: { body: '' } }, 'proof-body'],
    ['another token', { claims: { ath: b64(randomBytes(32)) } }, 'proof-token'],
    ['no token hash', { claims: { ath: undefined } }, 'proof-token'],
    ['an old proof', { claims: { iat: now() - 62 } }, 'proof-time'],
    ['a proof from the future', { claims: { iat: now() + 70 } }, 'proof-time'],
    ['no iat', { claims: { iat: undefined } }, 'proof-claims'],
    ['a short jti', { claims: { jti: 'short' } }, 'proof-claims'],
    ['no request id', { claims: { bulla_request: undefined } }, 'proof-claims'],
    ['no body hash', { claims: { bulla_body: undefined } }, 'proof-claims'],
    ['a transport key without a client key', { claims: { bulla_key: undefined } }, 'proof-claims'],
    ['no transport', { noTransport: true }, 'proof-claims'],
    ['an unknown transport key', { claims: { bulla_transport: b64(randomBytes(32)) } }, 'transport-key'],
    [
      'a point off the curve',
      { claims: { bulla_key: b64(Buffer.concat([Buffer.of(4), randomBytes(96)])) } },
      'transport-key',
    ],
    [
      'a compressed point',
      { claims: { bulla_key: b64(Buffer.concat([Buffer.of(2), randomBytes(96)])) } },
      'transport-key',
    ],
    ['another typ', { header: { typ: 'JWT' } }, 'proof-type'],
    [
      'an unknown alg',
      {
        header: { alg: 'none' },
        proof: `${b64(Buffer.from('{"alg":"none","typ":"dpop+jwt","jwk":{}}'))}.${b64(Buffer.from('{}'))}.`,
      },
      'proof-algorithm',
    ],
    ['no JWS', { proof: 'x.y' }, 'proof-malformed'],
    ['a proof that is too long', { proof: `${'A'.repeat(9000)}.A.A` }, 'proof-malformed'],
  ] satisfies [string, Bend, string][])('%s', async (_, bend, check) => {
    const { header, ...rest } = bend as Bend;
    expectRefused(await generate({ ...rest, ...(header?.['alg'] === 'none' ? {} : header ? { header } : {}) }), check);
  });

  it('nonces: none, a forged one, an old one', async () => {
    for (const nonce of [undefined, 'forged', b64(randomBytes(20))]) {
      const reply = await generate({ claims: { nonce }, noRetry: true });
      expectRefused(reply, 'proof-nonce', 'use-dpop-nonce');
      expect(reply.headers.get('dpop-nonce')).toBeTruthy();
    }
  });

  it('a private key in the proof', async () => {
    const { privateKey } = alice.proofKey;
    expectRefused(await generate({ header: { jwk: await exportJWK(privateKey) } }), 'proof-key');
  });

  it('a symmetric key in the proof', async () => {
    const part = (value: object) => b64(Buffer.from(JSON.stringify(value)));
    const proof = (alg: string) =>
      `${part({ alg, typ: 'dpop+jwt', jwk: { kty: 'oct', k: 'AAAA' } })}.${part({ jti: 'x' })}.AAAA`;
    expectRefused(await generate({ proof: proof('HS256') }), 'proof-algorithm');
    expectRefused(await generate({ proof: proof('ES256') }), 'proof-key');
  });

  it('a signature by another key than the one in the header', async () => {
    const other = await createProofKey();
    expectRefused(await generate({ header: { jwk: alice.proofKey.jwk }, proofKey: other }), 'proof-signature');
  });

  it('a proof replayed: at once, side by side, at another replica, after a restart', async () => {
    const first = await generate();
    expect(first.status).toBe(200);
    expectRefused(await generate({ proof: first.proof }), 'proof-replayed');
    const { proof } = await alice.makeProof('POST', path(), Buffer.from('{"items":[{}]}'));
    const both = await Promise.all([generate({ proof }), generate({ proof })]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 401]);
    const { database, rootKey, issuer } = harness;
    const replica = await startHarness({ database, rootKey, issuer, externalUrl: harness.url });
    const there = new TestClient(replica.url, alice.proofKey, 'north', fetch, harness.url);
    there.token = alice.token;
    expectRefused(await generate({ proof }, there), 'proof-replayed');
    expect((await generate({}, there)).status).toBe(200);
    await replica.stop();
  });
});

describe('§3.2 tokens', () => {
  const now = () => Math.floor(Date.now() / 1000);
  const jkt = () => alice.proofKey.thumbprint;
  const withToken = async (options: TokenOptions) =>
    generate({ token: await harness.issuer.token({ roles: userRoles, jkt: jkt(), ...options }) });

  it.each([
    ['expired', { claims: { exp: now() - 60, iat: now() - 600 } }, 'token-expired'],
    ['too long a life', { claims: { exp: now() + 3600 } }, 'token-lifetime'],
    ['not valid yet', { claims: { nbf: now() + 300 } }, 'token-claims'],
    ['issued in the future', { claims: { iat: now() + 300 } }, 'token-claims'],
    ['another audience', { claims: { aud: 'another' } }, 'token-audience'],
    ['another issuer', { claims: { iss: 'https://another.test' } }, 'token-issuer'],
    ['another tenant than the issuer may speak for', { tenant: 'east' }, 'token-tenant'],
    ['no tenant', { claims: { tenant: undefined } }, 'token-tenant'],
    ['no subject', { claims: { sub: undefined } }, 'token-claims'],
    ['a subject with a separator', { claims: { sub: 'a|b' } }, 'token-claims'],
    ['no jti', { claims: { jti: undefined } }, 'token-claims'],
    ['not bound', { jkt: undefined }, 'token-unbound'],
    ['another typ', { header: { typ: 'JWT' } }, 'token-type'],
    ['an unknown kid', { header: { kid: 'unknown' } }, 'token-key'],
    ['no kid', { header: { kid: undefined } }, 'token-key'],
  ] satisfies [string, TokenOptions, string][])('%s', async (_, options, check) => {
    expectRefused(await withToken(options), check);
  });

  it('alg none', async () => {
    const [, payload] = (alice.token ?? '').split('.');
    const header = Buffer.from('{"alg":"none","typ":"at+jwt","kid":"test-1"}').toString('base64url');
    expectRefused(
      await generate({ token: `${header}.${payload}.` }),
      'token-malformed'.replace('malformed', 'algorithm'),
    );
  });

  it('HS256 with the public key as the secret', async () => {
    const pem = createPublicKey(harness.issuer.privateKey).export({ type: 'spki', format: 'pem' });
    expectRefused(await withToken({ header: { alg: 'HS256' }, key: Buffer.from(pem) }), 'token-algorithm');
  });

  it('signed by a key that is embedded in the header', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    expectRefused(await withToken({ key: privateKey, header: { jwk: await exportJWK(publicKey) } }), 'token-signature');
  });

  it('changed claims under the old signature', async () => {
    const [header, payload = '', signature] = (alice.token ?? '').split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const changed = Buffer.from(JSON.stringify({ ...claims, tenant: 'south' })).toString('base64url');
    expectRefused(await generate({ token: `${header}.${changed}.${signature}` }), 'token-signature');
  });
});

describe('§9.4 token exchange', () => {
  const form = (token: string, change: Record<string, string> = {}) =>
    new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      ...change,
    }).toString();
  const exchange = (client: TestClient, rawBody: string) =>
    client.call('POST', '/v1/token', undefined, {
      token: '',
      rawBody,
      noTransport: true,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    });
  const long = (claims: object = {}) => {
    const exp = Math.floor(Date.now() / 1000) + 86_400;
    return harness.issuer.token({ roles: userRoles, sub: 'batch', claims: { aud: 'bulla-exchange', exp, ...claims } });
  };

  it('turns a long-lived token without binding into a short bound one, for the same principal', async () => {
    const client = new TestClient(harness.url, await createProofKey(), 'north');
    const reply = await exchange(client, form(await long()));
    expect(reply.body).toMatchObject({ token_type: 'DPoP', expires_in: 900 });
    client.token = reply.body.access_token;
    const who = await client.call('GET', '/v1/caller');
    expect(who.body).toMatchObject({ principal: 'https://issuer.test|batch', roles: [...userRoles].sort() });
    const thief = new TestClient(harness.url, await createProofKey(), 'north');
    thief.token = client.token;
    expectRefused(await thief.call('GET', '/v1/caller'), 'token-binding');
    expectRefused(await exchange(client, form(client.token ?? '')), 'token-issuer');
  });

  it.each([
    ['another audience', { aud: audience }, 'token-audience'],
    ['expired', { exp: 1000 }, 'token-expired'],
    ['bound to another key', { cnf: { jkt: 'x' } }, 'token-binding'],
    ['bound to a certificate', { cnf: { 'x5t#S256': 'x' } }, 'token-binding'],
    ['bound to what is no string', { cnf: { jkt: ['x'] } }, 'token-binding'],
    ['bound to nothing', { cnf: null }, 'token-binding'],
  ])('refuses a token: %s', async (_, claims, check) => {
    const client = new TestClient(harness.url, await createProofKey(), 'north');
    expectRefused(await exchange(client, form(await long(claims))), check);
  });

  it('makes nobody more, and nobody somebody else: roles and attributes are those of before', async () => {
    const roles = [
      { claim: 'roles', value: 'batch', roles: ['x-batch'] },
      { claim: 'roles', value: 'admin', roles: ['key-administrator'] },
    ];
    const policies = join(harness.database.folder, 'policies.cedar');
    const isOurs = 'principal.issuer == "https://issuer.test" && principal.subject == "batch"';
    writeFileSync(
      policies,
      `permit (principal in Bulla::Role::"x-batch", action == Bulla::Action::"generate-data-key", resource) when { ${isOurs} };
      permit (principal in Bulla::Role::"key-administrator", action == Bulla::Action::"create-key", resource);`,
    );
    const issuers = [{ ...issuerConfig(harness.issuer.jwk), roles }];
    const other = await startHarness({ config: { issuers, policies }, issuer: harness.issuer });
    const { key_id } = (await (await other.client(['admin'])).call('POST', '/v1/keys', {})).body;
    const client = new TestClient(other.url, await createProofKey(), 'north');
    client.token = (await exchange(client, form(await long({ roles: ['batch'] })))).body.access_token;
    expect((await client.call('GET', '/v1/caller')).body.roles).toEqual(['x-batch']);
    const made = await client.call('POST', `/v1/keys/${key_id}/generate-data-key`, { items: [{}] });
    expect(made.body.results[0].problem).toBeUndefined();
    // Asked for more than the subject token gives: a member that the form does not have.
    for (const more of ['scope', 'audience', 'resource', 'actor_token', 'requested_token_type'])
      expect((await exchange(client, form(await long(), { [more]: 'x' }))).body).toMatchObject({
        error: 'invalid_request',
        errors: [{ path: more }],
      });
    await other.stop();
  });

  it('says what is malformed', async () => {
    const client = new TestClient(harness.url, await createProofKey(), 'north');
    const bad = await exchange(client, form(await long(), { grant_type: 'password' }));
    expect(bad.body).toMatchObject({ status: 400, error: 'unsupported_grant_type' });
    const twice = await exchange(client, `${form(await long())}&subject_token=x`);
    expect(twice.body).toMatchObject({ status: 400, error: 'invalid_request' });
  });
});

describe('§4 answers on the way', () => {
  it('§4.3 §4.4 a changed body, status or result fails its MAC; a swapped one does not open', async () => {
    const tampering = async (change: (reply: { status: number; text: string }) => { status: number; text: string }) => {
      const fetchBent: typeof fetch = async (input, init) => {
        const response = await fetch(input, init);
        const text = await response.text();
        const bent = String(input).includes('generate')
          ? change({ status: response.status, text })
          : { status: response.status, text };
        return new Response(bent.text, { status: bent.status, headers: response.headers });
      };
      const client = new TestClient(harness.url, alice.proofKey, 'north', fetchBent);
      client.token = alice.token;
      return generate({}, client);
    };
    expect((await tampering((reply) => reply)).macOk).toBe(true);
    expect(
      (await tampering(({ status, text }) => ({ status, text: text.replace('"floor":1', '"floor":2') }))).macOk,
    ).toBe(false);
    expect((await tampering(({ text }) => ({ status: 201, text }))).macOk).toBe(false);
    const two = await alice.call('POST', path(), { items: [{}, {}] });
    const [first, second] = two.body.results;
    expect(() => two.openResult(0, {}, second.wrapped_key)).toThrow();
    two.body.results.reverse();
    expect(() => two.openResult(0, {}, first.wrapped_key)).toThrow();
  });

  it('problems are authenticated, too', async () => {
    const reply = await alice.call('POST', path(), { items: [] });
    expect(reply.status).toBe(400);
    expect(reply.macOk).toBe(true);
  });
});

describe('the store as a whole', () => {
  it('a canary appears in no log, error, metric or row', async () => {
    const canary = `canary${randomBytes(9).toString('hex')}`;
    const database = await newDatabase(inject('storeKind'));
    const other = await startHarness({ database, config: { metrics: { anonymous: true } } });
    const admin = await other.client(adminRoles);
    const client = await other.client(userRoles);
    const key = (await admin.call('POST', '/v1/keys', {})).body.key_id;
    const generatePath = `/v1/keys/${key}/generate-data-key`;
    const seen: string[] = [];
    const made = await client.call('POST', generatePath, { items: [{ key_context: { secret: canary } }] });
    const dataKey = made.openResult(0, { secret: canary }, made.body.results[0].wrapped_key);
    const bad = await client.call('POST', generatePath, {
      items: [{ key_context: { secret: [canary] } }],
      salt: canary,
    });
    const token = await client.call('GET', '/v1/caller', undefined, { token: canary });
    const wrapped = await client.call('POST', `/v1/keys/${key}/unwrap`, {
      items: [{ version: 1, wrapped_key: 'A'.repeat(108), key_context: { secret: canary } }],
    });
    seen.push(
      bad.raw.toString(),
      token.raw.toString(),
      wrapped.raw.toString(),
      await (await fetch(`${other.url}/metrics`)).text(),
    );
    const rows: string[] = [];
    await other.store.dump(async ({ row }) => {
      rows.push(
        Object.values(row)
          .map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value)))
          .join('|'),
      );
    });
    seen.push(...rows, ...other.logs);
    const secrets = [canary, dataKey.toString('latin1'), dataKey.toString('base64url'), client.token ?? '', made.proof];
    for (const secret of secrets) expect(seen.some((text) => text.includes(secret))).toBe(false);
    const metrics = seen[3] ?? '';
    for (const label of [key, 'issuer.test', 'north']) expect(metrics).not.toContain(label);
    await other.stop();
    await database.remove();
  });
});
