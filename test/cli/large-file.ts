// 1 GiB through the command line both ways: the same bytes come back, and memory does not grow with the file: `npm run test:large`.
// Ends with exit code 1 where the peak is more than 40 MB above that of a Node that does nothing.

import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const size = 2 ** 30;
const allowed = 40_000_000;
const main = resolve('dist/cli/main.js');
const folder = mkdtempSync(join(tmpdir(), 'bulla-large-'));

/** Runs a script of Node's and gives the peak of its resident memory in bytes, which the process tells itself as it ends. */
function peakOf(args: readonly string[]): { peak: number; seconds: number; stdout: string } {
  const reporter = `process.on('exit', () => require('fs').writeSync(3, String(process.resourceUsage().maxRSS)))`;
  const preload = join(folder, 'report.cjs');
  writeText(preload, reporter);
  const begun = performance.now();
  const { status, stdout, stderr, output } = spawnSync(process.execPath, ['--require', preload, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${args.join(' ')}: ${status}\n${stderr}`);
  return { peak: Number(output[3]) * 1024, seconds: (performance.now() - begun) / 1000, stdout };
}

function writeText(path: string, text: string): void {
  const file = openSync(path, 'w');
  writeSync(file, text);
  closeSync(file);
}

/** Writes bytes that do not repeat from chunk to chunk. */
function writeLarge(path: string): void {
  const chunk = randomBytes(2 ** 20);
  const file = openSync(path, 'w');
  for (let done = 0; done < size; done += chunk.byteLength) {
    chunk.writeUInt32LE(done / chunk.byteLength, 0);
    writeSync(file, chunk);
  }
  closeSync(file);
}

function digestOf(path: string): string {
  const hash = createHash('sha256');
  const buffer = new Uint8Array(2 ** 20);
  const file = openSync(path, 'r');
  for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer))
    hash.update(buffer.subarray(0, read));
  closeSync(file);
  return hash.digest('hex');
}

try {
  const plain = join(folder, 'large');
  writeLarge(plain);
  const digest = digestOf(plain);
  const { peak: idle } = peakOf(['-e', '0']);
  const { stdout } = peakOf([main, 'keygen', '-o', 'alice.key']);
  const encrypted = peakOf([main, 'encrypt', '-r', stdout.trim(), 'large']);
  rmSync(plain);
  const decrypted = peakOf([main, 'decrypt', '-k', 'alice.key', 'large.bulla']);
  if (statSync(plain).size !== size || digestOf(plain) !== digest) throw new Error('other bytes came back');
  for (const [what, { peak, seconds }] of Object.entries({ encrypt: encrypted, decrypt: decrypted })) {
    const above = peak - idle;
    const rate = size / seconds / 1e6;
    console.log(
      `${what} 1 GiB: ${(above / 1e6).toFixed(1)} MB above node -e 0 (${(idle / 1e6).toFixed(1)} MB), ${rate.toFixed(0)} MB/s`,
    );
    if (above > allowed) throw new Error(`${what} took more than ${allowed / 1e6} MB`);
  }
  console.log('the same bytes came back');
} finally {
  rmSync(folder, { recursive: true });
}
