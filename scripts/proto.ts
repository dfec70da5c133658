// Generates src/envelope/generated from proto/, or with --check compares: `npm run proto`, `npm run proto -- --check`.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const target = 'src/envelope/generated';
const slim = ['create', 'verify', 'convert', 'delimited', 'typeurl', 'service'].map((feature) => `--no-${feature}`);
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
    // The registry of roots is global to protobufjs: two copies of this package in one program must not share it.
    'bulla.js': replaceOnce(readFileSync(script, 'utf8'), /^const \$root = .*$/m, 'const $root = {};'),
    'bulla.d.ts': replaceOnce(
      readFileSync(join(folder, 'bulla.d.ts'), 'utf8'),
      /^import Long = require\("long"\);\n/m,
      '',
    ),
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

function replaceOnce(text: string, pattern: RegExp, replacement: string): string {
  if (!pattern.test(text)) throw new Error(`the generated code no longer has ${pattern}`);
  return text.replace(pattern, replacement);
}
