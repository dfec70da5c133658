// Several pages, browsers and origins: exchange between browsers, tabs that share a key, and a page that is not secure.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findBrowsers } from '../scripts/browsers.ts';
import { digest, expect, randomFile, segmentSize, test } from './fixtures.ts';

test('the other browser opens what this one encrypts for it, and the other way round', async ({
  app,
  browserName,
  playwright,
  scratch,
  served,
  watch,
}) => {
  const otherName = browserName === 'firefox' ? 'chromium' : 'firefox';
  const downloads = await mkdtemp(join(tmpdir(), 'bulla-downloads-'));
  const browser = await playwright[otherName].launch({
    ...(await findBrowsers())[otherName],
    downloadsPath: downloads,
  });
  try {
    const other = await watch(await (await browser.newContext()).newPage(), downloads);
    await other.open(served.url);
    const file = await randomFile(scratch, 'notes.bin', 2 * segmentSize + 1);
    for (const [from, to] of [
      [app, other],
      [other, app],
    ] as const) {
      await from.page.getByLabel('You, with the key above').uncheck();
      await from.others.fill(await to.publicKey());
      await expect(from.page.locator('#summary')).toHaveText('Files are encrypted for 1 other public key.');
      const message = await from.save(await from.choose(file));
      expect(await digest(await to.save(await to.choose(message)))).toBe(await digest(file));
    }
  } finally {
    await browser.close();
    await rm(downloads, { recursive: true });
  }
});

test('two tabs that begin at once agree on one key; another profile has its own', async ({
  browser,
  served,
  watch,
}) => {
  const context = await browser.newContext();
  // Slow enough that each tab finds no key and makes one.
  await context.addInitScript(() => {
    // Firefox runs this in the empty page before, too.
    if (!isSecureContext) return;
    const generate = crypto.subtle.generateKey.bind(crypto.subtle) as (...args: unknown[]) => Promise<CryptoKeyPair>;
    const slow = async (...args: unknown[]) => {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      return generate(...args);
    };
    Object.defineProperty(crypto.subtle, 'generateKey', { value: slow });
  });
  const tabs = await Promise.all([1, 2].map(async () => watch(await context.newPage())));
  await Promise.all(tabs.map((tab) => tab.open(served.url)));
  const [first, second] = await Promise.all(tabs.map((tab) => tab.publicKey()));
  expect(first).toBe(second);
  const stranger = await browser.newContext();
  const third = await watch(await stranger.newPage());
  await third.open(served.url);
  expect(await third.publicKey()).not.toBe(first);
  await Promise.all([context.close(), stranger.close()]);
});

test('over plain HTTP the page says why it does nothing', async ({
  browserName,
  launchOptions,
  playwright,
  served,
  watch,
}) => {
  const name = 'insecure.test';
  const browser = await playwright[browserName].launch({
    ...launchOptions,
    ...(browserName === 'firefox'
      ? { firefoxUserPrefs: { 'network.dns.localDomains': name } }
      : { args: [...(launchOptions.args ?? []), `--host-resolver-rules=MAP ${name} 127.0.0.1`] }),
  });
  try {
    const page = await (await browser.newContext()).newPage();
    const app = await watch(page);
    await page.goto(served.url.replace('localhost', name));
    await expect(page.getByRole('alert').first()).toHaveText(
      /^This page came over plain HTTP from insecure\.test, and browsers allow encryption only on pages that came over HTTPS or from localhost\./,
    );
    expect(await page.evaluate(() => [isSecureContext, typeof crypto.subtle])).toEqual([false, 'undefined']);
    await expect(page.locator('input:enabled, textarea:enabled, button:enabled')).toHaveCount(0);
    await app.screenshot(`${browserName}-insecure`);
  } finally {
    await browser.close();
  }
});
