// Gives the CommonJS build declarations of its own, for compilers that judge a file by the package it lies in:
// part of `npm run build`, after tsc.

import { cpSync, globSync, readFileSync, writeFileSync } from 'node:fs';

const paths = globSync('**/*.d.ts', { cwd: 'dist', exclude: ['cjs/**'] });
for (const path of paths) {
  const copy = `dist/cjs/${path}`;
  cpSync(`dist/${path}`, copy);
  writeFileSync(copy, readFileSync(copy, 'utf8').replace(/\n\/\/# sourceMappingURL=.*\n?$/, '\n'));
}
