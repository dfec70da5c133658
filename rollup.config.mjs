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

// protobufjs asks for `long` to read 64-bit integers, of which the format has none. It would be a quarter of a bundle, and its WebAssembly is a violation of every
// content security policy without `wasm-unsafe-eval`. protobufjs does without it; but no bundler of a user's would know, so protobufjs is part of the build, without what it
// has for floating-point numbers, for bytes that are given as base64 and for remote calls as well.
const unused = /\/protobufjs\/src\/util\/(aspromise|base64|eventemitter|float)\.js$/;
const slimProtobuf = {
  name: 'slim-protobuf',
  resolveId: (id) => (id === 'long' ? id : null),
  load: (id) => (id === 'long' ? 'export default null;' : unused.test(id) ? 'module.exports = null;' : null),
};

/** Where a module goes: npm packs no folder called node_modules. */
const fileName = ({ name }) => `${name.replace('node_modules', 'vendor')}.js`;

/** What the licence of the code in the build asks for. */
const notices = {
  name: 'notices',
  writeBundle() {
    const license = readFileSync('node_modules/protobufjs/LICENSE', 'utf8');
    writeFileSync(
      'dist/THIRD-PARTY-NOTICES',
      `Files in vendor/, and parts of bulla.min.js, are of protobufjs:\n\n${license}`,
    );
  },
};

const typescript = () => esbuild({ target: 'es2022', tsconfig: false });

/** What runs in browsers and needs no key service and no worker. */
const isLocal = (source) =>
  !/^\.\/src\/(node|service|service-worker|cache|bulk|keyrings\/(service|observed))\.ts$/.test(source);

/** All of that as one. */
const everything = {
  name: 'everything',
  resolveId: (id) => (id === 'bulla.min' ? id : null),
  load: (id) =>
    id === 'bulla.min'
      ? sources
          .filter(isLocal)
          .map((source) => `export * from ${JSON.stringify(new URL(source, import.meta.url).pathname)};`)
          .join('\n')
      : null,
  writeBundle() {
    const modules = sources.filter(isLocal);
    const lines = modules.map((source) => `export * from '${source.replace('./src/', './').replace(/\.ts$/, '.js')}';`);
    writeFileSync('dist/bulla.min.d.ts', `${lines.join('\n')}\n`);
  },
};

export default [
  {
    input: ['src/lib/platform.ts', 'src/lib/platform-node.ts', ...sources, ...globSync('src/cli/main.ts')],
    external: isExternal,
    plugins: [slimProtobuf, nodeResolve({ extensions: ['.ts', '.js'] }), commonjs(), typescript(), notices],
    output: {
      dir: 'dist',
      format: 'es',
      preserveModules: true,
      preserveModulesRoot: 'src',
      entryFileNames: fileName,
      sourcemap: true,
    },
  },
  {
    input: 'bulla.min',
    plugins: [
      everything,
      slimProtobuf,
      nodeResolve({ browser: true, extensions: ['.ts', '.js'], exportConditions: ['bulla-source', 'browser'] }),
      commonjs(),
      typescript(),
      terser({ module: true, ecma: 2020, compress: { passes: 2 } }),
    ],
    output: { file: 'dist/bulla.min.js', format: 'es', sourcemap: true },
  },
];
