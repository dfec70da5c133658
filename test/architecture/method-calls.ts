// The methods of what the package returns, and how options.test.ts calls them.

import type { Keyring } from '../../src/keyrings/custom.ts';
import type { KeyServiceClient } from '../../src/service.ts';
import { collect } from '../support/data.ts';
import type { Call } from '../support/hostile-options.ts';
import { lyingKeyId } from '../support/lying-service.ts';
import { keyring, keyringCall, onSignal, random, signal, target } from './call-fixture.ts';

/** The methods of something: with a call, or `none` for those that take no options. All of them. */
export type Methods = Readonly<Record<string, ((returned: never) => Call) | 'none'>>;

type AnyMethod = (...args: unknown[]) => unknown;
/** A call of a method of what was returned. */
export const methodCall =
  (name: string, options: () => object, ...before: unknown[]) =>
  (returned: Record<string, AnyMethod>): Call => ({
    options,
    call: (given) => returned[name]?.(...before.map((each) => (typeof each === 'function' ? each() : each)), given),
  });
/** The methods of a keyring. */
export const keyringMethods = {
  generateDataKey: methodCall('generateDataKey', () => ({ ...keyringCall(), random })),
  wrapDataKey: methodCall('wrapDataKey', keyringCall, () => new Uint8Array(32)),
  unwrapDataKey: methodCall('unwrapDataKey', keyringCall, []),
  unwrapDataKeyBytes: methodCall('unwrapDataKeyBytes', keyringCall, []),
  rewrapDataKey: methodCall('rewrapDataKey', () => ({ ...keyringCall(), verified: true }), [], keyring),
  ownKeys: methodCall('ownKeys', keyringCall, [], {}),
  revokeDataKeys: methodCall('revokeDataKeys', keyringCall, []),
  cacheScope: methodCall('cacheScope', keyringCall),
  rejectDataKey: 'none',
  segmentFailed: 'none',
} as const;

/** The methods of a client of a key service. */
export const clientMethods: Methods = {
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
/** The methods of `keyManagement`. */
export const management: Methods = {
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

const revocationId = `rev-${'a'.repeat(26)}`;
/** The methods of `dataKeyRevocations`. */
export const revocations: Methods = {
  request: methodCall('request', onSignal, () => [item()]),
  list: (returned: { list(options: object): AsyncGenerator }) => ({
    options: () => ({ state: 'revoked', signal }),
    call: (given: never) => returned.list(given).next(),
  }),
  ...Object.fromEntries(['describe', 'undo'].map((name) => [name, methodCall(name, onSignal, revocationId)])),
  ...Object.fromEntries(['approve', 'approveUndo'].map((name) => [name, methodCall(name, onSignal, revocationId, 1)])),
};
const revocation = { revocation_id: revocationId, state: 'requested', data_keys: 1 };

const answers: Readonly<Record<string, unknown>> = { wrapDataKey: [], ownKeys: [], cacheScope: undefined };
/** A keyring that takes what it is given: what stands in front of it must not. */
export const lenient = Object.fromEntries(
  Object.keys(keyringMethods).map((name) => [
    name,
    async () => {
      if (name === 'generateDataKey') return keyring.generateDataKey();
      return Object.hasOwn(answers, name) ? answers[name] : null;
    },
  ]),
) as unknown as Keyring;
/** Answers whatever is asked for with a key, which is a revocation too. */
export const anyClient = {
  request: async ({ body }: { body?: object }) =>
    JSON.parse(JSON.stringify({ newest_version: 1, keys: [], body, ...revocation })),
} as unknown as KeyServiceClient;

/** The methods of an opened message. */
export const rangeMethods: Methods = {
  read: 'none',
  stream: (returned: { stream(range: object): ReadableStream<Uint8Array> }) => ({
    options: () => ({ start: 1, end: 5_000 }),
    call: (given: never) => collect(returned.stream(given)),
  }),
};
