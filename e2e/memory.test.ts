// The memory of a page through which much more streams than it could hold, on its own thread and by workers; in Chromium, whose processes can be told apart.

import { readFileSync } from 'node:fs';
import type { Browser, Page } from '@playwright/test';
import { expect, test } from './fixtures.ts';

type Bulla = typeof import('../src/index.ts') &
  typeof import('../src/workers.ts') &
  typeof import('../src/keyrings/aes.ts');

/** Lets so many bytes through the page, and gives the peak of its process's resident memory, in bytes. */
async function peakOf(browser: Browser, page: Page, bytes: number, byWorkers: boolean): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const renderers = processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  const resident = (id: number) => {
    const status = readFileSync(`/proc/${id}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
  };
  let peak = 0;
  const timer = setInterval(() => {
    peak = Math.max(peak, ...renderers.map(resident));
  }, 20);
  const streaming = page.evaluate(
    async ({ bytes, byWorkers }) => {
      const name = '/bulla.min.js';
      const { aesKeyring, createWorkerPool, encryptStream } = (await import(name)) as Bulla;
      const chunk = new Uint8Array(2 ** 20);
      let left = bytes;
      const source = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (left === 0) return controller.close();
          left -= chunk.byteLength;
          controller.enqueue(chunk);
        },
      });
      const keyring = aesKeyring({ keyId: 'k', key: new Uint8Array(32) });
      const workers = byWorkers ? createWorkerPool({ size: 2 }) : undefined;
      let sum = 0;
      const reader = source.pipeThrough(encryptStream({ keyring, workers })).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) sum += part.value.byteLength;
      workers?.close();
      return sum;
    },
    { bytes, byWorkers },
  );
  const streamed = await streaming.finally(() => clearInterval(timer));
  expect(streamed).toBeGreaterThan(bytes);
  return peak;
}

for (const byWorkers of [false, true]) {
  test(`4 GiB take no more memory than 256 MiB, ${byWorkers ? 'by workers' : 'on the thread of the page'}`, async ({
    app,
    browser,
  }) => {
    const { page } = app;
    const few = await peakOf(browser, page, 2 ** 28, byWorkers);
    const many = await peakOf(browser, page, 2 ** 32, byWorkers);
    console.log(`peak: ${(few / 1e6).toFixed(0)} MB for 256 MiB, ${(many / 1e6).toFixed(0)} MB for 4 GiB`);
    // A garbage collector takes its time; what grows with the size would be twelve times as much.
    expect(many).toBeLessThan(few + 400_000_000);
  });
}
