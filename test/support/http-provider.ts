// The part of a fake provider that has to do with HTTP: it counts, holds, breaks off and goes silent.

import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Bytes } from '../../src/types.ts';
import { type FakeProvider, HeldRequests, type ProviderFault } from './providers.ts';

/** A request, read to its end. */
export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What is answered. */
export interface FakeReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** What a fake of one provider knows. */
export interface FakeService {
  /** What a request is for; throws for one that the provider would not know. */
  operation(request: FakeRequest): 'encrypt' | 'decrypt';
  /** The answer. `lie` changes what was decrypted. */
  answer(request: FakeRequest, lie: (plaintext: Bytes) => Bytes): FakeReply;
  /** What the provider answers to a fault, by its documentation. */
  refuse(fault: ProviderFault, request: FakeRequest): FakeReply;
}

/** A fake on a port of this machine. */
export type HttpProvider = Omit<FakeProvider, 'provider' | 'codes' | 'keyring' | 'seen'> & {
  readonly url: string;
  /** What requests had that the provider would not take. Empty, unless the keyring is wrong. */
  readonly complaints: string[];
  /** Headers and bodies of the requests. */
  readonly requests: readonly FakeRequest[];
};

/** Starts a fake on loopback. */
export async function startHttpProvider(service: FakeService): Promise<HttpProvider> {
  let fault: { readonly kind: ProviderFault; times: number } | undefined;
  let lie = (plaintext: Bytes) => plaintext;
  let calls = { encrypt: 0, decrypt: 0 };
  let held: HeldRequests | undefined;
  const complaints: string[] = [];
  const requests: FakeRequest[] = [];

  const reply = (response: ServerResponse, { status, headers, body }: FakeReply) => {
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
  const handle = async (request: FakeRequest, response: ServerResponse) => {
    requests.push(request);
    const breaks = fault !== undefined && fault.times-- > 0 ? fault.kind : undefined;
    if (breaks === 'unreachable') return void response.destroy();
    calls[service.operation(request)]++;
    const hold = held;
    if (hold !== undefined && !hold.isReleased) {
      response.on('close', () => {
        if (!response.writableFinished) hold.givenUp++;
      });
      await hold.wait();
    }
    if (breaks === 'silent') return;
    if (breaks === 'nonsense') return reply(response, { status: 200, body: 'nonsense' });
    reply(response, breaks === undefined ? service.answer(request, lie) : service.refuse(breaks, request));
  };
  const server = createServer(async (incoming, response) => {
    const { method = '', url: path = '', headers } = incoming;
    const request = { method, path, headers, body: await text(incoming).catch(() => '') };
    await handle(request, response).catch((error: Error) => {
      complaints.push(error.message);
      reply(response, { status: 418, body: { message: error.message, errors: [error.message] } });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}`,
    complaints,
    requests,
    begin: (kind, times = Number.POSITIVE_INFINITY) => {
      fault = { kind, times };
    },
    lie: (change) => {
      lie = change;
    },
    reset() {
      fault = undefined;
      lie = (plaintext) => plaintext;
      calls = { encrypt: 0, decrypt: 0 };
    },
    get calls() {
      return calls;
    },
    hold() {
      held = new HeldRequests();
      return held;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Fails for what the provider would not take. */
export function demand(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`the provider would not take this: ${what}`);
}
