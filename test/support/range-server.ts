// A real HTTP server for tests that read by ranges, also from browsers: files are put there by PUT, with a header that says how it misbehaves.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    rangeServer: string;
    /** The same server by another origin. */
    otherRangeServer: string;
  }
}

/** One request as the server saw it. */
export interface Seen {
  readonly range: string;
  readonly authorization: string | undefined;
  readonly own: string | undefined;
  readonly cookie: string | undefined;
}

interface Stored {
  bytes: Buffer;
  etag: string;
  /** How the server misbehaves: words of {@link faults}. */
  faults: readonly string[];
  /** The ranges that were asked for. */
  log: Seen[];
  /** Answers that have begun and are cut off by a request for `…/cut`. */
  readonly begun: ServerResponse[];
}

interface Asked {
  readonly first: number;
  /** The one after the last. */
  readonly end: number;
  /** The number of the request for this file, from 1. */
  readonly turn: number;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

const files = new Map<string, Stored>();
const cors = (request: IncomingMessage) => ({
  'Access-Control-Allow-Origin': request.headers.origin ?? '*',
  'Access-Control-Allow-Credentials': 'true',
  'Access-Control-Allow-Methods': 'GET, PUT',
  'Access-Control-Allow-Headers': 'authorization, range, x-fault, x-own',
  'Access-Control-Expose-Headers': 'Content-Range, ETag, Retry-After',
});

/** Starts the server before all tests and gives them its origins. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    answer(request, response).catch(() => response.destroy());
  };
  const servers = [createServer(listener), createServer(listener)];
  const origins = await Promise.all(
    servers.map(async (server) => {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    }),
  );
  project.provide('rangeServer', origins[0] as string);
  project.provide('otherRangeServer', origins[1] as string);
  return async () => {
    for (const server of servers) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    }
  };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '/').replace(/\?.*/, '');
  const headers = cors(request);
  if (request.method === 'OPTIONS') return void response.writeHead(204, headers).end();
  if (request.method === 'PUT') {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const faults = String(request.headers['x-fault'] ?? '').split(' ');
    files.set(path, { bytes: Buffer.concat(chunks), etag: `"${Math.random()}"`, faults, log: [], begun: [] });
    return void response.writeHead(204, { ...headers, 'Set-Cookie': 'signed=yes' }).end();
  }
  const file = files.get(path.replace(/\/(log|cut)$/, ''));
  if (file === undefined) return void response.writeHead(404, headers).end();
  if (path.endsWith('/cut')) {
    for (const begun of file.begun.splice(0)) begun.socket?.end();
    return void response.writeHead(204, headers).end();
  }
  if (path.endsWith('/log')) return void response.writeHead(200, headers).end(JSON.stringify(file.log));
  sendRange(file, request, response);
}

function sendRange(file: Stored, request: IncomingMessage, response: ServerResponse): void {
  const { authorization, cookie, range = '', 'x-own': own } = request.headers;
  file.log.push({ range, authorization, cookie, own: own as string | undefined });
  const [, first, last] = (/^bytes=(\d+)-(\d+)$/.exec(range) ?? []).map(Number);
  if (first === undefined || last === undefined) return void response.writeHead(200, cors(request)).end(file.bytes);
  const asked = { first, end: Math.min(last + 1, file.bytes.byteLength), turn: file.log.length, request, response };
  for (const fault of file.faults) {
    const [name = '', argument = ''] = fault.split('=');
    if (faults[name]?.(file, asked, argument)) return;
  }
  response.writeHead(206, rangeHeaders(file, asked)).end(file.bytes.subarray(asked.first, asked.end));
}

function rangeHeaders({ bytes, etag }: Stored, { first, end, request }: Asked): Record<string, string> {
  return { ...cors(request), ETag: etag, 'Content-Range': `bytes ${first}-${end - 1}/${bytes.byteLength}` };
}

/** Each does its worst and says whether that was the answer. */
const faults: Record<string, (file: Stored, asked: Asked, argument: string) => boolean | undefined> = {
  'no-ranges': ({ bytes }, { request, response }) => {
    response.writeHead(200, cors(request)).end(bytes);
    return true;
  },
  /** `total=9…`: says so many bytes instead of the size. */
  total: (file, asked, total) => {
    const headers = rangeHeaders(file, asked);
    const range = (headers['Content-Range'] as string).replace(/\d+$/, total);
    asked.response.writeHead(206, { ...headers, 'Content-Range': range });
    asked.response.end(file.bytes.subarray(asked.first, asked.end));
    return true;
  },
  'wrong-range': (file, { response, ...asked }) => {
    const shifted = { ...asked, response, first: asked.first + 1, end: asked.end + 1 };
    response.writeHead(206, rangeHeaders(file, shifted)).end(file.bytes.subarray(asked.first, asked.end));
    return true;
  },
  'too-long': (file, asked) => {
    if (asked.turn === 1) return false;
    asked.response.writeHead(206, rangeHeaders(file, asked)).end(file.bytes.subarray(asked.first, asked.end + 1));
    return true;
  },
  'no-etag': (file, asked) => {
    const { ETag: _, ...headers } = rangeHeaders(file, asked);
    asked.response.writeHead(206, headers).end(file.bytes.subarray(asked.first, asked.end));
    return true;
  },
  'node-etags': (file, asked) => {
    file.etag = `"node ${asked.turn % 2}"`;
    return false;
  },
  /** `status=503,2,1`: requests from the first to the second are answered so; `Retry-After` is the last. */
  status: (_file, { turn, request, response }, argument) => {
    const [status = '503', from = '1', to = from, retryAfter] = argument.split(',');
    if (turn < Number(from) || turn > Number(to)) return false;
    response.writeHead(Number(status), { ...cors(request), ...(retryAfter && { 'Retry-After': retryAfter }) }).end();
    return true;
  },
  /** `reset=2,3`: the connection ends before the answer. */
  reset: (_file, { turn, response }, argument) => {
    const [from = '1', to = from] = argument.split(',');
    if (turn < Number(from) || turn > Number(to)) return false;
    response.destroy();
    return true;
  },
  /** `breaks-off=5`: from that request on, an answer stops after ten bytes, and its connection ends by `…/cut`. */
  'breaks-off': (file, asked, from) => {
    if (asked.turn < Number(from) || asked.end - asked.first <= 10) return false;
    asked.response.writeHead(206, { ...rangeHeaders(file, asked), 'Content-Length': asked.end - asked.first });
    file.begun.push(asked.response);
    asked.response.write(file.bytes.subarray(asked.first, asked.first + 10));
    return true;
  },
  /** `stalls=3`: that answer begins and does not go on. */
  stalls: (file, asked, turn) => {
    if (asked.turn !== Number(turn)) return false;
    asked.response.writeHead(206, rangeHeaders(file, asked));
    asked.response.write(file.bytes.subarray(asked.first, asked.first + 1));
    return true;
  },
  /** `to=<URL>`: a redirect. */
  to: (_file, { request, response }, url) => {
    response.writeHead(302, { ...cors(request), Location: url }).end();
    return true;
  },
  /** `bearer=2`: wants the token of that request's number, or a later one. */
  bearer: (_file, { turn, request, response }) => {
    if (request.headers.authorization === `Bearer ${turn}`) return false;
    response.writeHead(401, cors(request)).end();
    return true;
  },
};
