// Every function of the public entries that takes options takes them once, when it is called: found by walking the exports, so that a new one cannot be forgotten.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { blindIndex, createFieldEncryption, defineFields, encrypted, memoryDataKeyStore } from '../../src/fields.ts';
import { decrypt, encrypt, type Message } from '../../src/index.ts';
import type { Keyring } from '../../src/keyrings/custom.ts';
import { exportEcdhPrivateKey, generateEcdhKey } from '../../src/keyrings/ecdh.ts';
import { generateRsaKey } from '../../src/keyrings/rsa.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import { createKeyServiceClient, type KeyServiceClient } from '../../src/service.ts';
import { tenantKeyring } from '../fields/support.ts';
import { collect, fastKeyring, pattern, streamOf } from '../support/data.ts';
import { type Call, faultsOf, outcomeOf } from '../support/hostile-options.ts';
import { lyingKeyId, lyingService, lyingUrl } from '../support/lying-service.ts';

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  exports: Record<string, string | Record<string, string>>;
};
/** Scripts, which export nothing. */
const scripts = ['./segment-worker'];

const entries = Object.entries(manifest.exports).flatMap(([subpath, target]) => {
  const source = typeof target === 'string' ? undefined : target['bulla-source'];
  return source === undefined || scripts.includes(subpath) ? [] : [{ subpath, source }];
});

type Exported = Readonly<Record<string, unknown>>;
/** Everything that the entries export, by name; the functions of exported objects as `object.function`. Errors are told apart by their prototypes. */
async function allExports(): Promise<Map<string, unknown>> {
  const found = new Map<string, unknown>();
  for (const { source } of entries) {
    const module = (await import(/* @vite-ignore */ `../../${source}`)) as Exported;
    for (const [name, value] of Object.entries(module)) {
      if (typeof value === 'function') found.set(name, value);
      else for (const [member, inner] of Object.entries(value as object)) found.set(`${name}.${member}`, inner);
    }
  }
  return found;
}
const isError = (value: unknown) => value === Error || (value as { prototype?: unknown }).prototype instanceof Error;

// What calls are made with
const keyring = fastKeyring();
const context = { id: '1' };
const data = pattern(10_000);
const signal = new AbortController().signal;
const random = (length: number) => pattern(length, 5);
const now = () => 1_700_000_000_000;
const onProgress = () => {};
const sealing = () => ({
  ...{ keyring, context: { ...context }, metadata: { a: 'b' }, contentType: 'text/plain', segmentSize: 4096 },
  ...{ signal, now, random },
});
const opening = () => ({ keyring, context: { ...context }, signal });
const onSignal = () => ({ signal });
const keyringCall = () => ({ signal, plaintextLength: 5 });
const encrypting = (call: Call['call'], more: object = {}): Call => ({
  options: () => ({ ...sealing(), ...more }),
  call,
});

let message: Uint8Array<ArrayBuffer>;
let client: KeyServiceClient;
let folder: string;
let fetch: typeof globalThis.fetch;
const jwt = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
const token = jwt({ tenant: 'north', iss: 'i', sub: 's' });
const keyService = { pin: '', fetch: (() => {}) as never };
const file = (name: string) => join(folder, name);
const target = () => ({ key: lyingKeyId, keyContext: {} });

beforeAll(async () => {
  message = await encrypt(data, sealing());
  folder = mkdtempSync(join(tmpdir(), 'bulla-options-'));
  writeFileSync(file('plain'), data);
  writeFileSync(file('message'), message);
  const { pin, fetch: toService } = await lyingService();
  Object.assign(keyService, { pin, fetch: toService });
  client = createKeyServiceClient({ ...keyService, url: lyingUrl, token });
  fetch = async (_, init) => {
    const [, start, end] = /bytes=(\d+)-(\d+)/.exec(new Headers(init?.headers).get('Range') ?? '') ?? [];
    const body = message.slice(Number(start), Number(end) + 1);
    const range = `bytes ${start}-${Number(start) + body.byteLength - 1}/${message.byteLength}`;
    return new Response(body, { status: 206, headers: { 'Content-Range': range, ETag: '"1"' } });
  };
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What is called with options, and what becomes of what it gives. */
interface Entry extends Call {
  /** What becomes of it with valid options, in Node. Default: it succeeds. */
  readonly outcome?: RegExp;
  /** The methods of what is returned: with a call, or `none` for those that take no options. All of them. */
  readonly returns?: (() => unknown) | undefined;
  readonly methods?: Readonly<Record<string, ((returned: never) => Call) | 'none'>> | undefined;
}

/** The methods of a keyring. */
type AnyMethod = (...args: unknown[]) => unknown;
const methodCall =
  (name: string, options: () => object, ...before: unknown[]) =>
  (returned: Record<string, AnyMethod>): Call => ({
    options,
    call: (given) => returned[name]?.(...before.map((each) => (typeof each === 'function' ? each() : each)), given),
  });
const keyringMethods = {
  generateDataKey: methodCall('generateDataKey', () => ({ ...keyringCall(), random })),
  wrapDataKey: methodCall('wrapDataKey', keyringCall, () => new Uint8Array(32)),
  unwrapDataKey: methodCall('unwrapDataKey', keyringCall, []),
  unwrapDataKeyBytes: methodCall('unwrapDataKeyBytes', keyringCall, []),
  rewrapDataKey: methodCall('rewrapDataKey', () => ({ ...keyringCall(), verified: true }), [], keyring),
  ownKeys: methodCall('ownKeys', keyringCall, [], {}),
  cacheScope: methodCall('cacheScope', keyringCall),
  rejectDataKey: 'none',
  segmentFailed: 'none',
} as const;
const keyringEntry = (options: () => object, make: (options: never) => unknown): Entry => ({
  options,
  call: make,
  returns: () => make(options() as never),
  methods: keyringMethods,
});
const made = (make: () => unknown, methods: Entry['methods']): Pick<Entry, 'returns' | 'methods'> => ({
  returns: make,
  methods,
});

const clientOptions = () => ({ ...keyService, url: lyingUrl, token, tenant: 'north', retry: { limit: 1 } });
const clientMethods: Entry['methods'] = {
  ...Object.fromEntries(['proofKeyThumbprint', 'forgetToken', 'onKeyChange'].map((name) => [name, 'none'])),
  ...Object.fromEntries(['connect', 'caller'].map((name) => [name, methodCall(name, onSignal)])),
  ...Object.fromEntries(
    ['generateDataKey', 'generateWrappedDataKey'].map((name) => [name, methodCall(name, onSignal, target)]),
  ),
  wrapDataKey: methodCall('wrapDataKey', onSignal, () => new Uint8Array(32), target),
  unwrapDataKey: methodCall('unwrapDataKey', onSignal, () => item()),
  unwrapDataKeyBytes: methodCall('unwrapDataKeyBytes', onSignal, () => item()),
  rewrapDataKey: methodCall('rewrapDataKey', onSignal, () => item(), target),
  keyDocument: methodCall('keyDocument', () => ({ signal, fresh: true }), lyingKeyId),
  verifyKeyDocument: (returned: KeyServiceClient) => ({
    options: () => ({ identity: { kty: 'EC', crv: 'P-384', x: 'a', y: 'b' }, document: 'a.b.c' }),
    call: (given: never) => returned.verifyKeyDocument(given),
  }),
  request: (returned: KeyServiceClient) => ({
    options: () => ({ method: 'GET', path: '/v1/caller', ifMatch: '"1"', signal }),
    call: (given: never) => returned.request(given),
  }),
};
const item = () => ({
  keyId: lyingKeyId,
  version: 1,
  keyContext: {},
  method: 'service',
  wrappedKey: new Uint8Array(81),
});
const changes = ['cancelDeletion', 'describe', 'deleteAlias'];
const management: Entry['methods'] = {
  ...Object.fromEntries(changes.map((name) => [name, methodCall(name, onSignal, 'key-a')])),
  ...Object.fromEntries(
    ['rotate', 'disable', 'enable', 'markCompromised', 'raiseFloor'].map((name) => [
      name,
      methodCall(name, () => ({ signal, revision: 1 }), 'key-a', 1),
    ]),
  ),
  approveDeletion: methodCall('approveDeletion', onSignal, 'key-a', { version: 1, days: 7 }),
  scheduleDeletion: methodCall('scheduleDeletion', () => ({ signal, revision: 1 }), 'key-a', 7, 1),
  setRotationPolicy: methodCall('setRotationPolicy', () => ({ signal, revision: 1 }), 'key-a', { max_uses: 5 }),
  setAlias: methodCall('setAlias', onSignal, 'name', 'key-a'),
  list: (returned: { list(options: object): AsyncGenerator }) => ({
    options: onSignal,
    call: (given: never) => returned.list(given).next(),
  }),
  create: methodCall('create', () => ({
    alias: 'x',
    description: 'y',
    rotation: { max_uses: 5 },
    idempotencyKey: 'z',
    signal,
  })),
};
/** A keyring that takes what it is given: what stands in front of it must not. */
const answers: Readonly<Record<string, unknown>> = { wrapDataKey: [], ownKeys: [], cacheScope: undefined };
const lenient = Object.fromEntries(
  Object.keys(keyringMethods).map((name) => [
    name,
    async () => {
      if (name === 'generateDataKey') return keyring.generateDataKey();
      return Object.hasOwn(answers, name) ? answers[name] : null;
    },
  ]),
) as unknown as Keyring;
/** Answers whatever is asked for with a key. */
const anyClient = {
  request: async ({ body }: { body?: object }) => JSON.parse(JSON.stringify({ newest_version: 1, keys: [], body })),
} as unknown as KeyServiceClient;

const fields = defineFields({
  patient: {
    row: 'id',
    tenant: 'clinic',
    columns: { email: encrypted.string({ index: [blindIndex({ name: 'mail' })] }) },
  },
});
const fieldOptions = () => ({
  fields,
  keyring: (tenant: string) => tenantKeyring(tenant),
  dataKeys: memoryDataKeyStore(),
});
/** Answers what jobs ask of a database, which has one job that is done. */
const jobRow = {
  ...{ attname: 'id', type: 'int4', id: '1', kind: 'verify', field: 'patient.email', state: 'done', pass: 1, shard: 0 },
  ...{
    columns: {},
    checks: {},
    triggers: {},
    has_key: true,
    pages: 1,
    found: 1,
    done: true,
    key: ['1'],
    fault_list: [],
  },
};
const jobQuery = async (text: string) => ({ rows: text.includes('SKIP LOCKED') ? [] : [jobRow], rowCount: 1 });
const jobPool = { query: jobQuery, connect: async () => ({ query: jobQuery, release: () => {} }) };
const jobOptions = () => ({
  encryption: createFieldEncryption({ ...fieldOptions(), tenant: 'north' }),
  ...{ pool: jobPool, rewrapTo: (tenant: string) => tenantKeyring(tenant) },
});
const jobKind = () => ({ kind: 'verify', field: 'patient.email', signal });
const rows = () => [{ id: 1, clinic: 'north', email: 'alice@example' }];
const column = (name: keyof typeof encrypted): Entry => ({
  options: () => ({ name: 'x', column: 'y', version: 2, key: 'field' }),
  call: (given) => encrypted[name](given),
});
const listOf = (messages: readonly Message[]) =>
  messages.map((each, i) => ({ id: `${i}`, message: each as Uint8Array }));

// Types of calls are those of a caller that does not use TypeScript.
// biome-ignore lint/suspicious/noExplicitAny: see above
type Api = Record<string, any>;
let api: Api = {};

const none = [
  ...['attach', 'detach', 'fromText', 'toText', 'isBullaError', 'wrapTo', 'anyOf', 'observedKeyring', 'importDataKey'],
  ...[
    'exportEcdhPrivateJwk',
    'exportEcdhPrivateKey',
    'exportEcdhPublicJwk',
    'exportEcdhPublicKey',
    'importEcdhPublicKey',
  ],
  ...['exportRsaPublicJwk', 'importRsaPublicKey', 'developmentToken', 'generateProofKey', 'proofKeyThumbprint'],
  ...['encryptedPg', 'encryptedPool', 'withTenant', 'fieldsSql', 'postgresDataKeyStore'],
  ...['refreshingToken', 'memoryDataKeyStore', 'displayName', 'fileSource', 'keyManagement', 'defineFields'],
];
/** A database that has nothing. */
const pool = {
  query: async () => ({ rows: [] }),
  connect: async () => ({ query: async () => ({ rows: [] }), release: () => {} }),
};
/** What takes no options itself, and returns what has methods that do. */
const returning: Readonly<Record<string, Pick<Entry, 'returns' | 'methods'>>> = {
  anyOf: made(() => api['anyOf'](lenient, lenient), keyringMethods),
  observedKeyring: made(() => api['observedKeyring'](lenient, () => {}), keyringMethods),
  keyManagement: made(() => api['keyManagement'](anyClient), management),
  // They take options to pass on to a database, which this one does not have.
  memoryDataKeyStore: made(() => memoryDataKeyStore(), {
    ...{ byId: 'none', bySlot: 'none', add: 'none', shred: 'none', define: 'none' },
  }),
  postgresDataKeyStore: made(() => api['postgresDataKeyStore'](pool), {
    byId: methodCall('byId', onSignal, () => []),
    bySlot: methodCall('bySlot', onSignal, () => []),
    add: methodCall(
      'add',
      onSignal,
      () => [],
      () => [],
    ),
    shred: methodCall('shred', onSignal, () => ({ id: new Uint8Array(16), tenant: 't', subject: 's', created: 1 })),
    define: methodCall('define', onSignal, () => []),
  }),
  fileSource: made(() => api['fileSource'](file('plain')), {
    ...{ read: 'none', close: 'none' },
  }),
};

const rangeMethods: Entry['methods'] = {
  read: 'none',
  stream: (returned: { stream(range: object): ReadableStream<Uint8Array> }) => ({
    options: () => ({ start: 1, end: 5_000 }),
    call: (given: never) => collect(returned.stream(given)),
  }),
};
const taking: Readonly<Record<string, Entry>> = {
  encrypt: encrypting((given) => encrypt(data, given), { detached: true }),
  decrypt: { options: opening, call: (given) => decrypt(message, given) },
  encryptStream: encrypting((given) => collect(streamOf(data, 999).pipeThrough(api['encryptStream'](given))), {
    onProgress,
  }),
  decryptStream: {
    options: () => ({ ...opening(), onProgress }),
    call: (given) => collect(streamOf(message, 999).pipeThrough(api['decryptStream'](given))),
  },
  encryptMany: encrypting((given) => api['encryptMany']([{ data }, { data }], given)),
  decryptMany: { options: opening, call: (given) => api['decryptMany']([{ message }], given) },
  inspect: { options: () => ({ messageLength: message.byteLength }), call: (given) => api['inspect'](message, given) },
  open: {
    options: opening,
    call: async (given) => (await api['open'](message, given)).read(),
    ...made(() => api['open'](message, opening()), rangeMethods),
  },
  reencrypt: {
    options: () => ({
      from: keyring,
      to: keyring,
      context: { ...context },
      newContext: { id: '2' },
      signal,
      now,
      random,
    }),
    call: (given) => api['reencrypt'](message, given),
  },
  rewrap: {
    options: () => ({ from: keyring, to: keyring, context: { ...context }, signal }),
    call: (given) => api['rewrap'](message, given),
  },
  rewrapAll: {
    options: () => ({
      from: keyring,
      to: keyring,
      write: async () => {},
      concurrency: 2,
      maxFailures: 3,
      onProgress,
      signal,
    }),
    call: (given) => api['rewrapAll'](listOf([message]), given),
  },
  reencryptAll: {
    options: () => ({
      from: keyring,
      to: keyring,
      write: async () => {},
      concurrency: 2,
      maxFailures: 3,
      onProgress,
      signal,
    }),
    call: (given) => api['reencryptAll'](listOf([message]), given),
  },
  ecdhKeyring: keyringEntry(
    () => ({ recipients: [], privateKeys: [ecdhKey], keyContext: { a: 'b' }, version: 2 }),
    (given) => api['ecdhKeyring'](given),
  ),
  generateEcdhKey: { options: () => ({ extractable: true }), call: (given) => generateEcdhKey(given) },
  importEcdhPrivateKey: {
    options: () => ({ extractable: true }),
    call: (given) => api['importEcdhPrivateKey'](ecdhText, given),
  },
  aesKeyring: keyringEntry(
    () => ({ keyId: 'a', key: new Uint8Array(32), keyContext: { a: 'b' }, version: 2 }),
    (given) => api['aesKeyring'](given),
  ),
  rsaKeyring: keyringEntry(
    () => ({ privateKeys: [rsaKey], keyContext: { a: 'b' }, version: 2 }),
    (given) => api['rsaKeyring'](given),
  ),
  generateRsaKey: {
    options: () => ({ extractable: true, modulusLength: 3072 }),
    call: (given) => generateRsaKey(given),
  },
  importRsaPrivateKey: {
    options: () => ({ extractable: true }),
    call: (given) => api['importRsaPrivateKey'](rsaJwk, given),
  },
  passphraseKeyring: keyringEntry(
    () => ({ passphrase: 'correct horse', iterations: 600_000, keyId: 'p', keyContext: { a: 'b' }, version: 2 }),
    (given) => api['passphraseKeyring'](given),
  ),
  serviceKeyring: keyringEntry(
    () => ({ client, keyId: lyingKeyId, keyContext: { a: 'b' }, decryptKeyIds: [lyingKeyId], mode: 'online' }),
    (given) => api['serviceKeyring'](given),
  ),
  createDataKeyCache: {
    options: () => ({ maxAge: 1_000, maxMessages: 5, maxEntries: 5, refreshAhead: false, now }),
    call: (given) => api['createDataKeyCache'](given),
    ...made(() => api['createDataKeyCache'](), {
      ...Object.fromEntries(['invalidate', 'counters'].map((name) => [name, 'none'])),
    }),
  },
  cachingKeyring: keyringEntry(
    () => ({ maxAge: 1_000, maxMessages: 5, maxEntries: 5, refreshAhead: false }),
    (given) => api['cachingKeyring'](serviceKeyring({ client, keyId: lyingKeyId }), given),
  ),
  createKeyServiceClient: {
    options: clientOptions,
    call: (given) => createKeyServiceClient(given).connect(),
    ...made(() => client, clientMethods),
  },
  serviceAccountToken: {
    options: () => ({
      issuer: 'i',
      subject: 's',
      tenant: 't',
      key: { jwk: signingJwk },
      lifetime: 60,
      claims: { scope: 'x' },
    }),
    call: async (given) => api['serviceAccountToken'](given)({ audience: 'a', time: 1, proofKey: 'k' }),
  },
  clientCredentialsToken: {
    options: () => ({
      tokenEndpoint: 'https://as.example/t',
      clientId: 'c',
      key: { jwk: signingJwk },
      scope: 's',
      resource: 'r',
    }),
    call: async (given) =>
      api['clientCredentialsToken'](given)({
        ...{ audience: 'a', time: 1, createProof: async () => 'p' },
        http: { fetch: async () => Response.json({ access_token: 't' }), retry: {}, timeout: 1_000 },
      }),
  },
  exchangedToken: {
    options: () => ({ subjectToken: 't', subjectTokenType: 'jwt' }),
    call: (given) => api['exchangedToken'](given)({ callService: async () => ({ access_token: 't' }) }),
  },
  dpopKeyFromIndexedDB: {
    outcome: /in a browser$/,
    options: () => ({ name: 'n', database: 'd', algorithm: 'ES256' }),
    call: (given) => api['dpopKeyFromIndexedDB'](given),
  },
  deleteDpopKey: {
    outcome: /in a browser$/,
    options: () => ({ name: 'n', database: 'd' }),
    call: (given) => api['deleteDpopKey'](given),
  },
  createDecryptingHandler: {
    options: () => ({
      match: () => ({ source: message, keyring, context }),
      allowedContentTypes: ['a/b'],
      maxOpened: 2,
      maxAge: 5,
      now,
    }),
    call: async (given) =>
      (await api['createDecryptingHandler'](given).respond(new Request('https://x.example/a'))).arrayBuffer(),
    ...made(() => api['createDecryptingHandler']({ match: () => null }), {
      onFetch: 'none',
      respond: 'none',
      forget: 'none',
    }),
  },
  urlSource: {
    options: () => ({
      headers: { 'X-A': 'b' },
      credentials: 'omit',
      identity: 'etag',
      retry: { limit: 1 },
      timeout: 5_000,
      fetch,
      signal,
    }),
    call: async (given) => (await api['urlSource'](new URL('https://x.example/a'), given)).read(0, 10),
    ...made(() => api['urlSource'](new URL('https://x.example/a'), { fetch }), { read: 'none' }),
  },
  encryptBlob: encrypting((given) => api['encryptBlob'](new Blob([data]), given), { onProgress, detached: true }),
  decryptBlob: {
    options: () => ({ ...opening(), onProgress }),
    call: (given) => api['decryptBlob'](new Blob([message]), given),
  },
  openFileToSave: {
    options: () => ({ suggestedName: 'a.txt', download: true }),
    call: (given) => api['openFileToSave'](given),
  },
  createWorkerPool: {
    outcome: /^WorkerError/,
    options: () => ({ size: 2, createWorker: () => ({}) }),
    call: (given) => api['createWorkerPool'](given),
  },
  encryptFile: encrypting((given) => api['encryptFile'](file('plain'), file('sealed'), given), {
    overwrite: true,
    mode: 0o600,
    detached: false,
    onProgress,
  }),
  decryptFile: {
    options: () => ({ ...opening(), overwrite: true, mode: 0o600, onProgress }),
    call: (given) => api['decryptFile'](file('message'), file('opened'), given),
  },
  rewrapFile: {
    options: () => ({
      from: keyring,
      to: keyring,
      context: { ...context },
      overwrite: true,
      mode: 0o600,
      signal,
      onProgress,
    }),
    call: (given) => api['rewrapFile'](file('message'), file('rewrapped'), given),
  },
  tlsFetch: {
    options: () => ({
      ca: ['-----BEGIN CERTIFICATE-----'],
      pins: ['A'.repeat(43)],
      minVersion: 'TLSv1.2',
      connectTimeout: 5,
    }),
    call: (given) => api['tlsFetch'](given),
    ...made(() => api['tlsFetch'](), { close: 'none' }),
  },
  blindIndex: {
    options: () => ({ name: 'x', version: 2, normalize: ['trim'], unique: true }),
    call: (given) => blindIndex(given),
  },
  bucketIndex: {
    options: () => ({ name: 'x', version: 2, normalize: ['trim'], bits: 8 }),
    call: (given) => api['bucketIndex'](given),
  },
  prefixIndex: {
    options: () => ({ name: 'x', version: 2, normalize: ['trim'], lengths: [2, 3] }),
    call: (given) => api['prefixIndex'](given),
  },
  compoundIndex: {
    options: () => ({ name: 'x', version: 2, with: ['a'], unique: true }),
    call: (given) => api['compoundIndex'](given),
  },
  ...Object.fromEntries(
    (Object.keys(encrypted) as (keyof typeof encrypted)[]).map((name) => [`encrypted.${name}`, column(name)]),
  ),
  createFieldEncryption: {
    options: fieldOptions,
    call: (given) => api['createFieldEncryption'](given).seal('patient', rows()),
    ...made(() => createFieldEncryption(fieldOptions()), {
      seal: methodCall('seal', () => ({ tenant: 'north', signal }), 'patient', rows),
      open: methodCall(
        'open',
        () => ({ tenant: 'north', signal }),
        'patient',
        () => [],
      ),
      index: methodCall('index', () => ({ tenant: 'north', signal, index: 'mail' }), 'patient.email', 'alice'),
      shred: (returned: { shred(subject: object): unknown }) => ({
        options: () => ({ tenant: 'north', subject: '7', signal }),
        call: (given: never) => returned.shred(given),
      }),
    }),
  },
  migrationSql: {
    options: () => ({ step: 'expand', field: 'patient.email', back: false }),
    call: (given) => api['migrationSql'](fields, given),
  },
  createFieldJobs: {
    options: jobOptions,
    call: (given) => api['createFieldJobs'](given),
    returns: () => api['createFieldJobs'](jobOptions()),
    methods: {
      fields: 'none',
      ...{
        plan: methodCall('plan', onSignal),
        states: methodCall('states', onSignal),
        list: methodCall('list', onSignal),
      },
      sql: methodCall('sql', () => ({ step: 'tables' })),
      estimate: methodCall('estimate', jobKind),
      start: methodCall('start', () => ({ ...jobKind(), shards: 1 })),
      runBatch: methodCall('runBatch', () => ({ batch: 5, lease: 1_000, signal }), '1'),
      run: methodCall(
        'run',
        () => ({ batch: 5, lease: 1_000, signal, workers: 1, rowsPerSecond: 7, onProgress: () => {} }),
        '1',
      ),
      status: methodCall('status', onSignal, '1'),
      faults: methodCall('faults', onSignal, '1'),
      cancel: methodCall('cancel', onSignal, '1'),
    },
  },
};
const ecdhKey = await generateEcdhKey({ extractable: true });
const ecdhText = await exportEcdhPrivateKey(ecdhKey);
const { privateKey: rsaKey } = await generateRsaKey({ extractable: true, modulusLength: 3072 });
const rsaJwk = await crypto.subtle.exportKey('jwk', rsaKey.privateKey);
const signing = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
const signingKey = await crypto.subtle.exportKey('jwk', signing.privateKey);
const signingJwk = { ...signingKey, alg: 'ES256', kid: 'k' };

const all = await allExports();
api = Object.fromEntries(all);

describe('every export', () => {
  const functions = [...all].filter(([, value]) => !isError(value)).map(([name]) => name);

  test('is known here, and nothing else is', () => {
    expect(entries.length).toBeGreaterThan(15);
    for (const [name, value] of all) expect(typeof value, name).toBe('function');
    expect([...Object.keys(taking), ...none].sort()).toEqual(functions.sort());
    expect(Object.keys(returning).filter((name) => !none.includes(name))).toEqual([]);
    for (const subpath of scripts) {
      const target = manifest.exports[subpath] as Record<string, string>;
      expect(readFileSync(target['bulla-source'] as string, 'utf8')).not.toMatch(/^export/m);
    }
  });

  test.each(Object.entries(taking))('%s takes its options once, when it is called', async (_, entry) => {
    // Where a call cannot succeed, nothing would be compared.
    expect(await outcomeOf(entry, entry.options())).toMatch(entry.outcome ?? /^ok$/);
    expect(await faultsOf(entry)).toEqual([]);
  });
});

/** The methods of what a call returned, those of its class included. */
function methodsOf(returned: object): string[] {
  const names = new Set<string>();
  for (let at: object | null = returned; at !== null; at = Object.getPrototypeOf(at)) {
    if (at === Object.prototype || at === Function.prototype) break;
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (typeof value === 'function' && name !== 'constructor') names.add(name);
    }
  }
  return [...names];
}

/** Not every keyring has them. */
const optionalMethods = ['rewrapDataKey', 'ownKeys', 'rejectDataKey', 'segmentFailed'];

describe('every method of what is returned', () => {
  const some = Object.entries({ ...taking, ...returning }).filter(([, { returns }]) => returns !== undefined);

  test.each(some)('of %s takes its options once, when it is called', async (_, { returns, methods = {} }) => {
    const returned = (await returns?.()) as object;
    const faults: string[] = [];
    for (const name of methodsOf(returned)) {
      const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
      if (method === undefined) faults.push(`${name} is not known here`);
      if (method === undefined || method === 'none') continue;
      const call = method(returned as never);
      const outcome = await outcomeOf(call, call.options());
      if (outcome.startsWith('TypeError')) faults.push(`${name} is called wrongly: ${outcome}`);
      faults.push(...(await faultsOf(call)).map((fault) => `${name}: ${fault}`));
    }
    for (const name of Object.keys(methods))
      if (!(name in returned) && !optionalMethods.includes(name)) faults.push(`${name} is no method`);
    expect(faults).toEqual([]);
  });
});
