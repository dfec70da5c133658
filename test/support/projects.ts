// The runtimes that a suite runs in, as vitest projects.

import { playwright } from '@vitest/browser-playwright';
import type { TestProjectInlineConfiguration } from 'vitest/config';
import { findBrowsers } from '../../scripts/browsers.ts';

/** Which tests to run, and which of them exist in Node with its own WebCrypto alone. */
export interface Suite {
  readonly include: string[];
  readonly exclude?: string[];
  readonly nodeOnly?: string[];
}

/** What test/matrix and test/runtimes installed. */
const installed = '**/node_modules/**';
const timeouts = { testTimeout: 120_000, hookTimeout: 120_000 };

/** Node, and Node without its own WebCrypto. */
export function nodeProjects({ include, exclude: more = [], nodeOnly = [] }: Suite): TestProjectInlineConfiguration[] {
  const exclude = [installed, ...more];
  const ssr = { resolve: { conditions: ['bulla-source', 'node', 'import'] } };
  return [
    { extends: true, ssr, test: { ...timeouts, include, exclude, name: 'node' } },
    {
      extends: true,
      ssr,
      test: {
        ...timeouts,
        include,
        exclude: [...exclude, ...nodeOnly],
        name: 'node without webcrypto',
        setupFiles: './test/support/without-webcrypto.ts',
      },
    },
  ];
}

/** Chromium and Firefox, found or installed. Throws where one is missing: nothing is skipped in silence. */
export async function browserProjects({
  include,
  exclude: more = [],
  nodeOnly = [],
}: Suite): Promise<TestProjectInlineConfiguration[]> {
  const exclude = [installed, ...more];
  const { chromium, firefox } = await findBrowsers();
  const browsers = [
    { browser: 'chromium' as const, launchOptions: chromium },
    { browser: 'firefox' as const, launchOptions: firefox },
  ];
  return browsers.map(({ browser, launchOptions }) => ({
    extends: true,
    resolve: { conditions: ['bulla-source', 'browser', 'import'] },
    // Found late, a dependency would be bundled in the middle of a run, and the pages reloaded.
    optimizeDeps: { include: ['protobufjs/src/writer.js', 'fast-check', 'jose', 'ky'] },
    test: {
      ...timeouts,
      include,
      exclude: [...exclude, ...nodeOnly],
      name: browser,
      browser: {
        enabled: true,
        headless: true,
        screenshotFailures: false,
        provider: playwright({ launchOptions }),
        instances: [{ browser }],
      },
    },
  }));
}
