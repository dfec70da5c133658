// How long `import('bulla')` takes in a process that has just begun.

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildFolder } from '../lib/build.ts';
import { summary } from '../lib/rounds.ts';
import type { Section } from '../lib/table.ts';

const dist = join(dirname(dirname(import.meta.dirname)), 'dist');
const scripts = {
  'import bulla': `import ${JSON.stringify(join(dist, 'index.js'))};`,
  'import bulla and its ecdh keyring': `import ${JSON.stringify(join(dist, 'index.js'))};import ${JSON.stringify(join(dist, 'keyrings/ecdh.js'))};`,
  'an empty module': '',
};

/** Whole processes, one after the other in turn. */
export function coldImports(nodes: Readonly<Record<string, string>>, quick: boolean): Section[] {
  mkdirSync(buildFolder, { recursive: true });
  return Object.entries(nodes).map(([version, node]) => {
    const times = new Map<string, number[]>();
    for (let round = -1; round < (quick ? 9 : 25); round++) {
      for (const [name, text] of Object.entries(scripts)) {
        const file = join(buildFolder, 'import.mjs');
        writeFileSync(file, text);
        const begun = performance.now();
        spawnSync(node, [file], { stdio: 'inherit' });
        const taken = performance.now() - begun;
        if (round >= 0) times.set(name, [...(times.get(name) ?? []), taken]);
      }
    }
    const rows = [...times].map(([name, taken]) => ({
      name,
      kind: name === 'an empty module' ? ('limit' as const) : ('bulla' as const),
      ...summary(taken),
    }));
    return {
      id: `node${version}/import`,
      title: `Node ${version}: a cold start`,
      unit: 'ms',
      rows,
      lessIsBetter: true,
    };
  });
}
