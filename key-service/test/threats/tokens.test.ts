// Threats: access tokens that were stolen, forged, made for others, or come from an issuer that is down.

import { createHmac, generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { b64, signJws, utf8 } from '../reference-client/encodings.ts';
import { audience, Issuer, KeySetServer } from './support/issuer.ts';
import { type Answer, freshNonce, ProofKey, proofOf, send, verdict } from './support/raw.ts';
import { ending, issuerConfig, World } from './support/world.ts';

const keySet = new KeySetServer();
const remote = new Issuer('https://login.west.example');
const legacy = new Issuer('https://legacy.example');
const key = new ProofKey();
let world: World;
let url: string;

beforeAll(async () => {
  const jwks_uri = await keySet.start();
  keySet.failure = 500;
  const west = { ...issuerConfig(remote, ['west'], { jwks_uri }), jwks: undefined };
  const exchange = { exchange_only: true, exchange_audience: 'exchange', algorithms: ['ES256'] };
  world = await World.start([west, issuerConfig(legacy, ['north'], exchange)]);
  url = world.running.url;
});

afterAll(async () => {
  await world?.remove();
  await keySet.stop();
});

const now = (): number => Math.floor(Date.now() / 1000);
const withToken = (token: string, more: object = {}): Promise<string> => verdict(url, { key, token, ...more });
const north = (claims: object = {}, header: object = {}): string =>
  world.north.token('alice@north', key.jkt, claims, header);

it('a good token with a good proof is accepted', async () => {
  expect(await withToken(north())).toBe('200 ok');
});

describe('a stolen token', () => {
  it('is refused with the proof of another key', async () => {
    expect(await verdict(url, { key: new ProofKey(), token: north() })).toBe('401 token-binding');
  });

  it('is refused without a proof, as a bearer token, in a query and in a body', async () => {
    const token = north();
    expect(await withToken(token, { proof: null })).toBe('401 proof-missing');
    for (const scheme of ['Bearer', 'Basic', 'DPoPx']) {
      const headers = { authorization: `${scheme} ${token}` };
      expect(await withToken(token, { headers }), scheme).toMatch(/^401 token-/);
      expect(await withToken(token, { headers, proof: null }), scheme).toMatch(/^401 (token|proof)-/);
    }
    const response = await fetch(`${url}/v1/caller?access_token=${token}`);
    expect(response.status).toBe(401);
  });

  it('is refused with a recorded proof of its owner for another request', async () => {
    const token = north();
    const proof = proofOf({ key, token }, await freshNonce(url));
    expect(await verdict(url, { key, token, proof, path: '/v1/keys' })).toBe('401 proof-url');
  });
});

describe('a forged token', () => {
  const parts = (token: string): string[] => token.split('.');

  it('alg none, in every spelling, with and without a signature', async () => {
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '']) {
      const [, claims = '', signature] = parts(north());
      const header = b64(utf8(JSON.stringify({ alg, typ: 'at+jwt', kid: 'first' })));
      expect(await withToken(`${header}.${claims}.`), alg).toMatch(/^401 token-(algorithm|malformed)$/);
      expect(await withToken(`${header}.${claims}.${signature}`), alg).toBe('401 token-algorithm');
    }
  });

  it('HS256 with the public key of the issuer as the secret', async () => {
    const { publicKey } = world.north;
    const secrets = [
      publicKey.export({ type: 'spki', format: 'pem' }),
      publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(world.north.jwk),
    ];
    const header = b64(utf8(JSON.stringify({ alg: 'HS256', typ: 'at+jwt', kid: 'first' })));
    const claims = b64(utf8(JSON.stringify(world.north.claims('alice@north', key.jkt))));
    for (const secret of secrets) {
      const signature = b64(createHmac('sha256', secret).update(`${header}.${claims}`).digest());
      expect(await withToken(`${header}.${claims}.${signature}`)).toBe('401 token-algorithm');
    }
  });

  it('signed by a key of its own that it embeds or points to (jwk, jku, x5u, x5c)', async () => {
    const forger = new Issuer(world.north.name);
    const headers = [
      { jwk: forger.jwk },
      { jku: 'http://127.0.0.1:1/jwks' },
      { x5u: 'http://127.0.0.1:1/' },
      { x5c: ['AA'] },
    ];
    for (const header of headers) {
      expect(await withToken(forger.token('alice@north', key.jkt, {}, header))).toBe('401 token-signature');
    }
  });

  it('alg of another family than the key of the issuer', async () => {
    for (const alg of ['ES384', 'RS256', 'PS256', 'EdDSA']) {
      const [, claims = '', signature = ''] = parts(north());
      const header = b64(utf8(JSON.stringify({ alg, typ: 'at+jwt', kid: 'first' })));
      expect(await withToken(`${header}.${claims}.${signature}`), alg).toMatch(/^401 token-(key|signature|algorithm)$/);
    }
  });

  it('changed claims, garbled signature, a critical header, not a JWS at all', async () => {
    const [header = '', claims = '', signature = ''] = parts(north());
    const other = b64(utf8(JSON.stringify(world.north.claims('admin@north', key.jkt))));
    expect(await withToken(`${header}.${other}.${signature}`)).toBe('401 token-signature');
    expect(await withToken(`${header}.${claims}.${b64(Buffer.alloc(64))}`)).toBe('401 token-signature');
    expect(await withToken(`${header}.${claims}.`)).toMatch(/^401 token-(signature|malformed)$/);
    expect(await withToken(north({}, { crit: ['urn:x'], 'urn:x': 1 }))).toMatch(/^401 token-/);
    for (const junk of [
      'x',
      'a.b',
      'a.b.c',
      `${header}.${claims}.${signature}.x`,
      `${header}.${claims}`,
      'e30.e30.e30',
    ]) {
      expect(await withToken(junk), junk).toMatch(/^401 token-(malformed|missing|issuer)$/);
    }
  });
});

it('an unencoded payload (RFC 7797 §7: never in a JWT) is refused', async () => {
  expect(await withToken(north({}, { crit: ['b64'], b64: false }))).toMatch(/^401 token-/);
});

describe('a token for something else', () => {
  it.each([
    ['typ dpop+jwt', {}, { typ: 'dpop+jwt' }, 'token-type'],
    ['no typ', {}, { typ: undefined }, 'token-type'],
    ['no audience', { aud: undefined }, {}, 'token-audience'],
    ['an audience that begins alike', { aud: `${audience}.evil.example` }, {}, 'token-audience'],
    ['no issuer', { iss: undefined }, {}, 'token-issuer'],
    ['an issuer with a slash more', { iss: 'https://login.north.example/' }, {}, 'token-issuer'],
    ['a kid that is no string', {}, { kid: 1 }, 'token-key'],
    ['an empty sub', { sub: '' }, {}, 'token-claims'],
    ['a sub that is no string', { sub: ['alice'] }, {}, 'token-claims'],
    ['no exp', { exp: undefined }, {}, 'token-claims'],
    ['an exp that is a text', { exp: '99999999999' }, {}, 'token-claims'],
    ['no iat', { iat: undefined }, {}, 'token-claims'],
    ['a tenant of another issuer', { tenant: 'south' }, {}, 'token-tenant'],
    ['two tenants', { tenant: ['north', 'south'] }, {}, 'token-tenant'],
    ['an empty binding', { cnf: {} }, {}, 'token-unbound'],
    ['another binding', { cnf: { jkt: 'x'.repeat(43) } }, {}, 'token-binding'],
    ['the binding of a certificate', { cnf: { 'x5t#S256': 'x'.repeat(43) } }, {}, 'token-unbound'],
  ])('%s', async (_, claims, header, check) => {
    expect(await withToken(north(claims, header))).toBe(`401 ${check}`);
  });

  it('exp and iat at the edges and beyond all measure', async () => {
    expect(await withToken(north({ exp: now() + 880 }))).toBe('200 ok');
    expect(await withToken(north({ exp: 1e300 }))).toBe('401 token-lifetime');
    expect(await withToken(north({ iat: 1e300 }))).toBe('401 token-claims');
    expect(await withToken(north({ nbf: '0' }))).toBe('401 token-claims');
    expect(await withToken(north({ exp: -1 }))).toBe('401 token-expired');
  });

  it('§3.2 times may be 30 s off, and not more', async () => {
    expect(await withToken(north({ exp: now() - 20 }))).toBe('200 ok');
    expect(await withToken(north({ exp: now() - 31 }))).toBe('401 token-expired');
    expect(await withToken(north({ iat: now() + 20 }))).toBe('200 ok');
    expect(await withToken(north({ iat: now() + 40 }))).toBe('401 token-claims');
    expect(await withToken(north({ nbf: now() + 20 }))).toBe('200 ok');
    expect(await withToken(north({ nbf: now() + 40 }))).toBe('401 token-claims');
    expect(await withToken(north({ exp: now() + 15 * 60 + 20 }))).toBe('200 ok');
    expect(await withToken(north({ exp: now() + 15 * 60 + 40 }))).toBe('401 token-lifetime');
  });

  it('expires while it is remembered', async () => {
    // 30 s of clock difference are allowed: what counts is that the memory of a token does not outlive it.
    const exp = now() - 26;
    const token = north({ exp });
    expect(await withToken(token)).toBe('200 ok');
    while (now() <= exp + 30) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await withToken(token)).toBe('401 token-expired');
  });

  it('roles that the configuration does not give: nothing is allowed', async () => {
    const token = world.north.token('mallory@north', key.jkt, {
      groups: ['key-administrator'],
      roles: ['key-administrator'],
    });
    expect(await withToken(token)).toBe('200 ok');
    expect(await withToken(token, { path: '/v1/keys' })).toBe('403 not-allowed');
  });
});

describe('an issuer that is down', () => {
  const west = (issuer = remote): string => issuer.token('alice@west', key.jkt);
  const eventually = async (expected: string, token: string): Promise<void> => {
    // The service may wait some seconds before it asks an issuer again.
    await expect.poll(() => withToken(token), { timeout: 12_000, interval: 1000 }).toBe(expected);
  };

  it('503 with Retry-After, nothing allowed, others not concerned; up again, it works', async () => {
    const answer = await send(url, { key, token: west() });
    expect([answer.status, answer.json.code]).toEqual([503, 'issuer-unavailable']);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await withToken(north())).toBe('200 ok');
    keySet.failure = 'hang';
    const started = Date.now();
    expect(await withToken(west())).toBe('503 issuer-unavailable');
    expect(Date.now() - started).toBeLessThan(10_000);
    keySet.failure = undefined;
    keySet.keys = [{ kty: 'oct', k: 'AAAA', kid: 'symmetric' }, remote.jwk];
    await eventually('200 ok', west());
    expect(await withToken(remote.token('alice@north', key.jkt))).toBe('401 token-tenant');
  });

  it('a new key of the issuer is found, a forged kid does not make it unavailable', async () => {
    const rolled = new Issuer(remote.name, 'rolled');
    expect(await withToken(west(rolled))).toMatch(/^401 token-key$/);
    keySet.keys = [remote.jwk, rolled.jwk];
    await eventually('200 ok', west(rolled));
    expect(await withToken(west())).toBe('200 ok');
    const symmetric = signJws(
      { alg: 'ES256', typ: 'at+jwt', kid: 'symmetric' } as { alg: string },
      remote.claims('alice@west', key.jkt),
      remote.privateKey,
    );
    expect(await withToken(symmetric)).toMatch(/^401 token-(key|signature)$/);
  });
});

describe('the token endpoint', () => {
  const exchange = async (subject: string, with_ = key, claims: object = {}): Promise<Answer> => {
    const body = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: subject,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    }).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return send(url, { key: with_, method: 'POST', path: '/v1/token', body, headers, claims });
  };
  const longLived = (claims: object = {}): string =>
    legacy.token('alice@north', undefined, { aud: 'exchange', exp: now() + 86_400, ...claims }, { typ: 'JWT' });

  it('§9.4 makes a bound, short token of a long-lived bearer token', async () => {
    const { status, json } = await exchange(longLived());
    expect([status, json.token_type]).toEqual([200, 'DPoP']);
    expect(json.expires_in).toBeLessThanOrEqual(900);
    expect(await withToken(json.access_token ?? '')).toBe('200 ok');
    expect(await verdict(url, { key: new ProofKey(), token: json.access_token ?? '' })).toBe('401 token-binding');
  });

  it('§9.4 the exchanged token lives no longer than its subject, and the key schedule has its tenant', async () => {
    const { json } = await exchange(longLived({ exp: now() + 30 }));
    expect(json.expires_in).toBeLessThanOrEqual(30);
    const token = async (client: { obtainToken: (path: string, type: string, text: string) => Promise<string> }) => {
      const type = 'application/x-www-form-urlencoded';
      const form = {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: longLived(),
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      };
      return client.obtainToken('/v1/token', type, new URLSearchParams(form).toString());
    };
    const client = world.client('alice@north', { token });
    const caller = await client.call<{ principal: string }>('GET', '/v1/caller');
    expect(caller).toMatchObject({ tenant: 'north', principal: `${legacy.name}|alice` });
  });

  it('a subject token is no access token, an access token no subject token', async () => {
    expect(await withToken(legacy.token('alice@north', key.jkt))).toBe('401 token-issuer');
    expect((await exchange(north())).status).not.toBe(200);
    const { json } = await exchange(longLived());
    expect((await exchange(json.access_token ?? '')).status).not.toBe(200);
  });

  it('a subject token that is bound goes with its key; forged or of another tenant: refused', async () => {
    expect((await exchange(longLived({ cnf: { jkt: key.jkt } }))).status).toBe(200);
    expect((await exchange(longLived({ tenant: 'south' }))).json.check).toBe('token-tenant');
    const forged = new Issuer(legacy.name).token('alice@north', undefined, { aud: 'exchange' }, { typ: 'JWT' });
    expect((await exchange(forged)).json.check).toBe('token-signature');
  });

  it('a proof at the token endpoint is checked and good once', async () => {
    expect((await exchange(longLived(), key, { bulla_body: b64(Buffer.alloc(32)) })).json.check).toBe('proof-body');
    expect((await exchange(longLived(), key, { htu: `${audience}/v1/caller` })).json.check).toBe('proof-url');
    expect((await exchange(longLived(), key, { nonce: undefined })).json.check).toBe('proof-nonce');
    const jti = 'once-and-never-again-0001';
    expect((await exchange(longLived(), key, { jti })).status).toBe(200);
    expect((await exchange(longLived(), key, { jti })).json.check).toBe('proof-replayed');
  });

  it('the development endpoints do not exist', async () => {
    for (const path of ['/dev/token', '/dev/users']) expect((await fetch(url + path)).status).toBe(404);
    const body = JSON.stringify({ user: 'alice@north' });
    expect((await send(url, { key, method: 'POST', path: '/dev/token', body })).status).toBe(404);
  });
});

it('a key of another size than the alg of the proof says does not stand in for the bound key', async () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const token = north();
  const header = { jwk: publicKey.export({ format: 'jwk' }) };
  expect(await withToken(token, { header })).toMatch(/^401 proof-(key|signature)$/);
  expect(await ending(world.client('alice@north').call('GET', '/v1/caller'))).toBe('ok');
});
