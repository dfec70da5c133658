/** The Node server around the handler: TLS 1.3, or plain HTTP on loopback; limits of time and headers; a shutdown that finishes what was accepted. */

import { readFileSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { type Config, isLoopback } from './config.ts';
import { OperatorError } from './errors.ts';
import type { App } from './http/app.ts';
import { Sockets } from './lib/sockets.ts';

/** A server that listens. */
export interface RunningServer {
  readonly port: number;
  /** Accepts nothing more, and resolves when every request has its answer, or after `graceMs`. */
  close(graceMs?: number): Promise<void>;
}

/** Milliseconds that a client may take. */
export interface ServerTimeouts {
  /** For the head of a request. Default: 10 s. */
  readonly headers?: number;
  /** For a whole request. Default: 30 s. */
  readonly request?: number;
  /** How often that is looked at. Default: 5 s. */
  readonly interval?: number;
  /** Connections at once. Default: 10,000. */
  readonly maxSockets?: number | undefined;
}

const defaultGrace = 15_000;

/** Listens as configured. Throws `OperatorError` for plain HTTP on an address that is not loopback, and for a port in use. */
export async function startServer(
  app: App,
  listen: Config['listen'],
  { headers = 10_000, request = 30_000, interval = 5000, maxSockets = 10_000 }: ServerTimeouts = {},
): Promise<RunningServer> {
  const { host, port, tls } = listen;
  const limits = {
    maxHeaderSize: 32 * 1024,
    headersTimeout: headers,
    requestTimeout: request,
    connectionsCheckingInterval: interval,
    keepAliveTimeout: 65_000,
  };
  if (!tls && !isLoopback(host))
    throw new OperatorError(`Without TLS the service listens on loopback only, not on ${host}`);
  const sockets = new Sockets(maxSockets);
  const listener = getRequestListener(
    (request, env) => {
      const { incoming } = env as unknown as { incoming: IncomingMessage };
      const { socket } = incoming;
      return app.fetch(request, { address: socket.remoteAddress, proven: () => sockets.prove(socket) });
    },
    { overrideGlobalObjects: false },
  );
  const server = tls
    ? createTlsServer({ ...limits, handshakeTimeout: headers }, tls, listener)
    : createHttpServer(limits, listener);
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(new OperatorError(`The service cannot listen on ${host}:${port}: ${error.code}`, { cause: error }));
    });
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close(graceMs = defaultGrace) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // A connection becomes idle when its last answer is out, which may be long after this.
      const sweep = setInterval(() => server.closeIdleConnections(), 50);
      const timer = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearInterval(sweep);
      clearTimeout(timer);
    },
  };
}

function createTlsServer(
  limits: ServerOptions,
  { cert, key }: NonNullable<Config['listen']['tls']>,
  listener: RequestListener,
) {
  const files = { cert: readPem(cert), key: readPem(key) };
  try {
    return createHttpsServer({ ...limits, minVersion: 'TLSv1.3', ...files }, listener);
  } catch (error) {
    throw new OperatorError(`The TLS files ${cert} and ${key} do not make a server: ${(error as Error).message}`);
  }
}

function readPem(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new OperatorError(`The TLS file ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}
