/** The entry of the command tells a Node that is too old. */

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const bin = fileURLToPath(new URL('../../bin/bulla-key-service.js', import.meta.url));

it('refuses a Node before 24 with a clear message', () => {
  // The version is what the entry looks at; a real old Node gets as far as this line, too.
  const preload = 'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.20.0"})';
  const { status, stderr } = spawnSync(process.execPath, ['--import', preload, bin, 'dev'], { encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toBe('bulla-key-service needs Node 24 or newer; this is Node 20.20.0\n');
});

it('is JavaScript that old parsers read', () => {
  expect(readFileSync(bin, 'utf8')).not.toMatch(/^import /m);
  expect(execFileSync(process.execPath, ['--check', bin], { encoding: 'utf8' })).toBe('');
});
