// Threats: a proxy that ends TLS, between client and service: it reads, swaps, garbles, invents and holds back.

import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../reference-client/client.ts';
import type { Item, Result } from '../reference-client/documents.ts';
import { b64, unb64 } from '../reference-client/encodings.ts';
import { type Key, only, outcome, World } from './support/world.ts';

interface Message {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
}

/** What the proxy does with an answer. */
let tamper: ((answer: Message, path: string) => Message | undefined) | undefined;
/** What the proxy does with a request. */
let tamperRequest: ((sent: Message, path: string) => Message) | undefined;
const seen: Buffer[] = [];

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function forward(to: string, method: string, path: string, sent: Message): Promise<Message> {
  return new Promise((resolve, reject) => {
    const headers = { ...sent.headers, 'content-length': String(sent.body.length) };
    const outgoing = request(to + path, { method, headers }, (incoming) => {
      const { statusCode = 0, headers: received } = incoming;
      bodyOf(incoming).then((body) => resolve({ status: statusCode, headers: { ...received }, body }), reject);
    });
    outgoing.on('error', reject).end(sent.body);
  });
}

async function relay(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { method = '', url: path = '' } = incoming;
  const original = { status: 0, headers: { ...incoming.headers }, body: await bodyOf(incoming) };
  const sent = tamperRequest?.(original, path) ?? original;
  const received = await forward(world.running.url, method, path, sent);
  seen.push(Buffer.from(JSON.stringify(original.headers)), original.body, received.body);
  const answer = tamper?.(received, path) ?? received;
  const { 'transfer-encoding': _, ...headers } = answer.headers;
  outgoing.writeHead(answer.status, { ...headers, 'content-length': String(answer.body.length) } as Record<
    string,
    string
  >);
  outgoing.end(answer.body);
}

const proxy = createServer((incoming, outgoing) => {
  relay(incoming, outgoing).catch((error) => outgoing.destroy(error));
});
let world: World;
let alice: Client;
let key: Key;
let items: Item[];

beforeAll(async () => {
  world = await World.start();
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const via = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  alice = world.client('alice@north', { via });
  key = await world.createKey();
  const generated = await alice.dataPlane('generate-data-key', [{}, {}, {}], key.key_id);
  items = generated.map(({ wrapped_key }) => ({ version: 1, wrapped_key }));
});

afterEach(() => {
  [tamper, tamperRequest] = [undefined, undefined];
});

afterAll(async () => {
  proxy.closeAllConnections();
  await new Promise((resolve) => proxy.close(resolve));
  await world?.remove();
});

const isData = (path: string): boolean => path.startsWith('/v1/');
/** Unwraps the three items with the answer changed on its way; tells how the client took it. */
const withAnswer = async (change: (answer: Message) => Message | undefined): Promise<string> => {
  tamper = (answer, path) => (isData(path) ? change({ ...answer, headers: { ...answer.headers } }) : answer);
  return unwrap();
};
const unwrap = (): Promise<string> =>
  alice.dataPlane('unwrap', items, key.key_id).then(
    () => 'believed',
    (error: unknown) => String(error instanceof Error ? error.message : error),
  );
const json = (answer: Message, change: (results: Result[]) => unknown): Message => {
  const { results } = JSON.parse(answer.body.toString());
  return { ...answer, body: Buffer.from(JSON.stringify({ results: change(results) })) };
};

describe('answers that are changed', () => {
  it('an answer that is not changed is believed, also over this proxy', async () => {
    expect(await unwrap()).toBe('believed');
  });

  it('§4.3 results that are swapped, repeated, dropped, garbled, relabelled', async () => {
    const changes: ((results: Result[]) => unknown)[] = [
      (results) => results.toReversed(),
      ([first, , third]) => [first, first, third],
      (results) => results.slice(0, 2),
      (results) => [...results, results[0]],
      () => [],
      ([first, ...rest]) => [{ ...first, sealed_key: b64(Buffer.alloc(48)) }, ...rest],
      ([first, second, third]) => [{ ...first, sealed_key: second?.sealed_key }, second, third],
      ([first, ...rest]) => [{ ...first, version: 2 }, ...rest],
      ([first, ...rest]) => [{ ...first, newest_version: 9 }, ...rest],
      ([first, ...rest]) => [{ ...first, floor: 9 }, ...rest],
      ([first, ...rest]) => [{ ...first, key_id: `key-${'a'.repeat(26)}` }, ...rest],
      ([, ...rest]) => [
        { problem: { type: 'urn:bulla:problem:unwrap-failed', title: '', status: 422, code: 'unwrap-failed' } },
        ...rest,
      ],
    ];
    for (const change of changes) {
      expect(await withAnswer((answer) => json(answer, change)), String(change)).toBe('a wrong MAC');
    }
  });

  it('§4.3 a single byte more in the body, white space, another status', async () => {
    expect(await withAnswer((answer) => ({ ...answer, body: Buffer.concat([answer.body, Buffer.from(' ')]) }))).toBe(
      'a wrong MAC',
    );
    expect(await withAnswer((answer) => json(answer, (results) => results))).toBe('believed');
    const pretty = (answer: Message): Message => ({
      ...answer,
      body: Buffer.from(JSON.stringify(JSON.parse(answer.body.toString()), null, 1)),
    });
    expect(await withAnswer(pretty)).toBe('a wrong MAC');
    for (const status of [201, 202, 403, 422, 500]) {
      expect(await withAnswer((answer) => ({ ...answer, status })), String(status)).toBe('a wrong MAC');
    }
  });

  it('§4.3 a MAC or a salt that is changed, missing, or of another answer', async () => {
    const header = (name: string, value: string | undefined) => (answer: Message) => {
      return { ...answer, headers: { ...answer.headers, [name]: value ?? '' } };
    };
    expect(await withAnswer(header('bulla-mac', b64(Buffer.alloc(48))))).toBe('a wrong MAC');
    expect(await withAnswer(header('bulla-salt', b64(Buffer.alloc(32))))).toBe('a wrong MAC');
    expect(await withAnswer(header('bulla-mac', undefined))).toBe('a response 200 without a MAC');
    expect(await withAnswer(header('bulla-salt', undefined))).toBe('a response 200 without a MAC');
  });

  it('§4.2 an earlier answer to the same request, to another request', async () => {
    const recorded: Message[] = [];
    await withAnswer((answer) => {
      recorded.push(answer);
      return answer;
    });
    expect(await withAnswer(() => recorded[0])).toBe('a wrong MAC');
    const other = alice.dataPlane('generate-data-key-without-plaintext', [{}, {}, {}], key.key_id);
    await expect(other).rejects.toThrow('a wrong MAC');
  });

  it('§4.3 invented refusals: without a MAC they only fail, and say nothing about a key', async () => {
    const problem = (status: number, code: string) => (answer: Message) => {
      const { 'bulla-mac': _, 'bulla-salt': __, ...headers } = answer.headers;
      const body = Buffer.from(JSON.stringify({ type: `urn:bulla:problem:${code}`, title: '', status, code }));
      return { status, headers: { ...headers, 'content-type': 'application/problem+json' }, body };
    };
    for (const [status, code] of [
      [403, 'not-allowed'],
      [409, 'version-conflict'],
      [412, 'precondition-failed'],
      [422, 'unwrap-failed'],
      [423, 'version-unavailable'],
      [500, 'internal-error'],
    ] as const) {
      expect(await withAnswer(problem(status, code)), code).toBe(`a response ${status} without a MAC`);
    }
    expect(await withAnswer(problem(503, 'unavailable'))).toMatch(/^503 unavailable/);
  });
});

describe('requests that are changed', () => {
  const withRequest = async (change: (sent: Message) => Message): Promise<string> => {
    tamperRequest = (sent, path) => (isData(path) ? change(sent) : sent);
    return unwrap();
  };

  it('another body, another path: refused by the service', async () => {
    const body = (sent: Message): Message => ({
      ...sent,
      body: Buffer.from(sent.body.toString().replace('"version":1', '"version":2')),
    });
    expect(await withRequest(body)).toMatch(/^401 invalid-proof proof-body/);
    expect(await withRequest((sent) => ({ ...sent, body: Buffer.alloc(0) }))).toMatch(/^401 invalid-proof proof-body/);
  });

  it('§3.5 a session of the proxy in place of the client’s is not possible: it is in the signed proof', async () => {
    const other = world.client('alice@north');
    const session = await other.session();
    const swap = (sent: Message): Message => {
      const [header = '', claims = '', signature = ''] = String(sent.headers['dpop']).split('.');
      const changed = { ...JSON.parse(unb64(claims).toString()), bulla_key: b64(session.own) };
      const dpop = `${header}.${b64(Buffer.from(JSON.stringify(changed)))}.${signature}`;
      return { ...sent, headers: { ...sent.headers, dpop } };
    };
    expect(await withRequest(swap)).toMatch(/^401 invalid-proof proof-signature/);
  });

  it('a request that is sent twice: the second is refused, nothing is released twice', async () => {
    let second: Promise<Message> | undefined;
    tamperRequest = (sent, path) => {
      if (isData(path)) {
        second = new Promise((resolve) => setTimeout(resolve, 100)).then(() =>
          forward(world.running.url, 'POST', path, sent),
        );
      }
      return sent;
    };
    expect(await unwrap()).toBe('believed');
    const answer = await second;
    expect([answer?.status, JSON.parse(answer?.body.toString() ?? '').check]).toEqual([401, 'proof-replayed']);
  });
});

describe('another service in place of the pinned one', () => {
  it('its discovery document is not taken, nor a changed or an older one', async () => {
    const impostor = await World.start();
    const { pin } = world.running;
    try {
      const client = impostor.client('alice@north', { pin });
      await expect(client.call('GET', '/v1/caller')).rejects.toThrow('another identity');
    } finally {
      await impostor.remove();
    }
    const via = alice.options.via ?? '';
    const victim = (): Client => world.client('alice@north', { via });
    const changes: [string, (document: { identity: object; document: string }) => object][] = [
      ['bad signature', (each) => ({ ...each, document: `${each.document.slice(0, -4)}AAAA` })],
      [
        'not a document',
        (each) => ({ ...each, document: each.document.replace(/^[^.]+/, b64(Buffer.from('{"alg":"none"}'))) }),
      ],
      ['another identity', (each) => ({ ...each, identity: { ...each.identity, x: b64(Buffer.alloc(48)) } })],
    ];
    for (const [message, change] of changes) {
      tamper = (answer) => ({
        ...answer,
        body: Buffer.from(JSON.stringify(change(JSON.parse(answer.body.toString())))),
      });
      await expect(victim().call('GET', '/v1/caller'), message).rejects.toThrow(message);
    }
  });
});

it('what the proxy has seen holds no data key', async () => {
  tamper = undefined;
  const { data_key } = await only(alice, 'generate-data-key', {}, key.key_id);
  const chosen = Buffer.from('0123456789abcdef0123456789ABCDEF');
  const wrapped = await only(alice, 'wrap', { data_key: chosen }, key.key_id);
  const opened = await only(alice, 'unwrap', { version: 1, wrapped_key: wrapped.wrapped_key }, key.key_id);
  expect(outcome(opened)).toBe('ok');
  const everything = Buffer.concat(seen);
  for (const secret of [data_key, chosen]) {
    for (const encoding of ['base64url', 'base64', 'hex', 'latin1'] as const) {
      const text = secret?.toString(encoding).replace(/[=]*$/, '') ?? '';
      expect(everything.includes(text, encoding === 'latin1' ? 'latin1' : 'utf8'), encoding).toBe(false);
    }
  }
  expect(everything.includes(wrapped.wrapped_key)).toBe(true);
});
