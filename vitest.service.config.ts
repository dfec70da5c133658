// The tests of the client of the key service, against the real one: in Node, or with BULLA_TEST=browsers in Chromium and Firefox.

import { defineConfig } from 'vitest/config';
import { browserProjects, nodeProjects } from './test/support/projects.ts';

const suite = {
  include: ['test/service/**/*.test.ts', 'test/**/*.service.test.ts'],
  nodeOnly: ['test/service/node/**'],
};

export default defineConfig({
  test: {
    globalSetup: './test/support/key-service.ts',
    projects: process.env['BULLA_TEST'] === 'browsers' ? await browserProjects(suite) : nodeProjects(suite).slice(0, 1),
  },
});
