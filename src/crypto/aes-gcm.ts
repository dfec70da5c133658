/** AES-256-GCM with 96-bit nonces and 128-bit tags, SP 800-38D; other sizes are out of reach. */

import { inTurn, native } from '#platform';
import { DecryptionError } from '../errors.ts';
import { isPromise } from '../lib/awaitable.ts';
import { fillWith, viewOf } from '../lib/bytes.ts';
import type { NativeAead } from '../lib/native.ts';
import type { Awaitable, Bytes } from '../types.ts';
import {
  type AeadKey,
  cryptoKeyOf,
  importAndErase,
  nativeAeadOf,
  type SecretKey,
  secretHandle,
  secretKeyUsages,
} from './keys.ts';
import { withSubtle } from './provider.ts';
import { failDecryption } from './refusal.ts';

/** Bytes of a tag. */
export const tagLength = 16;
/** Bytes of a nonce. */
export const nonceLength = 12;

const none = new Uint8Array(0);

/** The ciphertext with its tag behind it. The caller must never use a nonce twice with one key. */
export function seal(key: AeadKey, nonce: Bytes, plaintext: Bytes, additionalData: Bytes = none): Awaitable<Bytes> {
  const algorithm = parameters(nonce, additionalData);
  const own = nativeAeadOf(key);
  return own === undefined ? sealBySubtle(key, algorithm, plaintext) : own.seal(nonce, plaintext, additionalData);
}

function sealBySubtle(key: AeadKey, algorithm: AesGcmParams, plaintext: Bytes): Promise<Bytes> {
  return withSubtle((subtle) => subtle.encrypt(algorithm, cryptoKeyOf(key), plaintext)).then(handOn);
}

/** The plaintext of a ciphertext with its tag. Throws, or rejects with, `ERR_DECRYPTION_FAILED`, and with what the platform says where something else is wrong. */
export function open(key: AeadKey, nonce: Bytes, sealed: Bytes, additionalData: Bytes = none): Awaitable<Bytes> {
  const algorithm = parameters(nonce, additionalData);
  if (sealed.byteLength < tagLength) throw new DecryptionError();
  const own = nativeAeadOf(key);
  return own === undefined ? openBySubtle(key, algorithm, sealed) : openNatively(own, nonce, sealed, additionalData);
}

function openBySubtle(key: AeadKey, algorithm: AesGcmParams, sealed: Bytes): Promise<Bytes> {
  return withSubtle((subtle) => subtle.decrypt(algorithm, cryptoKeyOf(key), sealed)).then(handOn, failDecryption);
}

function handOn(result: ArrayBuffer): Awaitable<Bytes> {
  return inTurn(viewOf(result));
}

function openNatively(key: NativeAead, nonce: Bytes, sealed: Bytes, additionalData: Bytes): Awaitable<Bytes> {
  const opened = key.open(nonce, sealed, additionalData);
  return isPromise(opened) ? opened.catch(failDecryption) : opened;
}

/**
 * Seals into memory of 16 bytes more than the plaintext, at whose beginning the plaintext may lie. The caller must never use a nonce twice with one key. No
 * additional data.
 */
export function sealInto(key: AeadKey, nonce: Bytes, plaintext: Bytes, target: Bytes): Awaitable<void> {
  const own = nativeAeadOf(key);
  if (own !== undefined) return own.sealInto(nonce, plaintext, target);
  return sealBySubtle(key, parameters(nonce, none), plaintext).then(moveTo(target));
}

/**
 * Opens a ciphertext whose tag is apart, into memory of the same length, which may be the ciphertext's own. Throws, or rejects with, `ERR_DECRYPTION_FAILED`:
 * what the target then holds is not authentic and must be overwritten.
 */
export function openInto(key: AeadKey, nonce: Bytes, ciphertext: Bytes, tag: Bytes, target: Bytes): Awaitable<void> {
  const own = nativeAeadOf(key);
  if (own !== undefined) {
    const opened = own.openInto(nonce, ciphertext, tag, target);
    return isPromise(opened) ? opened.catch(failDecryption) : opened;
  }
  const algorithm = parameters(nonce, none);
  return withSubtle((subtle) => subtle.decrypt(algorithm, cryptoKeyOf(key), joined(ciphertext, tag)))
    .then(handOn, failDecryption)
    .then(moveTo(target));
}

/** Where ciphertext and tag are joined for SubtleCrypto, which copies them when it is called: new memory for each segment costs more than opening it. */
let scratch = new Uint8Array(0);

function joined(ciphertext: Bytes, tag: Bytes): Bytes {
  const length = ciphertext.byteLength + tagLength;
  if (length > scratch.byteLength) scratch = new Uint8Array(length);
  return fillWith(scratch.subarray(0, length), [ciphertext, tag]);
}

const moveTo = (target: Bytes) => (bytes: Bytes) => {
  target.set(bytes);
  bytes.fill(0);
};

/** Opens a sealed secret straight into a handle, without its bytes becoming visible where the platform can do that. Rejects with `ERR_DECRYPTION_FAILED`. */
export async function openSecret(key: AeadKey, nonce: Bytes, sealed: Bytes, additionalData: Bytes): Promise<SecretKey> {
  if (native !== undefined) return importAndErase(native, await open(key, nonce, sealed, additionalData));
  const algorithm = parameters(nonce, additionalData);
  if (sealed.byteLength < tagLength) throw new DecryptionError();
  return withSubtle((subtle) =>
    subtle.unwrapKey('raw', sealed, cryptoKeyOf(key), algorithm, 'HKDF', false, secretKeyUsages),
  ).then(secretHandle, failDecryption);
}

/** Tags have 128 bits where nothing else is said (Web Cryptography §27.4), and what is not said costs a small message no time. */
function parameters(iv: Bytes, additionalData: Bytes): AesGcmParams {
  if (iv.byteLength !== nonceLength) throw new TypeError('an AES-GCM nonce must have 12 bytes');
  return additionalData.byteLength === 0 ? { name: 'AES-GCM', iv } : { name: 'AES-GCM', iv, additionalData };
}
