/** Items and results of the data plane, `docs/key-service.md` §6. */

import { open, openSecret, seal } from '../crypto/aes-gcm.ts';
import { sha384 } from '../crypto/digest.ts';
import type { AeadKey, SecretKey } from '../crypto/keys.ts';
import { encodeBase64url } from '../lib/base64url.ts';
import { maxKeyContextValueLength } from '../lib/limits.ts';
import { encodeMap, sortPairs } from '../schedule/map.ts';
import { itemNonce, requestItemData, responseItemData } from '../schedule/transport-keys.ts';
import type { Bytes, KeyContext } from '../types.ts';
import { badAnswer, bytesField, integerField, type JsonObject, stringField } from './answer.ts';

/** Bytes of a wrapped key of the service (§5.3). */
export const opaqueLength = 81;
/** Bytes of a wrapped key of the method `service-ecdh` (§5.4). */
export const ecdhLength = 145;
const sealedKeyLength = 48;
const maxVersion = 2 ** 32 - 1;

/** The methods by which a key service unwraps (§5.4). */
export type ServiceMethod = 'service' | 'service-ecdh';

/** A wrapped key to unwrap or to rewrap. */
export interface WrappedItem {
  readonly keyId: string;
  readonly version: number;
  readonly keyContext: KeyContext;
  readonly method: ServiceMethod;
  readonly wrappedKey: Bytes;
}

/** Which version of which key a result is about, and what it tells of the key. */
export interface KeyVersion {
  readonly keyId: string;
  readonly version: number;
  readonly newestVersion: number;
  readonly floor: number;
}

/** A wrapped key that the service made. */
export interface ServiceWrappedKey extends KeyVersion {
  /** 81 bytes. */
  readonly wrappedKey: Bytes;
}

/** The JSON form of a wrapped item. */
export function wrappedItemJson({ keyId, version, keyContext, method, wrappedKey }: WrappedItem): JsonObject {
  const item = { key: keyId, version, key_context: keyContext, wrapped_key: encodeBase64url(wrappedKey) };
  return method === 'service' ? item : { ...item, method };
}

/** What every result says. `newest_version` is that of the key, which the version of a result cannot be beyond. */
export function keyVersionOf(result: JsonObject): KeyVersion {
  const newestVersion = integerField(result, 'newest_version', 1, maxVersion);
  return {
    keyId: stringField(result, 'key_id'),
    version: integerField(result, 'version', 1, newestVersion),
    newestVersion,
    floor: integerField(result, 'floor', 1, newestVersion),
  };
}

/** The result of an operation that wraps: always under the newest version, and where an id was asked for, under that key. */
export function wrappedResult(result: JsonObject, key: string): ServiceWrappedKey {
  const about = keyVersionOf(result);
  if (isKeyId(key) && about.keyId !== key) throw badAnswer('a result is about another key');
  if (about.version !== about.newestVersion)
    throw badAnswer('a data key was wrapped under a version that is not the newest');
  return { ...about, wrappedKey: bytesField(result, 'wrapped_key', opaqueLength) };
}

/** Refuses the result of an unwrap that is about another key or version than its item. */
export function assertSameVersion({ keyId, version }: KeyVersion, item: WrappedItem): void {
  if (keyId !== item.keyId || version !== item.version) throw badAnswer('a result is about another key or version');
}

/** Opens `sealed_key` of the result at an index (§4.4): into a handle, or to 32 bytes that are about to be re-wrapped. */
export async function openSealedKey<Form extends 'handle' | 'bytes'>(
  form: Form,
  sealKey: AeadKey,
  index: number,
  result: JsonObject,
  { keyId, version }: KeyVersion,
  keyContext: KeyContext,
  wrappedKey: Bytes,
): Promise<Form extends 'handle' ? SecretKey : Bytes> {
  const sealed = bytesField(result, 'sealed_key', sealedKeyLength);
  const digests = await Promise.all([keyContextDigest(keyContext), sha384(wrappedKey)]);
  const data = responseItemData(index, keyId, version, ...digests);
  const openAs = form === 'handle' ? openSecret : open;
  try {
    return (await openAs(sealKey, itemNonce(index), sealed, data)) as Form extends 'handle' ? SecretKey : Bytes;
  } catch {
    throw badAnswer('a sealed data key does not open where it stands');
  }
}

/** Seals a data key for the item at an index (§4.5). */
export async function sealForRequest(key: AeadKey, index: number, dataKey: Bytes, keyContext: KeyContext) {
  const data = requestItemData(index, await keyContextDigest(keyContext));
  return encodeBase64url(await seal(key, itemNonce(index), dataKey, data));
}

/** Whether a key is named by its id, and not by an alias (§5.1). */
export function isKeyId(key: string): boolean {
  return /^key-[a-z2-7]{26}$/.test(key);
}

/** Whether a text names a key: an id, or `alias:` and a name (§5.1). */
export function isKeyName(key: unknown): key is string {
  return typeof key === 'string' && (isKeyId(key) || /^alias:[a-z0-9][a-z0-9._-]{0,62}$/.test(key));
}

async function keyContextDigest(keyContext: KeyContext): Promise<Bytes> {
  return sha384(encodeMap(sortPairs(keyContext, 'keyContext', maxKeyContextValueLength)));
}
