// Writes test/vectors/ and the worked example of docs/format.md §10 from the reference implementation, the same bytes at every
// run; with --check it writes nothing and fails where a file differs.

import { readFileSync, writeFileSync } from 'node:fs';
import { buildVector } from '../test/reference/generate/build.ts';
import { buildInvalid } from '../test/reference/generate/craft.ts';
import { EXAMPLE, renderExample } from '../test/reference/generate/example.ts';
import { fieldKeys, fieldRecords, fieldTags } from '../test/reference/generate/fields.ts';
import { refusedFields } from '../test/reference/generate/fields-refused.ts';
import { INVALID_CONTENTS } from '../test/reference/generate/invalid-contents.ts';
import { INVALID_ENCODING } from '../test/reference/generate/invalid-encoding.ts';
import { INVALID_MESSAGES } from '../test/reference/generate/invalid-messages.ts';
import { MATERIAL } from '../test/reference/generate/material.ts';
import { VALID } from '../test/reference/generate/valid.ts';

const isCheck = process.argv.includes('--check');

function write(path: string, content: string): void {
  const url = new URL(`../${path}`, import.meta.url);
  if (!isCheck) writeFileSync(url, content);
  if (readFileSync(url, 'utf8') === content) return;
  console.error(`${path} differs from what npm run vectors writes`);
  process.exitCode = 1;
}

/** One vector a line: a change shows as the vectors that it changes. */
const toJson = (vectors: readonly unknown[]): string =>
  `[\n${vectors.map((vector) => JSON.stringify(vector)).join(',\n')}\n]\n`;

function checkNames(vectors: readonly { readonly name: string }[]): void {
  const names = vectors.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`two vectors are called: ${twice}`);
}

const example = buildVector(EXAMPLE);
const valid = [example, ...VALID.map(buildVector)];
const invalid = [...INVALID_MESSAGES, ...INVALID_ENCODING, ...INVALID_CONTENTS].map(buildInvalid);
checkNames(valid);
checkNames(invalid);
write('test/vectors/keys.json', `${JSON.stringify(MATERIAL, null, 2)}\n`);
write('test/vectors/valid.json', toJson(valid));
write('test/vectors/invalid.json', toJson(invalid));
const fields = { keys: fieldKeys, tags: fieldTags, records: fieldRecords, refused: refusedFields };
for (const [name, vectors] of Object.entries(fields)) {
  checkNames(vectors);
  write(`test/vectors/fields-${name}.json`, toJson(vectors));
}

const page = readFileSync(new URL('../docs/format.md', import.meta.url), 'utf8');
const section = /(?<=<!-- example: .* -->\n)[\s\S]*(?=<!-- \/example -->)/;
write(
  'docs/format.md',
  page.replace(section, () => `\n${renderExample(example, MATERIAL)}\n`),
);
console.log(`${valid.length} valid and ${invalid.length} invalid vectors${isCheck ? ' checked' : ''}`);
