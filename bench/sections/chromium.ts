// Chromium: a page of its own, and the memory of its process while much streams through it.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright';
import { findBrowsers } from '../../scripts/browsers.ts';
import { bundleForPage } from '../lib/build.ts';
import { summary } from '../lib/rounds.ts';
import type { Section } from '../lib/table.ts';

/** All that is measured in a page. */
export async function inChromium(quick: boolean): Promise<Section[]> {
  const script = readFileSync(await bundleForPage('page'));
  const server = createServer(({ url }, response) => {
    response.setHeader('Content-Type', url === '/page.js' ? 'text/javascript' : 'text/html');
    response.end(url === '/page.js' ? script : '<!doctype html><script type="module" src="page.js"></script>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await chromium.launch((await findBrowsers()).chromium);
  try {
    const page = await browser.newPage();
    page.on('pageerror', (error) => console.error(error));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction('globalThis.streams !== undefined');
    const sections: Section[] = [
      ...((await page.evaluate(`streams(${quick})`)) as Section[]),
      ...((await page.evaluate(`messages(${quick})`)) as Section[]),
      await memory(browser, page, quick),
    ];
    return sections.map((section) => ({ ...section, title: `Chromium ${browser.version()}: ${section.title}` }));
  } finally {
    await browser.close();
    server.close();
  }
}

/** The resident memory of the page's process, before and while a stream runs. */
async function memory(browser: Browser, page: Page, quick: boolean): Promise<Section> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const renderers = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  const resident = () => Math.max(...renderers.map((id) => megabytesOf(id)));
  const rows = [];
  for (const mebibytes of quick ? [64, 256] : [256, 1024]) {
    const seen: number[] = [];
    const timer = setInterval(() => seen.push(resident()), 20);
    await page.evaluate(`through(${mebibytes * 2 ** 20})`);
    clearInterval(timer);
    rows.push({ name: `${mebibytes} MiB`, kind: 'bulla' as const, ...summary(seen) });
  }
  return { title: 'memory of the page while a stream runs', unit: 'MB', rows, lessIsBetter: true };
}

function megabytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return (Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024) / 1e6;
}
