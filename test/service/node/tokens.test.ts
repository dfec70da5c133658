// Sources of tokens against a real OpenID provider and a real key service.

import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decrypt, encrypt } from '../../../src/index.ts';
import { serviceKeyring } from '../../../src/keyrings/service.ts';
import {
  clientCredentialsToken,
  createKeyServiceClient,
  exchangedToken,
  generateProofKey,
  keyManagement,
  refreshingToken,
  serviceAccountToken,
  type TokenSource,
} from '../../../src/service.ts';
import { audience, freePort, signingKey, startService, trusted } from '../../support/configured-service.ts';
import { rejection } from '../../support/data.ts';
import { startIssuer } from './issuer.ts';

const account = await signingKey('ci-1');
const client = await signingKey('nightly-1');
const robot = { issuer: 'https://ci.example', subject: 'nightly', tenant: 'north', key: { jwk: account.privateJwk } };
const claims = { roles: ['encryptor', 'decryptor', 'rewrapper'] };
let issuer: Awaited<ReturnType<typeof startIssuer>>;
let service: Awaited<ReturnType<typeof startService>>;

beforeAll(async () => {
  issuer = await startIssuer(client.publicJwk);
  service = await startService([
    trusted('https://ci.example', { jwks: { keys: [account.publicJwk] } }),
    trusted(issuer.issuer, { jwks_uri: `${issuer.issuer}/jwks` }),
    trusted('https://legacy.example', {
      jwks: { keys: [account.publicJwk] },
      exchange_only: true,
      exchange_audience: 'urn:exchange',
    }),
  ]);
});
afterAll(async () => {
  await service?.stop();
  await issuer?.stop();
});

const clientWith = (tokenSource: TokenSource, options: object = {}) =>
  createKeyServiceClient({ url: service.url, pin: service.pin, tokenSource, retry: { limit: 0 }, ...options });

async function roundTrip(tokenSource: TokenSource): Promise<string> {
  const keyClient = clientWith(tokenSource);
  const administrator = serviceAccountToken({ ...robot, claims: { roles: ['key-administrator'] } });
  const { key_id: keyId } = await keyManagement(clientWith(administrator)).create();
  const keyring = serviceKeyring({ client: keyClient, keyId, keyContext: { tenant: 'north' } });
  const { plaintext } = await decrypt(await encrypt('x', { keyring }), { keyring });
  expect(new TextDecoder().decode(plaintext)).toBe('x');
  return (await keyClient.caller()).principal;
}

describe('serviceAccountToken', () => {
  test('a script signs for itself', async () => {
    expect(await roundTrip(serviceAccountToken({ ...robot, claims }))).toBe('https://ci.example|nightly');
  });

  test('is renewed before it expires, and refused where its key is not known', async () => {
    let now = Date.now();
    let made = 0;
    const source = serviceAccountToken({ ...robot, claims, lifetime: 60 });
    const counting: TokenSource = (request) => {
      made++;
      return source(request);
    };
    const keyClient = clientWith(counting, { now: () => now });
    for (const seconds of [0, 20, 20]) {
      now += seconds * 1000;
      await keyClient.caller();
    }
    expect(made).toBe(2);
    const other = await signingKey('ci-2');
    const stranger = clientWith(serviceAccountToken({ ...robot, claims, key: { jwk: other.privateJwk } }));
    expect(await rejection(stranger.request({ method: 'GET', path: '/v1/caller' }))).toMatchObject({
      code: 'ERR_TOKEN_REFUSED',
      check: 'token-key',
    });
  });

  test('wrong options are named', () => {
    expect(() => serviceAccountToken({ ...robot, lifetime: 5 })).toThrow(/^lifetime must be/);
    expect(() => serviceAccountToken({ ...robot, subject: '' })).toThrow(/^subject must be/);
    expect(() => serviceAccountToken({ ...robot, scope: 'x' } as never)).toThrow(/unknown option "scope"/);
  });
});

describe('clientCredentialsToken', () => {
  const options = () => ({
    tokenEndpoint: issuer.tokenEndpoint,
    clientId: 'nightly',
    key: { jwk: client.privateJwk },
    assertionAudience: issuer.issuer,
    scope: 'keys',
    resource: 'urn:keys:test',
  });

  test('private_key_jwt and DPoP, with the nonce of the issuer', async () => {
    expect(await roundTrip(clientCredentialsToken(options()))).toBe(`${issuer.issuer}|nightly`);
  });

  test('a refusal of the issuer is told', async () => {
    const other = await signingKey('nightly-1');
    const source = clientCredentialsToken({ ...options(), key: { jwk: other.privateJwk } });
    const error = await rejection(clientWith(source).caller());
    expect(error).toMatchObject({ code: 'ERR_TOKEN_UNAVAILABLE', message: expect.stringContaining('invalid_client') });
  });

  test('an issuer that is not there, and wrong options', async () => {
    const source = clientCredentialsToken({
      ...options(),
      tokenEndpoint: `http://127.0.0.1:${await freePort()}/token`,
    });
    expect(await rejection(clientWith(source).caller())).toMatchObject({
      code: 'ERR_TOKEN_UNAVAILABLE',
      message: 'There is no access token: the authorization server could not be asked (ECONNREFUSED)',
      cause: { code: 'ERR_SERVICE_UNREACHABLE' },
    });
    expect(() => clientCredentialsToken({ ...options(), tokenEndpoint: 'http://issuer.example/token' })).toThrow(
      /^tokenEndpoint/,
    );
  });
});

describe('an issuer that is not well', () => {
  test.each([
    ['503', 503, '<html>', {}, 'the authorization server answered 503', 2],
    ['429 with a wait', 429, '{}', { 'Retry-After': '3600' }, 'the authorization server answered 429', 0],
    ['no JSON', 200, '<html>', {}, 'the authorization server answered 200', 0],
    ['no token', 200, '{}', {}, 'the authorization server answered 200', 0],
    ['an error', 400, '{"error":"invalid_scope"}', {}, 'the authorization server answered 400 invalid_scope', 0],
    [
      'a redirect',
      302,
      '',
      { Location: '/' },
      'the authorization server could not be asked (ERR_SERVICE_REDIRECTED)',
      0,
    ],
  ])('%s', async (_what, status, body, headers, message, repeated) => {
    let asked = 0;
    const fetchOf = (input: string, init: RequestInit) => {
      if (!input.startsWith('https://login.example/')) return fetch(input, init);
      asked++;
      return Promise.resolve(new Response(status === 302 ? null : body, { status, headers: headers as never }));
    };
    const source = clientCredentialsToken({
      tokenEndpoint: 'https://login.example/token',
      clientId: 'nightly',
      key: { jwk: client.privateJwk },
    });
    const keyClient = clientWith(source, { fetch: fetchOf, retry: { limit: 2, delay: 1 } });
    const error = await rejection(keyClient.caller());
    expect(error).toMatchObject({ code: 'ERR_TOKEN_UNAVAILABLE', message: `There is no access token: ${message}` });
    expect(asked).toBe(1 + repeated);
  });
});

describe('exchangedToken', () => {
  const subject = (extra: object = {}) =>
    new SignJWT({ tenant: 'north', roles: claims.roles, ...extra })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: 'ci-1' })
      .setIssuer('https://legacy.example')
      .setSubject('carol')
      .setAudience('urn:exchange')
      .setIssuedAt()
      .setExpirationTime('8h')
      .setJti(crypto.randomUUID())
      .sign(account.privateJwk as never);

  test('§9.4 a long-lived token that is not bound becomes a short one that is', async () => {
    const subjectToken = await subject();
    await roundTrip(exchangedToken({ subjectToken }));
    // The service binds a subject token to the proof key of its first exchange.
    const another = await subject();
    await roundTrip(exchangedToken({ subjectToken: async () => another }));
    expect(audience).toBe('urn:keys:test');
  });

  test('a refused one is told', async () => {
    const error = await rejection(clientWith(exchangedToken({ subjectToken: 'a.b.c' })).caller());
    expect(error.code).toMatch(/ERR_TOKEN_REFUSED|ERR_SERVICE_REQUEST/);
  });
});

test('refreshingToken: one token for two clients with one proof key', async () => {
  let made = 0;
  const source = serviceAccountToken({ ...robot, claims });
  const shared = refreshingToken((request) => {
    made++;
    return source(request);
  });
  const dpop = await generateProofKey();
  const clients = [clientWith(shared, { dpop }), clientWith(shared, { dpop })];
  await Promise.all(clients.map((each) => each.request({ method: 'GET', path: '/v1/caller' })));
  expect(made).toBe(1);
});
