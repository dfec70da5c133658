// Builds dist/: modules that mirror src/, and one minified file for pages without a bundler.

import { readFileSync, writeFileSync } from 'node:fs';
import commonjs from '@rollup/plugin-commonjs';
import nodeResolve from '@rollup/plugin-node-resolve';
import terser from '@rollup/plugin-terser';
import esbuild from 'rollup-plugin-esbuild';

const { exports: subpaths, dependencies, peerDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const worker = './src/segment-worker.ts';
const sources = Object.values(subpaths)
  .flatMap((target) => target['bulla-source'] ?? [])
  .filter((source) => source !== worker);
const packages = Object.keys({ ...dependencies, ...peerDependencies });
const isExternal = (id) => /^(node:|#)/.test(id) || packages.some((name) => id === name || id.startsWith(`${name}/`));

// The part of protobufjs that writes envelopes is built into dist/: no readers, strings, 64-bit integers, floats, packed fields, base64 or remote calls. All of protobufjs would be a third of a
// bundle. Its `long` also has WebAssembly, a violation of every content security policy without `wasm-unsafe-eval`, which no bundler of a user's would leave out.
const slimmed = /\/protobufjs\/src\/(writer|util\/(minimal|utf8))\.js$/;
const usedMembers = new Set(
  'uint32 bytes _reserve _delim fork ldelim finish alloc initialBufferSize exports'.split(' '),
);
const slimProtobuf = {
  name: 'slim-protobuf',
  /** Leaves out statements like `Writer.prototype.float = …`, calls, what is assigned the result of one, and what a function does only if one says so. Lines keep their numbers. */
  transform(code, id) {
    if (!slimmed.test(id)) return null;
    const statements = this.parse(code).body;
    const isCall = (node) => node?.type === 'CallExpression';
    const isUnused = ({ expression, expression: { left, right } = {} }) =>
      isCall(expression) || isCall(right) || (left?.property && !usedMembers.has(left.property.name));
    const inner = statements.flatMap(({ expression }) => expression?.right?.body?.body ?? []);
    const unused = [...statements.filter(isUnused), ...inner.filter(({ test }) => isCall(test))];
    let slim = code;
    for (const { start, end } of unused) {
      slim = slim.slice(0, start) + code.slice(start, end).replace(/./g, ' ') + slim.slice(end);
    }
    return { code: slim, map: null };
  },
};

/** What the licence of the code in the build asks for. */
const notices = {
  name: 'notices',
  writeBundle() {
    const license = readFileSync('node_modules/protobufjs/LICENSE', 'utf8');
    writeFileSync('dist/THIRD-PARTY-NOTICES', `Parts of the code are of protobufjs:\n\n${license}`);
  },
};

/** The modules of protobufjs, of which none imports another in a circle. */
const commonModules = () => commonjs({ defaultIsModuleExports: true, strictRequires: false });

/**
 * The package has its sources, so its maps do not repeat them. What a map has of a dependency stays in it, under a path
 * that does not tell where the dependency lay.
 */
const slimMaps = {
  name: 'slim-maps',
  generateBundle(_options, files) {
    for (const file of Object.values(files)) {
      if (!file.fileName.endsWith('.map')) continue;
      const { sourcesContent, ...map } = JSON.parse(file.source);
      const contents = map.sources.map((path, i) => (/^(\.\.\/)+src\//.test(path) ? null : sourcesContent[i]));
      map.sources = map.sources.map((path) => path.replace(/^.*\/node_modules\//, 'node_modules/'));
      file.source = JSON.stringify({ ...map, ...(contents.some(Boolean) && { sourcesContent: contents }) });
    }
  },
};

const typescript = () => esbuild({ target: 'es2022', tsconfig: false });

// Functions stand together: that alone makes the compressed file a hundred bytes smaller.
const minify = terser({ module: true, ecma: 2022, compress: { passes: 2, hoist_funs: true } });

/** What runs in browsers and needs no key service and no worker, without what few need. */
const isLocal = (source) =>
  !/^\.\/src\/(node|service|service-worker|cache|bulk|url|fields(\/.*)?|keyrings\/(service|observed|transit|aws-kms))\.ts$/.test(
    source,
  );

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

/** In src/ the worker's script is TypeScript. */
const builtWorker = (path) => ({
  name: 'built-worker',
  renderChunk: (code) => ({ code: code.replace('./segment-worker.ts', path), map: null }),
});

/** Entries by their path in dist/. */
const entries = (paths) => Object.fromEntries(paths.map((path) => [path.replace(/^\.\/src\/|\.ts$/g, ''), path]));
const modules = ['./src/lib/platform.ts', './src/lib/platform-node.ts', ...sources];

// Node before 20.19 and 22.12, Jest and Metro cannot load ES modules with require(). The dependencies are ES modules
// too, so the CommonJS build contains them. Its package.json hides the package's own, so it repeats the seam.
const commonJs = {
  name: 'common-js',
  /** The worker's script is beside the page: there is no `import.meta`, and Metro bundles nothing that has it. */
  resolveImportMeta: (property) => (property === 'url' ? 'document.baseURI' : null),
  writeBundle() {
    const imports = { '#platform': { node: './lib/platform-node.js', default: './lib/platform.js' } };
    writeFileSync('dist/cjs/package.json', `${JSON.stringify({ type: 'commonjs', imports }, null, 2)}\n`);
  },
};

export default [
  {
    input: entries(modules),
    external: isExternal,
    plugins: [
      slimProtobuf,
      nodeResolve({ extensions: ['.ts', '.js'] }),
      commonModules(),
      typescript(),
      builtWorker('./segment-worker.js'),
      notices,
      slimMaps,
    ],
    output: {
      dir: 'dist',
      format: 'es',
      chunkFileNames: 'chunks/[name]-[hash].js',
      hoistTransitiveImports: false,
      sourcemap: true,
    },
  },
  {
    // In one piece, but for what few commands need: Node takes 15 MB of memory to load it as 45 modules.
    input: { main: './src/cli/main.ts' },
    external: (id) => !id.startsWith('#') && isExternal(id),
    plugins: [
      slimProtobuf,
      nodeResolve({ extensions: ['.ts', '.js'], exportConditions: ['bulla-source', 'node'] }),
      commonModules(),
      typescript(),
    ],
    output: { dir: 'dist/cli', format: 'es', chunkFileNames: 'chunks/[name]-[hash].js' },
  },
  {
    input: entries(modules),
    external: (id) => /^(node:|#)/.test(id) || Object.keys(peerDependencies).includes(id),
    plugins: [
      slimProtobuf,
      nodeResolve({ extensions: ['.ts', '.js'] }),
      commonModules(),
      typescript(),
      builtWorker('./segment-worker.js'),
      commonJs,
    ],
    output: {
      dir: 'dist/cjs',
      format: 'cjs',
      chunkFileNames: 'chunks/[name]-[hash].js',
      hoistTransitiveImports: false,
    },
  },
  {
    input: 'bulla.min',
    plugins: [
      everything,
      slimProtobuf,
      nodeResolve({ browser: true, extensions: ['.ts', '.js'], exportConditions: ['bulla-source', 'browser'] }),
      commonModules(),
      typescript(),
      builtWorker('./segment-worker.js'),
      minify,
      slimMaps,
    ],
    output: { file: 'dist/bulla.min.js', format: 'es', sourcemap: true },
  },
  {
    // One file without imports, which can be served from anywhere.
    input: worker,
    plugins: [
      nodeResolve({ browser: true, extensions: ['.ts', '.js'], exportConditions: ['bulla-source', 'browser'] }),
      typescript(),
      minify,
      slimMaps,
    ],
    output: { file: 'dist/segment-worker.js', format: 'es', sourcemap: true },
  },
];
