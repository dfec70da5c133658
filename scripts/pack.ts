// Uses the package as a stranger would: packs it, installs the tarball in an empty project, and runs it in Node, in a Vite build without polyfills
// and in a page with a plain module script. Checks its size, the package with publint and are-the-types-wrong, and that its pages and source maps
// lead to what is in it: `npm run test:package`, after a build.

import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, extname, join, resolve } from 'node:path';
import { chromium } from 'playwright';
import { publint } from 'publint';
import { build, createServer as createDevelopmentServer } from 'vite';
import { findBrowsers } from './browsers.ts';

const root = resolve(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'bulla-pack-'));
const run = (program: string, args: string[], cwd: string) =>
  execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

const program = `
import { decrypt, encrypt, isBullaError } from 'bulla';
import { ecdhKeyring, generateEcdhKey } from 'bulla/keyrings/ecdh';
const key = await generateEcdhKey();
const keyring = ecdhKeyring({ recipients: [key.publicKey], privateKeys: [key] });
const message = await encrypt('attack at dawn', { keyring, context: { record: '4711' } });
const { plaintext } = await decrypt(message, { keyring, context: { record: '4711' } });
const code = await decrypt(message, { keyring }).catch((error) => isBullaError(error) && error.code);
export const result = new TextDecoder().decode(plaintext) + ' ' + code;
`;
/** What a tarball may have, in bytes. */
const maxTarball = 1_300_000;

const expected = 'attack at dawn ERR_CONTEXT_MISMATCH';

/** What a page does besides: a blob there and back, by workers. */
const page = `
import { aesKeyring } from 'bulla/keyrings/aes';
import { decryptBlob, encryptBlob } from 'bulla/files';
import { createWorkerPool } from 'bulla/workers';
import { result } from './program.js';
const keyring = aesKeyring({ keyId: 'k', key: new Uint8Array(32) });
const workers = createWorkerPool();
const message = await encryptBlob(new Blob([new Uint8Array(3_000_000)]), { keyring, workers });
const { plaintext } = await decryptBlob(message, { keyring, workers });
document.title = result + (plaintext.size === 3_000_000 ? '' : ' and a blob of ' + plaintext.size + ' bytes');
`;

try {
  // `prepack` would build once more.
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder];
  const tarball = join(folder, run('npm', pack, root).trim());
  assertSize(tarball);
  await lint(tarball);
  run(
    'npx',
    // The first two are for <script> and `new Worker`, not for import.
    ['attw', tarball, '--exclude-entrypoints', './bulla.min.js', './segment-worker', './package.json'],
    root,
  );
  console.log('are-the-types-wrong: clean');

  const project = join(folder, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{"name":"empty","private":true,"type":"module"}');
  run('npm', ['install', '--silent', '--no-audit', '--no-fund', tarball], project);
  const installed = readdirSync(join(project, 'node_modules')).filter((name) => !name.startsWith('.'));
  console.log(`installed: ${installed.join(', ')}`);

  assertLinks(join(project, 'node_modules/bulla'));
  assertMaps(join(project, 'node_modules/bulla'));

  writeFileSync(join(project, 'program.js'), program);
  writeFileSync(join(project, 'main.js'), "import { result } from './program.js';\nconsole.log(result);\n");
  assertResult('Node', run('node', ['main.js'], project).trim());

  writeFileSync(join(project, 'page.js'), page);
  const html = (script: string) =>
    `<!doctype html><title>waiting</title><script type="module" src="${script}"></script>`;
  writeFileSync(join(project, 'index.html'), html('/page.js'));
  const development = await createDevelopmentServer({
    root: project,
    logLevel: 'error',
    server: { host: '127.0.0.1', port: 0, hmr: false },
  });
  await development.listen();
  assertResult('Vite, development server', await titleAt(development.resolvedUrls?.local[0] as string));
  await development.close();

  await build({ root: project, logLevel: 'error', build: { target: 'es2022' } });
  assertResult('Vite', await titleOf(join(project, 'dist')));

  const plain = join(folder, 'plain');
  mkdirSync(plain);
  for (const name of ['bulla.min.js', 'segment-worker.js']) {
    cpSync(join(project, 'node_modules/bulla/dist', name), join(plain, name));
  }
  const fromFile = (text: string) =>
    text.replace(/^import (.*) from 'bulla.*';$/gm, "import $1 from './bulla.min.js';");
  writeFileSync(join(plain, 'program.js'), fromFile(program));
  writeFileSync(join(plain, 'page.js'), fromFile(page));
  writeFileSync(join(plain, 'index.html'), html('/page.js'));
  assertResult('plain module script', await titleOf(plain));

  for (const [name, text] of [
    ['dist/index.js', 'jose'],
    ['dist/index.js', 'ky'],
  ] as const) {
    if (readFileSync(join(project, 'node_modules/bulla', name), 'utf8').includes(`'${text}'`))
      throw new Error(`${name} imports ${text}`);
  }
} finally {
  rmSync(folder, { recursive: true });
}

function assertSize(tarball: string): void {
  const { size } = statSync(tarball);
  console.log(`tarball: ${size} B of ${maxTarball} B`);
  if (size > maxTarball) throw new Error('the tarball is over budget');
}

/** Every source that a map names is in the map or in the package: a debugger shows TypeScript. */
function assertMaps(installed: string): void {
  const maps = globSync('dist/**/*.map', { cwd: installed });
  const missing = maps.flatMap((path) => {
    const { sources, sourcesContent = [], sourceRoot = '' } = JSON.parse(readFileSync(join(installed, path), 'utf8'));
    const isThere = (source: string, i: number) =>
      typeof sourcesContent[i] === 'string' || existsSync(join(installed, dirname(path), sourceRoot, source));
    return (sources as string[]).filter((source, i) => !isThere(source, i)).map((source) => `${path}: ${source}`);
  });
  if (!maps.includes('dist/index.js.map')) throw new Error('the package has lost its source maps');
  if (missing.length > 0) throw new Error(`sources that no debugger finds:\n${missing.join('\n')}`);
  console.log(`source maps: ${maps.length}`);
}

/**
 * publint's rules, warnings included. One does not hold: Node reads `imports` of the package.json nearest to a file, a
 * nested one too, as test/runtimes/instances.cjs shows in every supported version.
 */
async function lint(tarball: string): Promise<void> {
  const { buffer, byteOffset, byteLength } = readFileSync(tarball);
  const { messages } = await publint({
    pack: { tarball: buffer.slice(byteOffset, byteOffset + byteLength) },
    strict: true,
  });
  const wrong = messages.filter(({ code }) => code !== 'NESTED_PACKAGE_JSON_FIELD_IGNORED');
  if (wrong.length > 0) throw new Error(`publint: ${JSON.stringify(wrong, null, 2)}`);
  console.log('publint: clean');
}

/** Every relative link of the packed pages leads to a file of the package. Pictures are for who reads the repository, and stay out of it. */
function assertLinks(installed: string): void {
  const pages = globSync(['*.md', 'docs/*.md'], { cwd: installed });
  const links = pages.flatMap((page) => {
    const text = readFileSync(join(installed, page), 'utf8');
    const targets = [...text.matchAll(/(?<!!\[[^\]]*)\]\(([^)\s#]+)[^)]*\)/g)].map(([, target = '']) => target);
    return targets.filter((target) => !/^[a-z]+:/.test(target)).map((target) => ({ page, target }));
  });
  const broken = links.filter(({ page, target }) => !existsSync(join(installed, dirname(page), target)));
  if (links.length === 0) throw new Error('the packed pages have lost their links');
  if (broken.length > 0) throw new Error(broken.map(({ page, target }) => `${page} links to ${target}`).join('\n'));
  console.log(`links: ${links.length} in ${pages.length} pages`);
}

function assertResult(where: string, result: string): void {
  if (result !== expected)
    throw new Error(`${where}: ${JSON.stringify(result)} instead of ${JSON.stringify(expected)}`);
  console.log(`${where}: ${result}`);
}

/** Serves a folder under a strict policy, opens it in Chromium, and gives the title that the page's script sets. */
async function titleOf(site: string): Promise<string> {
  const types: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' };
  const server = createServer((request, response) => {
    const path = join(site, request.url === '/' ? 'index.html' : (request.url ?? ''));
    const headers = {
      'Content-Type': types[extname(path)] ?? 'text/plain',
      'Content-Security-Policy': "default-src 'self'",
    };
    try {
      const content = readFileSync(path);
      response.writeHead(200, headers).end(content);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  try {
    return await titleAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

/** Opens a page in Chromium, and gives the title that its script sets. */
async function titleAt(url: string): Promise<string> {
  const browser = await chromium.launch((await findBrowsers()).chromium);
  try {
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on(
      'console',
      (message) => message.type() === 'error' && !message.text().includes('favicon') && errors.push(message.text()),
    );
    await page.goto(url);
    await page.waitForFunction(() => document.title !== 'waiting', undefined, { timeout: 20_000 });
    if (errors.some((text) => !text.includes('404'))) throw new Error(errors.join('\n'));
    return await page.title();
  } finally {
    await browser.close();
  }
}
