// The real key service for tests of its client, with a proxy in front that lets browsers in and misbehaves on request: the first part of a path is the fault.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    keyService: { readonly url: string; readonly pin: string; readonly proxy: string };
  }
}

const cors = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': '*',
  'Access-Control-Allow-Headers': 'Authorization, DPoP, Content-Type, If-Match, Idempotency-Key',
  'Access-Control-Expose-Headers': 'DPoP-Nonce, WWW-Authenticate, Retry-After, Date, ETag, Bulla-Salt, Bulla-MAC',
  // Connections that a fault broke must not be used again.
  Connection: 'close',
};

/** Requests by the name of a fault, for faults that concern the first ones alone. */
const seen = new Map<string, number>();

/** Starts service and proxy before all tests. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'bulla-client-test-'));
  const { child, url, pin } = await startService(folder);
  const proxy = createServer((request, response) => {
    answer(url, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  project.provide('keyService', { url, pin, proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` });
  return async () => {
    const stopped = new Promise((resolve) => child.once('exit', resolve));
    child.kill();
    await stopped;
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  };
}

/** Starts a development service on a free port, by a Node. */
export async function startService(
  folder: string,
  node = process.execPath,
): Promise<{ child: ChildProcess; url: string; pin: string }> {
  const child = spawn(node, ['key-service/bin/bulla-key-service.js', 'dev', '--port', '0', '--data', folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of child.stdout) {
    text += String(chunk);
    const [, url] = /url +(http:\S+)/.exec(text) ?? [];
    const [, pin] = /identity +([\w-]{43})/.exec(text) ?? [];
    if (url !== undefined && pin !== undefined) {
      child.stdout.resume();
      return { child, url, pin };
    }
  }
  throw new Error(`the key service did not start: ${text}`);
}

async function answer(url: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === 'OPTIONS') return void response.writeHead(204, cors).end();
  const [, fault = '', rest = ''] = /^\/([^/]*)(\/.*)$/.exec(request.url ?? '') ?? [];
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  // Discovery goes through, so that a fault meets a request that carries a token.
  const [kind = '', ...parameters] =
    rest.startsWith('/.well-known') || rest.startsWith('/dev') ? ['none'] : fault.split('-');
  const count = (seen.get(fault) ?? 0) + (kind === 'none' ? 0 : 1);
  seen.set(fault, count);
  if (kind === 'hang') return;
  if (kind === 'reset') return void request.socket.resetAndDestroy();
  if (kind === 'redirect') return void response.writeHead(307, { ...cors, Location: `${url}${rest}` }).end();
  if (kind === 'failing' && count <= Number(parameters[0])) return void response.writeHead(500, cors).end('no');
  if (kind === 'busy' && count <= Number(parameters[0])) {
    return void response.writeHead(429, { ...cors, 'Retry-After': parameters[1] ?? '1' }).end('{}');
  }
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => name !== 'host'));
  const body = chunks.length === 0 ? null : Buffer.concat(chunks);
  const forward = () => fetch(url + rest, { method: request.method ?? 'GET', headers: headers as never, body });
  if (kind === 'duplicate' && count === 1) await forward();
  const upstream = await forward();
  const bytes = Buffer.from(await upstream.arrayBuffer());
  const kept = ['content-type', 'dpop-nonce', 'www-authenticate', 'retry-after', 'etag', 'bulla-salt', 'bulla-mac'];
  const passed = kept.flatMap((name) => {
    const value = upstream.headers.get(name);
    return value === null ? [] : [[name, value]];
  });
  response.writeHead(upstream.status, { ...cors, ...Object.fromEntries(passed), 'Content-Length': bytes.length });
  if (kind === 'truncate' && !(count > Number(parameters[0])))
    return void response.write(bytes.subarray(0, 20), () => response.destroy());
  if (kind === 'slow') await new Promise((resolve) => setTimeout(resolve, Number(parameters[0])));
  response.end(bytes);
}
