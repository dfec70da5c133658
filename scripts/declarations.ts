// Makes the declarations fit every compiler: part of `npm run build`, after tsc. Before TypeScript 5.7 `Uint8Array` takes
// no type argument, and what is inferred keeps the name of a source file. The CommonJS build gets declarations of its own,
// for compilers that judge a file by the package it lies in.

import { cpSync, globSync, readFileSync, writeFileSync } from 'node:fs';

const paths = globSync('**/*.d.ts', { cwd: 'dist', exclude: ['cjs/**'] });
for (const path of paths) {
  const text = readFileSync(`dist/${path}`, 'utf8');
  const portable = text
    .replaceAll('Uint8Array<ArrayBufferLike>', 'Uint8Array')
    .replaceAll('Uint8Array<ArrayBuffer>', "ReturnType<Uint8ArrayConstructor['of']>")
    .replace(/import\("(\.[^"]+)\.ts"\)/g, 'import("$1.js")');
  writeFileSync(`dist/${path}`, portable);
  const copy = `dist/cjs/${path}`;
  cpSync(`dist/${path}`, copy);
  writeFileSync(copy, readFileSync(copy, 'utf8').replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n'));
}
