/** The tests of the key service, in Node. */

import { defineConfig } from 'vitest/config';

/** What does not itself run on both stores, and opens no database file: these files run once for each store. */
const onBothStores = [
  'test/threats/{canary,tokens,proofs,tenants,transport}.test.ts',
  'test/http/{limits,oddities,operation,threats}.test.ts',
  'test/process/recovery.test.ts',
];

// biome-ignore lint/style/noDefaultExport: Vitest takes the default export
export default defineConfig({
  resolve: { conditions: ['bulla-source'] },
  ssr: { resolve: { conditions: ['bulla-source'], externalConditions: ['bulla-source'] } },
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    // Far above what a test takes: a machine that is busy with something else must not fail it.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
    execArgv: ['-C', 'bulla-source'],
    projects: [
      { extends: true, test: { name: 'sqlite', include: ['test/**/*.test.ts'], provide: { storeKind: 'sqlite' } } },
      { extends: true, test: { name: 'postgres', include: onBothStores, provide: { storeKind: 'postgres' } } },
    ],
  },
});
