// Third-party vectors through the SDK's own primitives, on every backend: Node, @peculiar/webcrypto, Chromium and Firefox.

import { defineConfig } from 'vitest/config';
import { browserProjects, nodeProjects } from './test/support/projects.ts';

const suite = { include: ['test/wycheproof/*.test.ts'], nodeOnly: ['test/wycheproof/agreement-node.test.ts'] };

export default defineConfig({
  test: {
    globalSetup: './test/support/wycheproof.ts',
    projects: [...nodeProjects(suite), ...(await browserProjects(suite))],
  },
});
