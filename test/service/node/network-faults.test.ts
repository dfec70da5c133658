// Every row of docs/faults.md, met by a real client on its way to a real service with TLS: what the table says is what the caller sees.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type CachingKeyring, cachingKeyring } from '../../../src/cache.ts';
import { decrypt, encrypt, isBullaError } from '../../../src/index.ts';
import { serviceKeyring } from '../../../src/keyrings/service.ts';
import { type TlsFetch, type TlsFetchOptions, tlsFetch } from '../../../src/node.ts';
import {
  createKeyServiceClient,
  type KeyServiceClientOptions,
  keyManagement,
  serviceAccountToken,
} from '../../../src/service.ts';
import {
  type Certificate,
  createAuthority,
  createCertificate,
  createExpiredCertificate,
  pinOf,
} from '../../support/certificates.ts';
import {
  type ConfiguredService,
  freePort,
  listen,
  signingKey,
  startService,
  trusted,
} from '../../support/configured-service.ts';
import { type Fault, type FaultProxy, startFaultProxy } from '../../support/fault-proxy.ts';
import { type NetworkFault, networkFaults } from '../../support/network-faults.ts';
import { recorder } from '../../support/recorder.ts';

const folder = mkdtempSync(join(tmpdir(), 'bulla-faults-'));
const account = await signingKey('ci-1');
const keyContext = { tenant: 'north' };
const fetches: TlsFetch[] = [];
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => void unhandled.push(reason);
let certificates: Record<'own' | 'proxy' | 'stranger' | 'elsewhere' | 'expired', Certificate>;
let authority: Certificate;
let proxy: FaultProxy;
let service: ConfiguredService;
let keyId: string;
let message: Uint8Array;

beforeAll(async () => {
  authority = createAuthority(folder, 'authority');
  createAuthority(folder, 'other');
  const names = 'DNS:localhost,IP:127.0.0.1';
  certificates = {
    own: createCertificate(folder, 'authority', 'own', names),
    proxy: createCertificate(folder, 'authority', 'proxy', names),
    stranger: createCertificate(folder, 'other', 'stranger', names),
    elsewhere: createCertificate(folder, 'authority', 'elsewhere', 'DNS:elsewhere.example'),
    expired: createExpiredCertificate(folder, 'authority', 'expired', names),
  };
  const port = await freePort();
  proxy = await startFaultProxy(() => port, authority.cert);
  const tls = { cert: join(folder, 'own.pem'), key: join(folder, 'own.key') };
  service = await startService([trusted('https://ci.example', { jwks: { keys: [account.publicJwk] } })], {
    external_url: `https://localhost:${proxy.port}`,
    listen: { host: '127.0.0.1', port, tls },
  });
  keyId = (await keyManagement(clientOf('admin', ['key-administrator'])).create()).key_id;
  message = await encrypt('the plaintext', { keyring: keyringOf(clientOf()) });
  process.on('unhandledRejection', onUnhandled);
});

afterEach(async () => {
  proxy.end();
  await Promise.all(fetches.splice(0).map((fetch) => fetch.close()));
});

afterAll(async () => {
  await service?.stop();
  await proxy?.close();
  process.off('unhandledRejection', onUnhandled);
  rmSync(folder, { recursive: true, force: true });
});

function clientOf(
  subject = 'nightly',
  roles = ['encryptor', 'decryptor'],
  options: Partial<KeyServiceClientOptions> & { tls?: TlsFetchOptions } = {},
) {
  const { tls, ...others } = options;
  const fetch = tlsFetch({ ca: authority.cert, ...tls });
  fetches.push(fetch);
  const about = { issuer: 'https://ci.example', tenant: 'north', key: { jwk: account.privateJwk } };
  return createKeyServiceClient({
    ...{ url: service.url, pin: service.pin, fetch, retry: { delay: 5 } },
    tokenSource: serviceAccountToken({ ...about, subject, claims: { roles } }),
    ...others,
  });
}

const keyringOf = (client: ReturnType<typeof clientOf>) => serviceKeyring({ client, keyId, keyContext });

/** The rows of the tables of docs/faults.md. */
const rows = readFileSync('docs/faults.md', 'utf8')
  .split('\n')
  .filter((line) => /^\| .+ \|$/.test(line) && !/^\| (Fault |-)/.test(line))
  .map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim().replaceAll('`', '')),
  )
  .map(([fault = '', code = '', words = '', repeated = '']) => ({ fault, code, words, repeated }));

test('the table has a row for each fault that is tried, and for no other', () => {
  expect(rows.map(({ fault }) => fault)).toEqual(networkFaults.map(({ name }) => name));
});

/** One client in front of the fault that encrypts, and one that decrypts. */
interface Attempt {
  readonly keyring: CachingKeyring;
  readonly work: () => Promise<Uint8Array>;
  readonly retries: () => number;
}

async function attempts({ timeout = 10_000, from = 'connecting', tls, fetch }: NetworkFault): Promise<Attempt[]> {
  return Promise.all(
    (['encrypt', 'decrypt'] as const).map(async (operation) => {
      const { events, onEvent } = recorder();
      const client = clientOf('nightly', undefined, {
        ...{ timeout, onEvent },
        ...(tls === undefined ? {} : { tls: tls({ own: pinOf(certificates.own.cert) }) }),
        ...(fetch === undefined ? {} : { fetch: fetch(await freePort()) }),
      });
      const keyring = cachingKeyring(keyringOf(client), { pollInterval: 0 });
      const run = {
        encrypt: () => encrypt('y', { keyring }),
        decrypt: async () => (await decrypt(message, { keyring })).plaintext,
      };
      // What meets the fault is then a connection that stands, with a token that is there.
      if (from === 'calling') await client.request({ method: 'GET', path: '/v1/caller' });
      events.length = 0;
      return {
        keyring,
        work: run[operation],
        retries: () => events.filter(({ type }) => type === 'service-retry').length,
      };
    }),
  );
}

test.each(rows)('$fault', async ({ fault: name, code, words, repeated }) => {
  const fault = networkFaults.find((each) => each.name === name) as NetworkFault;
  const plain = createHttpServer((_, response) => response.end('{}'));
  const tried = await attempts(fault);
  proxy.begin((await fault.begin({ certificates, plainPort: () => listen(plain, 0), keyId })) as Fault);
  const begun = performance.now();
  const outcomes = await Promise.allSettled(tried.map(({ work }) => work()));
  expect(performance.now() - begun).toBeLessThan(30_000);

  const allowed = repeated === 'no' ? 0 : Number(/^(\d) times?$/.exec(repeated)?.[1]);
  for (const [i, outcome] of outcomes.entries()) {
    const { keyring, retries } = tried[i] as Attempt;
    expect(retries()).toBe(allowed);
    if (code === 'it succeeds') {
      expect(outcome).toMatchObject({ status: 'fulfilled' });
      continue;
    }
    const error: unknown = outcome.status === 'rejected' ? outcome.reason : 'no error';
    expect(isBullaError(error)).toBe(true);
    expect(error).toMatchObject({ code });
    // "…" stands for anything.
    const [start = '', end = ''] = words.split('…');
    const { message: text } = error as Error;
    expect([text.slice(0, start.length), text.slice(text.length - end.length)]).toEqual([start, end]);
    expect(keyring.cache.size).toBe(0);
    expect(keyring.cache.counters.hits).toBe(0);
  }
  // A request and its repetitions, each of them once more for a nonce or a token; both clients.
  expect(proxy.requests).toBeLessThanOrEqual(2 * 2 * (allowed + 1));
  expect(proxy.connections).toBeLessThanOrEqual(2 * 3 * (allowed + 1));
  fault.afterwards?.(proxy);

  // Afterwards the same clients work, and with the right keys.
  proxy.end();
  plain.close();
  const [encrypting, decrypting] = tried as [Attempt, Attempt];
  if (fault.fetch !== undefined) return;
  const written = await encrypting.work();
  const { plaintext } = await decrypt(written, { keyring: keyringOf(clientOf()) });
  expect(Buffer.from(plaintext).toString()).toBe('y');
  expect(Buffer.from(await decrypting.work()).toString()).toBe('the plaintext');
  await new Promise((resolve) => setTimeout(resolve));
  expect(unhandled).toEqual([]);
});
