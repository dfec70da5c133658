// The unit tests: in Node with and without its own WebCrypto, or with BULLA_TEST=browsers the same files in Chromium and Firefox.

import { defineConfig } from 'vitest/config';
import { browserProjects, nodeProjects } from './test/support/projects.ts';

const suite = {
  include: ['test/**/*.test.ts'],
  exclude: [
    'test/wycheproof/**',
    'test/cli/**',
    'test/postgres/**',
    'test/node/**',
    'test/service/**',
    'test/**/*.service.test.ts',
  ],
  nodeOnly: ['test/architecture/**', 'test/reference/**', 'test/keyrings/node/**'],
};

export default defineConfig({
  test: {
    globalSetup: './test/support/range-server.ts',
    projects: process.env['BULLA_TEST'] === 'browsers' ? await browserProjects(suite) : nodeProjects(suite),
  },
});
