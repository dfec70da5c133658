// The key schedule of docs/format.md §4.3 and §5 and the wrapping methods of §8, on node:crypto.

import {
  constants,
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createPrivateKey,
  hkdfSync,
  pbkdf2Sync,
  privateDecrypt,
} from 'node:crypto';
import { check, concat, encodeMap, FormatError, lp, utf8 } from './bytes.ts';
import { encodeBinding, type KeyName, type Parts, type WrappedKey, writeWrappedKey } from './envelope.ts';
import type { Jwk } from './vectors.ts';

export const EMPTY = new Uint8Array();

export const sha384 = (...parts: readonly Uint8Array[]): Uint8Array =>
  new Uint8Array(
    createHash('sha384')
      .update(concat(...parts))
      .digest(),
  );

export const hkdf = (ikm: Uint8Array, salt: Uint8Array, info: Uint8Array): Uint8Array =>
  new Uint8Array(hkdfSync('sha384', ikm, salt, info, 32));

/** §4.3 */
export const encodeInfo = (label: string, ...fields: readonly Uint8Array[]): Uint8Array =>
  concat(utf8(label), Uint8Array.of(0), sha384(...fields.map(lp)));

export function gcmSeal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad);
  return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
}

export function gcmOpen(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
  decipher.setAAD(aad).setAuthTag(sealed.subarray(-16));
  return concat(decipher.update(sealed.subarray(0, -16)), decipher.final());
}

/** §5.2 to §5.5 */
export function deriveMessageKeys(dataKey: Uint8Array, salt: Uint8Array, header: Uint8Array, map: Uint8Array) {
  const messageKeyInfo = encodeInfo('bulla/v1/suite1 message key', header, map); // §5.4
  const commitmentInfo = encodeInfo('bulla/v1/suite1 commitment', header, map); // §5.5
  const [messageKey, commitment] = [hkdf(dataKey, salt, messageKeyInfo), hkdf(dataKey, salt, commitmentInfo)];
  return { map, transcriptDigest: sha384(lp(header), lp(map)), messageKeyInfo, commitmentInfo, messageKey, commitment };
}

type Named = Partial<KeyName> & { readonly keyId: string };

/** What a writer wraps the data key with: all that is random comes from outside. */
export type Wrap =
  | (Named & { method: 'ecdh' | 'service-ecdh'; publicKey: Uint8Array; ephemeralPrivateKey: Uint8Array })
  | (Named & { method: 'aes'; key: Uint8Array; salt: Uint8Array })
  | (Named & { method: 'rsa'; encryptedKey: Uint8Array })
  | (Named & { method: 'passphrase'; passphrase: string; salt: Uint8Array; iterations: number })
  | (Named & { method: 'service'; opaque: Uint8Array })
  | { method: 'raw'; wrappedKey: Uint8Array };

/** What a reader holds: the name it was configured with (§7.6) and the key. */
export type ReaderKey =
  | (Named & { method: 'ecdh' | 'service-ecdh' | 'rsa'; privateKey: Jwk })
  | (Named & { method: 'aes'; key: Uint8Array })
  | (Named & { method: 'passphrase'; passphrase: string });

/** §8.1, §8.2: the private key is one's own, the public key the other side's. */
function agree(method: string, privateKey: Uint8Array, publicKey: Uint8Array, binding: Uint8Array, isWriter: boolean) {
  const ecdh = createECDH('secp384r1');
  ecdh.setPrivateKey(privateKey);
  const own = new Uint8Array(ecdh.getPublicKey());
  const Z = sharedSecret(ecdh, publicKey);
  const info = encodeInfo(`bulla/v1 ${method}`, ...(isWriter ? [own, publicKey] : [publicKey, own]), binding);
  return { ephemeralKey: own, Z, info, k: hkdf(Z, EMPTY, info) };
}

function sharedSecret(ecdh: ReturnType<typeof createECDH>, publicKey: Uint8Array): Uint8Array {
  try {
    return new Uint8Array(ecdh.computeSecret(publicKey));
  } catch {
    throw new FormatError('ERR_DECRYPTION_FAILED', '§8.1'); // a point off the curve
  }
}

/** §8.3 */
function aesKey(key: Uint8Array, salt: Uint8Array, binding: Uint8Array) {
  const info = encodeInfo('bulla/v1 aes', binding);
  return { info, k: hkdf(key, salt, info) };
}

/** §8.5 */
const passphraseKey = (passphrase: string, salt: Uint8Array, iterations: number): Uint8Array =>
  new Uint8Array(pbkdf2Sync(utf8(passphrase.normalize('NFC')), salt, iterations, 32, 'sha512'));

/** Wraps a data key; gives the WrappedKey and each value on the way. */
export function wrap(input: Wrap, dataKey: Uint8Array): { wrappedKey: Uint8Array } & Record<string, Uint8Array> {
  if (input.method === 'raw') return { wrappedKey: input.wrappedKey };
  const { method } = input;
  const write = (parts: Partial<Parts>): Uint8Array => writeWrappedKey(method, input, { ...input, ...parts });
  if (method === 'service') return { wrappedKey: write({}) };
  const binding = encodeBinding(method, input);
  if (method === 'rsa') return { binding, wrappedKey: write({}) };
  const derived = deriveWrappingKey(input, binding);
  const sealedKey = gcmSeal(derived.k, new Uint8Array(12), binding, dataKey);
  return { binding, ...derived, sealedKey, wrappedKey: write({ ...derived, sealedKey }) };
}

function deriveWrappingKey(input: Exclude<Wrap, { method: 'raw' | 'service' | 'rsa' }>, binding: Uint8Array) {
  switch (input.method) {
    case 'aes':
      return aesKey(input.key, input.salt, binding);
    case 'passphrase':
      return { k: passphraseKey(input.passphrase, input.salt, input.iterations) };
    default:
      return agree(input.method, input.ephemeralPrivateKey, input.publicKey, binding, true);
  }
}

/** §7.6: a reader skips what differs from what it was configured with. */
export const isFor = (wrapped: WrappedKey, key: ReaderKey): boolean =>
  wrapped.method === key.method &&
  wrapped.keyId === key.keyId &&
  wrapped.serviceId === (key.serviceId ?? '') &&
  Buffer.compare(encodeMap(wrapped.keyContext), encodeMap(key.keyContext ?? [])) === 0;

/** Unwraps a data key; whatever fails is ERR_DECRYPTION_FAILED (§7.5). */
export function unwrap(wrapped: WrappedKey, key: ReaderKey): Uint8Array {
  try {
    const dataKey = open(wrapped.parts, key, encodeBinding(key.method, wrapped));
    check(dataKey.length === 32, '§8.4', 'ERR_DECRYPTION_FAILED');
    return dataKey;
  } catch (error) {
    throw error instanceof FormatError ? error : new FormatError('ERR_DECRYPTION_FAILED', '§7.5');
  }
}

function open(parts: Partial<Parts>, key: ReaderKey, binding: Uint8Array): Uint8Array {
  const { ephemeralKey = EMPTY, salt = EMPTY, iterations = 0, sealedKey = EMPTY, encryptedKey = EMPTY } = parts;
  const unseal = (k: Uint8Array): Uint8Array => gcmOpen(k, new Uint8Array(12), binding, sealedKey);
  switch (key.method) {
    case 'rsa': {
      const privateKey = createPrivateKey({ key: key.privateKey, format: 'jwk' });
      const padding = constants.RSA_PKCS1_OAEP_PADDING;
      return privateDecrypt({ key: privateKey, padding, oaepHash: 'sha384', oaepLabel: binding }, encryptedKey); // §8.4
    }
    case 'aes':
      return unseal(aesKey(key.key, salt, binding).k);
    case 'passphrase':
      return unseal(passphraseKey(key.passphrase, salt, iterations));
    default: {
      const privateKey = Buffer.from(key.privateKey.d ?? '', 'base64url');
      return unseal(agree(key.method, privateKey, ephemeralKey, binding, false).k);
    }
  }
}
