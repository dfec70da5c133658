// The service killed and started again while a client works: what was acknowledged is there, and the client goes on by itself.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { cachingKeyring } from '../../../src/cache.ts';
import { decrypt, encrypt } from '../../../src/index.ts';
import { serviceKeyring } from '../../../src/keyrings/service.ts';
import { createKeyServiceClient, developmentToken, keyManagement } from '../../../src/service.ts';
import { freePort } from '../../support/configured-service.ts';
import { codeOf } from '../../support/data.ts';

const folder = mkdtempSync(join(tmpdir(), 'bulla-restart-test-'));
let running: ChildProcess | undefined;

async function start(port: number, data: string): Promise<string> {
  const args = ['key-service/bin/bulla-key-service.js', 'dev', '--port', `${port}`, '--data', join(folder, data)];
  running = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const chunk of running.stdout as NonNullable<ChildProcess['stdout']>) {
    text += String(chunk);
    const pin = /identity +([\w-]{43})/.exec(text)?.[1];
    if (pin !== undefined) {
      running.stdout?.resume();
      return pin;
    }
  }
  throw new Error(`the service did not start: ${text}`);
}

async function kill(): Promise<void> {
  const ended = new Promise((resolve) => running?.once('exit', resolve));
  running?.kill('SIGKILL');
  await ended;
}

afterAll(async () => {
  await kill();
  rmSync(folder, { recursive: true, force: true });
});

test('killed, gone, back, and another service in its place', async () => {
  const port = await freePort();
  const pin = await start(port, 'a');
  const url = `http://127.0.0.1:${port}`;
  const clientOf = (user: string, limit: number) =>
    createKeyServiceClient({ url, pin, tokenSource: developmentToken(user), retry: { delay: 100, limit } });
  const { key_id: keyId } = await keyManagement(clientOf('admin@north', 0)).create();
  const keyContext = { tenant: 'north' };
  const keyring = serviceKeyring({ client: clientOf('alice@north', 0), keyId, keyContext });
  // Its repetitions outlast a start of the service, on the slowest machine too.
  const patient = serviceKeyring({ client: clientOf('alice@north', 10), keyId, keyContext });
  const cached = cachingKeyring(keyring, { pollInterval: 0 });
  const message = await encrypt('x', { keyring });
  await decrypt(message, { keyring: patient });
  await decrypt(message, { keyring: cached });

  await kill();
  expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_SERVICE_UNREACHABLE');
  expect((await decrypt(message, { keyring: cached })).plaintext).toEqual(Uint8Array.of(120));
  // Begun while nobody is there, and carried through by its repetitions.
  const begun = decrypt(message, { keyring: patient });
  begun.catch(() => {});
  expect(await start(port, 'a')).toBe(pin);
  expect((await begun).plaintext).toEqual(Uint8Array.of(120));
  expect((await decrypt(message, { keyring })).plaintext).toEqual(Uint8Array.of(120));

  await kill();
  expect(await start(port, 'b')).not.toBe(pin);
  // The session is one with a transport key that this service does not have: its refusal leads to its identity, which is another.
  expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_SERVICE_IDENTITY');
  expect(await codeOf(encrypt('x', { keyring: patient }))).toBe('ERR_SERVICE_IDENTITY');
});
