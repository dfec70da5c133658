/** Requests that are odd rather than wrong: what is in paths, bodies and on the wire; each has its answer, and none is an accident of the service. */

import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Bend, TestClient } from '../support/client.ts';
import { adminRoles, type Harness, startHarness, userRoles } from '../support/harness.ts';

let harness: Harness;
let admin: TestClient;
let alice: TestClient;
let key: string;

beforeAll(async () => {
  harness = await startHarness();
  admin = await harness.client(adminRoles);
  alice = await harness.client(userRoles);
  key = (await admin.call('POST', '/v1/keys', {})).body.key_id;
});
afterAll(() => harness.stop());
// Whatever is asked for, the service has not failed.
afterEach(() => expect(harness.logs.filter((line) => Number(JSON.parse(line).level) >= 50)).toEqual([]));

const verdict = async (method: string, path: string, json?: unknown, bend?: Bend) => {
  const { status, body } = await admin.call(method, path, json, bend);
  return `${status} ${body.code ?? 'ok'}`;
};
const create = (rawBody: string | Uint8Array, headers: Record<string, string> = {}) =>
  verdict('POST', '/v1/keys', undefined, { rawBody, headers });

describe('paths', () => {
  it.each(['%00', 'alias:%00', 'key-%00', '%zz', '%ff', '%ED%A0%80', 'import', 'anything', '..%2fkeys'])(
    '§6.4 a key named %s is no key',
    async (name) => {
      expect(await verdict('GET', `/v1/keys/${name}`)).toBe('403 not-allowed');
      expect(await verdict('GET', `/v1/keys/${name}/public`)).toBe('403 not-allowed');
      expect(await verdict('POST', `/v1/keys/${name}/rotate`, { from_version: 1 })).toBe('403 not-allowed');
      const { status, body } = await alice.call('POST', `/v1/keys/${name}/generate-data-key`, { items: [{}] });
      expect([status, body.results[0].problem.code]).toEqual([200, 'not-allowed']);
    },
  );

  it('§8.2 what stands in the path of a key is not in the log', async () => {
    const name = 'bullaroot1.AAAAAAAA';
    await alice.call('POST', `/v1/keys/${name}/generate-data-key`, { items: [{}] });
    const { size } = (await harness.store.head('north')).tree;
    const [leaf] = await harness.store.entries('north', size - 1, size);
    const entry = Buffer.from(leaf?.entry ?? []).toString();
    expect(JSON.parse(entry).items).toMatchObject([{ n: 1, outcome: 'not-allowed' }]);
    expect(entry).not.toContain(name);
  });

  it('§8.2 what was refused is in the log as it was asked for, with the key only where it has the form of one', async () => {
    const last = async () => {
      const { size } = (await harness.store.head('north')).tree;
      const [leaf] = await harness.store.entries('north', size - 1, size);
      return JSON.parse(Buffer.from(leaf?.entry ?? []).toString());
    };
    const items = [{ version: 1, wrapped_key: 'AAAA', key_context: { purpose: 'x' } }];
    await alice.call('POST', '/v1/keys/alias:nobody/unwrap', { items });
    const context = expect.stringMatching(/^[\w-]{43}$/);
    expect((await last()).items).toEqual([{ n: 1, key: 'alias:nobody', version: 1, context, outcome: 'not-allowed' }]);
    await alice.call('POST', '/v1/keys/no-key/unwrap', { items });
    expect((await last()).items).toEqual([{ n: 1, version: 1, context, outcome: 'not-allowed' }]);
    await alice.call('POST', `/v1/keys/${key}/rotate`, { from_version: 1 });
    const refused = await last();
    expect(refused).toMatchObject({ operation: 'rotate-key', status: 403, items: [{ n: 1, outcome: 'not-allowed' }] });
    expect([refused.items[0].key, refused.key, refused.change]).toEqual([undefined, key, undefined]);
    await alice.call('DELETE', '/v1/aliases/nobody');
    expect(await last()).toMatchObject({ operation: 'remove-alias', status: 403, key: 'alias:nobody' });
    await alice.call('POST', '/v1/keys/no-key/disable', {});
    expect(await last()).toMatchObject({ operation: 'disable-key', status: 403 });
    expect((await last()).key).toBeUndefined();
  });

  it('a key may be percent-encoded; the proof names the path as it is sent', async () => {
    expect(await verdict('GET', `/v1/keys/${key.replace('-', '%2D')}`)).toBe('200 ok');
    const bend = { claims: { htu: `${harness.url}/v1/keys/${key}` } };
    expect(await verdict('GET', `/v1/keys/${key.replace('-', '%2D')}`, undefined, bend)).toBe('401 invalid-proof');
  });

  it.each([
    ['a slash at the end', () => `/v1/keys/${key}/`],
    ['two slashes', () => `/v1//keys/${key}`],
    ['a host in the path', () => `//v1/keys/${key}`],
    ['upper case', () => `/V1/keys/${key}`],
    ['more behind it', () => `/v1/keys/${key}/public/x`],
  ])('%s is another path', async (_, path) => {
    expect(await verdict('GET', path())).toBe('404 not-found');
  });

  it('§5.1 an alias of other characters is named as such', async () => {
    for (const name of ['a%2Fb', '%C3%A9', 'abc%0A', '%00', '-a', 'a'.repeat(64)]) {
      const { status, body } = await admin.call('PUT', `/v1/aliases/${name}`, { key });
      expect([status, body.errors?.[0].path], name).toEqual([400, 'name']);
      expect(await verdict('DELETE', `/v1/aliases/${name}`)).toBe('400 malformed-request');
    }
  });

  it('§7.3 a list goes on after a key id, and nothing else', async () => {
    for (const after of ['%00', 'alias:x', '', "'", 'key-'])
      expect(await verdict('GET', `/v1/keys?after=${after}`), after).toBe('400 malformed-request');
    expect(await verdict('GET', `/v1/keys?after=${key}`)).toBe('200 ok');
  });
});

describe('methods', () => {
  const method = async (name: string, path: string) => {
    const { status, headers } = await fetch(harness.url + path, { method: name });
    return [status, headers.get('allow')];
  };
  it('§1.3 HEAD is for what needs nobody; others are 405', async () => {
    for (const path of ['/healthz', '/readyz', '/openapi.json', '/.well-known/bulla-key-service'])
      expect(await method('HEAD', path)).toEqual([200, null]);
    expect(await method('HEAD', '/v1/caller')).toEqual([405, 'GET']);
    expect(await method('HEAD', '/v1/keys')).toEqual([405, 'GET']);
    for (const name of ['OPTIONS', 'PATCH', 'PROPFIND']) expect((await method(name, '/v1/caller'))[0]).toBe(405);
  });
});

describe('bodies', () => {
  it.each([
    ['deep nesting', '['.repeat(200_000) + ']'.repeat(200_000)],
    ['a deep member', `{"rotation":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`],
    ['__proto__ as a member', '{"__proto__":{"alias":"x"}}'],
    ['constructor as a member', '{"constructor":{}}'],
    ['an infinite number', '{"rotation":{"max_uses":1e999}}'],
    ['a number beyond 2^40', '{"rotation":{"max_uses":1099511627777}}'],
    ['half a use', '{"rotation":{"max_uses":1.5}}'],
    ['a byte order mark', '\ufeff{}'],
    ['bytes that are no UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d)],
    ['an unpaired surrogate', '{"description":"\\ud800"}'],
    ['U+0000', '{"description":"a\\u0000b"}'],
    ['a line break in a description', '{"description":"a\\nb"}'],
    ['null', 'null'],
    ['nothing', ''],
    ['two values', '{}{}'],
    ['a comment', '{/**/}'],
  ] as [string, string | Uint8Array][])('%s: 400', async (_, body) => {
    expect(await create(body)).toBe('400 malformed-request');
  });

  it('§1.3 of a member that occurs twice the last one counts', async () => {
    const { status, body } = await admin.call('POST', '/v1/keys', undefined, {
      rawBody: '{"description":"first","description":"last"}',
    });
    expect([status, body.description]).toEqual([201, 'last']);
  });

  it('another type, or a coding, is refused', async () => {
    for (const type of ['text/plain', 'application/json; charset=latin1', 'application/jsonp', 'multipart/form-data'])
      expect(await create('{}', { 'Content-Type': type }), type).toBe('400 malformed-request');
    expect(await create('{}', { 'Content-Type': 'application/json; charset=utf-8' })).toBe('201 ok');
    expect(await create(gzipSync('{}'), { 'Content-Encoding': 'gzip' })).toBe('400 malformed-request');
  });
});

describe('on the wire', () => {
  /** Sends bytes, and gives the status lines of what comes back until the connection closes or is still. */
  const exchange = (...pieces: string[]) =>
    new Promise<string[]>((resolve) => {
      const socket = connect(Number(new URL(harness.url).port), '127.0.0.1');
      let text = '';
      const done = () => {
        socket.destroy();
        resolve([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status ?? ''));
      };
      socket.setTimeout(400, done);
      socket.on('data', (data) => (text += data.toString('latin1')));
      socket.on('close', done);
      socket.on('error', () => undefined);
      for (const piece of pieces) socket.write(piece);
    });
  const host = 'Host: keys.example\r\n';

  it.each([
    ['two lengths', `POST /v1/keys HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`],
    [
      'a length and chunks',
      `POST /v1/keys HTTP/1.1\r\n${host}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['a line without CR', `GET /healthz HTTP/1.1\n${host}\n`],
    ['a folded header', `GET /healthz HTTP/1.1\r\n${host}X: a\r\n b\r\n\r\n`],
    ['U+0000 in a header', `GET /healthz HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`],
    ['a space before the colon', 'GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n'],
    ['no host', 'GET /healthz HTTP/1.1\r\n\r\n'],
    ['HTTP/2 without TLS', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('%s: 400', async (_, text) => {
    expect(await exchange(text)).toEqual(['400']);
  });

  it('what follows a body that nobody reads is no second request', async () => {
    const smuggled = `GET /healthz HTTP/1.1\r\n${host}\r\n`;
    const first = `GET /healthz HTTP/1.1\r\n${host}Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`;
    expect(await exchange(first)).toEqual(['200']);
    expect(
      await exchange(`POST /v1/keys HTTP/1.1\r\n${host}Content-Length: ${smuggled.length}\r\n\r\n${smuggled}`),
    ).toEqual(['401']);
  });

  it('§3.1 two headers of a name are not one', async () => {
    const { proof } = await admin.makeProof('GET', '/v1/caller', Buffer.alloc(0));
    const authorization = `Authorization: DPoP ${admin.token}\r\n`;
    const dpop = `DPoP: ${proof}\r\n`;
    const send = (...headers: string[]) =>
      exchange(`GET /v1/caller HTTP/1.1\r\n${host}Connection: close\r\n${headers.join('')}\r\n`);
    expect(await send(authorization, authorization, dpop)).toEqual(['401']);
    expect(await send(authorization, dpop, dpop)).toEqual(['401']);
    expect(await send(authorization, dpop)).toEqual(['200']);
  });

  it('§1.3 chunks beyond the limit: 413, and the rest is not waited for', async () => {
    const body = 'x'.repeat(64 * 1024);
    const { proof } = await admin.makeProof('POST', '/v1/keys', Buffer.from(body));
    const head = `POST /v1/keys HTTP/1.1\r\n${host}Authorization: DPoP ${admin.token}\r\nDPoP: ${proof}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const chunk = `10000\r\n${body}\r\n`;
    expect(await exchange(head, ...Array.from({ length: 80 }, () => chunk))).toEqual(['413']);
  });

  it('a body that never comes holds up nobody', async () => {
    const { proof } = await admin.makeProof('POST', '/v1/keys', Buffer.from('{}'));
    const slow = exchange(
      `POST /v1/keys HTTP/1.1\r\n${host}Authorization: DPoP ${admin.token}\r\nDPoP: ${proof}\r\nContent-Length: 2\r\n\r\n{`,
    );
    expect(await verdict('GET', '/v1/caller')).toBe('200 ok');
    expect(await slow).toEqual([]);
    // The client is gone: its half of a request is no failure of the service.
    expect(await verdict('GET', '/v1/caller')).toBe('200 ok');
  });
});
