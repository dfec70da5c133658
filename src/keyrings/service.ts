/** The keyring of a key service: data keys from the service, or wrapped offline to its published key; unwrapped by the service alone. */

import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { assert } from '../lib/assert.ts';
import { concat } from '../lib/bytes.ts';
import { sameMap } from '../lib/maps.ts';
import { arrayOf, oneOf, optional, type ReadersOf, takeOptions, takeString } from '../lib/options.ts';
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
import { type SignedKeyDocument, takeSignedDocument, type VerifiedKeyDocument } from '../service/key-documents.ts';
import type { Bytes, KeyContext } from '../types.ts';
import { generateAndWrap, takeDataKey, useAndErase } from './data-key.ts';
import { firstAnswered } from './first-answered.ts';
import type { CacheScope, Keyring, KeyringOptions } from './keyring.ts';
import { takeKeyContext } from './local.ts';
import { type KeyringWork, keyringOf } from './methods.ts';
import { revokeItems } from './revoke-items.ts';
import { wrapTo } from './wrap-to.ts';

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

const readers = {
  client: takeClient,
  keyId: takeKeyName,
  keyContext: takeKeyContext,
  decryptKeyIds: optional(takeKeyIds, []),
  mode: optional(oneOf('online', 'offline'), 'online'),
  keyDocument: optional(takeSignedDocument),
} satisfies ReadersOf<ServiceKeyringOptions>;

function takeClient(value: unknown, name: string): KeyServiceClient {
  const isClient = typeof (value as Partial<KeyServiceClient> | null)?.generateDataKey === 'function';
  assert(isClient, name, 'a client of a key service');
  return value as KeyServiceClient;
}

function takeKeyName(value: unknown, name: string): string {
  assert(isKeyName(value), name, 'the id of a key, or alias: and a name');
  return value;
}

function takeKeyIds(value: unknown, name: string): readonly string[] {
  const ids = arrayOf(takeString)(value, name);
  assert(ids.every(isKeyId), name, 'an array of ids of keys');
  return ids;
}

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
  const { keyDocument, ...settings } = takeOptions(options, readers);
  const { client, keyId, keyContext, mode } = settings;
  const target = { key: keyId, keyContext };
  const documentOf = keyDocuments(settings, keyDocument);
  const wrapTaken = async (dataKey: Bytes, { signal }: KeyringOptions): Promise<readonly WrappedKey[]> => {
    if (mode === 'offline') return [await wrapOffline(await documentOf(signal), keyContext, dataKey)];
    const { serviceId } = await client.connect({ signal });
    return [wrappedKeyOf(await client.wrapDataKey(dataKey, target, { signal }), serviceId, keyContext)];
  };
  const unwrapper =
    <Key>(unwrap: (item: WrappedItem, signal: AbortSignal | undefined) => Promise<Key>) =>
    async (wrappedKeys: readonly WrappedKey[], { signal }: KeyringOptions) =>
      firstAnswered(await ownKeys(settings, wrappedKeys, signal), signal, async ({ wrappedKey, item }) => ({
        wrappedKey,
        dataKey: await unwrap(item, signal),
      }));

  return keyringOf({
    async generateDataKey(generateOptions) {
      const { signal } = generateOptions;
      if (mode === 'offline') return generateAndWrap((bytes) => wrapTaken(bytes, generateOptions), generateOptions);
      const { serviceId } = await client.connect({ signal });
      const made = await client.generateDataKey(target, { signal });
      return { dataKey: made.dataKey, wrappedKeys: [wrappedKeyOf(made, serviceId, keyContext)], keyUse: 'single' };
    },
    wrapDataKey: (dataKey, wrapOptions) => useAndErase(takeDataKey(dataKey), (bytes) => wrapTaken(bytes, wrapOptions)),
    unwrapDataKey: unwrapper((item, signal) => client.unwrapDataKey(item, { signal })),
    unwrapDataKeyBytes: unwrapper((item, signal) => client.unwrapDataKeyBytes(item, { signal })),
    async rewrapDataKey(wrappedKeys, from, { signal, verified }) {
      const own = ((await from.ownKeys?.(wrappedKeys, client, { signal })) ?? []).flatMap(ownKey);
      if (own.length === 0) return null;
      if (!verified && !(await isNewestOf(own, target, client, signal))) return 'unverified';
      return firstAnswered(own, signal, async ({ wrappedKey, item }) => {
        const { serviceId } = await client.connect({ signal });
        // Without a target the service re-wraps to the newest version of the same key, whatever an alias has come to mean.
        const made = await client.rewrapDataKey(item, verified ? target : undefined, { signal });
        return { wrappedKey, wrappedKeys: [wrappedKeyOf(made, serviceId, keyContext)] };
      });
    },
    async ownKeys(wrappedKeys, service, { signal }) {
      return service === client
        ? (await ownKeys(settings, wrappedKeys, signal)).map(({ wrappedKey }) => wrappedKey)
        : [];
    },
    revokeDataKeys: revokes(settings),
    cacheScope: scopes(settings),
  });
}

/** Has the service refuse the data keys of wrapped keys, where each of them is this keyring's. */
function revokes(settings: Settings): NonNullable<KeyringWork['revokeDataKeys']> {
  return async (wrappedKeys, { signal }) => {
    const own = await ownKeys(settings, wrappedKeys, signal);
    if (own.length < wrappedKeys.length) return null;
    const items = own.map(({ item }) => item);
    return revokeItems(settings.client, items, signal);
  };
}

/** What the options say. */
interface Settings {
  readonly client: KeyServiceClient;
  /** The id of the key, or `alias:` and a name. */
  readonly keyId: string;
  readonly keyContext: KeyContext;
  readonly decryptKeyIds: readonly string[];
  readonly mode: 'online' | 'offline';
}

/** A wrapped key that is for a keyring, as the service is asked for it. */
interface OwnKey {
  readonly wrappedKey: WrappedKey;
  readonly item: WrappedItem;
}

/**
 * The same token and the same proof key, at the same service, for the same keys: what the service has once decided for them stands. Not what the token
 * says of itself, which only the service verifies.
 */
function scopes({ client, keyId, keyContext, decryptKeyIds, mode }: Settings): NonNullable<KeyringWork['cacheScope']> {
  const pairs = Object.entries(keyContext).sort(([a], [b]) => (a < b ? -1 : 1));
  const about = JSON.stringify([client.url, keyId, pairs, decryptKeyIds, mode]);
  let latest: { readonly credential: string; readonly scope: CacheScope } | undefined;
  return async ({ signal }) => {
    const { tenant, principal, credential } = await client.caller({ signal });
    if (latest === undefined || latest.credential !== credential) {
      const user = JSON.stringify([client.url, tenant, principal]);
      const id = JSON.stringify(['service', user, credential, about]);
      latest = { credential, scope: { id, user, keys: [keyId], news: [client] } };
    }
    return latest.scope;
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

/**
 * Those of the wrapped keys that are for the keyring, in the order of its keys: that of `keyId` first, then `decryptKeyIds`. What can be compared here is compared before
 * anything is asked: a message of somebody else costs no call. §7.5, §7.6
 */
async function ownKeys(
  { client, keyId, keyContext, decryptKeyIds }: Settings,
  wrappedKeys: readonly WrappedKey[],
  signal: AbortSignal | undefined,
): Promise<readonly OwnKey[]> {
  signal?.throwIfAborted();
  const alias = !isKeyId(keyId);
  const isNamed = (id: string) => id === keyId || decryptKeyIds.includes(id);
  const candidates = wrappedKeys
    .flatMap(ownKey)
    .filter(({ wrappedKey }) => (alias || isNamed(wrappedKey.keyId)) && sameMap(wrappedKey.keyContext, keyContext));
  if (candidates.length === 0) return [];
  const { serviceId } = await client.connect({ signal });
  const here = candidates.filter(({ wrappedKey }) => wrappedKey.serviceId === serviceId);
  const strangers = here.some(({ wrappedKey }) => !isNamed(wrappedKey.keyId));
  const first = strangers ? (await client.keyDocument(keyId, { signal })).keyId : keyId;
  const held = new Set([first, ...decryptKeyIds]);
  return [...held].flatMap((id) => here.filter(({ wrappedKey }) => wrappedKey.keyId === id));
}

/** A wrapped key with its item, where its method is one of a key service. */
function ownKey(wrappedKey: WrappedKey): OwnKey[] {
  const item = itemOf(wrappedKey);
  return item === undefined ? [] : [{ wrappedKey, item }];
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
function keyDocuments({ client, keyId }: Settings, given: SignedKeyDocument | undefined) {
  return async (signal: AbortSignal | undefined): Promise<VerifiedKeyDocument> => {
    if (given === undefined) return client.keyDocument(keyId, { signal });
    const document = await client.verifyKeyDocument(given);
    assert(!isKeyId(keyId) || document.keyId === keyId, 'keyDocument', 'the document of keyId');
    return document;
  };
}
