/** The keyring of a key service: data keys from the service, or wrapped offline to its published key; unwrapped by the service alone. */

import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { type DecryptionError, isBullaError } from '../errors.ts';
import { assert, assertOptions } from '../lib/assert.ts';
import { concat } from '../lib/bytes.ts';
import { maxKeyContextValueLength } from '../lib/limits.ts';
import { sameMap } from '../lib/maps.ts';
import { sortPairs } from '../schedule/map.ts';
import type { KeyServiceClient } from '../service/client.ts';
import type { WrapTarget } from '../service/data-plane.ts';
import {
  ecdhLength,
  isKeyId,
  isKeyName,
  opaqueLength,
  type ServiceWrappedKey,
  type WrappedItem,
} from '../service/items.ts';
import type { SignedKeyDocument, VerifiedKeyDocument } from '../service/key-documents.ts';
import type { Bytes, KeyContext } from '../types.ts';
import { generateAndWrap } from './data-key.ts';
import { wrapTo } from './ecdh.ts';
import type { Keyring, KeyringOptions, Unwrapped } from './keyring.ts';
import { type OwnKey, type ServiceParts, servicePartsOf, setServiceParts } from './service-parts.ts';

/** Options of {@link serviceKeyring}. */
export interface ServiceKeyringOptions {
  /** A client of the service. */
  readonly client: KeyServiceClient;
  /** The key to encrypt under and to decrypt with: its id (`key-…`), or `alias:` and a name, which the service resolves. */
  readonly keyId: string;
  /** Bound to every wrapped key, and what a wrapped key must have to be opened. The service sees it and decides by it. Default: empty. */
  readonly keyContext?: KeyContext | undefined;
  /** Ids of further keys to decrypt with, for example those that an alias named before. Default: none. */
  readonly decryptKeyIds?: readonly string[] | undefined;
  /**
   * `online` asks the service for each data key. `offline` makes it here and wraps it to the published public key, which is fetched once a day at most and needs no permission to encrypt or
   * decrypt. Either decrypts both. Default: `online`.
   */
  readonly mode?: 'online' | 'offline' | undefined;
  /** For `offline` without any call: a document from `client.keyDocument(...)`, good for 24 hours. Default: fetched. */
  readonly keyDocument?: SignedKeyDocument | undefined;
}

const names = ['client', 'keyId', 'keyContext', 'decryptKeyIds', 'mode', 'keyDocument'];

/**
 * A keyring whose keys a key service holds. Calls of one tick travel together. `rewrap` between two keyrings of one client is done by the service: the data key never leaves it.
 *
 * Throws a `TypeError` that names a wrong option. Its methods reject with a `KeyServiceError` and with `ERR_DECRYPTION_FAILED`.
 *
 * @example
 * const keyring = serviceKeyring({ client, keyId: 'alias:orders', keyContext: { purpose: 'orders' } });
 * const message = await encrypt(order, { keyring, context: { order: '4711' } });
 */
export function serviceKeyring(options: ServiceKeyringOptions): Keyring {
  const parts = readParts(options);
  const { client, keyId, keyContext, mode } = parts;
  const target = { key: keyId, keyContext };
  const documentOf = keyDocuments(parts, options.keyDocument);
  const wrapDataKey = async (dataKey: Bytes, { signal }: KeyringOptions = {}): Promise<readonly WrappedKey[]> => {
    if (mode === 'offline') return [await wrapOffline(await documentOf(signal), keyContext, dataKey)];
    const { serviceId } = await client.connect({ signal });
    return [wrappedKeyOf(await client.wrapDataKey(dataKey, target, { signal }), serviceId, keyContext)];
  };
  const unwrapper =
    <Key>(unwrap: (item: WrappedItem, signal: AbortSignal | undefined) => Promise<Key>) =>
    async (wrappedKeys: readonly WrappedKey[], unwrapOptions: KeyringOptions = {}) =>
      unwrapFirst(await parts.own(wrappedKeys, unwrapOptions), ({ item }) => unwrap(item, unwrapOptions.signal));

  const keyring: Keyring = {
    async generateDataKey(generateOptions = {}) {
      const { signal } = generateOptions;
      if (mode === 'offline') return generateAndWrap((bytes) => wrapDataKey(bytes, generateOptions), generateOptions);
      const { serviceId } = await client.connect({ signal });
      const made = await client.generateDataKey(target, { signal });
      return { dataKey: made.dataKey, wrappedKeys: [wrappedKeyOf(made, serviceId, keyContext)], keyUse: 'single' };
    },
    wrapDataKey,
    unwrapDataKey: unwrapper((item, signal) => client.unwrapDataKey(item, { signal })),
    unwrapDataKeyBytes: unwrapper((item, signal) => client.unwrapDataKeyBytes(item, { signal })),
    async rewrapDataKey(wrappedKeys, from, { signal, verified = false } = {}) {
      const source = servicePartsOf(from);
      if (source?.client !== client) return null;
      const own = await source.own(wrappedKeys, { signal });
      if (own.length === 0) return null;
      if (!verified && !(await isNewestOf(own, target, client, signal))) return 'unverified';
      const rewrapped = await unwrapFirst(own, async ({ item }) => {
        const { serviceId } = await client.connect({ signal });
        // Without a target the service re-wraps to the newest version of the same key, whatever an alias has come to mean.
        const result = await client.rewrapDataKey(item, verified ? target : undefined, { signal });
        return [wrappedKeyOf(result, serviceId, keyContext)];
      });
      return rewrapped && { wrappedKey: rewrapped.wrappedKey, wrappedKeys: rewrapped.dataKey };
    },
  };
  setServiceParts(keyring, parts);
  return keyring;
}

function readParts(options: ServiceKeyringOptions): ServiceParts {
  assertOptions(options, names);
  const { client, keyId, keyContext = {}, decryptKeyIds = [], mode = 'online' } = options;
  assert(typeof client?.generateDataKey === 'function', 'client', 'a client of a key service');
  assert(isKeyName(keyId), 'keyId', 'the id of a key, or alias: and a name');
  assert(Array.isArray(decryptKeyIds) && decryptKeyIds.every(isKeyId), 'decryptKeyIds', 'an array of ids of keys');
  assert(mode === 'online' || mode === 'offline', 'mode', 'online or offline');
  sortPairs(keyContext, 'keyContext', maxKeyContextValueLength);
  const context = { ...keyContext };
  return { client, keyId, keyContext: context, mode, own: ownKeys(client, keyId, context, [...decryptKeyIds]) };
}

/** Compares what can be compared here first: a message of somebody else costs no call. §7.6 */
function ownKeys(
  client: KeyServiceClient,
  keyId: string,
  keyContext: KeyContext,
  others: readonly string[],
): ServiceParts['own'] {
  return async (wrappedKeys, { signal }) => {
    signal?.throwIfAborted();
    const alias = !isKeyId(keyId);
    const candidates = wrappedKeys.flatMap((wrappedKey) => {
      const item = itemOf(wrappedKey);
      const named = item !== undefined && (alias || wrappedKey.keyId === keyId || others.includes(wrappedKey.keyId));
      return named && sameMap(wrappedKey.keyContext, keyContext) ? [{ wrappedKey, item }] : [];
    });
    if (candidates.length === 0) return [];
    const { serviceId } = await client.connect({ signal });
    const here = candidates.filter(({ wrappedKey }) => wrappedKey.serviceId === serviceId);
    const strangers = here.some(({ wrappedKey }) => wrappedKey.keyId !== keyId && !others.includes(wrappedKey.keyId));
    if (!strangers) return here;
    const { keyId: resolved } = await client.keyDocument(keyId, { signal });
    return here.filter(({ wrappedKey }) => wrappedKey.keyId === resolved || others.includes(wrappedKey.keyId));
  };
}

/** Whether re-wrapping to a key and key context can give nothing but another version of what each wrapped key is under (`docs/format.md` §7.7a). */
async function isNewestOf(
  own: readonly OwnKey[],
  { key, keyContext }: WrapTarget,
  client: KeyServiceClient,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const keyId = isKeyId(key) ? key : (await client.keyDocument(key, { signal })).keyId;
  return own.every(({ item }) => item.keyId === keyId && sameMap(item.keyContext, keyContext));
}

/** A wrapped key as an item, where its method is one of a key service. */
function itemOf({ keyId, version, keyContext, wrapping }: WrappedKey): WrappedItem | undefined {
  if (!isKeyId(keyId) || version < 1) return undefined;
  const about = { keyId, version, keyContext };
  if (wrapping.method === 'service' && wrapping.opaque.byteLength === opaqueLength) {
    return { ...about, method: 'service', wrappedKey: wrapping.opaque };
  }
  if (wrapping.method !== 'service-ecdh') return undefined;
  // docs/key-service.md §5.4
  const wrappedKey = concat(wrapping.ephemeralKey, wrapping.sealedKey);
  return wrappedKey.byteLength === ecdhLength ? { ...about, method: 'service-ecdh', wrappedKey } : undefined;
}

function wrappedKeyOf(
  { keyId, version, wrappedKey }: ServiceWrappedKey,
  serviceId: string,
  keyContext: KeyContext,
): WrappedKey {
  return { keyId, version, serviceId, keyContext, wrapping: { method: 'service', opaque: wrappedKey } };
}

/** `docs/format.md` §8.2 */
function wrapOffline(
  { serviceId, keyId, version, point }: VerifiedKeyDocument,
  keyContext: KeyContext,
  dataKey: Bytes,
) {
  return wrapTo('service-ecdh', point, { serviceId, keyId, version, keyContext }, dataKey);
}

/** The document that offline mode wraps by: the one that was given, verified each time because it expires, or the service's. */
function keyDocuments({ client, keyId }: ServiceParts, given: SignedKeyDocument | undefined) {
  return async (signal: AbortSignal | undefined): Promise<VerifiedKeyDocument> => {
    if (given === undefined) return client.keyDocument(keyId, { signal });
    const document = await client.verifyKeyDocument(given);
    assert(!isKeyId(keyId) || document.keyId === keyId, 'keyDocument', 'the document of keyId');
    return document;
  };
}

async function unwrapFirst<Key>(
  own: readonly OwnKey[],
  unwrap: (key: OwnKey) => Promise<Key>,
): Promise<Unwrapped<Key> | null> {
  let failure: DecryptionError | undefined;
  for (const key of own) {
    try {
      return { wrappedKey: key.wrappedKey, dataKey: await unwrap(key) };
    } catch (error) {
      if (!isBullaError(error) || error.code !== 'ERR_DECRYPTION_FAILED') throw error;
      failure = error;
    }
  }
  if (failure !== undefined) throw failure;
  return null;
}
