// Measures bulla, its peers and the limits of this machine, interleaved in one run: `npm run bench`, `npm run bench -- --quick --only streams,messages`.
// Prints tables and writes all figures to bench/results.json, or where `--json` says.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Section, table } from './lib/table.ts';

const here = import.meta.dirname;
const { values } = parseArgs({
  options: {
    /** Less of everything: says whether it works, and roughly how fast. */
    quick: { type: 'boolean', default: false },
    /** Some of the sections. */
    only: { type: 'string', default: 'streams,messages,files,import,service,chromium' },
    /** Some of the versions of Node. */
    node: { type: 'string', default: '20,24' },
    json: { type: 'string', default: join(here, 'results.json') },
  },
});
const { quick } = values;
const sections = values.only.split(',');

for (const cwd of [here, join(here, 'aws-browser')]) {
  if (existsSync(join(cwd, 'node_modules'))) continue;
  console.error('installing the peers');
  execFileSync('npm', ['ci', '--silent'], { cwd, stdio: 'inherit' });
}
const nodes: Record<string, string> = { 20: join(here, 'node_modules', 'node20', 'bin', 'node'), 24: process.execPath };

const found: Section[] = [];
for (const version of values.node.split(',')) found.push(...(await inNode(nodes[version] as string)));
if (sections.includes('import')) {
  const { coldImports } = await import('./sections/imports.ts');
  found.push(...coldImports(nodes, quick));
}
if (sections.includes('files')) {
  const { files } = await import('./sections/files.ts');
  found.push(...(await files(process.execPath, quick)));
}
if (sections.includes('service')) {
  const { unwraps } = await import('./sections/service.ts');
  found.push(...(await unwraps(quick)));
}
if (sections.includes('chromium')) {
  const { inChromium } = await import('./sections/chromium.ts');
  found.push(...(await inChromium(quick)));
}

const machine = {
  processor: cpus()[0]?.model,
  cores: cpus().length,
  system: `Linux ${release()}`,
  node: process.version,
};
for (const section of found) console.log(table(section));
console.log(JSON.stringify(machine));
writeFileSync(values.json, `${JSON.stringify({ machine, quick, sections: found }, undefined, 2)}\n`);

/** Streams and messages, in a process of its own. */
async function inNode(node: string): Promise<Section[]> {
  const wanted = sections.filter((name) => ['streams', 'messages'].includes(name));
  if (wanted.length === 0) return [];
  const { bundleForNode } = await import('./lib/build.ts');
  const script = await bundleForNode('node');
  const child = spawn(node, ['--expose-gc', script, JSON.stringify({ sections: wanted, quick })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) output += chunk;
  return JSON.parse(output) as Section[];
}
