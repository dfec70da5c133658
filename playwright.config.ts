// The end-to-end tests: the page of examples/page/ in Chromium and Firefox, and the command line.

import { defineConfig } from '@playwright/test';
import { findBrowsers } from './scripts/browsers.ts';

const browsers = await findBrowsers();

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  reporter: 'line',
  workers: 3,
  forbidOnly: process.env['CI'] !== undefined,
  // They end what hangs, on a machine that is twenty times slower, too.
  timeout: 600_000,
  expect: { timeout: 120_000 },
  projects: (['chromium', 'firefox'] as const).map((browserName) => ({
    name: browserName,
    // Playwright sets no colour scheme in a Firefox that is not its own.
    ...(browserName === 'firefox' && {
      grepInvert: /looks: desktop-dark|GiB take no more memory|that has just started/,
    }),
    use: { browserName, launchOptions: browsers[browserName], trace: 'off' },
  })),
});
