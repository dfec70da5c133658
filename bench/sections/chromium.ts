// Chromium: pages of their own, and the memory of a page while much streams through it.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright';
import { findBrowsers } from '../../scripts/browsers.ts';
import { bundleForPage } from '../lib/build.ts';
import { summary } from '../lib/rounds.ts';
import type { Section } from '../lib/table.ts';

const worker = join(dirname(dirname(import.meta.dirname)), 'dist', 'segment-worker.js');

/** All that is measured in pages. */
export async function inChromium(quick: boolean): Promise<Section[]> {
  const scripts = new Map<string, string>();
  for (const name of ['page', 'memory-page']) scripts.set(`/${name}.js`, await bundleForPage(name));
  scripts.set('/segment-worker.js', worker);
  const server = createServer(({ url = '/' }, response) => {
    const script = scripts.get(url);
    response.setHeader('Content-Type', script === undefined ? 'text/html' : 'text/javascript');
    const page = `<!doctype html><link rel="icon" href="data:,"><script type="module" src="${url}.js"></script>`;
    response.end(script === undefined ? page : readFileSync(script));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const site = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const options = (await findBrowsers()).chromium;
  // As in Node: what one candidate leaves behind is cleared away before the next one's turn.
  const browser = await chromium.launch({ ...options, args: [...(options.args ?? []), '--js-flags=--expose-gc'] });
  try {
    const sections: Section[] = [];
    // Each in a page of its own: hundreds of megabytes that one leaves behind are a burden to the garbage collector of the other.
    for (const name of ['streams', 'messages']) {
      const page = await openPage(browser, `${site}/page`, name);
      sections.push(...((await page.evaluate(`${name}(${quick})`)) as Section[]));
      await page.close();
    }
    sections.push(await memory(browser, `${site}/memory-page`, quick));
    return sections.map((section) => ({ ...section, title: `Chromium ${browser.version()}: ${section.title}` }));
  } finally {
    await browser.close();
    server.close();
  }
}

async function openPage(browser: Browser, url: string, ready: string): Promise<Page> {
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.error(error));
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable');
  await page.exposeFunction('mainThreadTime', async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0) * 1000;
  });
  await page.goto(url);
  await page.waitForFunction(`globalThis.${ready} !== undefined`);
  return page;
}

/** The resident memory of a page's process while a stream runs; each time in a page of its own. */
async function memory(browser: Browser, url: string, quick: boolean): Promise<Section> {
  const session = await browser.newBrowserCDPSession();
  const rows = [];
  for (const byWorkers of [false, true]) {
    for (const mebibytes of quick ? [64, 256] : [256, 1024, 4096]) {
      const page = await openPage(browser, url, 'through');
      const { processInfo } = await session.send('SystemInfo.getProcessInfo');
      const renderers = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
      const resident = () => Math.max(...renderers.map((id) => megabytesOf(id)));
      await page.evaluate(`through(${2 ** 25}, ${byWorkers})`);
      const seen: number[] = [];
      const timer = setInterval(() => seen.push(resident()), 10);
      await page.evaluate(`through(${mebibytes * 2 ** 20}, ${byWorkers})`);
      clearInterval(timer);
      await page.close();
      rows.push({
        name: `${mebibytes} MiB${byWorkers ? ', 2 workers' : ''}`,
        kind: 'bulla' as const,
        ...summary(seen),
      });
    }
  }
  return { title: 'memory of a page while a stream runs', unit: 'MB', rows, lessIsBetter: true };
}

function megabytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return (Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024) / 1e6;
}
