import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { isBullaError } from '../../src/index.ts';
import { type TlsFetch, type TlsFetchOptions, tlsFetch } from '../../src/node.ts';
import { createKeyServiceClient } from '../../src/service.ts';
import { type Certificate, createAuthority, createCertificate, pinOf } from '../support/certificates.ts';
import { codeOf, rejection } from '../support/data.ts';

const folder = mkdtempSync(join(tmpdir(), 'bulla-tls-'));
const servers: Server[] = [];
const fetches: TlsFetch[] = [];
let authority: Certificate;
let other: Certificate;
let server: Certificate;
let elsewhere: Certificate;
let client: Certificate;

beforeAll(() => {
  authority = createAuthority(folder, 'authority');
  other = createAuthority(folder, 'other');
  server = createCertificate(folder, 'authority', 'server', 'DNS:localhost,IP:127.0.0.1');
  elsewhere = createCertificate(folder, 'authority', 'elsewhere', 'DNS:elsewhere.example');
  client = createCertificate(folder, 'authority', 'client', 'DNS:client');
});

afterEach(async () => {
  await Promise.all(fetches.splice(0).map((fetch) => fetch.close()));
  for (const one of servers.splice(0)) {
    one.close();
    if ('closeAllConnections' in one) (one as ReturnType<typeof createHttpServer>).closeAllConnections();
  }
});

afterAll(() => rmSync(folder, { recursive: true }));

/** A real server that answers with the version of TLS, the method and the body. */
async function serve(options: ServerOptions = {}, requests: string[] = []): Promise<string> {
  const listening = createServer({ ...server, ...options }, (request, response) => {
    requests.push(request.url ?? '');
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://localhost');
    if (pathname === '/redirect') return void response.writeHead(302, { Location: searchParams.get('to') ?? '' }).end();
    const socket = request.socket as TLSSocket;
    const parts = [socket.getProtocol(), request.method, socket.authorized ? 'client known' : 'client unknown'];
    request.on('data', (data) => parts.push(String(data)));
    request.on('end', () => response.end(parts.join(' ')));
  });
  servers.push(listening);
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  return `https://localhost:${(listening.address() as AddressInfo).port}`;
}

function make(options: TlsFetchOptions): TlsFetch {
  const fetch = tlsFetch(options);
  fetches.push(fetch);
  return fetch;
}

/** Why a fetch failed below. */
async function causeOf(promise: Promise<unknown>): Promise<string> {
  const error = await rejection(promise);
  expect(error).toBeInstanceOf(TypeError);
  const { code, message } = error.cause as Error & { code?: string };
  return `${code ?? ''} ${message}`;
}

describe('whom it talks to', () => {
  test('a server of the given authority, over TLS 1.3', async () => {
    const url = await serve();
    const fetch = make({ ca: authority.cert });
    expect(await (await fetch(url)).text()).toBe('TLSv1.3 GET client unknown');
    expect(await (await fetch(new URL(url), { method: 'POST', body: 'x' })).text()).toBe(
      'TLSv1.3 POST client unknown x',
    );
    for (const ca of [[other.cert, authority.cert], Buffer.from(authority.cert)]) {
      expect((await make({ ca })(url)).status).toBe(200);
    }
  });

  test('no authorities are not all of those that Node knows', () => {
    for (const ca of ['', Buffer.alloc(0), 'nothing that could be a certificate', authority.key]) {
      expect(() => tlsFetch({ ca })).toThrow(/^ca must be PEM with at least one certificate$/);
      expect(() => tlsFetch({ ca: [authority.cert, ca] })).toThrow(/^ca\[1\] must be PEM/);
    }
  });

  test('not one of another authority, nor of none that Node knows', async () => {
    const requests: string[] = [];
    const url = await serve({}, requests);
    expect(await causeOf(make({ ca: other.cert })(url))).toMatch(/UNABLE_TO_VERIFY_LEAF_SIGNATURE|unable to verify/);
    expect(await causeOf(make({})(url))).toMatch(/UNABLE_TO_VERIFY_LEAF_SIGNATURE|unable to verify/);
    expect(requests).toEqual([]);
  });

  test('not one with a certificate for another host, with a pin or without', async () => {
    const url = await serve(elsewhere);
    expect(await causeOf(make({ ca: authority.cert })(url))).toMatch(/ERR_TLS_CERT_ALTNAME_INVALID/);
    const pinned = make({ ca: authority.cert, pins: [pinOf(elsewhere.cert)] });
    expect(await causeOf(pinned(url))).toMatch(/ERR_TLS_CERT_ALTNAME_INVALID/);
  });

  test('not one that speaks TLS 1.2 alone, unless that is allowed', async () => {
    const url = await serve({ maxVersion: 'TLSv1.2' });
    expect(await causeOf(make({ ca: authority.cert })(url))).toMatch(/PROTOCOL_VERSION|protocol version/);
    expect(await (await make({ ca: authority.cert, minVersion: 'TLSv1.2' })(url)).text()).toMatch(/^TLSv1.2/);
  });

  test('not one without TLS, also after a redirect', async () => {
    const plain = createHttpServer((_, response) => response.end('plain'));
    servers.push(plain);
    await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
    const http = `http://127.0.0.1:${(plain.address() as AddressInfo).port}/`;
    const url = await serve();
    const fetch = make({ ca: authority.cert });
    expect(await causeOf(fetch(http))).toContain('https: alone');
    expect(await causeOf(fetch(`${url}/redirect?to=${encodeURIComponent(http)}`))).toContain('https: alone');
  });

  test('with a certificate of its own where the server asks for one', async () => {
    const url = await serve({ ca: authority.cert, requestCert: true, rejectUnauthorized: true });
    await rejection(make({ ca: authority.cert })(url));
    expect(await (await make({ ca: authority.cert, clientCertificate: client })(url)).text()).toBe(
      'TLSv1.3 GET client known',
    );
  });

  test('not for longer than connectTimeout before there is a connection', async () => {
    const silent = (await import('node:net')).createServer(() => undefined);
    servers.push(silent);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const begun = performance.now();
    const fetch = make({ ca: authority.cert, connectTimeout: 300 });
    await causeOf(fetch(`https://localhost:${(silent.address() as AddressInfo).port}`));
    expect(performance.now() - begun).toBeLessThan(5_000);
  });
});

describe('pins', () => {
  const url64 = (text: string) => text.replaceAll('+', '-').replaceAll('/', '_').replace('=', '');

  test('the right one, in either alphabet and among others', async () => {
    const url = await serve();
    const pin = pinOf(server.cert);
    for (const pins of [[pin], [url64(pin)], [pin.replace('=', '')], [pinOf(other.cert), pin]]) {
      const fetch = make({ ca: authority.cert, pins });
      for (let i = 0; i < 3; i++) expect((await fetch(url, { headers: { Connection: 'close' } })).status).toBe(200);
    }
  });

  test('a wrong one is ERR_SERVICE_IDENTITY each time, and nothing is sent', async () => {
    const requests: string[] = [];
    const url = await serve({}, requests);
    const fetch = make({ ca: authority.cert, pins: [pinOf(elsewhere.cert)] });
    for (let i = 0; i < 3; i++) expect(await codeOf(fetch(url))).toBe('ERR_SERVICE_IDENTITY');
    expect(requests).toEqual([]);
  });

  test('the pin of the authority, or of a certificate that the server sends along, is not the server’s', async () => {
    const withMore = { ...server, cert: `${server.cert}${elsewhere.cert}${authority.cert}` };
    const url = await serve(withMore);
    for (const pin of [pinOf(authority.cert), pinOf(elsewhere.cert)]) {
      expect(await codeOf(make({ ca: authority.cert, pins: [pin] })(url))).toBe('ERR_SERVICE_IDENTITY');
    }
  });

  test('a right pin makes no wrong authority good', async () => {
    const url = await serve();
    expect(await causeOf(make({ ca: other.cert, pins: [pinOf(server.cert)] })(url))).toMatch(/unable to verify/i);
  });

  test('hold after a redirect to another server too', async () => {
    const second = await serve(createCertificate(folder, 'authority', 'second', 'DNS:localhost'));
    const first = await serve();
    const fetch = make({ ca: authority.cert, pins: [pinOf(server.cert)] });
    expect(await codeOf(fetch(`${first}/redirect?to=${encodeURIComponent(second)}`))).toBe('ERR_SERVICE_IDENTITY');
  });
});

describe('in a client of a key service', () => {
  const clientOf = (url: string, fetch: TlsFetch, retries: string[]) =>
    createKeyServiceClient({
      url,
      pin: 'A'.repeat(43),
      token: 'x',
      fetch,
      retry: { limit: 1, delay: 1 },
      onEvent: (event) => event.type === 'service-retry' && retries.push(event.error),
    });

  test('a wrong pin of the certificate is the identity’s, and not tried again; an unknown authority is unreachable', async () => {
    const requests: string[] = [];
    const url = await serve({}, requests);
    const retries: string[] = [];
    const pinned = make({ ca: authority.cert, pins: [pinOf(elsewhere.cert)] });
    expect(await codeOf(clientOf(url, pinned, retries).connect())).toBe('ERR_SERVICE_IDENTITY');
    expect(retries).toEqual([]);
    const error = await rejection(clientOf(url, make({ ca: other.cert }), retries).connect());
    expect(isBullaError(error) && error.code).toBe('ERR_SERVICE_UNREACHABLE');
    expect(requests).toEqual([]);
    // With the right one it gets as far as an answer, which is none of a key service.
    const reached = make({ ca: authority.cert, pins: [pinOf(server.cert)] });
    expect(await codeOf(clientOf(url, reached, []).connect())).toMatch(/^ERR_SERVICE_(ANSWER|IDENTITY)$/);
    expect(requests).toContain('/.well-known/bulla-key-service');
  });
});

test('aborts, and can be used again after close()', async () => {
  const url = await serve();
  const fetch = make({ ca: authority.cert });
  expect((await rejection(fetch(url, { signal: AbortSignal.abort() }))).name).toBe('AbortError');
  await fetch.close();
  await fetch.close();
  expect((await fetch(url)).status).toBe(200);
});

test('wrong options', () => {
  const pin = pinOf(server.cert);
  for (const [options, words] of [
    [null, /options/],
    [{ typo: 1 }, /unknown option "typo"/],
    [{ ca: 7 }, /ca(\[0\])? must be/],
    [{ ca: [] }, /ca(\[0\])? must be/],
    [{ pins: [] }, /pins/],
    [{ pins: pin }, /pins/],
    [{ pins: [pin, ''] }, /pins/],
    [{ pins: [`${pin}=`] }, /pins/],
    [{ pins: [`sha256/${pin}`] }, /pins/],
    [{ minVersion: 'TLSv1.1' }, /minVersion/],
    [{ clientCertificate: { cert: 'x' } }, /clientCertificate/],
    [{ connectTimeout: 0 }, /connectTimeout/],
  ] as [never, RegExp][]) {
    expect(() => tlsFetch(options)).toThrow(words);
  }
});
