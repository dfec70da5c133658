/** The tests of the key service, in Node. */

import { defineConfig } from 'vitest/config';

// biome-ignore lint/style/noDefaultExport: Vitest takes the default export
export default defineConfig({
  resolve: { conditions: ['bulla-source'] },
  ssr: { resolve: { conditions: ['bulla-source'], externalConditions: ['bulla-source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    execArgv: ['-C', 'bulla-source'],
  },
});
