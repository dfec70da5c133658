/** TLS 1.3 alone, as a process from a configuration file; and Chromium from a page on another origin, with and without CORS. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Agent, get } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { chromium } from 'playwright';
import { describe, expect, it } from 'vitest';
import { createRootKeyFile } from '../../src/seals/sources.ts';
import { findChromium } from '../support/chromium.ts';
import { newDatabase } from '../support/harness.ts';
import { audience, createTestIssuer, issuerConfig } from '../support/issuer.ts';
import { freePort } from '../support/postgres.ts';
import { runCommand, startProcess, writeConfig } from '../support/process.ts';

function certificate(folder: string): { cert: string; key: string } {
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-keyout',
      key,
      '-out',
      cert,
      ...subject,
    ],
    { stdio: 'ignore' },
  );
  return { cert, key };
}

async function configured(change: object) {
  const database = await newDatabase('sqlite');
  const rootKeyFile = join(database.folder, 'root.key');
  createRootKeyFile(rootKeyFile);
  const issuer = await createTestIssuer();
  const port = await freePort();
  const base = {
    service_id: 'bulla-test',
    external_url: `http://127.0.0.1:${port}`,
    audience,
    listen: { host: '127.0.0.1', port },
    store: { sqlite: 'keys.sqlite' },
    root_key: { file: 'root.key' },
    issuers: [issuerConfig(issuer.jwk)],
    log_level: 'error',
  };
  const file = await writeConfig(database.folder, { ...base, ...change });
  return { database, port, file };
}

describe('§1.1 TLS', () => {
  it('refuses TLS 1.2, takes 1.3', async () => {
    const port = await freePort();
    const probe = await newDatabase('sqlite');
    const { cert, key } = certificate(probe.folder);
    const { database, file } = await configured({
      external_url: `https://localhost:${port}`,
      listen: { host: '0.0.0.0', port, tls: { cert, key } },
    });
    expect((await runCommand(['init', '--config', file])).code).toBe(0);
    const service = await startProcess(['serve', '--config', file]);
    const ca = readFileSync(cert);
    const handshake = (version: 'TLSv1.2' | 'TLSv1.3') =>
      new Promise<string>((resolve) => {
        const socket = connect({
          host: '127.0.0.1',
          port,
          ca,
          servername: 'localhost',
          minVersion: version,
          maxVersion: version,
        });
        socket.on('secureConnect', () => {
          resolve(String(socket.getProtocol()));
          socket.destroy();
        });
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
      });
    expect(await handshake('TLSv1.3')).toBe('TLSv1.3');
    expect(await handshake('TLSv1.2')).toMatch(/PROTOCOL_VERSION|ECONNRESET/);
    const status = await new Promise((resolve, reject) => {
      const agent = new Agent({ ca });
      get(`https://localhost:${port}/readyz`, { agent }, (response) => resolve(response.resume().statusCode)).on(
        'error',
        reject,
      );
    });
    expect(status).toBe(200);
    expect(await service.end('SIGTERM')).toBe(0);
    await database.remove();
    await probe.remove();
  });

  it('refuses plain HTTP on an address that is not loopback', async () => {
    const { database, file } = await configured({ listen: { host: '0.0.0.0', port: 0 } });
    const { code, stderr } = await runCommand(['serve', '--config', file]);
    expect(code).toBe(1);
    expect(stderr).toContain('loopback only');
    const dev = await runCommand(['dev', '--host', '0.0.0.0', '--port', '0', '--data', join(database.folder, 'dev')]);
    expect(dev.code).toBe(1);
    expect(dev.stderr).toContain('loopback only');
    await database.remove();
  });
});

describe('CORS', () => {
  it('Chromium reads answers from another origin only where it is configured', async () => {
    const page = createServer((_, response) =>
      response.setHeader('Content-Type', 'text/html').end('<title>page</title>'),
    );
    await new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(page.address() as { port: number }).port}`;
    const browser = await chromium.launch({
      executablePath: findChromium(),
      args: ['--no-sandbox', '--disable-background-networking'],
    });
    const tab = await browser.newPage();
    await tab.goto(origin);
    const outcomes: string[] = [];
    for (const cors of [undefined, { origins: ['http://127.0.0.1:1'] }, { origins: [origin] }]) {
      const { database, file, port } = await configured(cors ? { cors } : {});
      expect((await runCommand(['init', '--config', file])).code).toBe(0);
      const service = await startProcess(['serve', '--config', file]);
      const outcome = await tab.evaluate(async (url) => {
        try {
          const response = await fetch(`${url}/v1/caller`, { headers: { DPoP: 'x', Authorization: 'DPoP x' } });
          const shown = ['dpop-nonce', 'www-authenticate'].filter((name) => response.headers.get(name));
          return `${response.status} ${shown.join(' ')}`;
        } catch {
          return 'blocked';
        }
      }, `http://127.0.0.1:${port}`);
      outcomes.push(outcome);
      await service.end('SIGTERM');
      await database.remove();
    }
    expect(outcomes).toEqual(['blocked', 'blocked', '401 dpop-nonce www-authenticate']);
    await browser.close();
    page.close();
  });
});
