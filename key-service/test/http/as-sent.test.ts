/** What the proof covers where HTTP implementations disagree: a body on GET, no body at all, dot segments; `docs/key-service.md` §3.3. */

import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestClient } from '../support/client.ts';
import { adminRoles, type Harness, startHarness } from '../support/harness.ts';

let harness: Harness;
let admin: TestClient;

beforeAll(async () => {
  harness = await startHarness();
  admin = await harness.client(adminRoles);
  await admin.call('GET', '/v1/caller');
});
afterAll(() => harness.stop());

const sha256 = (text: string) => createHash('sha256').update(text).digest('base64url');

/** Sends a request whose path no URL parser has changed, and says what came back. */
async function verdict(sent: { method: string; path: string; body?: string }, claims: object): Promise<string> {
  const { proof } = await admin.makeProof(sent.method, sent.path, Buffer.alloc(0), { claims: { ...claims } });
  const { port, hostname } = new URL(harness.url);
  return new Promise((resolve, reject) => {
    const headers = {
      DPoP: proof,
      Authorization: `DPoP ${admin.token}`,
      ...(sent.body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': sent.body.length }),
    };
    const outgoing = request({ host: hostname, port, method: sent.method, path: sent.path, headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += chunk));
      response.on('end', () => {
        const { check, code } = JSON.parse(text || '{}');
        resolve(`${response.statusCode} ${check ?? code ?? 'ok'}`);
      });
    });
    outgoing.on('error', reject);
    outgoing.end(sent.body);
  });
}

describe('§3.3 bulla_body', () => {
  it('is that of the empty string where there is no body', async () => {
    expect(await verdict({ method: 'GET', path: '/v1/caller' }, { bulla_body: sha256('') })).toBe('200 ok');
    expect(await verdict({ method: 'GET', path: '/v1/caller' }, { bulla_body: sha256('x') })).toBe('401 proof-body');
    expect(await verdict({ method: 'DELETE', path: '/v1/aliases/none', body: '' }, { bulla_body: sha256('') })).toBe(
      '403 not-allowed',
    );
  });

  it('is that of the empty string on GET, which takes no body: one that is sent is refused, and never read', async () => {
    const get = { method: 'GET', path: '/v1/caller', body: '{}' };
    expect(await verdict(get, { bulla_body: sha256('') })).toBe('400 malformed-request');
    expect(await verdict(get, { bulla_body: sha256('{}') })).toBe('401 proof-body');
    expect(await verdict({ ...get, path: '/v1/keys' }, { bulla_body: sha256('') })).toBe('400 malformed-request');
  });

  it('covers a body where none is taken', async () => {
    const remove = { method: 'DELETE', path: '/v1/aliases/none', body: '{}' };
    expect(await verdict(remove, { bulla_body: sha256('{}') })).toBe('400 malformed-request');
    expect(await verdict(remove, { bulla_body: sha256('') })).toBe('401 proof-body');
  });
});

describe('§3.3 htu names the path', () => {
  it.each(['/v1/x/../caller', '/v1/./caller', '/v1/%2e%2e/v1/caller', '/v1/x/.%2E/caller', '/../v1/caller'])(
    'without dot segments, which the service removes first: %s',
    async (path) => {
      const get = { method: 'GET', path };
      expect(await verdict(get, { htu: `${harness.url}${path}` })).toBe('401 proof-url');
      expect(await verdict(get, { htu: `${harness.url}/v1/caller` })).toBe('200 ok');
    },
  );

  it('with its percent-encoding as it was sent', async () => {
    const get = { method: 'GET', path: '/v1/call%65r' };
    expect(await verdict(get, { htu: `${harness.url}/v1/call%65r` })).toBe('200 ok');
    expect(await verdict(get, { htu: `${harness.url}/v1/caller` })).toBe('401 proof-url');
  });
});
