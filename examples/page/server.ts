// Serves the page and the browser build, and nothing else, under the strictest useful content security policy.

import { createReadStream, existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The page while it is served. */
export interface ServedPage {
  /** Where, with a slash at the end. */
  readonly url: string;
  /** Stops serving and ends every connection. */
  close(): Promise<void>;
}

interface Served {
  readonly file: URL;
  readonly type: string;
}

const here = (name: string, type: string): Served => ({ file: new URL(name, import.meta.url), type });
const script = 'text/javascript; charset=utf-8';
const library = new URL('../../dist/bulla.min.js', import.meta.url);
const worker = new URL('../../dist/segment-worker.js', import.meta.url);

const files = new Map<string, Served>([
  ['/', here('index.html', 'text/html; charset=utf-8')],
  ['/style.css', here('style.css', 'text/css; charset=utf-8')],
  ['/icon.svg', here('icon.svg', 'image/svg+xml')],
  ...['page', 'view', 'settings', 'keys', 'files', 'words'].map(
    (name) => [`/${name}.js`, here(`${name}.js`, script)] as const,
  ),
  ['/bulla.min.js', { file: library, type: script }],
  ['/segment-worker.js', { file: worker, type: script }],
]);

const headers = {
  'Content-Security-Policy': "default-src 'self'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

/** Serves the page on 127.0.0.1; port 0 takes a free one. Rejects when `dist/` is missing and when the port is taken. */
export async function startPage(port: number): Promise<ServedPage> {
  if (!existsSync(library)) throw new Error('dist/bulla.min.js is missing: run `npm run build` first');
  const server = createServer(respond);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://localhost:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeAllConnections();
      }),
  };
}

function respond({ method, url = '/' }: IncomingMessage, response: ServerResponse): void {
  const refuse = (status: number, more: Record<string, string> = {}) =>
    response.writeHead(status, { ...headers, ...more, 'Content-Type': 'text/plain' }).end(`${status}\n`);
  if (method !== 'GET' && method !== 'HEAD') return void refuse(405, { Allow: 'GET, HEAD' });
  const served = files.get(url.split('?', 1)[0] as string);
  if (served === undefined) return void refuse(404);
  const content = createReadStream(served.file);
  content.once('error', () => refuse(404));
  content.once('open', () => {
    response.writeHead(200, { ...headers, 'Content-Type': served.type });
    if (method === 'HEAD') response.end();
    else content.pipe(response);
  });
}

if (import.meta.main) {
  const port = Number(process.argv[2] ?? 8080);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    console.error(`${process.argv[2]} is no port: give a number up to 65535`);
    process.exit(2);
  }
  try {
    const { url } = await startPage(port);
    console.log(`The page is at ${url}

  1. Open it in a browser, drop a file on it, and save the encrypted message NAME.bulla.
  2. Drop NAME.bulla on it to get the file back.

Ctrl-C ends it. Nothing that is dropped leaves the browser.`);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const taken = `port ${port} is taken: give another one, as in \`npm run start:page -- 8081\``;
    console.error(code === 'EADDRINUSE' ? taken : message);
    process.exit(1);
  }
}
