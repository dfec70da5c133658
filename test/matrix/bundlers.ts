// Bundles the portable suite as an application of its own would be bundled, with no more settings than the docs name.

import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as esbuild from 'esbuild';
import { packageVersion, toolOf } from './run.ts';

const run = promisify(execFile);
type Bundle = (project: string, site: string) => Promise<unknown>;

/** Bundles into a new folder, which it returns: with an `index.html` for pages, with a `main.mjs` or `main.cjs` for Node. */
export async function bundle(project: string, name: Bundler): Promise<string> {
  const site = join(project, `built by ${name}`);
  mkdirSync(site, { recursive: true });
  writeFileSync(join(site, 'index.html'), '<!doctype html><script type="module" src="page.js"></script>');
  await bundlers[name](project, site);
  return site;
}

/** A tool and what it builds for. */
export type Bundler = keyof typeof bundlers;

/** The version of a tool. */
export function bundlerVersion(name: Bundler): string {
  const [tool = ''] = /^\w+/.exec(name) ?? [];
  const folder = tool === 'rspack' ? '@rspack/core' : tool.toLowerCase();
  return packageVersion(toolOf(folder, /esbuild|Bun/.test(tool) ? '.' : 'bundlers'));
}

const bundlers = {
  esbuild: async (project, site) => {
    await esbuild.build({ ...quiet, entryPoints: [join(project, 'page.js')], outdir: site, format: 'esm' });
    copyWorker(project, site);
  },
  'esbuild, for Node': (project, site) =>
    esbuild.build({
      ...quiet,
      entryPoints: [join(project, 'import.mjs')],
      outfile: join(site, 'main.mjs'),
      platform: 'node',
      format: 'esm',
    }),
  'esbuild, for Node, CommonJS': (project, site) =>
    esbuild.build({
      ...quiet,
      entryPoints: [join(project, 'require.cjs')],
      outfile: join(site, 'main.cjs'),
      platform: 'node',
    }),
  webpack: async (project, site) => {
    const { default: webpack } = await import(toolOf('webpack/lib/index.js', 'bundlers'));
    await compiled(webpack, project, site);
  },
  rspack: async (project, site) => {
    const { rspack } = await import(toolOf('@rspack/core/dist/index.js', 'bundlers'));
    await compiled(rspack, project, site);
  },
  Rollup: async (project, site) => {
    const { rollup } = await import(toolOf('rollup/dist/es/rollup.js', 'bundlers'));
    const { default: nodeResolve } = await import(toolOf('@rollup/plugin-node-resolve/dist/es/index.js', 'bundlers'));
    const built = await rollup({ input: join(project, 'page.js'), plugins: [nodeResolve({ browser: true })] });
    await built.write({ dir: site });
    await built.close();
    copyWorker(project, site);
  },
  Vite: async (project, site) => {
    const { build } = await import(toolOf('vite/dist/node/index.js', 'bundlers'));
    writeFileSync(join(project, 'index.html'), '<!doctype html><script type="module" src="/page.js"></script>');
    await build({ root: project, logLevel: 'error', build: { outDir: site, emptyOutDir: true, target: 'es2022' } });
  },
  Parcel: (project, site) => parcel(project, site),
  'Parcel without packageExports': async (project, site) => {
    const manifest = join(project, 'package.json');
    const text = readFileSync(manifest, 'utf8');
    writeFileSync(manifest, '{ "name": "project", "private": true, "type": "module" }');
    try {
      await parcel(project, site);
    } finally {
      writeFileSync(manifest, text);
    }
  },
  Metro: (project, site) => metro(project, site, 'static.js', ['react-native']),
  'Metro, require': (project, site) => metro(project, site, 'page.cjs', []),
  'Metro without package exports': (project, site) => metro(project, site, 'static.js', ['react-native'], false),
  Bun: async (project, site) => {
    const args = ['build', 'page.js', '--outdir', site, '--target', 'browser'];
    await run(toolOf('bun/bin/bun.exe'), args, { cwd: project });
    copyWorker(project, site);
  },
} satisfies Record<string, Bundle>;

const quiet = { bundle: true, logLevel: 'error' } as const;

/** What the docs say of bundlers that do not find the worker's script. */
function copyWorker(project: string, site: string): void {
  cpSync(join(project, 'node_modules/bulla/dist/segment-worker.js'), join(site, 'segment-worker.js'));
}

/** What webpack and rspack have in common. */
// biome-ignore lint/suspicious/noExplicitAny: neither is a dependency of the project, so there are no types.
async function compiled(compile: any, project: string, site: string): Promise<void> {
  const compiler = compile({
    context: project,
    entry: './page.js',
    mode: 'production',
    output: { path: site, filename: 'page.js' },
    performance: { hints: false },
  });
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  const stats = await promisify<any>(compiler.run.bind(compiler))();
  await promisify(compiler.close.bind(compiler))();
  if (stats.hasErrors()) throw new Error(stats.toString({ all: false, errors: true }));
}

/** Needs `"@parcel/resolver-default": { "packageExports": true }` in the application's package.json. */
async function parcel(project: string, site: string): Promise<void> {
  writeFileSync(join(project, 'index.html'), '<!doctype html><script type="module" src="page.js"></script>');
  const args = ['build', 'index.html', '--dist-dir', site, '--no-cache', '--no-source-maps', '--log-level', 'error'];
  await run(process.execPath, [toolOf('parcel/lib/bin.js', 'bundlers'), ...args], { cwd: project });
}

/** Metro's bundle for React Native, which Node runs as a script. */
async function metro(
  project: string,
  site: string,
  entry: string,
  conditions: readonly string[],
  readsExports = true,
): Promise<void> {
  const { default: Metro } = await import(toolOf('metro/src/index.js', 'bundlers'));
  const extraNodeModules = { 'metro-runtime': toolOf('metro-runtime', 'bundlers') };
  const config = await Metro.loadConfig(
    { cwd: project },
    {
      projectRoot: project,
      watchFolders: Object.values(extraNodeModules),
      resolver: {
        unstable_conditionNames: conditions,
        unstable_enablePackageExports: readsExports,
        useWatchman: false,
        extraNodeModules,
      },
      transformer: { getTransformOptions: async () => ({ transform: { experimentalImportSupport: true } }) },
      reporter: { update() {} },
      resetCache: true,
      maxWorkers: 1,
    },
  );
  await Metro.runBuild(config, { entry, out: join(site, 'bundle.js'), dev: false, minify: false });
  const print = 'globalThis.results.then((results) => console.log(JSON.stringify(results)));';
  writeFileSync(join(site, 'main.cjs'), `require('./bundle.js');\n${print}\n`);
}
