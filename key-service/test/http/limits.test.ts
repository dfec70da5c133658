/** Limits of size, rate and number, and who is spared; `docs/key-service.md` §1.3, §3.6, §6.1 and §9.2. */

import { request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createApp } from '../../src/http/app.ts';
import { startServer } from '../../src/server.ts';
import { StoreError } from '../../src/store/errors.ts';
import { createProofKey, TestClient } from '../support/client.ts';
import { adminRoles, type Harness, type HarnessOptions, startHarness, userRoles } from '../support/harness.ts';

let running: Harness[] = [];
const start = async (limits: object, more: HarnessOptions = {}): Promise<Harness> => {
  // A clock that stands: the minute must not end in the middle.
  const now = Date.now();
  const harness = await startHarness({ config: { limits }, clock: () => now, ...more });
  running.push(harness);
  return harness;
};
afterEach(async () => {
  for (const harness of running.reverse()) await harness.stop();
  running = [];
});

const create = (client: TestClient) => client.call('POST', '/v1/keys', {});

describe('size', () => {
  it('413 with the limit, before the body is read whole', async () => {
    const admin = await (await start({})).client(adminRoles);
    const reply = await admin.call('POST', '/v1/keys', undefined, { rawBody: 'x'.repeat(4 * 1024 * 1024 + 1) });
    expect(reply.body).toMatchObject({ status: 413, code: 'too-large', limit: 4_194_304 });
  });
});

describe('size at the token endpoint', () => {
  it('413 with a limit of its own: anybody may send there', async () => {
    const { url } = await start({});
    const client = new TestClient(url, await createProofKey(), 'north');
    const bend = { token: '', noTransport: true, headers: { 'Content-Type': 'application/x-www-form-urlencoded' } };
    const send = (rawBody: string) => client.call('POST', '/v1/token', undefined, { ...bend, rawBody });
    expect((await send('x'.repeat(32_769))).body).toMatchObject({ status: 413, code: 'too-large', limit: 32_768 });
    expect((await send('x'.repeat(32_768))).status).toBe(400);
  });
});

describe('the rate of a principal', () => {
  it('counts items, over all replicas: 429 with Retry-After', async () => {
    const limits = { items_per_minute: 50 };
    const first = await start(limits);
    const { database, rootKey, issuer, url } = first;
    const second = await start(limits, { database, rootKey, issuer, externalUrl: url });
    const admin = await first.client(adminRoles);
    const key = (await create(admin)).body.key_id;
    const client = await first.client(userRoles);
    const there = new TestClient(second.url, client.proofKey, 'north', fetch, url);
    there.token = client.token;
    const items = Array.from({ length: 40 }, () => ({}));
    const call = (from: TestClient) => from.call('POST', `/v1/keys/${key}/generate-data-key`, { items });
    expect((await call(client)).status).toBe(200);
    const refused = await call(there);
    expect(refused.body).toMatchObject({ status: 429, code: 'rate-limited' });
    expect(refused.macOk).toBe(true);
    expect(refused.raw.toString()).not.toContain('sealed_key');
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await admin.call('GET', '/v1/caller')).status).toBe(200);
  });

  it('counts a change of a key as one, and what is refused changes nothing', async () => {
    const { client, store } = await start({ items_per_minute: 3 });
    const admin = await client(adminRoles);
    const statuses: number[] = [];
    for (let i = 0; i < 5; i += 1) statuses.push((await create(admin)).status);
    expect(statuses).toEqual([201, 201, 201, 429, 429]);
    expect(await store.listKeys('north', '', 10)).toHaveLength(3);
    const reply = await create(admin);
    expect([reply.body.code, Number(reply.headers.get('retry-after')) > 0]).toEqual(['rate-limited', true]);
    expect((await admin.call('POST', '/v1/keys', {}, { proof: reply.proof })).body.check).toBe('proof-replayed');
    expect((await create(await client(adminRoles, { sub: 'another' }))).status).toBe(201);
  });

  it('counts exchanges of tokens', async () => {
    const { url, issuer } = await start({ items_per_minute: 2 });
    const client = new TestClient(url, await createProofKey(), 'north');
    const token = await issuer.token({ roles: userRoles, claims: { aud: 'bulla-exchange' } });
    const rawBody = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    }).toString();
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const statuses: number[] = [];
    for (let i = 0; i < 3; i += 1) {
      const bend = { token: '', rawBody, noTransport: true, headers };
      statuses.push((await client.call('POST', '/v1/token', undefined, bend)).status);
    }
    expect(statuses).toEqual([200, 200, 429]);
  });
});

describe('an address whose tokens and proofs fail too often', () => {
  it('429, which the metrics count; health is spared', async () => {
    const harness = await start({ failed_authentications_per_minute: 3 });
    const statusOf = async (path: string) => (await fetch(harness.url + path)).status;
    const statuses: number[] = [];
    for (let i = 0; i < 5; i += 1) statuses.push(await statusOf('/v1/caller'));
    expect(statuses).toEqual([401, 401, 401, 429, 429]);
    // Nobody who authenticates is locked out by it: others may have the same address.
    const [known, another] = [await harness.client(userRoles), await harness.client(userRoles, { sub: 'another' })];
    for (const good of [known, another]) expect((await good.call('GET', '/v1/caller')).status).toBe(200);
    expect(await statusOf('/.well-known/bulla-key-service')).toBe(200);
    expect([await statusOf('/healthz'), await statusOf('/readyz')]).toEqual([200, 200]);
    expect(await harness.service.metrics.registry.metrics()).toContain(
      'bulla_requests_total{operation="none",status="429"} 2',
    );
  });

  it('§1.5 a page of a configured origin can read how long to wait', async () => {
    const origin = 'https://app.example';
    const limits = { failed_authentications_per_minute: 1 };
    const { url } = await start(limits, { config: { limits, cors: { origins: [origin] } } });
    const ask = () => fetch(`${url}/v1/caller`, { headers: { Origin: origin } });
    expect((await ask()).status).toBe(401);
    const { status, headers } = await ask();
    expect([status, headers.get('access-control-allow-origin')]).toEqual([429, origin]);
    expect(headers.get('access-control-expose-headers')).toContain('Retry-After');
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    const preflight = { Origin: origin, 'Access-Control-Request-Method': 'POST' };
    expect((await fetch(`${url}/v1/keys`, { method: 'OPTIONS', headers: preflight })).status).toBe(204);
  });

  it('§3.6 a nonce that is too old is no failure', async () => {
    const { client } = await start({ failed_authentications_per_minute: 3 });
    const alice = await client(userRoles);
    for (let i = 0; i < 10; i += 1) {
      const reply = await alice.call('GET', '/v1/caller', undefined, { claims: { nonce: 'old' }, noRetry: true });
      expect(reply.body.code).toBe('use-dpop-nonce');
    }
    expect((await alice.call('GET', '/v1/caller')).status).toBe(200);
  });
});

/** A request of which the first byte of the body is sent. */
async function halfSent(client: TestClient, url: string, body = '{}') {
  const { proof } = await client.makeProof('POST', '/v1/keys', Buffer.from(body));
  const headers = { Authorization: `DPoP ${client.token}`, DPoP: proof, 'Content-Type': 'application/json' };
  const half = request(`${url}/v1/keys`, { method: 'POST', headers: { ...headers, 'Content-Length': body.length } });
  half.on('error', () => undefined);
  const status = new Promise((resolve) => half.on('response', (response) => resolve(response.resume().statusCode)));
  await new Promise<void>((resolve) => half.write(body.slice(0, 1), () => resolve()));
  return { half, status };
}

/** Waits until so many bytes of bodies are in memory, or on their way there. */
async function held({ admission }: Harness['service'], bytes: number): Promise<void> {
  while (admission.bytesInFlight !== bytes) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe('§12.7 requests in flight', () => {
  it('a tenant sheds its own load: 429 with Retry-After, and its neighbours notice nothing', async () => {
    const { client, url, service } = await start({ requests_in_flight: 4 });
    const [north, south] = [await client(adminRoles), await client(adminRoles, { tenant: 'south' })];
    const waiting = await Promise.all([1, 2].map(() => halfSent(north, url)));
    await held(service, 4);
    const refused = await north.call('GET', '/v1/caller');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    for (let i = 0; i < 5; i += 1) expect((await south.call('GET', '/v1/caller')).status).toBe(200);
    for (const path of ['/healthz', '/readyz', '/openapi.json', '/.well-known/bulla-key-service'])
      expect((await fetch(url + path)).status).toBe(200);
    for (const { half } of waiting) half.end('}');
    expect(await Promise.all(waiting.map(({ status }) => status))).toEqual([201, 201]);
    expect((await north.call('GET', '/v1/caller')).status).toBe(200);
  });

  it('bytes of bodies are counted before they are read', async () => {
    const { client, url, service } = await start({ body_bytes_in_flight: 8 * 1024 * 1024 });
    const north = await client(adminRoles);
    const body = ' '.repeat(3 * 1024 * 1024);
    const first = await halfSent(north, url, body);
    await held(service, body.length);
    const second = await halfSent(north, url, body);
    expect(await second.status).toBe(429);
    second.half.destroy();
    const south = await client(adminRoles, { tenant: 'south' });
    expect((await south.call('POST', '/v1/keys', undefined, { rawBody: body })).status).toBe(400);
    first.half.end(body.slice(1));
    expect(await first.status).toBe(400);
    expect((await north.call('POST', '/v1/keys', undefined, { rawBody: body })).status).toBe(400);
    expect(service.admission.bytesInFlight).toBe(0);
  });
});

describe('time', () => {
  it('a head or a body that does not end gets 408, and holds up nobody', async () => {
    const { service, client } = await start({});
    const admin = await client(adminRoles);
    const slow = await startServer(
      createApp(service),
      { host: '127.0.0.1', port: 0 },
      { headers: 200, request: 400, interval: 50 },
    );
    const send = (text: string) =>
      new Promise<string>((resolve) => {
        const socket = connect(slow.port, '127.0.0.1', () => socket.write(text));
        let answer = '';
        socket.on('data', (data) => {
          answer += data.toString();
        });
        socket.on('close', () => resolve(answer));
      });
    const { proof } = await admin.makeProof('POST', '/v1/keys', Buffer.from('{}'));
    const head = `POST /v1/keys HTTP/1.1\r\nHost: x\r\nAuthorization: DPoP ${admin.token}\r\nDPoP: ${proof}\r\nContent-Length: 2\r\n\r\n{`;
    const answers = Promise.all([send('GET /healthz HTTP/1.1\r\nHost: x\r\nX: '), send(head)]);
    expect((await fetch(`http://127.0.0.1:${slow.port}/healthz`)).status).toBe(200);
    for (const answer of await answers) expect(answer).toMatch(/^(HTTP\/1\.1 408 .*)?$/s);
    expect((await create(admin)).status).toBe(201);
    await slow.close(0);
  });
});

describe('a fault of the service itself', () => {
  it('500: a problem with a MAC, and no word of what it was but in the log', async () => {
    const { client, logs } = await start(
      {},
      {
        wrapStore: (store) =>
          new Proxy(store, {
            get(target, name) {
              const value = Reflect.get(target, name, target);
              if (name === 'listKeys') return () => Promise.reject(new TypeError('a secret detail'));
              return typeof value === 'function' ? value.bind(target) : value;
            },
          }),
      },
    );
    const reply = await (await client(adminRoles)).call('GET', '/v1/keys');
    expect([reply.status, reply.macOk]).toEqual([500, true]);
    expect(reply.body).toEqual({
      ...{ type: 'urn:bulla:problem:internal-error', title: 'The service failed', status: 500, code: 'internal-error' },
    });
    expect(logs.filter((line) => line.includes('a secret detail'))).toHaveLength(1);
  });
});

describe('§9.2 readiness', () => {
  it('writes once, however many ask, and forgets at once that it failed', async () => {
    let [pings, broken] = [0, false];
    const { url } = await start(
      {},
      {
        wrapStore: (store) =>
          new Proxy(store, {
            get(target, name) {
              const value = Reflect.get(target, name, target);
              if (name !== 'ping') return typeof value === 'function' ? value.bind(target) : value;
              pings += 1;
              return async () => {
                await new Promise((resolve) => setTimeout(resolve, 100));
                if (broken) throw new StoreError('gone');
                await value.call(target);
              };
            },
          }),
      },
    );
    const ask = async () => (await fetch(`${url}/readyz`)).status;
    expect(new Set(await Promise.all(Array.from({ length: 20 }, ask)))).toEqual(new Set([200]));
    expect(pings).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    broken = true;
    expect(await ask()).toBe(503);
    broken = false;
    expect(await ask()).toBe(200);
    expect(pings).toBe(3);
  });
});
