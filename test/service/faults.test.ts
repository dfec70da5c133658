// What a service that lies, hangs, garbles and breaks gets: a typed error that names the cause, nothing released, no endless repetition.

import { beforeAll, describe, expect, test } from 'vitest';
import { cachingKeyring } from '../../src/cache.ts';
import { encrypt, isBullaError } from '../../src/index.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import {
  developmentToken,
  generateProofKey,
  type KeyServiceClient,
  type KeyServiceClientOptions,
  keyManagement,
} from '../../src/service.ts';
import { rejection } from '../support/data.ts';
import {
  type Alteration,
  altered,
  clientOf,
  fresh,
  keyContext,
  newKey,
  recorder,
  through,
} from '../support/service-client.ts';

let keyId: string;
let dataKey: { keyId: string; version: number; wrappedKey: Uint8Array<ArrayBuffer> };
beforeAll(async () => {
  keyId = await newKey();
  dataKey = await clientOf('alice@north').generateDataKey({ key: keyId, keyContext });
});

const unwrapWith = (client: KeyServiceClient) => {
  const { version, wrappedKey } = dataKey;
  return client.unwrapDataKey({ keyId, version, keyContext, method: 'service', wrappedKey });
};

/** A client whose requests on data keys meet a fault of the proxy. */
function faulty(fault: string, options: Partial<KeyServiceClientOptions> = {}) {
  const recorded = recorder();
  const client = clientOf('alice@north', { fetch: through(fresh(fault)), onEvent: recorded.onEvent, ...options });
  return { client, ...recorded };
}

const retriesOf = ({ events }: ReturnType<typeof recorder>) =>
  events.filter(({ type }) => type === 'service-retry').length;

describe('on the way', () => {
  test.each([
    ['reset', 'ERR_SERVICE_UNREACHABLE', 3],
    ['truncate', 'ERR_SERVICE_UNREACHABLE', 3],
    ['hang', 'ERR_SERVICE_TIMEOUT', 3],
    ['slow-9000', 'ERR_SERVICE_TIMEOUT', 3],
    ['redirect', 'ERR_SERVICE_REDIRECTED', 0],
    ['failing-99', 'ERR_SERVICE_UNAVAILABLE', 3],
    ['busy-99-0', 'ERR_THROTTLED', 3],
  ])('%s ends with %s after %i repetitions', async (fault, code, retries) => {
    // Nothing but what should be too slow may take too long, on a slow machine either.
    const { client, ...recorded } = faulty(fault, { timeout: code === 'ERR_SERVICE_TIMEOUT' ? 2_000 : 60_000 });
    await client.connect();
    const error = await rejection(unwrapWith(client));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^The key service |^The answer /);
    expect(retriesOf(recorded)).toBe(retries);
  });

  test('500 and then 200, 429 and then 200: the call succeeds', async () => {
    for (const fault of ['failing-2', 'busy-1-0']) {
      const { client, ...recorded } = faulty(fault);
      await unwrapWith(client);
      expect(retriesOf(recorded)).toBe(fault === 'failing-2' ? 2 : 1);
    }
  });

  test('Retry-After is waited for, and a long one is not', async () => {
    const { client } = faulty('busy-1-1');
    await client.connect();
    const begun = performance.now();
    await unwrapWith(client);
    expect(performance.now() - begun).toBeGreaterThan(950);
    const long = faulty('busy-99-3600');
    expect(await rejection(unwrapWith(long.client))).toMatchObject({ code: 'ERR_THROTTLED', retryAfter: 3600 });
    expect(retriesOf(long)).toBe(0);
  });

  test.each([
    ['7', 7],
    ['0', 0],
    ['', undefined],
    ['-7', undefined],
    ['soon', undefined],
    ['Fri, 27 Nov 2026 10:00:30 GMT', 30],
    ['Fri, 27 Nov 2026 09:59:00 GMT', undefined],
  ])('Retry-After: %s', async (value, retryAfter) => {
    const client = clientOf('alice@north', {
      retry: { limit: 0 },
      fetch: altered('/data-keys/', {
        status: () => 503,
        headers: (headers) => {
          headers.set('Date', 'Fri, 27 Nov 2026 10:00:00 GMT');
          headers.set('Retry-After', value);
          headers.delete('Bulla-MAC');
        },
      }),
    });
    const error = await rejection(unwrapWith(client));
    expect(error).toMatchObject({ code: 'ERR_SERVICE_UNAVAILABLE', retryAfter });
  });

  test('§7.2 a creation whose answer is lost is made once', async () => {
    const keys = keyManagement(clientOf('admin@north'));
    for (const create of [
      (client: KeyServiceClient, description: string) => keyManagement(client).create({ description }),
      (client: KeyServiceClient, description: string) =>
        client.request({ method: 'POST', path: '/v1/keys', body: { description } }),
    ]) {
      const description = `once ${Math.random()}`;
      const { key_id: created } = await create(
        clientOf('admin@north', { fetch: through(fresh('truncate-1')) }),
        description,
      );
      const found: string[] = [];
      for await (const key of keys.list()) if (key.description === description) found.push(key.key_id);
      expect(found).toEqual([created]);
    }
  });

  test('§3.4 a request that arrives twice: its second answer leads to a new proof, once', async () => {
    const { client, events } = faulty('duplicate');
    await unwrapWith(client);
    const call = events.find((event) => event.type === 'service-call' && event.operation.includes('unwrap'));
    expect(call).toMatchObject({ attempts: 2, status: 200 });
  });

  test('§3.6 a stale nonce costs one more attempt', async () => {
    const dpop = await generateProofKey();
    let token = '';
    const source = developmentToken('alice@north');
    await clientOf('x', { dpop, tokenSource: async (request) => (token = await source(request)) }).caller();
    const recorded = recorder();
    const fetch = altered('/.well-known/', { headers: (headers) => headers.set('DPoP-Nonce', 'stale') });
    await unwrapWith(clientOf('x', { dpop, token, fetch, onEvent: recorded.onEvent }));
    expect(recorded.events.at(-1)).toMatchObject({ attempts: 2, status: 200 });
    expect(retriesOf(recorded)).toBe(0);
  });

  test('answers in another order than their requests', async () => {
    const inner = through();
    let held: Promise<unknown> = Promise.resolve();
    const client = clientOf('alice@north', {
      // Each answer waits for the one after it to have come, up to a while.
      fetch: async (url, init) => {
        const answer = inner(url, init);
        const before = held;
        held = answer.catch(() => undefined);
        await Promise.race([before, new Promise((resolve) => setTimeout(resolve, 50))]);
        return answer;
      },
    });
    await client.connect();
    const paths = ['/v1/caller', `/v1/keys/${keyId}/public`, '/v1/caller'];
    const answers = await Promise.all(paths.map((path) => client.request({ method: 'GET', path })));
    expect(answers.map((answer) => Object.keys(answer).includes('document'))).toEqual([false, true, false]);
  });

  test('nobody there', async () => {
    const client = clientOf('alice@north', { fetch: (_url, init) => fetch('http://127.0.0.1:9/', init) });
    const error = await rejection(unwrapWith(client));
    expect(error).toMatchObject({ code: 'ERR_SERVICE_UNREACHABLE' });
    expect(error.cause).toBeDefined();
  });

  test('an abort ends a hanging call at once, also between repetitions', async () => {
    const reason = new Error('enough');
    for (const fault of ['hang', 'busy-99-9']) {
      const { client } = faulty(fault);
      await client.connect();
      const begun = performance.now();
      const controller = new AbortController();
      setTimeout(() => controller.abort(reason), 100);
      await expect(client.request({ method: 'GET', path: '/v1/caller', signal: controller.signal })).rejects.toBe(
        reason,
      );
      expect(performance.now() - begun).toBeLessThan(2_000);
    }
  });
});

describe('an abort ends the wait at once, also where what is waited for takes no notice of signals', () => {
  const forever = () => new Promise<never>(() => undefined);
  test.each<[string, Partial<KeyServiceClientOptions>]>([
    ['a token function', { token: forever }],
    ['a source of tokens', { tokenSource: forever, token: undefined }],
    ['a fetch', { fetch: forever }],
    ['a fetch of calls', { fetch: (url, init) => (url.includes('/v1/') ? forever() : through()(url, init)) }],
    ['a proof key', { dpop: forever() }],
  ])('%s that never answers', async (_what, { token, tokenSource, ...options }) => {
    const given = token === undefined ? { ...(tokenSource && { tokenSource }) } : { token };
    const client = clientOf('alice@north', { timeout: 600_000, ...options, ...given });
    const keyring = cachingKeyring(serviceKeyring({ client, keyId, keyContext }), { pollInterval: 0 });
    const reason = new Error('enough');
    for (const work of [
      (signal: AbortSignal) => client.generateDataKey({ key: keyId, keyContext }, { signal }),
      (signal: AbortSignal) => client.request({ method: 'GET', path: '/v1/caller', signal }),
      (signal: AbortSignal) => client.keyDocument(keyId, { fresh: true, signal }),
      (signal: AbortSignal) => encrypt('x', { keyring, signal }),
    ]) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(reason), 20);
      await expect(work(controller.signal)).rejects.toBe(reason);
    }
    expect(keyring.cache.size).toBe(0);
  });
});

describe('§4.3 answers that are not authentic', () => {
  const refused: [string, Alteration][] = [
    ['a changed body', { body: (body) => body.replace('"floor":1', '"floor":0') }],
    ['a body that is cut', { body: (body) => body.slice(0, -1) }],
    ['no JSON', { body: () => '<html>' }],
    ['another status', { status: () => 201 }],
    ['an invented success', { status: () => 200, headers: (headers) => headers.delete('Bulla-MAC') }],
    ['no MAC', { headers: (headers) => headers.delete('Bulla-MAC') }],
    ['no salt', { headers: (headers) => headers.delete('Bulla-Salt') }],
    ['a salt of another length', { headers: (headers) => headers.set('Bulla-Salt', 'AAAA') }],
    ['another salt', { headers: (headers) => headers.set('Bulla-Salt', 'A'.repeat(43)) }],
    ['another MAC', { headers: (headers) => headers.set('Bulla-MAC', 'A'.repeat(64)) }],
    ['an invented refusal', { status: () => 403, body: () => '{"code":"not-allowed"}' }],
    ['an invented 404', { status: () => 404, body: () => '{}', headers: (headers) => headers.delete('Bulla-MAC') }],
  ];

  test.each(refused)('%s', async (_what, alteration) => {
    const recorded = recorder();
    const client = clientOf('alice@north', { fetch: altered('/data-keys/', alteration), onEvent: recorded.onEvent });
    expect((await rejection(unwrapWith(client))).code).toBe('ERR_SERVICE_ANSWER');
    expect(retriesOf(recorded)).toBe(3);
  });

  test('the authentic answer to another request', async () => {
    let first: { body: string; headers: Headers } | undefined;
    const inner = through();
    const client = clientOf('alice@north', {
      retry: { limit: 0 },
      fetch: async (input, init) => {
        const response = await inner(input, init);
        if (!input.includes('/unwrap')) return response;
        first ??= { body: await response.clone().text(), headers: response.headers };
        return new Response(first.body, { status: 200, headers: first.headers });
      },
    });
    await unwrapWith(client);
    expect((await rejection(unwrapWith(client))).code).toBe('ERR_SERVICE_ANSWER');
  });

  test('one longer than allowed is refused before anything reads it', async () => {
    const huge = 'x'.repeat(2 ** 17);
    const fetch = altered('/data-keys/', { body: () => huge });
    const client = clientOf('alice@north', { fetch, maxResponseBytes: 2 ** 16 });
    expect(await rejection(unwrapWith(client))).toMatchObject({
      code: 'ERR_SERVICE_ANSWER',
      message: expect.stringContaining('longer than 65536 bytes'),
    });
  });

  test('an invented 401 leads to a bounded number of attempts', async () => {
    for (const check of ['proof-nonce', 'transport-key', 'proof-time', 'proof-replayed', 'token-expired']) {
      let requests = 0;
      const body = JSON.stringify({
        status: 401,
        code: check === 'proof-nonce' ? 'use-dpop-nonce' : 'invalid-proof',
        check,
      });
      const inner = altered('/data-keys/', { status: () => 401, body: () => body });
      const client = clientOf('alice@north', {
        fetch: (input, init) => {
          if (input.includes('/data-keys/')) requests++;
          return inner(input, init);
        },
      });
      const error = await rejection(unwrapWith(client));
      expect(error.code).toBe(check === 'token-expired' ? 'ERR_TOKEN_EXPIRED' : 'ERR_PROOF_REFUSED');
      expect(requests).toBe(2);
    }
  });
});

describe('§2.4 identity', () => {
  const discoveryWith = (change: (body: { identity: object; document: string }) => object) =>
    clientOf('alice@north', {
      retry: { limit: 0 },
      fetch: altered('/.well-known/', { body: (body) => JSON.stringify(change(JSON.parse(body))) }),
    });
  const codeOfConnect = async (client: KeyServiceClient) => {
    const error = await rejection(client.connect());
    expect(isBullaError(error)).toBe(true);
    return error.code;
  };

  test('a wrong pin, at once and in words', async () => {
    const recorded = recorder();
    const client = clientOf('alice@north', { pin: 'A'.repeat(43), onEvent: recorded.onEvent });
    const error = await rejection(unwrapWith(client));
    expect(error).toMatchObject({ code: 'ERR_SERVICE_IDENTITY', message: expect.stringContaining('pinned is AAAA') });
    expect(retriesOf(recorded)).toBe(0);
  });

  test('another identity, another document, another signature', async () => {
    const other = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, ['sign', 'verify']);
    const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', other.publicKey);
    const cases: ((body: { identity: object; document: string }) => object)[] = [
      ({ document }) => ({ document, identity: { kty, crv, x, y } }),
      ({ document }) => ({ document, identity: { kty, crv: 'P-256', x, y } }),
      ({ document, identity }) => ({ identity, document: document.replace(/.{4}$/, 'AAAA') }),
      ({ document, identity }) => ({ identity, document: document.replace(/^[^.]+/, 'eyJhbGciOiJub25lIn0') }),
      ({ identity }) => ({ identity, document: 'e30.e30.' }),
    ];
    for (const change of cases) expect(await codeOfConnect(discoveryWith(change))).toBe('ERR_SERVICE_IDENTITY');
    expect(await codeOfConnect(discoveryWith(() => ({})))).toBe('ERR_SERVICE_ANSWER');
  });

  test('a swapped transport key breaks the signature', async () => {
    const client = discoveryWith(({ identity, document }) => {
      const [head, payload = '', signature] = document.split('.');
      const claims = JSON.parse(atob(payload.replaceAll('-', '+').replaceAll('_', '/')));
      claims.transport_keys[0].key = `BA${'A'.repeat(128)}`;
      const changed = btoa(JSON.stringify(claims)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
      return { identity, document: [head, changed, signature].join('.') };
    });
    expect(await codeOfConnect(client)).toBe('ERR_SERVICE_IDENTITY');
  });

  test('a document for another address, and one from another time', async () => {
    const { url, pin, proxy } = await import('../support/service-client.ts');
    const { createKeyServiceClient } = await import('../../src/service.ts');
    const moved = createKeyServiceClient({
      url: proxy,
      pin,
      token: 'x',
      fetch: (input, init) => fetch(`${proxy}/none${input.slice(proxy.length)}`, init),
    });
    expect(await codeOfConnect(moved)).toBe('ERR_SERVICE_IDENTITY');
    expect(url).not.toBe(proxy);
    for (const hours of [-48, 48]) {
      const client = clientOf('x', { now: () => Date.now() + hours * 3_600_000 });
      expect(await codeOfConnect(client)).toBe('ERR_SERVICE_IDENTITY');
    }
  });

  test('a token is not sent to a service that is not trusted', async () => {
    const sent: string[] = [];
    const inner = through();
    const client = clientOf('alice@north', {
      pin: 'A'.repeat(43),
      fetch: (input, init) => {
        sent.push(new URL(input).pathname);
        return inner(input, init);
      },
    });
    await rejection(client.generateDataKey({ key: keyId, keyContext }));
    expect(new Set(sent)).toEqual(new Set(['/.well-known/bulla-key-service']));
  });
});
