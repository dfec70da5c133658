// Builds dist/: modules that mirror src/, and one minified file for pages without a bundler.

import { globSync, readFileSync, writeFileSync } from 'node:fs';
import commonjs from '@rollup/plugin-commonjs';
import nodeResolve from '@rollup/plugin-node-resolve';
import terser from '@rollup/plugin-terser';
import esbuild from 'rollup-plugin-esbuild';

const { exports: subpaths, dependencies, peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const sources = Object.values(subpaths).flatMap((target) => target['bulla-source'] ?? []);
const packages = Object.keys({ ...dependencies, ...peerDependencies });
const isExternal = (id) => /^(node:|#)/.test(id) || packages.some((name) => id === name || id.startsWith(`${name}/`));

const typescript = () => esbuild({ target: 'es2022', tsconfig: false });

/** All public modules that run in browsers, as one. */
const everything = {
  name: 'everything',
  resolveId: (id) => (id === 'bulla.min' ? id : null),
  load: (id) =>
    id === 'bulla.min'
      ? sources
          .filter((source) => !source.startsWith('./src/node'))
          .map((source) => `export * from ${JSON.stringify(new URL(source, import.meta.url).pathname)};`)
          .join('\n')
      : null,
  writeBundle() {
    const modules = sources.filter((source) => !source.startsWith('./src/node'));
    const lines = modules.map((source) => `export * from '${source.replace('./src/', './').replace(/\.ts$/, '.js')}';`);
    writeFileSync('dist/bulla.min.d.ts', `${lines.join('\n')}\n`);
  },
};

export default [
  {
    input: ['src/lib/platform.ts', 'src/lib/platform-node.ts', ...sources, ...globSync('src/cli/main.ts')],
    external: isExternal,
    plugins: [nodeResolve({ extensions: ['.ts', '.js'] }), typescript()],
    output: {
      dir: 'dist',
      format: 'es',
      preserveModules: true,
      preserveModulesRoot: 'src',
      sourcemap: true,
    },
  },
  {
    input: 'bulla.min',
    plugins: [
      everything,
      nodeResolve({ browser: true, extensions: ['.ts', '.js'], exportConditions: ['bulla-source', 'browser'] }),
      commonjs(),
      typescript(),
      terser({ module: true, ecma: 2020, compress: { passes: 2 } }),
    ],
    output: { file: 'dist/bulla.min.js', format: 'es', sourcemap: true },
  },
];
