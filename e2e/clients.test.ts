// Clients in a page and in Node at the same time, against the key service as operators run it: rotation, tokens that expire, a service that is killed, writing without it, and what can be found of the keys.

import { createHash, hkdfSync } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from '@playwright/test';
import { type BullaEvent, type CachingKeyring, cachingKeyring } from '../src/cache.ts';
import { decodeEnvelope } from '../src/envelope/envelope.ts';
import { readEnvelope } from '../src/envelope/framing.ts';
import { decrypt, encrypt, fromText, inspect, toText } from '../src/index.ts';
import { serviceKeyring } from '../src/keyrings/service.ts';
import { createKeyServiceClient, type KeyServiceClient, keyManagement, type TokenSource } from '../src/service.ts';
import {
  type ConfiguredService,
  freePort,
  signingKey,
  startService,
  trusted,
} from '../test/support/configured-service.ts';
import { type FaultProxy, startFaultProxy } from '../test/support/fault-proxy.ts';
import { bulla } from './cli.ts';
import { type ClientSite, issuer, issueToken, startClientSite } from './clients/site.ts';
import { test as base, expect } from './fixtures.ts';

interface World {
  readonly service: ConfiguredService;
  readonly site: ClientSite;
  /** What stands between the browser and the two, and reads along. */
  readonly wires: { readonly service: FaultProxy; readonly site: FaultProxy };
  /** The address of the page. */
  readonly page: string;
  readonly admin: KeyServiceClient;
  /** A client of Node; its tokens are good for so many seconds. */
  readonly nodeClient: (options?: { seconds?: number; limit?: number; subject?: string }) => KeyServiceClient;
  /** A configuration of the command line. */
  readonly cli: (folder: string, keyId: string) => Promise<string>;
}

const keyContext = { tenant: 'north', purpose: 'clients' };
/** Milliseconds, where a test is about rotation. */
const pollInterval = 500;
/** What a poll takes itself, on a machine that has very much to do. */
const slack = 10_000;
/** How long a state is waited for. */
const patience = { timeout: 240_000 };

const test = base.extend<{ tab: Page }, { world: World }>({
  world: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the dependencies from the pattern
    async ({}, use) => {
      const key = await signingKey('login-1');
      const site = await startClientSite(key.privateJwk);
      const port = await freePort();
      const wires = {
        service: await startFaultProxy(() => port, ''),
        site: await startFaultProxy(() => site.port, ''),
      };
      const page = `http://127.0.0.1:${wires.site.port}`;
      const service = await startService([trusted(issuer, { jwks: { keys: [key.publicJwk] } })], {
        external_url: `http://127.0.0.1:${wires.service.port}`,
        listen: { host: '127.0.0.1', port },
        cors: { origins: [page] },
      });
      const client = (roles: string[], subject: string, seconds: number, limit: number) => {
        const { url, pin } = service;
        return createKeyServiceClient({
          url,
          pin,
          retry: { limit, delay: 100 },
          tokenSource: kept(roles, subject, seconds),
        });
      };
      const kept = (roles: string[], subject: string, seconds: number): TokenSource => {
        let token: string | undefined;
        return async ({ proofKey: jkt, refused }) => {
          // As of a session: the same until somebody refuses it.
          if (token === undefined || token === refused)
            token = await issueToken(key.privateJwk, { jkt, seconds, subject, roles });
          return token;
        };
      };
      const keyFile = JSON.stringify(key.privateJwk);
      await use({
        ...{ service, site, wires, page },
        admin: client(['key-administrator', 'auditor'], 'admin', 600, 8),
        nodeClient: ({ seconds = 600, limit = 3, subject = 'node' } = {}) =>
          client(['encryptor', 'decryptor'], subject, seconds, limit),
        async cli(folder, keyId) {
          await writeFile(join(folder, 'robot.jwk'), keyFile);
          const path = join(folder, 'keys.json');
          const claims = { roles: ['encryptor', 'decryptor'] };
          const serviceAccount = { issuer, subject: 'robot', tenant: 'north', keyFile: 'robot.jwk', claims };
          const { url, pin } = service;
          await writeFile(path, JSON.stringify({ url, pin, key: keyId, keyContext, token: { serviceAccount } }));
          return path;
        },
      });
      await service.stop();
      await Promise.all([wires.service.close(), wires.site.close(), site.close()]);
    },
    { scope: 'worker' },
  ],
  tab: async ({ page, world }, use) => {
    await page.goto(world.page);
    await use(page);
  },
});

type Sdk = typeof import('../src/cache.ts') &
  typeof import('../src/index.ts') &
  typeof import('../src/keyrings/service.ts') &
  typeof import('../src/service.ts');

/** What a page of these tests has in its global scope. */
interface PageScope {
  sdk: Sdk;
  client: KeyServiceClient;
  keyring: CachingKeyring;
  events: BullaEvent[];
  written: Written[];
  failures: string[];
  refused: number;
  stop: boolean;
  done: Promise<void>;
}

/** A message, with when it was begun. */
interface Written {
  readonly at: number;
  readonly text: string;
}

interface PageOptions {
  readonly url: string;
  readonly pin: string;
  readonly keyId: string;
  readonly keyContext: Record<string, string>;
  readonly seconds: number;
  readonly limit: number;
  /** 0: no cache. */
  readonly pollInterval: number;
  readonly kept: boolean;
}

const pageOptions = (
  { service: { url, pin } }: World,
  keyId: string,
  options: Partial<PageOptions> = {},
): PageOptions => ({
  ...{ url, pin, keyId, keyContext, seconds: 600, limit: 3, pollInterval: 0, kept: false, ...options },
});

/** Makes a client and a keyring in the page. */
function openClient(tab: Page, options: PageOptions): Promise<void> {
  return tab.evaluate(async ({ url, pin, keyId, keyContext, seconds, limit, pollInterval, kept }) => {
    const scope = globalThis as unknown as PageScope;
    const { createKeyServiceClient, serviceKeyring, cachingKeyring, dpopKeyFromIndexedDB } = scope.sdk;
    Object.assign(scope, { events: [], written: [], failures: [], refused: 0, stop: false });
    let token: string | undefined;
    scope.client = createKeyServiceClient({
      ...{ url, pin, retry: { limit, delay: 100 }, onEvent: (event) => void scope.events.push(event) },
      ...(kept ? { dpop: dpopKeyFromIndexedDB() } : {}),
      async tokenSource({ proofKey, refused }) {
        if (refused !== undefined && refused === token) scope.refused++;
        if (token === undefined || token === refused) {
          token = await (await fetch(`/token?jkt=${proofKey}&seconds=${seconds}`)).text();
        }
        return token;
      },
    });
    const keyring = serviceKeyring({ client: scope.client, keyId, keyContext });
    const onEvent = (event: BullaEvent) => void scope.events.push(event);
    scope.keyring =
      pollInterval === 0 ? (keyring as CachingKeyring) : cachingKeyring(keyring, { pollInterval, onEvent });
  }, options);
}

/** The page writes and reads, one message after the other, until it is stopped. */
function workInPage(tab: Page, pause: number): Promise<void> {
  return tab.evaluate((pause) => {
    const scope = globalThis as unknown as PageScope;
    const { encrypt, decrypt, toText } = scope.sdk;
    scope.stop = false;
    const work = async () => {
      for (let i = 0; !scope.stop; i++) {
        const at = Date.now();
        try {
          const text = toText(await encrypt(`page ${i}`, { keyring: scope.keyring }));
          scope.written.push({ at, text });
          const { plaintext } = await decrypt(text, { keyring: scope.keyring });
          if (new TextDecoder().decode(plaintext) !== `page ${i}`) scope.failures.push('another plaintext');
        } catch (error) {
          scope.failures.push(String(error));
        }
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    };
    scope.done = work();
  }, pause);
}

/** What the page has written by now. */
function writtenInPage(tab: Page): Promise<Written[]> {
  return tab.evaluate(() => (globalThis as unknown as PageScope).written);
}

function stopPage(tab: Page) {
  return tab.evaluate(async () => {
    const scope = globalThis as unknown as PageScope;
    scope.stop = true;
    await scope.done;
    const { written, failures, refused, events, keyring } = scope;
    return { written, failures, refused, events, counters: keyring.cache?.counters };
  });
}

/** The same in Node. */
function workInNode(keyring: CachingKeyring | ReturnType<typeof serviceKeyring>, pause: number) {
  const written: Written[] = [];
  const failures: string[] = [];
  let stop = false;
  const work = async () => {
    for (let i = 0; !stop; i++) {
      const at = Date.now();
      try {
        const text = toText(await encrypt(`node ${i}`, { keyring }));
        written.push({ at, text });
        const { plaintext } = await decrypt(text, { keyring });
        if (Buffer.from(plaintext).toString() !== `node ${i}`) failures.push('another plaintext');
      } catch (error) {
        failures.push(String(error));
      }
      await wait(pause);
    }
  };
  const done = work();
  return {
    written,
    async stop() {
      stop = true;
      await done;
      return { written, failures };
    },
  };
}

/** What the messages say that another client wrote. */
async function readInNode(client: KeyServiceClient, keyId: string, messages: readonly Written[]): Promise<string[]> {
  const keyring = serviceKeyring({ client, keyId, keyContext });
  const opened = await Promise.all(messages.map(({ text }) => decrypt(text, { keyring })));
  return opened.map(({ plaintext }) => Buffer.from(plaintext).toString());
}

function readInPage(tab: Page, messages: readonly Written[]): Promise<string[]> {
  return tab.evaluate(async (messages) => {
    const { sdk, keyring } = globalThis as unknown as PageScope;
    const opened = await Promise.all(messages.map(({ text }) => sdk.decrypt(text, { keyring })));
    return opened.map(({ plaintext }) => new TextDecoder().decode(plaintext));
  }, messages);
}

const numbered = (who: string, messages: readonly unknown[]) => messages.map((_, i) => `${who} ${i}`);
const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const versionOf = ({ text }: Written) => inspect(text).wrappedKeys[0]?.version as number;
const newKey = async ({ admin }: World) => (await keyManagement(admin).create()).key_id;

interface AuditEntry {
  readonly principal: string;
  readonly operation: string;
  readonly key?: string;
  readonly items?: readonly { n: number; key: string; version: number; outcome: string }[];
}

/** The whole audit log, in order. */
async function auditLog(admin: KeyServiceClient): Promise<AuditEntry[]> {
  const { checkpoint } = await admin.request({ method: 'GET', path: '/v1/audit/checkpoint' });
  const size = Number(String(checkpoint).split('\n')[1]);
  const entries: AuditEntry[] = [];
  for (let from = 0; from < size; from += 1_000) {
    const path = `/v1/audit/entries/${from}/${Math.min(size, from + 1_000)}`;
    const page = (await admin.request({ method: 'GET', path })) as { entries: { entry: string }[] };
    entries.push(...page.entries.map(({ entry }) => JSON.parse(Buffer.from(entry, 'base64url').toString())));
  }
  return entries;
}

test('a rotation while both work: neither writes under the old version later than it says; caches and audit log agree', async ({
  tab,
  world,
}) => {
  const keyId = await newKey(world);
  await openClient(tab, pageOptions(world, keyId, { pollInterval }));
  const events: BullaEvent[] = [];
  const onEvent = (event: BullaEvent) => void events.push(event);
  const caching = cachingKeyring(serviceKeyring({ client: world.nodeClient(), keyId, keyContext }), {
    pollInterval,
    onEvent,
  });
  await workInPage(tab, 20);
  const node = workInNode(caching, 20);
  const newest = async () => [await writtenInPage(tab), node.written].map((each) => each.map(versionOf));
  const fewest = (version: number) => async () =>
    Math.min(...(await newest()).map((versions) => versions.filter((each) => each === version).length));
  await expect.poll(fewest(1), patience).toBeGreaterThan(10);
  const before = await newest();
  await keyManagement(world.admin).rotate(keyId, 1);
  const rotated = Date.now();
  await expect.poll(fewest(2), patience).toBeGreaterThan(10);
  expect(before.flat().filter((version) => version !== 1)).toEqual([]);
  const inPage = await stopPage(tab);
  const inNode = { ...(await node.stop()), events, counters: caching.cache.counters };

  const log = await auditLog(world.admin);
  const rotation = log.findIndex(({ operation, key }) => operation === 'rotate-key' && key === keyId);
  expect(rotation).toBeGreaterThan(0);
  const generated = (who: string, version: number, from = 0) =>
    log
      .slice(from)
      .filter(({ operation, principal }) => operation === 'generate-data-key' && principal === `${issuer}|${who}`)
      .flatMap(({ items = [] }) => items)
      .filter((item) => item.key === keyId && item.version === version && item.outcome === 'ok')
      .reduce((sum, { n }) => sum + n, 0);

  for (const [who, { written, failures, counters, events: seen }] of Object.entries({ page: inPage, node: inNode })) {
    expect(failures).toEqual([]);
    const versions = written.map((message) => ({ at: message.at, version: versionOf(message) }));
    expect(versions.filter(({ at, version }) => at > rotated + pollInterval + slack && version === 1)).toEqual([]);
    // Once under the new version, always under the new version.
    expect(versions.map(({ version }) => version)).toEqual(versions.map(({ version }) => version).sort());
    expect(counters?.evictions).toMatchObject({ rotated: 1, age: 0, unavailable: 0 });
    const misses = seen.filter(
      (event) => event.type === 'cache' && event.operation === 'encrypt' && event.outcome === 'miss',
    ).length;
    expect([generated(who, 1), generated(who, 2), generated(who, 1, rotation)]).toEqual([1, 1, 0]);
    expect(misses).toBe(2);
    const last = versions.findLast(({ version }) => version === 1)?.at ?? 0;
    console.log(`${test.info().project.name}: ${who} wrote under the old version until ${last - rotated} ms after`);
  }

  // Old and new messages of the one open with the other.
  const sample = (messages: readonly Written[]) => [...messages.slice(0, 3), ...messages.slice(-3)];
  expect(await readInPage(tab, inNode.written)).toEqual(numbered('node', inNode.written));
  const read = await readInNode(world.nodeClient(), keyId, sample(inPage.written));
  expect(read).toEqual(sample(numbered('page', inPage.written) as never[]));
});

test('tokens that expire in the middle of the work are renewed, and nobody notices', async ({ tab, world }) => {
  const keyId = await newKey(world);
  const seconds = 3;
  await openClient(tab, pageOptions(world, keyId, { seconds, limit: 0 }));
  const before = world.site.tokens;
  await workInPage(tab, 50);
  const node = workInNode(serviceKeyring({ client: world.nodeClient({ seconds, limit: 0 }), keyId, keyContext }), 50);
  const progress = async () => Math.min(node.written.length, (await writtenInPage(tab)).length);
  await expect.poll(() => world.site.tokens - before, patience).toBeGreaterThanOrEqual(3);
  await expect.poll(progress, patience).toBeGreaterThan(10);
  const inPage = await stopPage(tab);
  const inNode = await node.stop();
  expect([...inPage.failures, ...inNode.failures]).toEqual([]);
  // They were really refused by the service, and replaced.
  expect(inPage.refused).toBeGreaterThanOrEqual(2);
  expect(world.site.tokens - before).toBe(inPage.refused + 1);
  expect(inPage.events.filter(({ type }) => type === 'service-retry')).toEqual([]);
});

test('the service is killed in the middle of the work, and comes back', async ({ tab, world }) => {
  const keyId = await newKey(world);
  const limit = 10;
  await openClient(tab, pageOptions(world, keyId, { limit }));
  await workInPage(tab, 5);
  const node = workInNode(serviceKeyring({ client: world.nodeClient({ limit }), keyId, keyContext }), 5);
  for (let round = 0; round < 2; round++) {
    await wait(1_000);
    await world.service.kill();
    await wait(600);
    await world.service.start();
  }
  await wait(1_000);
  const inPage = await stopPage(tab);
  const inNode = await node.stop();
  expect([...inPage.failures, ...inNode.failures]).toEqual([]);
  expect(inPage.events.filter(({ type }) => type === 'service-retry').length).toBeGreaterThan(0);
  expect(await readInPage(tab, inNode.written)).toEqual(numbered('node', inNode.written));
  expect(await readInNode(world.nodeClient(), keyId, inPage.written)).toEqual(numbered('page', inPage.written));
});

test('a page writes while the service is down, also after a reload; readers open it later', async ({
  tab,
  world,
  scratch,
}) => {
  const keyId = await newKey(world);
  const options = pageOptions(world, keyId, { kept: true, limit: 1 });
  await openClient(tab, options);
  await tab.evaluate(async (keyId) => {
    const { signed } = await (globalThis as unknown as PageScope).client.keyDocument(keyId);
    localStorage.setItem('key document', JSON.stringify(signed));
  }, keyId);
  await world.service.kill();
  await tab.reload();
  await openClient(tab, options);
  // Requests and not connections: a browser connects ahead of time to where a page asked before.
  const asked: string[] = [];
  tab.on('request', (request) => request.url().startsWith(world.service.url) && asked.push(request.url()));
  const texts = await tab.evaluate(
    ({ keyId, keyContext }) => {
      const { sdk, client } = globalThis as unknown as PageScope;
      const keyDocument = JSON.parse(localStorage.getItem('key document') ?? '');
      const keyring = sdk.serviceKeyring({ client, keyId, keyContext, mode: 'offline', keyDocument });
      return Promise.all(Array.from({ length: 20 }, (_, i) => sdk.encrypt(`page ${i}`, { keyring }).then(sdk.toText)));
    },
    { keyId, keyContext },
  );
  expect(asked).toEqual([]);
  const online = await tab.evaluate(() => {
    const { sdk, keyring } = globalThis as unknown as PageScope;
    return sdk.encrypt('x', { keyring }).then(
      () => 'written',
      ({ code }) => code,
    );
  });
  expect(online).toBe('ERR_SERVICE_UNREACHABLE');
  expect(asked.length).toBeGreaterThan(0);
  await world.service.start();
  const messages = texts.map((text) => ({ at: 0, text }));
  expect(await readInNode(world.nodeClient(), keyId, messages)).toEqual(numbered('page', messages));
  const file = join(scratch, 'offline.bulla');
  await writeFile(file, texts[7] as string);
  await bulla('decrypt', '-s', await world.cli(scratch, keyId), file);
  expect(await readFile(join(scratch, 'offline'), 'utf8')).toBe('page 7');
});

test('what the page encrypted the command line decrypts, and back', async ({ tab, world, scratch }) => {
  const keyId = await newKey(world);
  const config = await world.cli(scratch, keyId);
  await openClient(tab, pageOptions(world, keyId, { pollInterval }));
  const text = await tab.evaluate(() => {
    const { sdk, keyring } = globalThis as unknown as PageScope;
    return sdk.encrypt('from the page', { keyring, context: { order: '4711' } }).then(sdk.toText);
  });
  await writeFile(join(scratch, 'page.txt.bulla'), text);
  await bulla('decrypt', '-s', config, '-c', 'order=4711', join(scratch, 'page.txt.bulla'));
  expect(await readFile(join(scratch, 'page.txt'), 'utf8')).toBe('from the page');
  for (const offline of [[], ['--offline']]) {
    const path = join(scratch, `cli${offline.length}.txt`);
    await writeFile(path, 'from the command line');
    await bulla('encrypt', '-s', config, ...offline, '-t', '-c', 'order=4712', path);
    const message = await readFile(`${path}.bulla`, 'utf8');
    const { read, wrong } = await tab.evaluate(async (message) => {
      const { sdk, keyring } = globalThis as unknown as PageScope;
      const { plaintext } = await sdk.decrypt(message, { keyring, context: { order: '4712' } });
      const wrong = await sdk.decrypt(message, { keyring, context: { order: '4711' } }).catch(({ code }) => code);
      return { read: new TextDecoder().decode(plaintext), wrong };
    }, message.trim());
    expect([read, wrong]).toEqual(['from the command line', 'ERR_DECRYPTION_FAILED']);
  }
});

/** The forms in which bytes may stand in bytes, at any alignment of base64. */
function formsOf(secret: Uint8Array): Buffer[] {
  const bytes = Buffer.from(secret);
  const aligned = [0, 1, 2].map((offset) => bytes.subarray(offset, offset + 27));
  const texts = [
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    [...bytes].join(','),
    [...bytes].join(', '),
    ...aligned.flatMap((part) => [part.toString('base64'), part.toString('base64url')]),
  ];
  return [bytes, ...texts.map((text) => Buffer.from(text)), Buffer.from(bytes.toString('latin1'), 'utf16le')];
}

/** Where secrets stand among places, as `secret: place`. */
function found(secrets: Record<string, Uint8Array>, places: Record<string, Buffer>): string[] {
  return Object.entries(secrets).flatMap(([name, secret]) =>
    Object.entries(places)
      .filter(([, place]) => formsOf(secret).some((form) => place.includes(form)))
      .map(([place]) => `${name}: ${place}`),
  );
}

/** Data key and message key of a message, by the way of somebody who may see them. */
async function keysOf(client: KeyServiceClient, keyId: string, text: string, context: Record<string, string>) {
  const { header, headerBytes, keys, commitment } = decodeEnvelope(readEnvelope(fromText(text), 'message').envelope);
  const unwrapped = await serviceKeyring({ client, keyId, keyContext }).unwrapDataKeyBytes(keys);
  const dataKey = unwrapped?.dataKey as Uint8Array;
  const u32 = (value: number) => Buffer.from([value >>> 24, value >>> 16, value >>> 8, value]);
  const lp = (bytes: Uint8Array) => Buffer.concat([u32(bytes.byteLength), bytes]);
  const pairs = Object.entries(context).flat();
  const map = Buffer.concat([u32(pairs.length / 2), ...pairs.map((each) => lp(Buffer.from(each)))]);
  const digest = createHash('sha384')
    .update(Buffer.concat([lp(headerBytes), lp(map)]))
    .digest();
  const derive = (label: string) =>
    Buffer.from(hkdfSync('sha384', dataKey, header.salt, Buffer.concat([Buffer.from(`${label}\0`), digest]), 32));
  // docs/format.md §5: where the commitment is right, so is the message key.
  expect(derive('bulla/v1/suite1 commitment').equals(commitment)).toBe(true);
  return { dataKey, messageKey: derive('bulla/v1/suite1 message key') };
}

/** Everything that a page can read in its own storage; keys that cannot be exported stay what they are. */
function storageOf(tab: Page): Promise<Record<string, number[]>> {
  return tab.evaluate(async () => {
    const encoder = new TextEncoder();
    const places: Record<string, number[]> = {};
    const flatten = async (value: unknown): Promise<number[]> => {
      if (value instanceof CryptoKey) {
        const formats = ['raw', 'pkcs8', 'jwk', 'spki'] as const;
        const exported = await Promise.all(
          formats.map((format) => crypto.subtle.exportKey(format as 'raw', value).catch(() => undefined)),
        );
        return (await Promise.all(exported.map(flatten))).flat();
      }
      if (value instanceof ArrayBuffer) return [...new Uint8Array(value)];
      if (ArrayBuffer.isView(value)) return [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)];
      if (value instanceof Blob) return flatten(await value.arrayBuffer());
      if (typeof value === 'object' && value !== null) {
        const parts = await Promise.all(Object.entries(value).flat().map(flatten));
        return [...parts.flat(), ...encoder.encode(JSON.stringify(value))];
      }
      return [...encoder.encode(String(value))];
    };
    const done = <Result>(request: IDBRequest<Result>) =>
      new Promise<Result>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    for (const { name = '' } of await indexedDB.databases()) {
      const database = await done(indexedDB.open(name));
      for (const table of database.objectStoreNames) {
        const store = () => database.transaction(table).objectStore(table);
        const values = [...(await done(store().getAll())), ...(await done(store().getAllKeys()))];
        places[`indexedDB ${name}/${table}`] = (await Promise.all(values.map(flatten))).flat();
      }
      database.close();
    }
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const request of await cache.keys()) {
        const response = await cache.match(request);
        places[`cache ${request.url}`] = await flatten(await response?.arrayBuffer());
      }
    }
    places['localStorage'] = await flatten({ ...localStorage });
    places['sessionStorage'] = await flatten({ ...sessionStorage });
    places['cookie, address and document'] = await flatten(
      `${document.cookie}${location.href}${window.name}${document.documentElement.outerHTML}`,
    );
    return places;
  });
}

/** Reads along on a wire. */
function recordWire(wire: FaultProxy): () => Buffer {
  const pieces: Buffer[] = [];
  const piece = (bytes: Buffer, to: { write(bytes: Buffer): unknown }) => {
    pieces.push(bytes);
    to.write(bytes);
  };
  wire.begin({ up: piece, down: piece });
  return () => Buffer.concat(pieces);
}

test('no data key, message key, private proof key or plaintext in storage, on the wires or on disk', async ({
  world,
  browser,
  browserName,
  page: plainPage,
}) => {
  const keyId = await newKey(world);
  const [toService, toSite] = [recordWire(world.wires.service), recordWire(world.wires.site)];
  const folder = await mkdtemp(join(tmpdir(), 'bulla-profile-'));
  const onDisk = browserName === 'chromium';
  // A profile of its own, where the browser is one that can have it, so that its files can be searched.
  let profile: BrowserContext | undefined;
  if (onDisk) profile = await chromium.launchPersistentContext(folder, test.info().project.use.launchOptions);
  const tab = (await profile?.newPage()) ?? plainPage;
  expect(browser.isConnected()).toBe(true);
  await tab.goto(world.page);
  // The private proof key is known to the test alone: it was made here, and got to the page by no wire that is searched.
  const proof = (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
  ])) as CryptoKeyPair;
  const [privateJwk, publicJwk] = await Promise.all(
    [proof.privateKey, proof.publicKey].map((key) => crypto.subtle.exportKey('jwk', key)),
  );
  const { kty, crv, x, y } = publicJwk as Record<'kty' | 'crv' | 'x' | 'y', string>;
  const own = { kty, crv, x, y };
  await tab.evaluate(
    async ({ privateJwk, publicJwk }) => {
      const { dpopKeyFromIndexedDB } = (globalThis as unknown as PageScope).sdk;
      await dpopKeyFromIndexedDB();
      const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
      const privateKey = await crypto.subtle.importKey('jwk', privateJwk, algorithm, false, ['sign']);
      const publicKey = await crypto.subtle.importKey('jwk', publicJwk, algorithm, true, ['verify']);
      await new Promise((resolve, reject) => {
        const opening = indexedDB.open('bulla');
        opening.onsuccess = () => {
          const table = opening.result.transaction('proof-keys', 'readwrite').objectStore('proof-keys');
          table.put({ privateKey, publicKey }, 'default').onsuccess = resolve;
        };
        opening.onerror = reject;
      });
    },
    { privateJwk: { ...own, d: privateJwk?.d as string }, publicJwk: own },
  );
  await openClient(tab, pageOptions(world, keyId, { kept: true, pollInterval: 200 }));
  const plaintext = `PLAINTEXT ${crypto.randomUUID()}`;
  const context = { patient: `CONTEXT ${crypto.randomUUID()}` };

  // Work as of an application: messages are written, stored in every place there is, sent away, fetched again and read.
  const used = await tab.evaluate(
    async ({ plaintext, context }) => {
      const { sdk, client, keyring } = globalThis as unknown as PageScope;
      const text = sdk.toText(await sdk.encrypt(plaintext, { keyring, context }));
      localStorage.setItem('message', text);
      sessionStorage.setItem('message', text);
      await (await caches.open('messages')).put('/message', new Response(text));
      await fetch('/store/message', { method: 'PUT', body: text });
      const fetched = await (await fetch('/store/message')).text();
      const read = await sdk.decrypt(fetched, { keyring, context });
      await new Promise((resolve) => setTimeout(resolve, 600));
      return { text, read: new TextDecoder().decode(read.plaintext), proofKey: await client.proofKeyThumbprint() };
    },
    { plaintext, context },
  );
  expect(used.read).toBe(plaintext);
  const canonical = JSON.stringify({ crv, kty, x, y });
  expect(used.proofKey).toBe(createHash('sha256').update(canonical).digest('base64url'));

  // What is looked for also stands where it must be found: the search sees every place.
  const control = crypto.getRandomValues(new Uint8Array(32));
  const storage = async () =>
    Object.fromEntries(Object.entries(await storageOf(tab)).map(([place, bytes]) => [place, Buffer.from(bytes)]));
  const places = { ...(await storage()), 'wire to the service': toService(), 'wire to the site': toSite() };
  await tab.evaluate(
    async ({ control, url }) => {
      const secret = Uint8Array.from(control);
      const base64 = btoa(String.fromCharCode(...secret));
      localStorage.setItem('control', base64);
      sessionStorage.setItem('control', String(secret));
      await (await caches.open('messages')).put('/control', new Response(secret));
      document.title = `${base64}`;
      await fetch('/store/control', { method: 'PUT', body: secret });
      await fetch(`${url}/healthz?${encodeURIComponent(base64)}&${[...secret]}`, { mode: 'no-cors' });
      await new Promise((resolve, reject) => {
        const opening = indexedDB.open('bulla');
        opening.onsuccess = () => {
          const table = opening.result.transaction('proof-keys', 'readwrite').objectStore('proof-keys');
          table.put({ nested: [secret] }, 'control').onsuccess = resolve;
        };
        opening.onerror = reject;
      });
    },
    { control: [...control], url: world.service.url },
  );
  const withControl = { ...(await storage()), 'wire to the service': toService(), 'wire to the site': toSite() };
  expect(found({ control }, withControl).sort()).toEqual(
    [
      ...['cookie, address and document', 'indexedDB bulla/proof-keys', 'localStorage', 'sessionStorage'],
      ...['wire to the service', 'wire to the site', `cache ${world.page}/control`],
    ]
      .map((place) => `control: ${place}`)
      .sort(),
  );

  const { dataKey, messageKey } = await keysOf(world.nodeClient(), keyId, used.text, context);
  const proofKey = Buffer.from(privateJwk?.d as string, 'base64url');
  const words = { plaintext: Buffer.from(plaintext), context: Buffer.from(context.patient) };
  expect(places['wire to the service'].byteLength).toBeGreaterThan(3_000);
  expect(Object.keys(places).length).toBeGreaterThanOrEqual(7);
  expect(found({ dataKey, messageKey, proofKey, ...words }, places)).toEqual([]);

  await profile?.close();
  if (onDisk) {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
    const files = Object.fromEntries(
      await Promise.all(paths.map(async (path) => [path, await readFile(path)] as const)),
    );
    expect(found({ control }, files).length).toBeGreaterThan(0);
    // Not the proof key: Chromium writes keys that cannot be exported into its IndexedDB as they are.
    expect(found({ dataKey, messageKey, ...words }, files)).toEqual([]);
    console.log(
      `the proof key on disk: ${found({ proofKey }, files)
        .map((place) => place.replace(folder, ''))
        .join(', ')}`,
    );
  }
  await rm(folder, { recursive: true, force: true });
});
