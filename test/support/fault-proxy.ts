// A proxy between a client and a service with TLS that breaks what passes: bytes that it cannot read, or, with a certificate of its own, requests and answers.

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttpsServer, request, type ServerOptions, type Server as TlsServer } from 'node:https';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { listen } from './configured-service.ts';

/** What is done with each piece that arrives, on its way to somebody who is at the other end. `turn` counts the pieces of a connection and a direction. */
export type Piece = (bytes: Buffer, to: Socket, turn: number) => void;

/** A fault of the connection; TLS passes through unread. */
export interface ConnectionFault {
  /** Instead of anything else. */
  readonly accept?: (socket: Socket) => void;
  /** Pieces from the service. */
  readonly down?: Piece;
  /** Pieces from the client. */
  readonly up?: Piece;
}

/** An answer of the service. */
export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** A request, read to its end. */
export interface Exchange {
  readonly path: string;
  /** The first one with this path since the fault began is 1. */
  readonly count: number;
  readonly request: IncomingMessage;
  readonly body: Buffer;
  /** Asks the service. */
  forward(): Promise<Answer>;
  /** The same with another body of the same length. */
  forwardAs(body: Buffer): Promise<Answer>;
  /** Answers the client. */
  answer(answer: Answer): void;
  readonly response: ServerResponse;
}

/** A fault of what is inside of TLS, which ends at the proxy. */
export interface ExchangeFault {
  /** Its certificate and the versions that it speaks. */
  readonly tls: ServerOptions;
  /** Which requests it is for. Default: those on data keys. */
  readonly paths?: RegExp;
  /** What is done with them; others pass. Default: they pass too. */
  readonly exchange?: (exchange: Exchange) => Promise<void> | void;
}

/** What the proxy does. */
export type Fault = ConnectionFault | ExchangeFault;

/** The proxy while it listens. */
export interface FaultProxy {
  readonly port: number;
  /** From now on, also on connections that stand. */
  begin(fault: Fault): void;
  /** Nothing is broken any more; connections that stand are closed. */
  end(): void;
  /** Connections that were made since the fault began. */
  readonly connections: number;
  /** Requests that the fault was for. */
  readonly requests: number;
  /** Everything that the proxy read of requests and answers inside of TLS. */
  readonly read: readonly string[];
  close(): Promise<void>;
}

const dataKeyPaths = /^\/v1\/data-keys\//;
const pass: Piece = (bytes, to) => void to.write(bytes);

/** Starts a proxy to a service on a port of this machine that has a certificate of `ca`. */
export async function startFaultProxy(target: () => number, ca: string): Promise<FaultProxy> {
  let fault: Fault = {};
  let [connections, requests] = [0, 0];
  const read: string[] = [];
  const counts = new Map<string, number>();
  const sockets = new Set<Socket>();
  let terminator: TlsServer | undefined;

  const server: Server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    if ('tls' in fault) return void terminator?.emit('connection', socket);
    if (fault.accept !== undefined) return fault.accept(socket);
    const upstream = connect(target(), '127.0.0.1');
    upstream.on('error', () => socket.destroy());
    const pipe = (from: Socket, to: Socket, direction: 'up' | 'down') => {
      let turn = 0;
      from.on('data', (bytes) => ((fault as ConnectionFault)[direction] ?? pass)(bytes as Buffer, to, turn++));
      from.on('end', () => to.end());
      from.on('close', () => to.destroy());
    };
    pipe(socket, upstream, 'up');
    pipe(upstream, socket, 'down');
  });
  const port = await listen(server, 0);

  const handle = async (fault: ExchangeFault, incoming: IncomingMessage, response: ServerResponse) => {
    const path = incoming.url ?? '/';
    const body = await buffer(incoming);
    const forwardAs = (bytes: Buffer) => ask(target(), ca, incoming, bytes);
    const forward = () => forwardAs(body);
    const answer = ({ status, headers, body: bytes }: Answer) => {
      const { connection: _, 'content-length': __, 'transfer-encoding': ___, ...kept } = headers;
      const present = Object.entries(kept).filter(([, value]) => value !== undefined);
      response.writeHead(status, { ...Object.fromEntries(present), 'Content-Length': bytes.byteLength }).end(bytes);
    };
    read.push(path, JSON.stringify(incoming.headers), body.toString('latin1'));
    if (fault.exchange === undefined || !(fault.paths ?? dataKeyPaths).test(path)) {
      const passed = await forward();
      read.push(JSON.stringify(passed.headers), passed.body.toString('latin1'));
      return answer(passed);
    }
    requests++;
    const count = (counts.get(path) ?? 0) + 1;
    counts.set(path, count);
    await fault.exchange({ path, count, request: incoming, body, response, forward, forwardAs, answer });
  };

  const clear = () => {
    [connections, requests] = [0, 0];
    read.length = 0;
    counts.clear();
    terminator?.closeAllConnections();
    terminator = undefined;
  };
  return {
    port,
    begin(next) {
      clear();
      fault = next;
      if (!('tls' in next)) return;
      terminator = createHttpsServer(next.tls, (incoming, response) => {
        handle(next, incoming, response).catch(() => response.destroy());
      });
      terminator.on('tlsClientError', () => undefined);
    },
    end() {
      clear();
      fault = {};
      for (const socket of sockets) socket.destroy();
    },
    get connections() {
      return connections;
    },
    get requests() {
      return requests;
    },
    read,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function ask(port: number, ca: string, { method, url, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: 'localhost', port, ca, method, path: url, headers, agent: false }, (answer) => {
      buffer(answer).then(
        (bytes) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: bytes }),
        reject,
      );
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
