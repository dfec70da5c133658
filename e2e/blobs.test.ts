// Blobs larger than a browser that has just started has room for in memory: what is given out can be read, to its last byte.

import type { Browser } from '@playwright/test';
import { expect, test } from './fixtures.ts';

type Bulla = typeof import('../src/index.ts') &
  typeof import('../src/files.ts') &
  typeof import('../src/keyrings/aes.ts');

/** More than the 500 MB that Chromium keeps of blobs before it has looked how much room there is. */
const megabytes = 600;

/** What `encryptBlob` and `decryptBlob` do in a page, with a source that is never in memory as a whole. */
async function madeBy(browser: Browser, url: string, what: 'encryptBlob' | 'decryptBlob') {
  const page = await browser.newPage();
  await page.goto(url);
  return page.evaluate(
    async ([count, name]) => {
      const script = '/bulla.min.js';
      const bulla = (await import(script)) as Bulla;
      const keyring = bulla.aesKeyring({ keyId: 'k', key: new Uint8Array(32) });
      let sent = 0;
      const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull(controller) {
          controller.enqueue(new Uint8Array(1e6).fill(sent));
          if (++sent === count) controller.close();
        },
      });
      const blob: Blob =
        name === 'encryptBlob'
          ? await bulla.encryptBlob(source, { keyring })
          : (await bulla.decryptBlob(source.pipeThrough(bulla.encryptStream({ keyring })), { keyring })).plaintext;
      const last = await blob.slice(-1).arrayBuffer();
      const middle = await blob.slice(blob.size / 2, blob.size / 2 + 10).arrayBuffer();
      return { size: blob.size, middle: middle.byteLength, last: new Uint8Array(last)[0] };
    },
    [megabytes, what] as const,
  );
}

for (const what of ['encryptBlob', 'decryptBlob'] as const) {
  test(`${what} of ${megabytes} MB in a browser that has just started`, async ({
    playwright,
    browserName,
    launchOptions,
    served,
  }) => {
    const browser = await playwright[browserName].launch(launchOptions);
    try {
      const { size, middle, last } = await madeBy(browser, served.url, what);
      expect(middle).toBe(10);
      if (what === 'decryptBlob') expect([size, last]).toEqual([megabytes * 1e6, (megabytes - 1) % 256]);
      else expect(size).toBeGreaterThan(megabytes * 1e6);
    } finally {
      await browser.close();
    }
  });
}
