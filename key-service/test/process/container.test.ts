/** The container file, carried out by hand: what its build stage copies and installs is enough to run every command, without rights. */

import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportEcdhPrivateKey, exportEcdhPublicKey, generateEcdhKey } from '../../../src/keyrings/ecdh.ts';
import { generateRootKey } from '../../src/seals/sources.ts';
import { freePort } from '../support/postgres.ts';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const steps = readFileSync(join(repository, 'key-service/Containerfile'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split(' '));
const second = steps.findLastIndex(([instruction]) => instruction === 'FROM');
const [buildStage, lastStage] = [steps.slice(0, second), steps.slice(second)];
const argumentsOf = (name: string): string[] =>
  JSON.parse(
    lastStage
      .find(([instruction]) => instruction === name)
      ?.slice(1)
      .join(' ') ?? '[]',
  );

/** The user of the image, where this one may become another. */
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
const folder = mkdtempSync(join(tmpdir(), 'bulla-image-'));
const image = join(folder, 'image');
const state = join(folder, 'state');
const config = join(folder, 'config.json');
const env = { PATH: process.env['PATH'], BULLA_ROOT_KEY: generateRootKey() };
let port: number;

const run = (...args: string[]): string => {
  const [node, ...entry] = argumentsOf('ENTRYPOINT');
  expect(node).toBe('node');
  return execFileSync(process.execPath, [...entry, ...args], { cwd: image, env, encoding: 'utf8', ...nobody });
};

beforeAll(async () => {
  chmodSync(folder, 0o755);
  for (const path of [image, state]) mkdirSync(path);
  chmodSync(state, 0o777);
  for (const [instruction = '', ...words] of buildStage) {
    if (instruction === 'COPY') {
      const target = words.pop() ?? '';
      for (const source of words) {
        const inFolder = target.endsWith('/')
          ? join(image, target, source.split('/').at(-1) ?? '')
          : join(image, target);
        cpSync(join(repository, source), inFolder, { recursive: true });
      }
    } else if (instruction === 'RUN') {
      execFileSync('sh', ['-c', `${words.join(' ')} --prefer-offline`], { cwd: image, stdio: 'pipe' });
    } else expect(['FROM', 'WORKDIR']).toContain(instruction);
  }
  port = await freePort();
  const at = (name: string) => join(state, name);
  writeFileSync(
    config,
    JSON.stringify({
      ...{ service_id: 'image', external_url: `http://127.0.0.1:${port}`, listen: { port }, issuers: [] },
      ...{
        store: { sqlite: at('keys.sqlite') },
        root_key: { env: 'BULLA_ROOT_KEY' },
        checkpoint_file: at('checkpoint'),
      },
    }),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('what is in the image', () => {
  it('is no test, no secret and no tool of development', () => {
    for (const path of ['key-service/test', 'test', '.git', 'node_modules/vitest', 'node_modules/typescript'])
      expect(existsSync(join(image, path)), path).toBe(false);
    expect(lastStage.map(([instruction]) => instruction)).toContain('USER');
  });

  it('makes a database, backs it up and restores it', async () => {
    expect(run('init', '--config', config)).toMatch(/^identity /);
    const recovery = await generateEcdhKey({ extractable: true });
    writeFileSync(join(folder, 'recovery.key'), `# of a test\n${await exportEcdhPrivateKey(recovery)}\n`);
    const recipient = exportEcdhPublicKey(recovery.publicKey);
    expect(run('backup', '--config', config, '--recipient', recipient, '--out', join(state, 'backup'))).toMatch(/rows/);
    rmSync(join(state, 'keys.sqlite'));
    const restore = ['restore', '--in', join(state, 'backup'), '--key-file', join(folder, 'recovery.key')];
    expect(run(...restore, '--config', config)).toMatch(/restored/);
    expect(run('audit', 'verify', '--config', config)).toMatch(/whole/);
  });

  it('serves, and ends at SIGTERM', async () => {
    const [, ...entry] = argumentsOf('ENTRYPOINT');
    const command = argumentsOf('CMD').map((word) => (word.startsWith('/config/') ? config : word));
    const child = spawn(process.execPath, [...entry, ...command], { cwd: image, env, stdio: 'ignore', ...nobody });
    const ended = new Promise((resolve) => child.once('close', resolve));
    let status = 0;
    while (status === 0 && child.exitCode === null) {
      status = await fetch(`http://127.0.0.1:${port}/readyz`).then(
        (response) => response.status,
        () => 0,
      );
      if (status === 0) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${port}/openapi.json`)).status).toBe(200);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });
});
