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

it('refuses a runtime without module hooks, and warns where it is not tested', () => {
  const entry = (preload: string) =>
    spawnSync(process.execPath, ['--import', `data:text/javascript,${preload}`, bin, 'unknown'], { encoding: 'utf8' });
  const hookless = entry(
    'import m,{syncBuiltinESMExports}from"node:module";process.versions.bun="1.4.5";m.registerHooks=undefined;syncBuiltinESMExports()',
  );
  expect(hookless.status).toBe(1);
  expect(hookless.stderr).toBe(
    'bulla-key-service needs Node 24 or newer; bun 1.4.5 has no registerHooks in node:module\n',
  );
  expect(entry('process.versions.deno="2.9.6"').stderr).toContain('is tested on Node alone; this is deno 2.9.6');
});

it('is JavaScript that old parsers read', () => {
  expect(readFileSync(bin, 'utf8')).not.toMatch(/^import /m);
  expect(execFileSync(process.execPath, ['--check', bin], { encoding: 'utf8' })).toBe('');
});
