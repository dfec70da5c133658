// The unit tests: the same files in Node, in Node without its own WebCrypto, in Chromium and in Firefox.

import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { findBrowsers } from './scripts/browsers.ts';

/** Tests of what exists in Node alone. */
const nodeOnly = ['test/architecture/**', 'test/cli/**', 'test/node/**', 'test/reference/**'];
const conditions = ['bulla-source'];
const shared = { include: ['test/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 };
const needsBrowsers = process.env['BULLA_TEST_BROWSERS'] === '1';

export default defineConfig({
  ssr: { resolve: { conditions: [...conditions, 'node', 'import'] } },
  resolve: { conditions: [...conditions, 'browser', 'import'] },
  test: {
    globalSetup: './test/support/range-server.ts',
    dangerouslyIgnoreUnhandledErrors: false,
    projects: needsBrowsers ? await browserProjects() : nodeProjects(),
  },
});

function nodeProjects() {
  const resolve = { conditions: [...conditions, 'node', 'import'] };
  return [
    { extends: true as const, ssr: { resolve }, test: { ...shared, name: 'node', environment: 'node' } },
    {
      extends: true as const,
      ssr: { resolve },
      test: {
        ...shared,
        name: 'node without webcrypto',
        environment: 'node',
        exclude: nodeOnly,
        setupFiles: './test/support/without-webcrypto.ts',
      },
    },
  ];
}

async function browserProjects() {
  const { chromium, firefox } = await findBrowsers();
  return [
    { name: 'chromium' as const, launchOptions: chromium },
    { name: 'firefox' as const, launchOptions: firefox },
  ].map(({ name, launchOptions }) => ({
    extends: true as const,
    resolve: { conditions: [...conditions, 'browser', 'import'] },
    test: {
      ...shared,
      name,
      exclude: nodeOnly,
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        provider: playwright({ launchOptions }),
        instances: [{ browser: name }],
      },
    },
  }));
}
