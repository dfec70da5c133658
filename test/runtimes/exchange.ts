// Every supported Node encrypts for every other, with and without its own WebCrypto, and `import` and `require` work
// together in each: `npm run test:runtimes`. Needs the built dist/.

import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const here = import.meta.dirname;
const nodes = join(here, 'nodes');
const others = join(here, '../matrix');
for (const folder of [nodes, others]) {
  if (existsSync(join(folder, 'node_modules'))) continue;
  console.log('installing the runtimes under test');
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--silent'], { cwd: folder, stdio: 'inherit' });
}

const version = (name: string) => join(nodes, 'node_modules', name, 'bin', 'node');
const sides = [
  { name: 'Node 20', node: version('node20') },
  { name: 'Node 22', node: version('node22') },
  { name: 'Node 24', node: process.execPath },
  { name: 'Node 26', node: version('node26') },
  { name: 'Node 20 without WebCrypto', node: version('node20'), env: { WITHOUT_WEBCRYPTO: '1' } },
  { name: 'Node 24 without WebCrypto', node: process.execPath, env: { WITHOUT_WEBCRYPTO: '1' } },
];

/** How many instances of the package `import` and `require` make: Node 20.19 and 22.12 were the first to make one. */
const instances: [name: string, program: string, count: string, ...args: string[]][] = [
  ['Node 20.0', version('node20-0'), 'two instances'],
  ['Node 20.18', version('node20-18'), 'two instances'],
  ['Node 20', version('node20'), 'one instance'],
  ['Node 22.11', version('node22-11'), 'two instances'],
  ['Node 22', version('node22'), 'one instance'],
  ['Node 24', process.execPath, 'one instance'],
  ['Node 26', version('node26'), 'one instance'],
  ['Bun', join(others, 'node_modules/bun/bin/bun.exe'), 'one instance'],
  ['Deno', join(others, 'node_modules/deno/deno'), 'one instance', 'run', '--quiet', '--no-lock', '--allow-all'],
];
for (const [name, program, expected, ...args] of instances) {
  const count = execFileSync(program, [...args, join(here, 'instances.cjs')], { encoding: 'utf8' }).trim();
  if (count !== expected) throw new Error(`${name}: ${count} instead of ${expected}`);
  console.log(`${name}: ${count} by import and require`);
}

const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'bulla-runtimes-'));
try {
  const keyFile = join(folder, 'keys.json');
  writeFileSync(keyFile, JSON.stringify(makeKeys()));
  for (const writer of sides) {
    const messages = join(folder, 'messages');
    mkdirSync(messages);
    run(writer, 'encrypt', messages, keyFile);
    for (const reader of sides) {
      const result = run(reader, 'decrypt', messages, keyFile);
      console.log(`${writer.name} -> ${reader.name}: ${result}`);
    }
    rmSync(messages, { recursive: true });
  }
} finally {
  rmSync(folder, { recursive: true });
}

function run(
  { node, env = {} }: { node: string; env?: Record<string, string> },
  action: string,
  ...paths: string[]
): string {
  const command = [join(here, 'side.mjs'), action, ...paths];
  return execFileSync(node, command, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  }).trim();
}

function makeKeys(): Record<string, unknown> {
  const jwk = { format: 'jwk' } as const;
  return {
    ecdh: generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey.export(jwk),
    rsa: generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey.export(jwk),
    aes: randomBytes(32).toString('base64url'),
    passphrase: 'orbit velvet cactus lantern',
  };
}
