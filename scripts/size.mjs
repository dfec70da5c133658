// Bundles what typical users import and prints its size, min+gzip; fails beyond the budget: `npm run size`, part of `npm run build`.

import { gzipSync } from 'node:zlib';
import commonjs from '@rollup/plugin-commonjs';
import nodeResolve from '@rollup/plugin-node-resolve';
import terser from '@rollup/plugin-terser';
import { rollup } from 'rollup';

/** Budgets in bytes of min+gzip. */
const bundles = [
  {
    what: 'encrypt, decrypt, streams, ecdhKeyring',
    budget: 15_000,
    code: `export { encrypt, decrypt, encryptStream, decryptStream } from './dist/index.js';
           export { ecdhKeyring } from './dist/keyrings/ecdh.js';`,
  },
  {
    what: 'encrypt, decrypt, streams, service client, its keyring, cache',
    budget: 40_589,
    code: `export { encrypt, decrypt, encryptStream, decryptStream } from './dist/index.js';
           export { createKeyServiceClient } from './dist/service.js';
           export { serviceKeyring } from './dist/keyrings/service.js';
           export { cachingKeyring } from './dist/cache.js';`,
    mayContain: /node_modules\/(jose|ky)\//,
  },
  {
    what: 'everything for browsers',
    budget: 27_155,
    code: `export * from './dist/bulla.min.js';`,
  },
];

for (const { what, budget, code, mayContain } of bundles) {
  const { text, modules } = await bundle(code);
  const size = gzipSync(text, { level: 9 }).byteLength;
  console.log(`${String(size).padStart(6)} B min+gzip of ${budget} B: ${what}`);
  const forbidden = modules.filter((name) => /node_modules\/(jose|ky)\//.test(name) && !mayContain?.test(name));
  if (size > budget) throw new Error(`${what}: over budget`);
  // A violation of every content security policy without 'wasm-unsafe-eval'.
  if (text.includes('WebAssembly')) throw new Error(`${what}: uses WebAssembly`);
  if (forbidden.length > 0) throw new Error(`${what}: contains ${forbidden.join(', ')}`);
}

/** The minified bundle of an entry's code, and the modules in it. */
async function bundle(code) {
  const entry = 'size-entry.js';
  const built = await rollup({
    input: entry,
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === entry ? `${process.cwd()}/${entry}` : null),
        load: (id) => (id.endsWith(entry) ? code : null),
      },
      nodeResolve({ browser: true }),
      commonjs(),
      terser({ module: true, ecma: 2020, compress: { passes: 2 } }),
    ],
  });
  const { output } = await built.generate({ format: 'es' });
  await built.close();
  return { text: output[0].code, modules: Object.keys(output[0].modules) };
}
