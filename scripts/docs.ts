// Compiles every TypeScript block of the documentation against the built package, in each way to resolve modules, and
// runs those that are marked `ts run`, or, against a development key service, `ts run service`; checks that the rows of every table have as many cells as its header: `npm run test:docs`.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = '.tmp/docs';
const pages = ['README.md', 'SECURITY.md', 'CONTRIBUTING.md', ...globSync('docs/*.md')];

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const toRun: { name: string; withService: boolean }[] = [];
const broken: string[] = [];
let count = 0;
for (const page of pages) {
  const text = readFileSync(page, 'utf8');
  broken.push(...brokenRows(text).map((row) => `${page}:${row}`));
  for (const [i, [, mark, code]] of [...text.matchAll(/^```ts(.*)\n([\s\S]*?)^```$/gm)].entries()) {
    const name = `${page.replaceAll(/[/.]/g, '-')}-${i + 1}.ts`;
    writeFileSync(join(folder, name), `${code}\nexport {};\n`);
    writeFileSync(join(folder, name.replace(/ts$/, 'cts')), inFunction(code ?? ''));
    if (/^ run\b/.test(mark ?? '')) toRun.push({ name, withService: mark === ' run service' });
    count++;
  }
}
if (broken.length > 0) throw new Error(`rows with more or fewer cells than their header:\n${broken.join('\n')}`);
if (count < 4 || toRun.length === 0) throw new Error('the documentation has lost its code blocks');
compile('nodenext', '*.ts', { module: 'nodenext', moduleResolution: 'nodenext' });
compile('bundler', '*.ts', { module: 'esnext', moduleResolution: 'bundler' });
compile('node16, CommonJS', '*.cts', { module: 'node16', moduleResolution: 'node16', verbatimModuleSyntax: false });
const service = await startService();
try {
  for (const { name, withService } of toRun) {
    if (withService) service.fillIn(join(folder, name));
    const output = execFileSync(process.execPath, ['--conditions=bulla-source', join(folder, name)], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    console.log(`${name}: ${output.trim()}`);
  }
} finally {
  await service.stop();
}
rmSync(folder, { recursive: true });
console.log(`${count} code blocks compiled in three ways, ${toRun.length} run`);

/** Compiles as an application would: without the condition that leads to the sources. */
function compile(name: string, files: string, options: Record<string, unknown>): void {
  const compilerOptions = { noUnusedLocals: false, customConditions: [], ...options };
  const settings = { extends: '../../tsconfig.json', compilerOptions, include: [files] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(settings));
  console.log(`code blocks, ${name}`);
  execFileSync('npx', ['--no-install', 'tsc', '-p', folder], { stdio: 'inherit' });
}

/** A block as CommonJS, which has no `await` outside a function. Imports and declarations stay in front. */
function inFunction(code: string): string {
  const front: string[] = [];
  const rest = code.replace(/^(?:import|declare) (?:.*;(?: \/\/.*)?|.*\n(?:[ \t].*\n|\n)*\S.*;)$/gm, (statement) => {
    front.push(statement);
    return '';
  });
  const body = rest.replace(/^export (default )?/gm, '');
  return `${front.join('\n')}\nexport async function block() {\n${body}\n}\n`;
}

/** The rows of tables that have more or fewer cells than their header, with the numbers of their lines. GitHub drops what is too much, in silence. */
function brokenRows(text: string): string[] {
  // A bar in a table separates cells unless a backslash is before it, in code spans as well (GitHub Flavored Markdown §4.10).
  const cells = (line: string) =>
    line
      .trim()
      .replace(/^\||(?<!\\)\|$/g, '')
      .split(/(?<!\\)\|/).length;
  const lines = text.replace(/^```[\s\S]*?^```$/gm, (block) => block.replace(/[^\n]/g, '')).split('\n');
  let columns = 0;
  return lines.flatMap((line, i) => {
    if (!line.trimStart().startsWith('|')) columns = 0;
    else if (columns === 0) columns = cells(line);
    else if (cells(line) !== columns) return [`${i + 1}: ${cells(line)} instead of ${columns}: ${line.slice(0, 60)}`];
    return [];
  });
}

/** A development key service, and how its address and identity get into a block. */
async function startService() {
  const bin = 'key-service/bin/bulla-key-service.js';
  const child: ChildProcess = spawn(process.execPath, [bin, 'dev', '--port', '0', '--data', join(folder, 'service')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((done) => child.once('exit', done));
  let said = '';
  const { url, pin } = await new Promise<{ url: string; pin: string }>((done, fail) => {
    child.once('exit', () => fail(new Error(`the key service ended: ${said}`)));
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk;
      const [, url] = /url +(\S+)/.exec(said) ?? [];
      const [, pin] = /identity +([\w-]{43})\s/.exec(said) ?? [];
      if (url !== undefined && pin !== undefined) done({ url, pin });
    });
  });
  return {
    fillIn(path: string) {
      const text = readFileSync(path, 'utf8');
      const filled = text.replace('http://127.0.0.1:8400', url).replace(/(?<=pin: ')[\w-]{43}/, pin);
      if (!filled.includes(url) || !filled.includes(pin))
        throw new Error(`${path} has no address or no pin to fill in`);
      writeFileSync(path, filled);
    },
    async stop() {
      child.kill();
      await ended;
    },
  };
}
