// Bundles the measuring code: for Node 20, which runs no TypeScript, and for pages. Each build of bulla is its dist/, untouched.

import { dirname, join } from 'node:path';
import { build, type Plugin } from 'esbuild';

const bench = dirname(import.meta.dirname);
const repository = dirname(bench);
/** Where the bundles go. */
export const buildFolder = join(bench, '.build');

/** A checkout of bulla that is built, and the name of the bundles that use it. */
export interface Build {
  readonly name: 'own' | 'baseline';
  readonly checkout: string;
}

/** This one. */
export const ownBuild: Build = { name: 'own', checkout: repository };

/** The build of a bundle's imports of `bulla`. */
const imports = ({ checkout }: Build, external: boolean): Plugin => ({
  name: 'bulla',
  setup({ onResolve }) {
    onResolve({ filter: /^bulla(\/|$)/ }, ({ path }) => {
      const subpath = path === 'bulla' ? 'index' : path.slice('bulla/'.length);
      return { path: join(checkout, 'dist', `${subpath}.js`), external };
    });
  },
});

/** A module for Node, next to the peers it imports. */
export async function bundleForNode(entry: string, from: Build = ownBuild): Promise<string> {
  const outfile = join(buildFolder, `${entry}-${from.name}.mjs`);
  await build({
    entryPoints: [join(bench, 'sections', `${entry}.ts`)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    plugins: [imports(from, true)],
  });
  return outfile;
}

/** A script for a page, with everything in it. */
export async function bundleForPage(entry: string, from: Build = ownBuild): Promise<string> {
  const outfile = join(buildFolder, `${entry}-${from.name}.js`);
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
    plugins: [imports(from, false)],
  });
  return outfile;
}
