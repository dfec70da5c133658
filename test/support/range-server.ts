// A real HTTP server for tests that read by ranges, also from browsers: /echo-style files put there by PUT, misbehaviour chosen by a header of theirs.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    rangeServer: string;
  }
}

interface Stored {
  bytes: Buffer;
  etag: string;
  /** `no-ranges`, `wrong-range`, `too-long`, `too-short`, `no-etag`, `breaks-off`: how the server misbehaves. */
  fault: string;
  /** The ranges that were asked for. */
  log: string[];
}

const files = new Map<string, Stored>();
const cors = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': '*',
  'Access-Control-Allow-Headers': '*',
  'Access-Control-Expose-Headers': 'Content-Range, ETag',
};

/** Starts the server before all tests and gives them its origin. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  project.provide('rangeServer', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url ?? '/';
  if (request.method === 'OPTIONS') return void response.writeHead(204, cors).end();
  if (request.method === 'PUT') {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const fault = String(request.headers['x-fault'] ?? '');
    files.set(path, { bytes: Buffer.concat(chunks), etag: `"${Math.random()}"`, fault, log: [] });
    return void response.writeHead(204, cors).end();
  }
  const file = files.get(path.replace(/\/log$/, ''));
  if (file === undefined) return void response.writeHead(404, cors).end();
  if (path.endsWith('/log')) return void response.writeHead(200, cors).end(JSON.stringify(file.log));
  sendRange(file, request.headers.range ?? '', response);
}

function sendRange({ bytes, etag, fault, log }: Stored, range: string, response: ServerResponse): void {
  log.push(range);
  const [, first, last] = (/^bytes=(\d+)-(\d+)$/.exec(range) ?? []).map(Number);
  if (fault === 'no-ranges' || first === undefined || last === undefined) {
    return void response.writeHead(200, cors).end(bytes);
  }
  const end = Math.min(last, bytes.byteLength - 1);
  const shift = fault === 'wrong-range' ? 1 : 0;
  const headers = {
    ...cors,
    ...(fault === 'no-etag' ? {} : { ETag: etag }),
    'Content-Range': `bytes ${first + shift}-${end + shift}/${bytes.byteLength}`,
  };
  response.writeHead(206, headers);
  const extra = log.length === 1 ? 0 : fault === 'too-long' ? 1 : fault === 'too-short' ? -1 : 0;
  if (fault === 'breaks-off' && log.length > 4) {
    response.write(bytes.subarray(first, first + 10));
    setTimeout(() => response.destroy(), 5);
    return;
  }
  response.end(bytes.subarray(first, end + 1 + extra));
}
