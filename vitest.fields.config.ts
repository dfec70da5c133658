// The tests of encrypted columns on PostgreSQL: `npm run test:fields`; with those that take long, `npm run test:fields:all`.

import { defineConfig } from 'vitest/config';

export default defineConfig({
  ssr: { resolve: { conditions: ['bulla-source'] } },
  test: {
    include: ['test/postgres/**/*.test.ts'],
    exclude: process.env['BULLA_FIELDS'] === 'all' ? [] : ['**/*.long.test.ts'],
    globalSetup: './test/postgres/server.ts',
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
