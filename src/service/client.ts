/** A client of one key service, for one user: everything that is asked of the service goes through it. */

import type { SecretKey } from '../crypto/keys.ts';
import { CryptoUnavailableError } from '../errors.ts';
import { assert } from '../lib/assert.ts';
import { maxKeyContextValueLength } from '../lib/limits.ts';
import {
  func,
  integer,
  matching,
  nested,
  oneOf,
  optional,
  type ReadersOf,
  takeBoolean,
  takeBytes,
  takeJsonObject,
  takeMap,
  takeOptions,
  takeSignal,
  takeString,
} from '../lib/options.ts';
import { sortPairs } from '../schedule/map.ts';
import type { Bytes, KeyContext } from '../types.ts';
import type { JsonObject } from './answer.ts';
import { type Call, call } from './call.ts';
import { Connection } from './connection.ts';
import { type DataPlane, dataPlane, type ServiceDataKey, type WrapTarget } from './data-plane.ts';
import type { ServiceDocument } from './identity.ts';
import { isKeyName, type ServiceWrappedKey, type WrappedItem } from './items.ts';
import { KeyChanges, type KeyListener } from './key-changes.ts';
import {
  type KeyDocumentOptions,
  KeyDocuments,
  type SignedKeyDocument,
  takeSignedDocument,
  type VerifiedKeyDocument,
} from './key-documents.ts';
import { type KeyServiceClientOptions, readSettings } from './options.ts';
import { randomId } from './proof.ts';

/** Options of a single call. */
export interface CallOptions {
  /** Ends the call; it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The readers of {@link CallOptions}. */
export const callReaders = { signal: optional(takeSignal) } satisfies ReadersOf<CallOptions>;

/** Who a client acts for, by what stands in its own access token. */
export interface Caller {
  readonly tenant: string;
  /** `<iss>|<sub>` */
  readonly principal: string;
  /** Names this very token with the client's proof key. Two callers have the same one only where they hold the same token **and** the same key; nobody can tell it from the claims. */
  readonly credential: string;
}

/**
 * A client of a key service. Its methods reject with a `KeyServiceError`, with the reason of a signal, and where a data key does not unwrap with a `DecryptionError`.
 * Calls on data keys that are made in the same tick travel together. Keyrings are built on it; nobody else needs more than {@link KeyServiceClient.request}.
 */
export interface KeyServiceClient {
  /** The external URL of the service. */
  readonly url: string;
  /** The thumbprint of the key that tokens are bound to. */
  proofKeyThumbprint(): Promise<string>;
  /** Fetches and verifies the discovery document, unless it is at hand. Call it early to find a wrong pin or address at the start. */
  connect(options?: CallOptions): Promise<ServiceDocument>;
  /** Who the current access token says it is for: claims that this client does not verify. Asks the source of tokens, not the service. */
  caller(options?: CallOptions): Promise<Caller>;
  /**
   * Forgets the token of a `tokenSource` and the documents of keys, when the user signs out. Calls that are under way may still be repeated, with the next user's token: abort them, or make a client
   * for each user. A cache keeps the data keys of who signed out, for them alone, until they expire: `invalidate()` it to drop them at once.
   */
  forgetToken(): void;
  /** Makes a data key, straight into a handle. */
  generateDataKey(target: WrapTarget, options?: CallOptions): Promise<ServiceDataKey>;
  /** Makes a data key that only who may unwrap it will see. */
  generateWrappedDataKey(target: WrapTarget, options?: CallOptions): Promise<ServiceWrappedKey>;
  /** Wraps 32 bytes; they are copied. */
  wrapDataKey(dataKey: Uint8Array, target: WrapTarget, options?: CallOptions): Promise<ServiceWrappedKey>;
  /** Unwraps straight into a handle. */
  unwrapDataKey(item: WrappedItem, options?: CallOptions): Promise<SecretKey>;
  /** Unwraps to 32 bytes that are about to be re-wrapped; the caller overwrites them. */
  unwrapDataKeyBytes(item: WrappedItem, options?: CallOptions): Promise<Bytes>;
  /**
   * Re-wraps to the newest version of a key; the data key stays in the service. Default of `target`: the key and key context of the source. Another target
   * gives the data key to other readers, so check first that it is that of the message you mean, by its commitment; `rewrap` does (`docs/format.md` §7.7).
   */
  rewrapDataKey(source: WrappedItem, target?: WrapTarget, options?: CallOptions): Promise<ServiceWrappedKey>;
  /** The signed public document of a key. */
  keyDocument(key: string, options?: KeyDocumentOptions): Promise<VerifiedKeyDocument>;
  /** Verifies a document that was kept, against the pin and without a call. */
  verifyKeyDocument(document: SignedKeyDocument): Promise<VerifiedKeyDocument>;
  /** Is told what answers say of keys; gives back what ends that. */
  onKeyChange(listener: KeyListener): () => void;
  /** Any other call of the protocol, with token, proof and a verified MAC. Resolves to the JSON object of the answer. */
  request(request: ServiceRequest): Promise<JsonObject>;
}

/** A call of the protocol that has no method of its own. */
export interface ServiceRequest {
  readonly method: Call['method'];
  /** From `/v1/` on. */
  readonly path: string;
  /** A JSON object. Default: no body. */
  readonly body?: object | undefined;
  /** The change is made only in this state of the key, `docs/key-service.md` §7.1. */
  readonly ifMatch?: string | undefined;
  /** Makes repetitions of a creation one; 1 to 64 characters of `A-Z a-z 0-9 - _` (§7.2). Default: a random one for this call. */
  readonly idempotencyKey?: string | undefined;
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
}

/** The reader of an idempotency key (§7.2). */
export const takeIdempotencyKey = matching(/^[\w-]{1,64}$/, '1 to 64 characters of A-Z a-z 0-9 - _');

const requestReaders = {
  method: oneOf('GET', 'POST', 'PUT', 'DELETE'),
  path: takePath,
  body: optional(takeJsonObject),
  ifMatch: optional(matching(/^[!-~]{1,128}$/, '1 to 128 characters of ASCII without spaces')),
  idempotencyKey: optional(takeIdempotencyKey),
  ...callReaders,
} satisfies ReadersOf<ServiceRequest>;
const documentReaders = { fresh: optional(takeBoolean), ...callReaders } satisfies ReadersOf<KeyDocumentOptions>;
// Checked and copied now: what one caller gets wrong must not fail those whose calls travel with it.
const takeTarget = nested({ key: takeKeyName, keyContext: takeKeyContext } satisfies ReadersOf<WrapTarget>);
/** The reader of a wrapped item. */
export const takeWrappedItem = nested({
  keyId: takeString,
  version: integer(1, 2 ** 32 - 1),
  keyContext: takeKeyContext,
  method: oneOf('service', 'service-ecdh'),
  wrappedKey: takeBytes,
} satisfies ReadersOf<WrappedItem>);
const signalOf = (options: CallOptions = {}) => takeOptions(options, callReaders).signal;

/**
 * Makes a client. Nothing is sent before it is used. Throws a `TypeError` that names a wrong option, and `ERR_CRYPTO_UNAVAILABLE` where the runtime itself has no WebCrypto.
 *
 * @example
 * const client = createKeyServiceClient({ url: 'https://keys.example', pin: 'b64u thumbprint …', token: () => session.accessToken });
 * const keyring = serviceKeyring({ client, keyId: 'alias:orders', keyContext: { purpose: 'orders' } });
 */
export function createKeyServiceClient(options: KeyServiceClientOptions): KeyServiceClient {
  const settings = readSettings(options);
  if ((globalThis.crypto as Crypto | undefined)?.subtle === undefined) {
    // jose signs and verifies with the runtime's own.
    throw new CryptoUnavailableError(
      'A client of a key service needs globalThis.crypto.subtle, and there is none here',
    );
  }
  const connection = new Connection(settings);
  const changes = new KeyChanges();
  const documents = new KeyDocuments(connection, changes);
  return {
    url: settings.url,
    proofKeyThumbprint: async () => (await connection.proofKey()).thumbprint,
    connect: async (given) => connection.document(signalOf(given)),
    async caller(given) {
      const token = await connection.token(signalOf(given));
      const { tenant, principal } = token;
      return { tenant, principal, credential: await connection.credential(token) };
    },
    forgetToken() {
      connection.tokens?.clear();
      documents.clear();
    },
    ...dataKeyMethods(dataPlane(connection, changes)),
    keyDocument: async (key, given = {}) => documents.get(takeKeyName(key, 'key'), takeOptions(given, documentReaders)),
    verifyKeyDocument: async (document) => documents.verify(takeSignedDocument(document, 'document')),
    onKeyChange: (listener) => changes.listen(func<KeyListener>()(listener, 'listener')),
    async request(request) {
      const taken = takeOptions(request, requestReaders, 'request');
      assert(taken.method !== 'GET' || taken.body === undefined, 'body', 'left out with GET');
      return plainCall(connection, taken);
    },
  };
}

function dataKeyMethods(plane: DataPlane) {
  return {
    generateDataKey: async (target: WrapTarget, options?: CallOptions) =>
      plane.generate(takeTarget(target, 'target'), signalOf(options)),
    generateWrappedDataKey: async (target: WrapTarget, options?: CallOptions) =>
      plane.generateWrapped(takeTarget(target, 'target'), signalOf(options)),
    async wrapDataKey(dataKey: Uint8Array, target: WrapTarget, options?: CallOptions) {
      const taken = takeTarget(target, 'target');
      const signal = signalOf(options);
      const bytes = takeBytes(dataKey, 'dataKey');
      try {
        assert(bytes.byteLength === 32, 'dataKey', '32 bytes');
        return await plane.wrap({ ...taken, dataKey: bytes }, signal);
      } finally {
        bytes.fill(0);
      }
    },
    unwrapDataKey: async (item: WrappedItem, options?: CallOptions) =>
      plane.unwrap(takeWrappedItem(item, 'item'), signalOf(options)),
    unwrapDataKeyBytes: async (item: WrappedItem, options?: CallOptions) =>
      plane.unwrapBytes(takeWrappedItem(item, 'item'), signalOf(options)),
    rewrapDataKey: async (source: WrappedItem, target?: WrapTarget, options?: CallOptions) =>
      plane.rewrap(
        { source: takeWrappedItem(source, 'source'), target: optional(takeTarget)(target, 'target') },
        signalOf(options),
      ),
  };
}

async function plainCall(
  connection: Connection,
  { method, path, body, ifMatch, idempotencyKey, signal }: ServiceRequest,
): Promise<JsonObject> {
  const headers = {
    ...(ifMatch === undefined ? {} : { 'If-Match': ifMatch }),
    // Where the answer to a creation is lost, its repetition must not be a second one. §7.2: other operations need none, and take no notice.
    ...(method === 'POST' ? { 'Idempotency-Key': idempotencyKey ?? (await randomId()) } : {}),
  };
  const makeBody = body === undefined ? {} : { body: async () => body };
  return (await call(connection, { method, path, headers, signal, ...makeBody })).body;
}

function takePath(value: unknown, name: string): string {
  const path = takeString(value, name);
  // A dot segment would be removed on the way, and no proof would fit.
  const isPath = /^\/v1(\/(?!\.\.?(\/|\?|$))[\w\-.:]+)+(\?[\w\-=&]*)?$/.test(path);
  assert(isPath, name, 'a path from /v1/ on');
  return path;
}

function takeKeyName(value: unknown, name: string): string {
  assert(isKeyName(value), name, 'the id of a key, or alias: and a name');
  return value;
}

function takeKeyContext(value: unknown, name: string): KeyContext {
  const taken = takeMap(value, name);
  sortPairs(taken, name, maxKeyContextValueLength);
  return taken;
}
