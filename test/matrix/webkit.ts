// WebKitGTK by W3C WebDriver, which Debian's `webkit2gtk-driver` brings, on a screen that nobody sees (Xvfb).

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import type { Outcome, Result } from './run.ts';

const browsers = [
  '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser',
  '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.0/MiniBrowser',
];
const programs = ['/usr/bin/WebKitWebDriver', '/usr/bin/Xvfb'];

/** Opens a page and returns what it puts into `globalThis.results`. Installs what is missing, as root on Debian. */
export async function inWebKit(url: string): Promise<Outcome> {
  if (!programs.every((path) => existsSync(path))) install();
  const screen = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1280x800x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  let driver: ChildProcess | undefined;
  try {
    const display = String((await once(screen.stdio[3] as NodeJS.ReadableStream, 'data'))[0]).trim();
    const port = await freePort();
    // WebKit shuts its web process into a sandbox of its own, which a container does not let it make.
    const env = { ...process.env, DISPLAY: `:${display}`, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' };
    driver = spawn('WebKitWebDriver', [`--port=${port}`, '--host=127.0.0.1'], { env, stdio: 'ignore' });
    return await resultsOf(`http://127.0.0.1:${port}`, url);
  } finally {
    for (const child of [driver, screen]) if (child !== undefined) await end(child);
  }
}

async function resultsOf(driver: string, url: string): Promise<Outcome> {
  const call = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(driver + path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const { value } = (await response.json()) as { value: unknown };
    if (!response.ok) throw new Error(`WebDriver: ${JSON.stringify(value)}`);
    return value;
  };
  await untilReady(() => call('GET', '/status'));
  const options = { binary: browsers.find((path) => existsSync(path)), args: ['--automation'] };
  const capabilities = { alwaysMatch: { 'webkitgtk:browserOptions': options, timeouts: { script: 300_000 } } };
  const session = (await call('POST', '/session', { capabilities })) as {
    sessionId: string;
    capabilities: { browserVersion: string };
  };
  const path = `/session/${session.sessionId}`;
  try {
    await call('POST', `${path}/url`, { url });
    const results = (await call('POST', `${path}/execute/async`, { script, args: [] })) as string;
    return { version: session.capabilities.browserVersion, results: JSON.parse(results) as Result[] };
  } finally {
    await call('DELETE', path);
  }
}

/** A page's module may not have run yet when the page is there. */
const script = `
  const [done] = arguments;
  const look = () => globalThis.results === undefined
    ? setTimeout(look, 50)
    : globalThis.results.then((results) => done(JSON.stringify(results)));
  look();`;

async function untilReady(look: () => Promise<unknown>): Promise<void> {
  for (let attempts = 600; ; attempts--) {
    try {
      return void (await look());
    } catch (error) {
      if (attempts === 0) throw error;
      await new Promise((done) => setTimeout(done, 100));
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill();
  await once(child, 'exit');
}

function install(): void {
  console.error('no WebKitGTK found, installing it');
  for (const args of [
    ['update', '-q'],
    ['install', '-q', '-y', '--no-install-recommends', 'webkit2gtk-driver', 'xvfb'],
  ]) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    execFileSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], env });
  }
}
