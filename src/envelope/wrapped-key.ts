/** Wrapped keys, `docs/format.md` §7: to bytes and back. */

import { pointLength } from '../crypto/ecdh.ts';
import { MessageFormatError } from '../errors.ts';
import { bytesToKey, copy } from '../lib/bytes.ts';
import {
  maxIterations,
  maxKeyContextValueLength,
  maxNameLength,
  maxOpaqueLength,
  maxRsaBits,
  maxWrappedKeyLength,
  minIterations,
  minRsaBits,
} from '../lib/limits.ts';
import { takeMap } from '../lib/options.ts';
import { sortPairs } from '../schedule/map.ts';
import type { KeyIdentity } from '../schedule/wrapping-keys.ts';
import type { Bytes, KeyContext } from '../types.ts';
import { pairRule, readPairs } from './header.ts';
import { type FieldsOf, malformed, messageRules, readCanonical } from './wire.ts';
import { writeCanonical } from './write.ts';

const sealedKeyLength = 48;
const wrapSaltLength = 32;

/** How a data key is wrapped, with what unwrapping it needs (§8). */
export type Wrapping =
  | { readonly method: 'ecdh' | 'service-ecdh'; readonly ephemeralKey: Bytes; readonly sealedKey: Bytes }
  | { readonly method: 'aes'; readonly salt: Bytes; readonly sealedKey: Bytes }
  | { readonly method: 'rsa'; readonly encryptedKey: Bytes }
  | { readonly method: 'passphrase'; readonly salt: Bytes; readonly iterations: number; readonly sealedKey: Bytes }
  | { readonly method: 'service' | 'kms'; readonly opaque: Bytes }
  /** A method of a later version, by its field number: it can be carried along, not used (§7.4). */
  | { readonly method: 'unknown'; readonly field: number };

/** A data key, wrapped: which key it is under, and how. */
export interface WrappedKey extends KeyIdentity {
  readonly wrapping: Wrapping;
}

/** A wrapped key that remembers its received bytes, so re-wrapping keeps unknown fields. A changed copy is encoded again. */
class EncodedKey implements WrappedKey {
  readonly keyId: string;
  readonly version: number;
  readonly serviceId: string;
  readonly keyContext: KeyContext;
  readonly wrapping: Wrapping;
  readonly #bytes: Bytes;
  #text: string | undefined;

  constructor({ keyId, version, serviceId, keyContext }: KeyIdentity, wrapping: Wrapping, bytes: Bytes) {
    this.keyId = keyId;
    this.version = version;
    this.serviceId = serviceId;
    this.keyContext = keyContext;
    this.wrapping = wrapping;
    this.#bytes = bytes;
  }

  static bytesOf(key: WrappedKey): Bytes | undefined {
    return #bytes in key ? key.#bytes : undefined;
  }

  static textOf(key: WrappedKey): string | undefined {
    if (!(#bytes in key)) return undefined;
    key.#text ??= bytesToKey(key.#bytes);
    return key.#text;
  }
}

const sealedKey = exactly('sealedKey', sealedKeyLength);
const salt = exactly('salt', wrapSaltLength);
const ecdhFields = messageRules({ 1: exactly('ephemeralKey', pointLength), 2: sealedKey });
const aesFields = messageRules({ 1: salt, 2: sealedKey });
const rsaFields = messageRules({
  1: { name: 'encryptedKey', type: 'bytes', required: true, least: minRsaBits / 8, most: maxRsaBits / 8 },
});
const passphraseFields = messageRules({
  1: salt,
  2: { name: 'iterations', type: 'uint32', required: true, least: minIterations, limit: maxIterations },
  3: sealedKey,
});
const serviceFields = messageRules({ 1: { name: 'opaque', type: 'bytes', required: true, limit: maxOpaqueLength } });

/** The fields of a wrapped key (§7). */
export const wrappedKeyRules = messageRules(
  {
    1: { name: 'keyId', type: 'string', required: true, limit: maxNameLength },
    2: { name: 'version', type: 'uint32' },
    3: { name: 'serviceId', type: 'string', limit: maxNameLength },
    4: pairRule('keyContext', maxKeyContextValueLength),
    16: { name: 'ecdh', type: 'message', fields: ecdhFields },
    17: { name: 'serviceEcdh', type: 'message', fields: ecdhFields },
    18: { name: 'aes', type: 'message', fields: aesFields },
    19: { name: 'rsa', type: 'message', fields: rsaFields },
    20: { name: 'passphrase', type: 'message', fields: passphraseFields },
    21: { name: 'service', type: 'message', fields: serviceFields },
    25: { name: 'kms', type: 'message', fields: serviceFields },
  },
  (number) => (number >= 22 && number <= 127 ? 'bytes' : undefined),
);

type WireFields = FieldsOf<(typeof wrappedKeyRules)['known']>;

/** The bytes of a wrapped key. Throws `ERR_LIMIT_EXCEEDED`, and `ERR_MALFORMED` where the parts are not of this format, and a `TypeError` for strings that are not Unicode: a keyring may be anybody's. */
export function encodeWrappedKey(key: WrappedKey): Bytes {
  return EncodedKey.bytesOf(key) ?? encode(key);
}

/** A string that stands for those bytes in a `Map`. Throws as {@link encodeWrappedKey} does. */
export function wrappedKeyText(key: WrappedKey): string {
  return EncodedKey.textOf(key) ?? bytesToKey(encode(key));
}

/** The same wrapped key, to be encoded no more: a copy, which changes to `key` do not reach. Throws as {@link encodeWrappedKey} does. */
export function encodedWrappedKey(key: WrappedKey): WrappedKey {
  return EncodedKey.bytesOf(key) === undefined ? decodeWrappedKey(encode(key)) : key;
}

function encode(key: WrappedKey): Bytes {
  if (typeof key.wrapping?.method !== 'string') throw malformed('wrapped key', 'must have a wrapping with a method');
  const pairs = sortPairs(takeMap(key.keyContext, 'keyContext'), 'keyContext', maxKeyContextValueLength);
  const bytes = copy(
    writeCanonical(wrappedKeyRules, {
      // First, so that a method with the name of another field does not replace it.
      ...wireMethod(key.wrapping),
      keyId: key.keyId,
      // What is left out is not 0.
      version: key.version ?? Number.NaN,
      serviceId: key.serviceId,
      keyContext: pairs,
    }),
  );
  decodeWrappedKey(bytes);
  return bytes;
}

/** The parts of a wrapped key, whose bytes are kept. Throws `ERR_MALFORMED`, `ERR_LIMIT_EXCEEDED` or `ERR_UNSUPPORTED_FEATURE`. */
export function decodeWrappedKey(bytes: Bytes): WrappedKey {
  if (bytes.byteLength > maxWrappedKeyLength) {
    throw new MessageFormatError('ERR_LIMIT_EXCEEDED', `A wrapped key has more than ${maxWrappedKeyLength} bytes`);
  }
  const { fields, numbers } = readCanonical(bytes, wrappedKeyRules, 'wrapped key');
  const methods = numbers.filter((number) => number >= 16);
  if (methods.length !== 1) throw malformed('wrapped key', 'must have one method');
  const { keyId, version, serviceId } = fields;
  const keyContext = Object.fromEntries(readPairs(fields.keyContext, 'wrapped key', 'keyContext'));
  const wrapping = readMethod(fields, methods[0] as number);
  const needsService = wrapping.method === 'service' || wrapping.method === 'service-ecdh';
  if (wrapping.method !== 'unknown' && needsService !== (serviceId !== '')) {
    throw malformed('wrapped key', needsService ? 'lacks its service_id' : 'must not have a service_id');
  }
  return new EncodedKey({ keyId, version, serviceId, keyContext }, wrapping, bytes);
}

function readMethod(fields: WireFields, field: number): Wrapping {
  const { ecdh, serviceEcdh, aes, rsa, passphrase, service, kms } = fields;
  if (ecdh) return readEcdh('ecdh', ecdh);
  if (serviceEcdh) return readEcdh('service-ecdh', serviceEcdh);
  if (aes) return { method: 'aes', salt: copy(aes.salt), sealedKey: copy(aes.sealedKey) };
  if (rsa) return { method: 'rsa', encryptedKey: copy(rsa.encryptedKey) };
  if (passphrase) {
    const { salt, iterations, sealedKey } = passphrase;
    return { method: 'passphrase', salt: copy(salt), iterations, sealedKey: copy(sealedKey) };
  }
  if (service) return { method: 'service', opaque: copy(service.opaque) };
  if (kms) return { method: 'kms', opaque: copy(kms.opaque) };
  return { method: 'unknown', field };
}

function readEcdh(method: 'ecdh' | 'service-ecdh', fields: NonNullable<WireFields['ecdh']>): Wrapping {
  const { ephemeralKey, sealedKey } = fields;
  // §8.1: the first byte is checked before anything is computed, as the length was.
  if (ephemeralKey[0] !== 0x04) throw malformed('wrapped key', 'has an ephemeral_key that is no uncompressed point');
  return { method, ephemeralKey: copy(ephemeralKey), sealedKey: copy(sealedKey) };
}

function wireMethod(wrapping: Wrapping): Partial<WireFields> {
  const { method } = wrapping;
  if (method === 'unknown') throw malformed('wrapped key', 'has a method that this version cannot write');
  return method === 'service-ecdh' ? { serviceEcdh: wrapping } : { [method]: wrapping };
}

function exactly<const Name extends string>(name: Name, length: number) {
  return { name, type: 'bytes', required: true, least: length, most: length } as const;
}
