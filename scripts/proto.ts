// Generates src/envelope/generated from proto/, or with --check compares: `npm run proto`, `npm run proto -- --check`.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const target = 'src/envelope/generated';
const slim = ['create', 'verify', 'convert', 'delimited', 'typeurl', 'service'].map((feature) => `--no-${feature}`);

/** What the generated script is changed in, so that it brings in what it needs and no more. */
const scriptEdits: readonly [pattern: RegExp, replacement: string][] = [
  // The entry point of protobufjs comes with RPC, base64 and floats.
  [
    /^import \$protobuf from "protobufjs\/minimal.js";$/m,
    ['reader', 'writer', 'util/minimal']
      .map((part) => `import $${part[0]} from "protobufjs/src/${part}.js";`)
      .join('\n'),
  ],
  [/^const \$Reader = .*$/m, 'const $Reader = $r, $Writer = $w, $util = $u;'],
  // `create` makes readers and writers of Node's Buffers where there are any; these are of Uint8Array everywhere.
  [/\$Reader\.create\(reader\)/g, 'new $Reader(reader)'],
  [/\$Writer\.create\(\)/g, 'new $Writer()'],
  [/\$util\.newBuffer\(\[\]\)/g, 'new Uint8Array(0)'],
  // The registry of roots is global to protobufjs: two copies of this package in one program must not share it.
  [/^const \$root = .*$/m, 'const $root = {};'],
  // Unknown fields are refused, or kept as bytes, before anything is decoded.
  [/^ *if \(!reader\.discardUnknown\) \{\n.*\n.*\n *\}\n/gm, ''],
  [/^ *if \(message\.\$unknowns != null .*\n.*\n.*\n/gm, ''],
  [/^ *let start = reader\.pos;\n/gm, ''],
];
const declarationEdits: typeof scriptEdits = [
  [
    /^import \* as \$protobuf from "protobufjs\/minimal.js";$/m,
    'import type * as $protobuf from "protobufjs/minimal.js";',
  ],
  [/^import Long = require\("long"\);\n/m, ''],
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
    const result = edited.replace(pattern, () => replacement);
    if (result === edited) throw new Error(`the generated code no longer has ${pattern}`);
    return result;
  }, text);
}
