// Generates src/envelope/generated from proto/, or with --check compares: `npm run proto`, `npm run proto -- --check`.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const target = 'src/envelope/generated';
const slim = ['create', 'decode', 'verify', 'convert', 'delimited', 'typeurl', 'service'].map(
  (feature) => `--no-${feature}`,
);

/**
 * Fields are written by a function for each type. Default values are not written, and what is of another type is not either: a number where a length belongs
 * would make other fields a part of this one. Strings are written as their UTF-8 bytes.
 */
const helpers = `const $has = (message, name) => message[name] != null && Object.hasOwn(message, name);
const $field = (type, write) => (writer, message, name, tag) => {
    const value = $has(message, name) && message[name];
    if (typeof value === type && (value.length ?? value)) write(writer.uint32(tag), value, name);
};
const $uint32 = $field("number", (writer, value) => writer.uint32(value));
const $bytes = $field("object", (writer, value) => writer.bytes(value));
const $string = $field("string", (writer, value, name) => writer.bytes($utf8(value, name)));
const $nest = (writer, message, name, tag, type) => {
    if ($has(message, name)) type.encode(message[name], writer.uint32(tag).fork()).ldelim();
};`;

/** What the generated script is changed in, so that it has what writing needs and no more: wire.ts reads, and nothing is made of these classes. */
const scriptEdits: readonly [pattern: RegExp, replacement: string][] = [
  [/^ *(?:\/\*\*\n(?: +\*.*\n)+|\/\/.*\n)\n?/gm, ''],
  // The entry point of protobufjs comes with readers, RPC, base64 and floats.
  [
    /^import \$protobuf from .*$/m,
    'import $$Writer from "protobufjs/src/writer.js";\nimport { encodeUtf8 as $$utf8 } from "../../lib/utf8.ts";',
  ],
  [/^const \$Writer = .*\nconst \$Object = .*$/m, helpers.replaceAll('$', '$$$$')],
  // `create` makes writers of Node's Buffers where there are any; these are of Uint8Array everywhere.
  [/\$Writer\.create\(\)/g, 'new $$Writer()'],
  // The registry of roots is global to protobufjs: two copies of this package in one program must not share it.
  [/^const \$root = .*\n\n/m, ''],
  [/ = \$root\.bulla = /, ' = '],
  [/^export \{\n.*\n\};\n/m, ''],
  [/\bfunction \(properties\) \{\n(?:.*\n)*? {12}\};/g, '{};'],
  [/^ *\w+\.prototype\.\w+ = .*\n\n?/gm, ''],
  [/^ *let \$oneOfFields;\n(?:.*\n)*? *\}\);\n\n/gm, ''],
  [/^ *if \(message\.\$unknowns != null .*\n.*\n.*\n/gm, ''],
  [/^ *if \(_depth .*\n.*\n/gm, ''],
  [/message\.\w+ != null && \$Object\.hasOwnProperty\.call\(message, ("\w+")\)/g, '$$has(message, $1)'],
  // protobufjs writes half a character as another one.
  [/\.string\((message\.\w+\[i\])\)/g, '.bytes($$utf8($1))'],
  // An enum's numbers are never negative, and have no use for their names.
  [/\.int32\(/g, '.uint32('],
  [
    /if \(\$has\(message, ("\w+")\) && .*\n *writer\.uint32\(([^)]+)\)\.(bytes|string|uint32)\(message\.\w+\);/g,
    '$$$3(writer, message, $1, $2);',
  ],
  [/function \(message, writer, _depth\) \{\n.*\n.*\n/g, 'function (message, writer = new $$Writer()) {\n'],
  [/, _depth(?: \+ 1)?\)/g, ')'],
  [
    /if \(message\.(\w+) != null && message\.\w+\.length\)\n *for \(let i = 0; .*\n(.*)\[i\]/g,
    'for (const each of message.$1 ?? [])\n$2[i]',
  ],
  [/message\.\w+\[i\]/g, 'each'],
  [/\$root\.bulla\.v1\./g, 'v1.'],
  [
    /if \(\$has\(message, ("\w+")\)\)\n *(v1\.\w+)\.encode\(message\.\w+, writer\.uint32\(([^)]+)\)\.fork\(\)\)\.ldelim\(\);/g,
    '$$nest(writer, message, $1, $3, $2);',
  ],
  [/\(function\(\) \{\n\n *const (\w+) = \{\};\n\n *\1\.encode = /g, '{ encode: '],
  [/(return writer;\n *\});\n\n *return \w+;\n *\}\)\(\);/g, '$1 };'],
  [/^export const bulla = (?:.*\n){7}/m, 'export const bulla = { v1: {} };\nconst { v1 } = bulla;\n'],
  [/^ *return v1;\n(?:.*\n){4}/m, ''],
  [/\(function\(\) \{\n *const valuesById = .*$/m, '{'],
  // What is 0 is not written.
  [/^ *values\[valuesById\[0\] .*\n/m, ''],
  [/values\[valuesById\[\d+\] = ("\w+")\] = (\d+);/g, '$1: $2,'],
  [/return values;\n *\}\)\(\);/, '};'],
];
const declarationEdits: typeof scriptEdits = [
  [
    /^import \* as \$protobuf from "protobufjs\/minimal.js";$/m,
    'import type * as $protobuf from "protobufjs/minimal.js";',
  ],
  [/^import Long = require\("long"\);\n/m, ''],
  [/^ *constructor\(properties.*$/gm, '            private constructor();'],
];
const folder = mkdtempSync(join(tmpdir(), 'bulla-proto-'));

try {
  const script = join(folder, 'bulla.js');
  execFileSync(
    'node_modules/.bin/pbjs',
    [
      '-t',
      'static-module',
      '-w',
      'esm',
      ...slim,
      '--force-number',
      '-r',
      'bulla',
      '-o',
      script,
      '-d',
      'proto/bulla.proto',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const files = {
    'bulla.js': edit(readFileSync(script, 'utf8'), scriptEdits),
    'bulla.d.ts': edit(readFileSync(join(folder, 'bulla.d.ts'), 'utf8'), declarationEdits),
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(target, name);
    if (!process.argv.includes('--check')) writeFileSync(path, text);
    else if (readFileSync(path, 'utf8') !== text)
      throw new Error(`${path} is not what proto/ generates: npm run proto`);
  }
} finally {
  rmSync(folder, { recursive: true });
}

function edit(text: string, edits: typeof scriptEdits): string {
  return edits.reduce((edited, [pattern, replacement]) => {
    const result = edited.replace(pattern, replacement);
    if (result === edited) throw new Error(`the generated code no longer has ${pattern}`);
    return result;
  }, text);
}
