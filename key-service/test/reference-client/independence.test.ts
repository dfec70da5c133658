/** The reference client is written from the document alone: it takes nothing from either `src/`, nor from any package. */

import { globSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { expect, it } from 'vitest';

const folder = import.meta.dirname;
const files = globSync(`${folder}/*.ts`);

it.each(files.map((file) => [relative(folder, file), file] as const))('%s', (_, file) => {
  const text = readFileSync(file, 'utf8');
  const imports = /^(?:import|export)\s[^;]*?from '([^']+)'|^import '([^']+)'|\bimport\('([^']+)'\)/gm;
  const names = [...text.matchAll(imports)].map(([, from, plain, later]) => from ?? plain ?? later ?? '');
  expect(names.length).toBeGreaterThan(0);
  const foreign = names.filter((name) => {
    if (name.startsWith('.')) return dirname(resolve(folder, name)) !== folder;
    return !name.startsWith('node:') && name !== 'vitest';
  });
  expect(foreign).toEqual([]);
});

it('there are files', () => expect(files.length).toBeGreaterThan(5));
