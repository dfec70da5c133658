// Clients whose callers have one role each, as in production: who only decrypts, who only writes.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { cachingKeyring } from '../../../src/cache.ts';
import { decrypt, encrypt } from '../../../src/index.ts';
import { serviceKeyring } from '../../../src/keyrings/service.ts';
import { createKeyServiceClient, keyManagement, serviceAccountToken } from '../../../src/service.ts';
import { signingKey, startService, trusted } from '../../support/configured-service.ts';
import { codeOf } from '../../support/data.ts';
import { recorder } from '../../support/recorder.ts';

const account = await signingKey('ci-1');
const keyContext = { tenant: 'north' };
let service: Awaited<ReturnType<typeof startService>>;
beforeAll(async () => {
  service = await startService([trusted('https://ci.example', { jwks: { keys: [account.publicJwk] } })]);
  await keyManagement(clientOf(['key-administrator']).client).create({ alias: 'orders' });
});
afterAll(() => service?.stop());

function clientOf(roles: string[]) {
  const { events, onEvent, calls } = recorder();
  const about = { issuer: 'https://ci.example', tenant: 'north', key: { jwk: account.privateJwk } };
  const tokenSource = serviceAccountToken({ ...about, subject: roles.join(), claims: { roles } });
  const { url, pin } = service;
  return { client: createKeyServiceClient({ url, pin, tokenSource, onEvent }), events, calls };
}

const keyringOf = (roles: string[], mode: 'online' | 'offline' = 'online') => {
  const { client, ...recorded } = clientOf(roles);
  return { keyring: serviceKeyring({ client, keyId: 'alias:orders', keyContext, mode }), client, ...recorded };
};

test('who only decrypts does so by alias, and a poll does not empty the cache', async () => {
  const { keyring: writer } = keyringOf(['encryptor']);
  const message = await encrypt('x', { keyring: writer });
  expect(await codeOf(decrypt(message, { keyring: writer }))).toBe('ERR_NOT_ALLOWED');

  const { keyring, calls } = keyringOf(['decryptor']);
  const caching = cachingKeyring(keyring, { pollInterval: 50 });
  await decrypt(message, { keyring: caching });
  while (calls('/public') < 4) await new Promise((resolve) => setTimeout(resolve, 20));
  await decrypt(message, { keyring: caching });
  expect([caching.cache.counters.hits, calls('/unwrap')]).toEqual([1, 1]);
  expect(await codeOf(encrypt('y', { keyring }))).toBe('ERR_NOT_ALLOWED');
});

test('who only writes does so offline, and cannot read it', async () => {
  const { keyring } = keyringOf(['encryptor'], 'offline');
  const message = await encrypt('x', { keyring });
  expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_NOT_ALLOWED');
  const { plaintext } = await decrypt(message, { keyring: keyringOf(['decryptor']).keyring });
  expect(plaintext).toEqual(Uint8Array.of(120));
});
