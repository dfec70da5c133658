// Serves the page and the ciphertext store, on loopback, under a strict content security policy.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CiphertextStore, StoreError } from './store.ts';

/** What the page has to know of the key service. */
export interface ServiceConfig {
  readonly url: string;
  /** The thumbprint of its identity. */
  readonly pin: string;
}

/** Options of {@link startDemoServer}. */
export interface DemoServerOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** The built page. */
  readonly site: string;
  /** The folder of the store. */
  readonly data: string;
  readonly service: ServiceConfig;
}

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Nothing but what comes from here, and the key service. Media come from here too: the service worker answers for them. */
const policy = (service: string) =>
  [
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; worker-src 'self'",
    `connect-src 'self' ${service}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  ].join('; ');

/** Starts the server. Rejects when the port is taken. */
export async function startDemoServer({ port, site, data, service }: DemoServerOptions) {
  const store = new CiphertextStore(data);
  const pages = new Map((await readdir(site, { recursive: true })).map((name) => [`/${name}`, join(site, name)]));
  pages.set('/', join(site, 'index.html'));
  const headers = {
    'Content-Security-Policy': policy(service.url),
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-store',
  };
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    answer(request, response, { store, pages, service }).catch((error: unknown) => fail(request, response, error));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface Site {
  readonly store: CiphertextStore;
  readonly pages: ReadonlyMap<string, string>;
  readonly service: ServiceConfig;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { store, pages, service }: Site,
): Promise<void> {
  // Another site whose name points here must not get in.
  if (!/^(localhost|127\.0\.0\.1)(:\d+)?$/.test(request.headers.host ?? '')) throw new StoreError(421, 'not this host');
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  const method = request.method ?? 'GET';
  const reading = method === 'GET' || method === 'HEAD';
  const [, id, part] = /^\/store\/([\da-f-]{36})(?:\/(envelope|name))?$/.exec(pathname) ?? [];
  if (id !== undefined && part === undefined && reading) return sendMessage(request, response, store, id);
  if (id !== undefined && !reading) return change(request, response, store, { id, part });
  if (!reading) throw new StoreError(405, 'only reading is possible here');
  if (pathname === '/store') return sendJson(response, { files: await store.list() });
  if (pathname === '/config.json') return sendJson(response, { service });
  const page = pages.get(pathname);
  if (page === undefined) throw new StoreError(404, 'there is nothing here');
  response.writeHead(200, { 'Content-Type': types[extname(page)] ?? 'application/octet-stream' });
  if (method === 'HEAD') return void response.end();
  await pipeline(createReadStream(page), response);
}

async function change(
  request: IncomingMessage,
  response: ServerResponse,
  store: CiphertextStore,
  { id, part }: { id: string; part: string | undefined },
): Promise<void> {
  const name = String(request.headers['x-name'] ?? '');
  if (request.method === 'DELETE' && part === undefined) await store.delete(id);
  else if (request.method !== 'PUT') throw new StoreError(405, 'PUT or DELETE');
  else if (part === undefined) await store.put(id, name, request);
  else if (part === 'envelope') await store.putEnvelope(id, await smallBody(request));
  else await store.putName(id, (await smallBody(request)).toString('latin1'));
  response.writeHead(204).end();
}

/** One range, as `open` asks for it, or all of the message. */
async function sendMessage(
  request: IncomingMessage,
  response: ServerResponse,
  store: CiphertextStore,
  id: string,
): Promise<void> {
  const { front, segments, size } = await store.open(id);
  try {
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const start = Number(first ?? 0);
    const end = last === undefined || last === '' ? size : Math.min(Number(last) + 1, size);
    const headers = {
      'Accept-Ranges': 'bytes',
      'Content-Type': 'application/octet-stream',
      // Where the envelope changes, so does the place of the segments.
      ETag: `"${createHash('sha256').update(front).digest('base64url')}"`,
    };
    if (start >= end) return void response.writeHead(416, { ...headers, 'Content-Range': `bytes */${size}` }).end();
    const range = first === undefined ? {} : { 'Content-Range': `bytes ${start}-${end - 1}/${size}` };
    response.writeHead(first === undefined ? 200 : 206, { ...headers, ...range, 'Content-Length': end - start });
    if (request.method === 'HEAD') return void response.end();
    if (start < front.byteLength) response.write(front.subarray(start, end));
    const [from, to] = [Math.max(0, start - front.byteLength), end - front.byteLength];
    if (from >= to) return void response.end();
    await pipeline(segments.createReadStream({ start: from, end: to - 1, autoClose: false }), response);
  } finally {
    await segments.close();
  }
}

async function smallBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).byteLength;
    if (size > 2 ** 20 + 10) throw new StoreError(413, 'that is too long');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function sendJson(response: ServerResponse, content: object): void {
  response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(content));
}

function fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  // A client that left early (a player that seeks does) needs no answer.
  if (response.headersSent || request.destroyed) return void response.destroy();
  const status = error instanceof StoreError ? error.status : 500;
  const words = error instanceof StoreError ? error.message : 'that did not work';
  response.writeHead(status, { 'Content-Type': 'text/plain', Connection: 'close' }).end(`${words}\n`);
}
