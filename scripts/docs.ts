// Compiles every TypeScript block of the documentation, and runs those that are marked `ts run`: `npm run test:docs`.

import { execFileSync } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = '.tmp/docs';
const pages = ['README.md', 'SECURITY.md', 'CONTRIBUTING.md', ...globSync('docs/*.md')];

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const toRun: string[] = [];
let count = 0;
for (const page of pages) {
  const text = readFileSync(page, 'utf8');
  for (const [i, [, mark, code]] of [...text.matchAll(/^```ts(.*)\n([\s\S]*?)^```$/gm)].entries()) {
    const name = `${page.replaceAll(/[/.]/g, '-')}-${i + 1}.ts`;
    writeFileSync(join(folder, name), `${code}\nexport {};\n`);
    if (mark?.trim() === 'run') toRun.push(name);
    count++;
  }
}
if (count < 4 || toRun.length === 0) throw new Error('the documentation has lost its code blocks');
const settings = { extends: '../../tsconfig.json', compilerOptions: { noUnusedLocals: false }, include: ['*.ts'] };
writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
execFileSync('npx', ['--no-install', 'tsc', '-p', folder], { stdio: 'inherit' });
for (const name of toRun) {
  const output = execFileSync(process.execPath, ['--conditions=bulla-source', join(folder, name)], {
    encoding: 'utf8',
  });
  console.log(`${name}: ${output.trim()}`);
}
rmSync(folder, { recursive: true });
console.log(`${count} code blocks compiled, ${toRun.length} run`);
