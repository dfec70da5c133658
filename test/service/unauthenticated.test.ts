// Answers without a MAC: their status says that a call failed, and nothing that they say is believed. docs/key-service.md §4.3

import { describe, expect, test } from 'vitest';
import { cachingKeyring } from '../../src/cache.ts';
import { decrypt, encrypt, isBullaError } from '../../src/index.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import { createKeyServiceClient } from '../../src/service.ts';
import { rejection } from '../support/data.ts';
import { lyingKeyId, lyingService, lyingToken, lyingUrl } from '../support/lying-service.ts';

const codes = [
  ...[
    'unwrap-failed',
    'not-allowed',
    'key-disabled',
    'version-unavailable',
    'below-floor',
    'state-conflict',
    'data-key-revoked',
  ],
  ...['rate-limited', 'invalid-token', 'invalid-proof', 'use-dpop-nonce', 'alias-taken', 'constructor', '__proto__'],
];
/** The codes of errors that a status alone may lead to. */
const byStatus: Record<number, readonly string[]> = {
  400: ['ERR_SERVICE_REQUEST'],
  401: ['ERR_TOKEN_REFUSED', 'ERR_TOKEN_EXPIRED', 'ERR_PROOF_REFUSED'],
  403: ['ERR_SERVICE_ANSWER'],
  404: ['ERR_SERVICE_ANSWER'],
  409: ['ERR_SERVICE_ANSWER'],
  413: ['ERR_SERVICE_REQUEST'],
  422: ['ERR_SERVICE_ANSWER'],
  429: ['ERR_THROTTLED'],
  500: ['ERR_SERVICE_UNAVAILABLE'],
  502: ['ERR_SERVICE_UNAVAILABLE'],
  503: ['ERR_SERVICE_UNAVAILABLE'],
  504: ['ERR_SERVICE_UNAVAILABLE'],
};

async function make() {
  const { fetch: inner, pin } = await lyingService();
  const state: { lie?: { status: number; body: object } } = {};
  const fetch = async (url: string, init: RequestInit) => {
    if (state.lie === undefined || !url.includes('/v1/')) return inner(url, init);
    return Response.json(state.lie.body, { status: state.lie.status });
  };
  const client = createKeyServiceClient({ url: lyingUrl, pin, fetch, token: lyingToken, retry: { limit: 0 } });
  const keyring = serviceKeyring({ client, keyId: lyingKeyId });
  return { state, client, keyring, message: await encrypt('x', { keyring }) };
}

describe.each(Object.keys(byStatus).map(Number))('§4.3 status %i', (status) => {
  test('every code that its body can have', async () => {
    const { state, client, keyring, message } = await make();
    const caching = cachingKeyring(keyring, { pollInterval: 0 });
    await decrypt(message, { keyring: caching });
    await caching.generateDataKey({ plaintextLength: 1 });
    for (const code of codes) {
      const detail = 'PLEASE CALL 555-0100';
      state.lie = { status, body: { code, detail, check: code === 'invalid-token' ? 'token-expired' : detail } };
      const error = await rejection(decrypt(message, { keyring }));
      expect(isBullaError(error)).toBe(true);
      expect(byStatus[status]).toContain((error as { code: string }).code);
      expect(JSON.stringify(error) + String(error)).not.toContain('PLEASE CALL');
      // What polls ask for.
      await rejection(client.keyDocument(lyingKeyId, { fresh: true }));
      expect(caching.cache.size).toBe(2);
    }
  });
});
