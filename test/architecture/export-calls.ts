// The functions that the package exports, and how options.test.ts calls them.

import { blindIndex, createFieldEncryption, defineFields, encrypted, memoryDataKeyStore } from '../../src/fields.ts';
import { decrypt, encrypt, type Message } from '../../src/index.ts';
import { generateEcdhKey } from '../../src/keyrings/ecdh.ts';
import { generateRsaKey } from '../../src/keyrings/rsa.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import { createKeyServiceClient } from '../../src/service.ts';
import { tenantKeyring } from '../fields/support.ts';
import { collect, streamOf } from '../support/data.ts';
import type { Call } from '../support/hostile-options.ts';
import { lyingKeyId, lyingUrl } from '../support/lying-service.ts';
import {
  client,
  context,
  data,
  ecdhKey,
  ecdhText,
  fetch,
  file,
  keyring,
  keyService,
  message,
  now,
  onProgress,
  onSignal,
  opening,
  random,
  rsaJwk,
  rsaKey,
  sealing,
  signal,
  signingJwk,
  token,
} from './call-fixture.ts';
import { api } from './exported.ts';
import {
  anyClient,
  clientMethods,
  keyringMethods,
  lenient,
  type Methods,
  management,
  methodCall,
  rangeMethods,
  revocations,
} from './method-calls.ts';

/** What is called with options, and what becomes of what it gives. */
export interface Entry extends Call {
  /** What becomes of it with valid options, in Node. Default: it succeeds. */
  readonly outcome?: RegExp;
  readonly returns?: (() => unknown) | undefined;
  readonly methods?: Methods | undefined;
}

const encrypting = (call: Call['call'], more: object = {}): Call => ({
  options: () => ({ ...sealing(), ...more }),
  call,
});
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
const bulkOptions = () => ({
  ...{ from: keyring, to: keyring, write: async () => {} },
  ...{ concurrency: 2, maxFailures: 3, onProgress, signal },
});
/** A transit engine that encrypts everything to the same. */
const transitFetch = async (_: string, { body }: RequestInit) => {
  const { batch_input: items } = JSON.parse(new TextDecoder().decode(body as Uint8Array)) as { batch_input: object[] };
  return Response.json({ data: { batch_results: items.map(() => ({ ciphertext: 'vault:v1:AAAA' })) } });
};
const clientOptions = () => ({ ...keyService, url: lyingUrl, token, tenant: 'north', retry: { limit: 1 } });

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
    standby: true,
    current: true,
    pages: 1,
    found: 1,
    done: true,
    key: ['1'],
    fault_list: [],
  },
};
const isEmpty = (text: string) => text.includes('SKIP LOCKED') || text.includes('FROM bulla_data_keys');
const jobQuery = async (text: string) => ({ rows: isEmpty(text) ? [] : [jobRow], rowCount: 1 });
const jobPool = { query: jobQuery, connect: async () => ({ query: jobQuery, release: () => {} }) };
const jobOptions = () => ({
  encryption: createFieldEncryption({ ...fieldOptions(), tenant: 'north' }),
  ...{ pool: jobPool, replicas: [jobPool], rewrapTo: (tenant: string) => tenantKeyring(tenant) },
});
const nothing = async () => undefined;
const bossOptions = () => ({
  boss: { createQueue: nothing, send: nothing, work: nothing, offWork: nothing },
  jobs: { runBatch: nothing },
  ...{ queue: 'q', batch: 5, lease: 5_000, maxReplicaLag: 9, rowsPerSecond: 5 },
  ...{ expireAfter: 60, retryLimit: 3, retryDelayMax: 9 },
});
const jobKind = () => ({ kind: 'verify', field: 'patient.email', signal });
const rows = () => [{ id: 1, clinic: 'north', email: 'alice@example' }];
const column = (name: keyof typeof encrypted): Entry => ({
  options: () => ({ name: 'x', column: 'y', version: 2, key: 'field' }),
  call: (given) => encrypted[name](given),
});
const listOf = (messages: readonly Message[]) =>
  messages.map((each, i) => ({ id: `${i}`, message: each as Uint8Array }));

/** What takes no options. */
export const none = [
  ...['attach', 'detach', 'fromText', 'toText', 'isBullaError', 'anyOf', 'observedKeyring', 'importDataKey'],
  ...[
    'exportEcdhPrivateJwk',
    'exportEcdhPrivateKey',
    'exportEcdhPublicJwk',
    'exportEcdhPublicKey',
    'importEcdhPublicKey',
  ],
  ...['exportRsaPublicJwk', 'importRsaPublicKey', 'developmentToken', 'generateProofKey', 'proofKeyThumbprint'],
  ...['encryptedPg', 'encryptedPool', 'keepTenantsApart', 'withTenant', 'fieldsSql', 'postgresDataKeyStore'],
  ...['refreshingToken', 'memoryDataKeyStore', 'displayName', 'fileSource', 'keyManagement', 'defineFields'],
  ...['dataKeyRevocations', 'postgresCells'],
];

/** A database that has nothing. */
const pool = {
  query: async () => ({ rows: [] }),
  connect: async () => ({ query: async () => ({ rows: [] }), release: () => {} }),
};
/** What takes no options itself, and returns what has methods that do. */
export const returning: Readonly<Record<string, Pick<Entry, 'returns' | 'methods'>>> = {
  anyOf: made(() => api['anyOf'](lenient, lenient), keyringMethods),
  observedKeyring: made(() => api['observedKeyring'](lenient, () => {}), keyringMethods),
  keyManagement: made(() => api['keyManagement'](anyClient), management),
  dataKeyRevocations: made(() => api['dataKeyRevocations'](anyClient), revocations),
  // They take options to pass on to a database, which this one does not have.
  memoryDataKeyStore: made(() => memoryDataKeyStore(), {
    ...{ byId: 'none', bySlot: 'none', add: 'none', shred: 'none', erase: 'none', define: 'none' },
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
    shred: methodCall('shred', onSignal, { tenant: 't', subject: 's' }, undefined),
    erase: methodCall('erase', onSignal, () => [], null),
    define: methodCall('define', onSignal, () => []),
  }),
  postgresCells: made(() => api['postgresCells'](pool), {
    shred: methodCall('shred', onSignal, [], { tenant: 't', subject: 's', dataKeys: [] }),
    find: methodCall('find', onSignal, [], { tenant: 't', subject: 's', dataKeys: [] }),
  }),
  fileSource: made(() => api['fileSource'](file('plain')), {
    ...{ read: 'none', close: 'none' },
  }),
};

/** What takes options. */
export const taking: Readonly<Record<string, Entry>> = {
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
    options: bulkOptions,
    call: (given) => api['rewrapAll'](listOf([message]), given),
  },
  reencryptAll: {
    options: bulkOptions,
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
  transitKeyring: keyringEntry(
    () => ({
      ...{
        url: 'https://bao.example',
        key: 'a',
        mount: 'm',
        namespace: 'n',
        token: 't',
        user: 'u',
        name: 'x',
        decryptKeys: ['b'],
      },
      ...{ keyContext: { a: 'b' }, fetch: transitFetch, retry: { limit: 1 }, timeout: 1_000, onEvent: () => {} },
    }),
    (given) => api['transitKeyring'](given),
  ),
  awsKmsKeyring: keyringEntry(
    () => ({
      ...{ keyId: 'alias/a', regions: ['eu-central-1'], name: 'x', decryptKeyIds: ['alias/b'], keyContext: { a: 'b' } },
      // Nobody listens there.
      ...{ endpoint: 'http://127.0.0.1:9', credentials: { accessKeyId: 'a', secretAccessKey: 'b' } },
      ...{ retry: { limit: 0 }, timeout: 5_000, onEvent: () => {} },
    }),
    (given) => api['awsKmsKeyring'](given),
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
        options: () => ({
          ...{ tenant: 'north', subject: '7', revoke: false, block: false },
          ...{ cells: { shred: async () => 0, find: async () => [] }, signal },
        }),
        call: (given: never) => returned.shred(given),
      }),
    }),
  },
  migrationSql: {
    options: () => ({ step: 'expand', field: 'patient.email', back: false }),
    call: (given) => api['migrationSql'](fields, given),
  },
  fieldJobsOnPgBoss: {
    options: bossOptions,
    call: (given) => api['fieldJobsOnPgBoss'](given),
    returns: () => api['fieldJobsOnPgBoss'](bossOptions()),
    methods: { work: 'none', send: 'none', stop: 'none' },
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
      shred: methodCall('shred', () => ({ tenant: 'north', subject: '7', revoke: false, block: false, signal })),
      estimateShred: methodCall('estimateShred', () => ({ tenant: 'north', subject: '7', signal })),
      estimate: methodCall('estimate', jobKind),
      start: methodCall('start', () => ({ ...jobKind(), shards: 1 })),
      runBatch: methodCall('runBatch', () => ({ batch: 5, lease: 1_000, maxReplicaLag: 9, signal }), '1'),
      run: methodCall(
        'run',
        () => ({
          batch: 5,
          lease: 1_000,
          maxReplicaLag: 9,
          signal,
          workers: 1,
          rowsPerSecond: 7,
          onProgress: () => {},
        }),
        '1',
      ),
      status: methodCall('status', onSignal, '1'),
      faults: methodCall('faults', onSignal, '1'),
      cancel: methodCall('cancel', onSignal, '1'),
    },
  },
};
