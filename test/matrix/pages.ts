// Runs the portable suite in pages: bundled by esbuild or one of `bundlers/`, served from a folder, opened in a browser.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { chromium, firefox } from 'playwright';
import { findBrowsers } from '../../scripts/browsers.ts';
import type { Outcome, Result } from './run.ts';
import { inWebKit } from './webkit.ts';

/** The browsers of the matrix. */
export type BrowserName = 'chromium' | 'firefox' | 'webkit';

const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' };

/** Serves a folder and returns what its page puts into `globalThis.results`. */
export async function inPageOf(site: string, name: BrowserName): Promise<Outcome> {
  const server = createServer(({ url = '/' }, response) => {
    const path = join(site, new URL(url, 'http://localhost').pathname.replace(/\/$/, '/index.html'));
    try {
      const content = readFileSync(path);
      response.writeHead(200, { 'Content-Type': types[extname(path)] ?? 'text/plain' }).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  try {
    return await inPageAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, name);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

/** Opens a page and returns what it puts into `globalThis.results`. */
export async function inPageAt(url: string, name: BrowserName): Promise<Outcome> {
  if (name === 'webkit') return inWebKit(url);
  const browser = await { chromium, firefox }[name].launch((await findBrowsers())[name]);
  try {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', ({ message }) => errors.push(message));
    await page.goto(url);
    await page
      .waitForFunction(() => 'results' in globalThis)
      .catch((cause) => {
        throw new Error(`the page did not run: ${errors.join('\n')}`, { cause });
      });
    const results = await page.evaluate(() => (globalThis as unknown as { results: Promise<Result[]> }).results);
    return { version: browser.version(), results };
  } finally {
    await browser.close();
  }
}
