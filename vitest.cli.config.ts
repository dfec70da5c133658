// The tests of the command line and of what exists for Node alone; they run the built dist/.

import { defineConfig } from 'vitest/config';

export default defineConfig({
  ssr: { resolve: { conditions: ['bulla-source', 'node', 'import'] } },
  test: {
    include: ['test/cli/**/*.test.ts', 'test/node/**/*.test.ts'],
    globalSetup: './test/support/built.ts',
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
