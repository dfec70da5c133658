/** The development service as its banner says: one command, loopback only, and the example that it prints; `docs/key-service.md` §9.5. */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ServiceProcess, startProcess } from '../support/process.ts';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const data = mkdtempSync(join(tmpdir(), 'bulla-dev-'));
let service: ServiceProcess;

beforeAll(async () => {
  service = await startProcess(['dev', '--port', '0', '--data', data], 'curl');
});
afterAll(async () => {
  expect(await service.end('SIGTERM')).not.toBeNull();
  rmSync(data, { recursive: true });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('before it is ready', () => {
  it('§9.5 it listens, and answers 503 with a time to come back and no body', async () => {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), 'bulla-dev-'));
    const starting = startProcess(['dev', '--port', String(port), '--data', folder], 'curl');
    let started = false;
    const ended = starting.finally(() => (started = true));
    const early: unknown[] = [];
    while (!started) {
      const response = await fetch(`http://127.0.0.1:${port}/.well-known/bulla-key-service`).catch(() => undefined);
      if (response === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
      else if (response.status === 200) break;
      else early.push([response.status, response.headers.get('retry-after'), await response.text()]);
    }
    await (await ended).end('SIGTERM');
    rmSync(folder, { recursive: true });
    for (const answer of early) expect(answer).toEqual([503, '1', '']);
    expect(early.length).toBeGreaterThan(0);
  });
});

describe('what the development service prints', () => {
  it('the URL, the identity to pin, its users', () => {
    expect(service.output()).toMatch(/url +http:\/\/127\.0\.0\.1:\d+\n/);
    expect(service.output()).toMatch(/identity +[\w-]{43}\n/);
    expect(service.output()).toContain('alice@north');
  });

  it('an example that creates, generates, unwraps, rotates, rewraps, and verifies the log', () => {
    const [, command = ''] = /^ +(npm run --silent example .*)$/m.exec(service.output()) ?? [];
    const text = execFileSync('sh', ['-c', command], { cwd: repository, encoding: 'utf8' });
    const steps = [
      'created key-',
      'generated a data key',
      'unwrapped the same',
      'rotated to version 2',
      'rewrapped to',
    ];
    for (const step of [...steps, 'the log continues the earlier checkpoint', 'the key is in the log'])
      expect(text).toContain(step);
  });

  it.each([
    ['another identity', /--identity=\S+/, `--identity=-${'A'.repeat(42)}`, /not the pinned one/],
    ['no identity', /--identity=\S+/, '', /--identity is missing/],
    ['an unknown option', /--identity=\S+/, '--bogus', /Unknown option '--bogus'/],
    ['an address where nobody is', /--url \S+/, '--url http://127.0.0.1:2', /127\.0\.0\.1:2/],
    ['an address that is none', /--url \S+/, '--url nowhere', /nowhere/],
  ])('the example ends with a sentence for %s', (_, part, by, words) => {
    const [, command = ''] = /^ +(npm run --silent example .*)$/m.exec(service.output()) ?? [];
    const { status, stderr } = spawnSync('sh', ['-c', command.replace(part, by)], {
      cwd: repository,
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([1, expect.stringMatching(words)]);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });

  it('a line for curl', async () => {
    const [, url = ''] = /^ +curl (\S+)$/m.exec(service.output()) ?? [];
    expect(await (await fetch(url)).json()).toMatchObject({ identity: { crv: 'P-384' }, document: expect.any(String) });
  });
});

describe('its end', () => {
  it('§12.6 the first signal waits for what was accepted, the second does not', async () => {
    const [, port = ''] = /url +http:\/\/127\.0\.0\.1:(\d+)\n/.exec(service.output()) ?? [];
    const half = connect(Number(port), '127.0.0.1');
    await new Promise<void>((resolve) => half.write('GET /healthz HTTP/1.1\r\nHost: x\r\n', () => resolve()));
    // The server has it once it answers somebody who came later.
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    const ended = service.end('SIGTERM');
    const refused = async (): Promise<boolean> =>
      fetch(`http://127.0.0.1:${port}/healthz`).then(
        () => false,
        () => true,
      );
    while (!(await refused())) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(service.child.exitCode).toBeNull();
    service.child.kill('SIGTERM');
    expect(await ended).toBe(1);
    half.destroy();
  });
});
