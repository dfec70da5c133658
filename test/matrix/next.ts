// Runs the portable suite in Next: in a route of Node, in one of the edge runtime, and in a page.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { inPageAt } from './pages.ts';
import { type Outcome, packageVersion, type Result, toolOf } from './run.ts';
import type { Environment } from './table.ts';

const run = promisify(execFile);
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' };

const route = (runtime: string) => `
import { run } from '../../all.js';
export const runtime = '${runtime}';
export const dynamic = 'force-dynamic';
export const GET = async () => Response.json(await run());
`;

const files: Record<string, string> = {
  'app/layout.js': 'export default ({ children }) => <html><body>{children}</body></html>;',
  'app/page.js': `'use client';
import { useEffect } from 'react';
import { run } from '../all.js';
export default function Page() {
  useEffect(() => { globalThis.results ??= run(); });
  return 'the suite runs';
}`,
  'app/nodejs/route.js': route('nodejs'),
  'app/edge/route.js': route('edge'),
  // With `"type": "module"`, Next 16.4 cannot build any edge route with webpack: it looks for a manifest that it did not write.
  'package.json': '{ "name": "project", "private": true }',
  'next.config.mjs': "export default { turbopack: { root: import.meta.dirname + '/../..' } };",
};

/** `version` is a runtime or a browser, `flags` are those of `next build`. */
export async function inNext({ version, flags = [] }: Environment, project: string): Promise<Outcome> {
  // Below the folder of Next: Turbopack follows no link that leads out of its root.
  const base = join(toolOf('', 'bundlers'), '../.tmp');
  mkdirSync(base, { recursive: true });
  const folder = mkdtempSync(join(base, 'next-'));
  const next = [toolOf('next/dist/bin/next', 'bundlers')];
  try {
    for (const name of ['all.js', 'suite.js', 'node_modules']) {
      cpSync(join(project, name), join(folder, name), { recursive: true });
    }
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    if (version !== 'edge') rmSync(join(folder, 'app/edge'), { recursive: true });
    await run(process.execPath, [...next, 'build', ...flags], { cwd: folder, env, maxBuffer: 2 ** 26 });
    const server = spawn(process.execPath, [...next, 'start', '--port', '0', '--hostname', '127.0.0.1'], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const url = await addressOf(server.stdout);
      const { results } =
        version === 'chromium'
          ? await inPageAt(url, version)
          : { results: (await (await fetch(`${url}/${version}`)).json()) as Result[] };
      return { version: packageVersion(toolOf('next', 'bundlers')), results };
    } finally {
      server.kill();
      await once(server, 'exit');
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function addressOf(output: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  return new Promise((done, fail) => {
    output.on('data', (chunk) => {
      text += String(chunk);
      const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(text) ?? [];
      if (url !== undefined) done(url);
    });
    output.once('end', () => fail(new Error(`Next did not start: ${text}`)));
  });
}
