// Builds the page and its service worker with Vite.

import { join, resolve } from 'node:path';
import { build, type InlineConfig } from 'vite';

const page = resolve(import.meta.dirname, '../page');

// Read from the checkout's sources, built or not; where bulla is installed from npm none of this is needed.
const sources: InlineConfig = {
  configFile: false,
  logLevel: 'warn',
  resolve: { conditions: ['bulla-source', 'browser', 'import', 'module', 'default'] },
  plugins: [
    {
      name: 'without-long',
      enforce: 'pre',
      resolveId: (id) => (id === 'long' ? '\0long' : null),
      load: (id) => (id === '\0long' ? 'export default null;' : null),
    },
  ],
};

/** Builds into a folder, which is emptied first. */
export async function buildDemo(outDir: string): Promise<void> {
  const target = 'es2022';
  await build({ ...sources, root: page, build: { outDir, emptyOutDir: true, target, modulePreload: false } });
  // A script by itself: not every browser takes modules as service workers.
  const lib = {
    entry: join(page, 'worker.ts'),
    formats: ['iife' as const],
    name: 'worker',
    fileName: () => 'worker.js',
  };
  await build({ ...sources, root: page, publicDir: false, build: { outDir, emptyOutDir: false, target, lib } });
}
