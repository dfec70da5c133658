// Writes test/vectors/ and the worked example of docs/format.md §10 from the reference; the same bytes at every run.

import { writeFileSync } from 'node:fs';
import { buildVector } from '../test/reference/generate/build.ts';
import { MATERIAL } from '../test/reference/generate/material.ts';
import { VALID } from '../test/reference/generate/valid.ts';

const directory = new URL('../test/vectors/', import.meta.url);

function write(name: string, value: unknown): void {
  writeFileSync(new URL(name, directory), `${JSON.stringify(value, null, 1)}\n`);
}

write('keys.json', MATERIAL);
const valid = VALID.map(buildVector);
write('valid.json', valid);
