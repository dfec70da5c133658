// The site of the test: one page, its worker, and ciphertext by ranges, with a log of what was asked for.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import { encrypt } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';

const keyring = aesKeyring({ keyId: 'test', key: new Uint8Array(32).fill(7) });
const policy = "default-src 'self'";

/** The site while it is served. */
export interface Site {
  readonly url: string;
  /** Ciphertext bytes that were sent of a file, from `reset` on. */
  sent(name: string): number;
  reset(): void;
  /** Encrypts a file and serves it under its name. */
  put(name: string, plaintext: Uint8Array, contentType?: string): Promise<Uint8Array>;
  /** Serves bytes as they are. */
  putRaw(name: string, message: Uint8Array): void;
  close(): Promise<void>;
}

/** Serves the site on a free port. */
export async function startSite(): Promise<Site> {
  const files = new Map<string, Uint8Array>();
  const sent = new Map<string, number>();
  const script = await bundleWorker();
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    const name = /^\/files\/(.+)$/.exec(pathname)?.[1];
    if (name !== undefined)
      return sendRange(request, response, files.get(name), (n) => sent.set(name, (sent.get(name) ?? 0) + n));
    const isScript = pathname === '/worker.js';
    if (pathname !== '/' && !isScript)
      return void response.writeHead(404, { 'Content-Type': 'text/plain' }).end('not here');
    response.writeHead(200, {
      'Content-Type': isScript ? 'text/javascript' : 'text/html',
      'Content-Security-Policy': policy,
    });
    response.end(isScript ? script : '<!doctype html><title>test</title><link rel="icon" href="data:,"><body></body>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    sent: (name) => sent.get(name) ?? 0,
    reset: () => sent.clear(),
    putRaw: (name, message) => void files.set(name, message),
    async put(name, plaintext, contentType) {
      const message = await encrypt(plaintext, { keyring, context: { name }, contentType });
      files.set(name, message);
      return message;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A classic script: not every browser takes modules as service workers. */
async function bundleWorker(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: ['e2e/service-worker/worker.ts'],
    bundle: true,
    write: false,
    format: 'iife',
    conditions: ['bulla-source'],
    target: 'es2022',
  });
  return outputFiles[0]?.text ?? '';
}

function sendRange(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array | undefined,
  count: (sent: number) => void,
): void {
  const [, first, last] = (/^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []).map(Number);
  if (bytes === undefined || first === undefined || last === undefined) return void response.writeHead(404).end();
  const end = Math.min(last, bytes.byteLength - 1);
  response.writeHead(206, { 'Content-Range': `bytes ${first}-${end}/${bytes.byteLength}`, ETag: '"1"' });
  count(end + 1 - first);
  response.end(bytes.subarray(first, end + 1));
}
