// Where the command line gets tokens in production: a program, the same with an exchange, and client credentials; a real issuer and a service that trusts it.

import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startIssuer } from '../service/node/issuer.ts';
import { createAuthority, createCertificate, pinOf } from '../support/certificates.ts';
import { type ConfiguredService, freePort, signingKey, startService, trusted } from '../support/configured-service.ts';
import { Workplace } from './command.ts';

const account = await signingKey('ci-1');
const client = await signingKey('nightly-1');
let place: Workplace;
let issuer: Awaited<ReturnType<typeof startIssuer>>;
let service: ConfiguredService;

function configure(name: string, token: object): string {
  const { url, pin } = service;
  const keyContext = { tenant: 'north' };
  place.write(name, JSON.stringify({ url, pin, key: 'alias:files', keyContext, token }));
  return name;
}

/** A program that prints a token, as an operator writes one; without an argument it is bound to the key that it is told. */
const printToken = `
import { createPrivateKey, randomUUID, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
const jwk = JSON.parse(readFileSync(new URL('account.jwk', import.meta.url), 'utf8'));
const [issuer, audience = process.env.BULLA_AUDIENCE] = process.argv.slice(2);
const now = Math.floor(Date.now() / 1000);
const bound = process.argv[3] === undefined ? { cnf: { jkt: process.env.BULLA_PROOF_KEY } } : {};
const about = { iss: issuer, sub: 'robot', aud: audience, client_id: 'robot', iat: now, exp: now + 300, jti: randomUUID() };
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const head = encode({ alg: 'ES256', typ: 'at+jwt', kid: jwk.kid });
const text = head + '.' + encode({ ...about, ...bound, tenant: 'north', roles: ['encryptor', 'decryptor'] });
const key = { key: createPrivateKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' };
console.log(text + '.' + sign('SHA256', Buffer.from(text), key).toString('base64url'));
`;

beforeAll(async () => {
  place = new Workplace();
  issuer = await startIssuer(client.publicJwk);
  const keys = { jwks: { keys: [account.publicJwk] } };
  service = await startService([
    trusted('https://ci.example', keys),
    trusted(issuer.issuer, { jwks_uri: `${issuer.issuer}/jwks` }),
    trusted('https://legacy.example', { ...keys, exchange_only: true, exchange_audience: 'urn:exchange' }),
  ]);
  place.write('account.jwk', JSON.stringify(account.privateJwk));
  place.write('client.jwk', JSON.stringify(client.privateJwk));
  place.write('print-token.mjs', printToken);
  place.write('plan', 'attack at dawn');
  const administrator = { issuer: 'https://ci.example', subject: 'admin', tenant: 'north', keyFile: 'account.jwk' };
  configure('admin.json', { serviceAccount: { ...administrator, claims: { roles: ['key-administrator'] } } });
  await place.ok(['keys', 'create', '--alias', 'files', '-s', 'admin.json']);
});
afterAll(async () => {
  await service?.stop();
  await issuer?.stop();
  place?.remove();
});

const program = (...args: string[]) => [process.execPath, `${place.folder}/print-token.mjs`, ...args];

test.each([
  ['a program', () => ({ command: program('https://ci.example') })],
  ['a program, exchanged', () => ({ command: program('https://legacy.example', 'urn:exchange'), exchange: true })],
  [
    'client credentials',
    () => ({
      clientCredentials: {
        ...{ tokenEndpoint: issuer.tokenEndpoint, clientId: 'nightly', keyFile: 'client.jwk', scope: 'keys' },
        assertionAudience: issuer.issuer,
      },
    }),
  ],
])('%s: encrypts and decrypts', async (_what, token) => {
  const file = configure('robot.json', token());
  await place.ok(['encrypt', '-s', file, '-f', 'plan']);
  const { stdout } = await place.ok(['decrypt', '-s', file, 'plan.bulla', '-o', '-']);
  expect(stdout.toString()).toBe('attack at dawn');
});

test('a token that is bound to another key, or not exchanged, is refused in words', async () => {
  const file = configure('legacy.json', { command: program('https://legacy.example', 'urn:exchange') });
  const refused = await place.bulla(['encrypt', '-s', file, '-f', 'plan']);
  expect([refused.exitCode, refused.stderr]).toEqual([8, expect.stringContaining('ERR_TOKEN_REFUSED')]);
});

test('what a program prints that is not UTF-8 is no token, and is not repeated', async () => {
  const print = 'process.stdout.write(Buffer.from("caf\\xe9", "latin1"))';
  const file = configure('latin1.json', { command: [process.execPath, '-e', print] });
  const { exitCode, stderr } = await place.bulla(['encrypt', '-s', file, '-f', 'plan']);
  expect([exitCode, stderr]).toEqual([8, expect.stringContaining('what it printed is not UTF-8')]);
  expect(stderr).not.toContain('caf');
});

test('over TLS, with an authority of its own and a pinned key; a wrong one of either is refused', async () => {
  const authority = createAuthority(place.folder, 'authority');
  createAuthority(place.folder, 'other');
  const own = createCertificate(place.folder, 'authority', 'own', 'DNS:localhost');
  const port = await freePort();
  const tls = { cert: join(place.folder, 'own.pem'), key: join(place.folder, 'own.key') };
  const secure = await startService([trusted('https://ci.example', { jwks: { keys: [account.publicJwk] } })], {
    external_url: `https://localhost:${port}`,
    listen: { host: '127.0.0.1', port, tls },
  });
  try {
    const about = { issuer: 'https://ci.example', subject: 'admin', tenant: 'north', keyFile: 'account.jwk' };
    const attempt = async (ca: string, pins: string[]) => {
      const { url, pin } = secure;
      const token = { serviceAccount: { ...about, claims: { roles: ['key-administrator'] } } };
      place.write('tls.json', JSON.stringify({ url, pin, tls: { ca, pins }, token }));
      const { exitCode, stderr } = await place.bulla(['keys', 'list', '-s', 'tls.json']);
      return [exitCode, /\(ERR_\w+\)/.exec(stderr)?.[0]];
    };
    expect(await attempt('authority.pem', [pinOf(own.cert)])).toEqual([0, undefined]);
    expect(await attempt('authority.pem', [pinOf(authority.cert)])).toEqual([8, '(ERR_SERVICE_IDENTITY)']);
    expect(await attempt('other.pem', [pinOf(own.cert)])).toEqual([8, '(ERR_SERVICE_UNREACHABLE)']);
  } finally {
    await secure.stop();
  }
});
