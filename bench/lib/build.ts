// Bundles the measuring code: for Node 20, which runs no TypeScript, and for pages. bulla itself is the built dist/, untouched.

import { dirname, join } from 'node:path';
import { build, type Plugin } from 'esbuild';

const bench = dirname(import.meta.dirname);
const dist = join(dirname(bench), 'dist');
/** Where the bundles go. */
export const buildFolder = join(bench, '.build');

const own = (external: boolean): Plugin => ({
  name: 'bulla',
  setup({ onResolve }) {
    onResolve({ filter: /^bulla(\/|$)/ }, ({ path }) => {
      const subpath = path === 'bulla' ? 'index' : path.slice('bulla/'.length);
      return { path: join(dist, `${subpath}.js`), external };
    });
  },
});

/** A module for Node, next to the peers it imports. */
export async function bundleForNode(entry: string): Promise<string> {
  const outfile = join(buildFolder, `${entry}.mjs`);
  await build({
    entryPoints: [join(bench, 'sections', `${entry}.ts`)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    plugins: [own(true)],
  });
  return outfile;
}

/** A script for a page, with everything in it. */
export async function bundleForPage(entry: string): Promise<string> {
  const outfile = join(buildFolder, `${entry}.js`);
  await build({
    entryPoints: [join(bench, 'sections', `${entry}.ts`)],
    outfile,
    bundle: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    mainFields: ['browser', 'module', 'main'],
    inject: [join(bench, 'lib', 'buffer-shim.ts')],
    define: { global: 'globalThis' },
    nodePaths: [join(bench, 'aws-browser', 'node_modules')],
    plugins: [own(false)],
  });
  return outfile;
}
