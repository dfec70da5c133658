// Chromium: pages of their own, and the memory of a page while much streams through it.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright';
import { findBrowsers } from '../../scripts/browsers.ts';
import { type Build, bundleForPage } from '../lib/build.ts';
import type { Plan } from '../lib/plan.ts';
import { summary } from '../lib/rounds.ts';
import type { Section } from '../lib/table.ts';

/** All that is measured in pages: the sections, and without a baseline the memory of a page as well. */
export async function inChromium(
  { sections: chosen, quick, peers }: Pick<Plan, 'sections' | 'quick' | 'peers'>,
  builds: readonly Build[],
): Promise<Section[]> {
  const scripts = new Map<string, string>();
  for (const name of ['page', 'memory-page']) scripts.set(`/${name}.js`, await bundleForPage(name));
  for (const build of builds) {
    scripts.set(`/${build.name}.js`, await bundleForPage('bulla', build));
    scripts.set(`/${build.name}-worker.js`, join(build.checkout, 'dist', 'segment-worker.js'));
  }
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
    for (const name of chosen) {
      const page = await openPage(browser, `${site}/page`, 'measure');
      const baseline = builds.some((build) => build.name === 'baseline') ? '/baseline.js' : undefined;
      const plan: Plan = { sections: [name], quick, peers, own: '/own.js', baseline };
      sections.push(...((await page.evaluate(`measure(${JSON.stringify(plan)})`)) as Section[]));
      await page.close();
    }
    if (peers) sections.push(await memory(browser, `${site}/memory-page`, quick));
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
  return { id: 'chromium/memory', title: 'memory of a page while a stream runs', unit: 'MB', rows, lessIsBetter: true };
}

function megabytesOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return (Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024) / 1e6;
}
