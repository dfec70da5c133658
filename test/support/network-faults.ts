// The faults of docs/faults.md, by the names that they have there.

import type { TlsFetchOptions } from '../../src/node.ts';
import type { Fetch } from '../../src/service.ts';
import type { Certificate } from './certificates.ts';
import type { Answer, Exchange, Fault, FaultProxy, Piece } from './fault-proxy.ts';

/** What a fault is made of. */
export interface Material {
  readonly certificates: Record<'own' | 'proxy' | 'stranger' | 'elsewhere' | 'expired', Certificate>;
  /** Starts a server without TLS. */
  readonly plainPort: () => Promise<number>;
  readonly keyId: string;
}

/** A fault, and the client that meets it. */
export interface NetworkFault {
  /** The first cell of its row. */
  readonly name: string;
  readonly begin: (material: Material) => Fault | Promise<Fault>;
  /** Whether it is met by a connection that is made, or by a request on one that stands. Default: `connecting`. */
  readonly from?: 'connecting' | 'calling';
  /** The `timeout` of the client. Default: that of clients. */
  readonly timeout?: number;
  readonly tls?: (pins: { own: string }) => TlsFetchOptions;
  /** Replaces the fetch of the client; given a port where nobody listens. */
  readonly fetch?: (port: number) => Fetch;
  /** What else must be true of what the proxy saw. */
  readonly afterwards?: (proxy: FaultProxy) => void;
}

const timeout = 2_000;
const soon = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const write = (bytes: Buffer, to: Parameters<Piece>[1]) => void (to.writable && to.write(bytes));
const flipped = (bytes: Buffer, at: number) => {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
};

const connection = (name: string, fault: Fault, options: Partial<NetworkFault> = {}): NetworkFault => ({
  ...{ name, from: 'calling', begin: () => fault, ...options },
});

const certificate = (name: string, which: keyof Material['certificates'], options: Partial<NetworkFault> = {}) => ({
  ...{ name, begin: ({ certificates }: Material) => ({ tls: certificates[which] }), ...options },
});

/** TLS ends at a proxy that the client believes. */
const inside = (
  name: string,
  exchange: (exchange: Exchange) => unknown,
  { paths, ...options }: Partial<NetworkFault> & { paths?: RegExp } = {},
) => ({
  name,
  begin: ({ certificates }: Material): Fault => ({
    tls: certificates.proxy,
    ...(paths === undefined ? {} : { paths }),
    exchange: async (each) => void (await exchange(each)),
  }),
  ...options,
});

const refusal = (status: number, body: object, headers: Answer['headers'] = {}): Answer => ({
  ...{
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: Buffer.from(JSON.stringify(body)),
  },
});

/** Answers with what somebody else was answered. */
function swapped(): (exchange: Exchange) => Promise<void> {
  const answers = new Map<string, Answer>();
  return async ({ path, forward, answer }) => {
    answers.set(path, await forward());
    const other = () => [...answers].find(([each]) => each !== path)?.[1];
    for (let i = 0; i < 100 && other() === undefined; i++) await soon(20);
    answer(other() as Answer);
  };
}

export const networkFaults: readonly NetworkFault[] = [
  {
    name: 'nobody listens',
    begin: () => ({}),
    fetch: (port) => (url, init) => fetch(url.replace(/^https:\/\/localhost:\d+/, `http://127.0.0.1:${port}`), init),
  },
  connection('the connection is closed before TLS', { accept: (socket) => socket.end() }, { from: 'connecting' }),
  connection('the connection is reset', { down: (_, to) => void to.resetAndDestroy() }),
  connection('the connection ends in the middle of a TLS record', {
    down: (bytes, to) => void to.end(bytes.subarray(0, 30)),
  }),
  connection('nothing arrives from the service', { down: () => undefined }, { timeout }),
  connection('nothing arrives at the service', { up: () => undefined }, { timeout }),
  connection(
    'bytes arrive later than the client waits',
    { down: (bytes, to) => void setTimeout(() => write(bytes, to), 4 * timeout) },
    { timeout },
  ),
  connection('bytes arrive late, and in time', { down: (bytes, to) => void setTimeout(() => write(bytes, to), 150) }),
  // On a connection that stands an answer would be complete before its second copy breaks the connection.
  connection(
    'bytes arrive twice',
    { down: (bytes, to) => write(Buffer.concat([bytes, bytes]), to) },
    { from: 'connecting' },
  ),
  connection('bytes arrive in another order', {
    down(bytes, to) {
      const half = bytes.byteLength >> 1;
      write(Buffer.concat([bytes.subarray(half), bytes.subarray(0, half)]), to);
    },
  }),
  connection('a bit of an answer is flipped', { down: (bytes, to) => write(flipped(bytes, bytes.byteLength - 1), to) }),
  connection('a bit of a request is flipped', { up: (bytes, to) => write(flipped(bytes, bytes.byteLength - 1), to) }),

  certificate('a certificate of an authority that is not believed', 'stranger'),
  certificate('a certificate for another host', 'elsewhere'),
  certificate('a certificate that has expired', 'expired'),
  {
    name: 'TLS 1.2 and nothing newer',
    begin: ({ certificates }) => ({ tls: { ...certificates.proxy, maxVersion: 'TLSv1.2' } }),
  },
  connection(
    'no TLS',
    {
      accept: (socket) => {
        socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
        socket.resume();
      },
    },
    { from: 'connecting' },
  ),
  certificate('a believed certificate without a pinned key', 'proxy', { tls: ({ own }) => ({ pins: [own] }) }),
  certificate('a proxy that ends TLS, with a believed certificate', 'proxy', {
    afterwards({ read }) {
      if (!read.some((text) => text.includes('sealed_key'))) throw new Error('the proxy has read nothing');
    },
  }),

  inside('no answer', () => undefined, { timeout }),
  inside(
    'an answer later than the client waits',
    async ({ forward, answer }) => {
      const late = await forward();
      await soon(4 * timeout);
      answer(late);
    },
    { timeout },
  ),
  inside('the connection is reset instead of an answer', ({ request }) => request.socket.destroy()),
  inside('an answer is cut', async ({ forward, response }) => {
    const { status, headers, body } = await forward();
    response.writeHead(status, { ...headers, 'content-length': body.byteLength });
    response.write(body.subarray(0, 20), () => response.destroy());
  }),
  inside('an answer is cut, and says that it is whole', async ({ forward, answer }) => {
    const whole = await forward();
    answer({ ...whole, body: whole.body.subarray(0, -2) });
  }),
  inside('a bit of an answer is flipped, inside of TLS', async ({ forward, answer }) => {
    const whole = await forward();
    answer({ ...whole, body: flipped(whole.body, whole.body.indexOf('key_id') + 12) });
  }),
  inside('answers are exchanged for those to other requests', swapped()),
  inside('an answer without its MAC', async ({ forward, answer }) => {
    const whole = await forward();
    answer({ ...whole, headers: { ...whole.headers, 'bulla-mac': undefined } });
  }),
  inside('an answer that says it is compressed, and is not', async ({ forward, answer }) => {
    const whole = await forward();
    answer({ ...whole, headers: { ...whole.headers, 'content-encoding': 'gzip' } });
  }),
  inside('an answer of 9 MiB', ({ answer }) => answer(refusal(200, { results: 'x'.repeat(9 * 2 ** 20) }))),
  inside('an answer of 500, always', ({ answer }) => answer(refusal(500, {}))),
  inside('an answer of 500, once for each request', async ({ count, forward, answer }) =>
    count === 1 ? answer(refusal(500, {})) : answer(await forward()),
  ),
  inside('an answer of 429, with Retry-After: 3600', ({ answer }) =>
    answer(refusal(429, { code: 'rate-limited' }, { 'retry-after': '3600' })),
  ),
  inside('a redirect', ({ answer, path }) =>
    answer(refusal(307, {}, { location: `https://elsewhere.example${path}` })),
  ),
  inside('an invented refusal of the key', ({ answer }) => answer(refusal(403, { code: 'not-allowed' }))),
  inside('an invented refusal of the token', ({ answer }) =>
    answer(refusal(401, { code: 'invalid-token', check: 'token-expired' })),
  ),
  inside('a bit of a request is flipped, inside of TLS', async ({ body, forwardAs, answer }) =>
    answer(await forwardAs(flipped(body, body.indexOf('north')))),
  ),
  inside('a request arrives twice, and its second answer comes back', async ({ count, forward, answer }) => {
    if (count === 1) await forward();
    answer(await forward());
  }),
  inside(
    'the identity of another service',
    async ({ forward, answer }) => {
      const whole = await forward();
      const { document } = JSON.parse(whole.body.toString()) as { document: string };
      const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, ['sign', 'verify']);
      const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey);
      answer({ ...whole, body: Buffer.from(JSON.stringify({ document, identity: { kty, crv, x, y } })) });
    },
    { paths: /^\/\.well-known\// },
  ),
  inside(
    'another transport key in the discovery document',
    async ({ forward, answer }) => {
      const whole = await forward();
      const { document, identity } = JSON.parse(whole.body.toString()) as { document: string; identity: object };
      const [head, claims = '', signature] = document.split('.');
      const changed = JSON.parse(Buffer.from(claims, 'base64url').toString());
      changed.transport_keys.reverse();
      changed.transport_keys[0].exp++;
      const text = [head, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.');
      answer({ ...whole, body: Buffer.from(JSON.stringify({ document: text, identity })) });
    },
    { paths: /^\/\.well-known\// },
  ),
  inside('no answer to the request for the discovery document', () => undefined, {
    timeout,
    paths: /^\/\.well-known\//,
  }),
];
