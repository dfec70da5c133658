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
import { encodeBinding, type KeyName, type WrappedKey, writeWrappedKey } from './envelope.ts';
import type { Jwk } from './vectors.ts';
import { check, concat, encodeMap, FormatError, lp, type Pair, utf8 } from './wire.ts';

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
export function deriveMessageKeys(dataKey: Uint8Array, salt: Uint8Array, header: Uint8Array, context: readonly Pair[]) {
  const map = encodeMap(context);
  const messageKeyInfo = encodeInfo('bulla/v1/suite1 message key', header, map); // §5.4
  const commitmentInfo = encodeInfo('bulla/v1/suite1 commitment', header, map); // §5.5
  const [messageKey, commitment] = [hkdf(dataKey, salt, messageKeyInfo), hkdf(dataKey, salt, commitmentInfo)];
  return { map, transcriptDigest: sha384(lp(header), lp(map)), messageKeyInfo, commitmentInfo, messageKey, commitment };
}

/** What a writer wraps the data key with: all that is random comes from outside. */
export type Wrap =
  | (KeyName & { method: 'ecdh' | 'service-ecdh'; publicKey: Uint8Array; ephemeralPrivateKey: Uint8Array })
  | (KeyName & { method: 'aes'; key: Uint8Array; salt: Uint8Array })
  | (KeyName & { method: 'rsa'; encryptedKey: Uint8Array })
  | (KeyName & { method: 'passphrase'; passphrase: string; salt: Uint8Array; iterations: number })
  | (KeyName & { method: 'service'; opaque: Uint8Array })
  | { method: 'raw'; wrappedKey: Uint8Array };

/** What a reader holds: the name it was configured with (§7.6) and the key. */
export type ReaderKey =
  | (KeyName & { method: 'ecdh' | 'service-ecdh' | 'rsa'; privateKey: Jwk })
  | (KeyName & { method: 'aes'; key: Uint8Array })
  | (KeyName & { method: 'passphrase'; passphrase: string });

/** §8.1, §8.2. `Z` is the shared secret. */
function ecdhKey(method: string, Z: Uint8Array, ephemeralKey: Uint8Array, publicKey: Uint8Array, binding: Uint8Array) {
  const info = encodeInfo(`bulla/v1 ${method}`, ephemeralKey, publicKey, binding);
  return { info, k: hkdf(Z, new Uint8Array(), info) };
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
  if (input.method === 'service') return { wrappedKey: writeWrappedKey(input.method, input, input.opaque) };
  const binding = encodeBinding(input.method, input);
  const seal = (k: Uint8Array): Uint8Array => gcmSeal(k, new Uint8Array(12), binding, dataKey);
  switch (input.method) {
    case 'rsa':
      return { binding, wrappedKey: writeWrappedKey(input.method, input, input.encryptedKey) };
    case 'aes': {
      const { info, k } = aesKey(input.key, input.salt, binding);
      const sealedKey = seal(k);
      return { binding, info, k, sealedKey, wrappedKey: writeWrappedKey(input.method, input, input.salt, sealedKey) };
    }
    case 'passphrase': {
      const { salt, iterations } = input;
      const k = passphraseKey(input.passphrase, salt, iterations);
      const sealedKey = seal(k);
      return { binding, k, sealedKey, wrappedKey: writeWrappedKey(input.method, input, salt, iterations, sealedKey) };
    }
    default: {
      const ecdh = createECDH('secp384r1');
      ecdh.setPrivateKey(input.ephemeralPrivateKey);
      const [ephemeralKey, Z] = [
        new Uint8Array(ecdh.getPublicKey()),
        new Uint8Array(ecdh.computeSecret(input.publicKey)),
      ];
      const { info, k } = ecdhKey(input.method, Z, ephemeralKey, input.publicKey, binding);
      const sealedKey = seal(k);
      const wrappedKey = writeWrappedKey(input.method, input, ephemeralKey, sealedKey);
      return { ephemeralKey, binding, Z, info, k, sealedKey, wrappedKey };
    }
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
    const dataKey = open(wrapped, key, encodeBinding(key.method, wrapped));
    check(dataKey.length === 32, 'ERR_DECRYPTION_FAILED', '§8.4');
    return dataKey;
  } catch (error) {
    throw error instanceof FormatError ? error : new FormatError('ERR_DECRYPTION_FAILED', '§7.5');
  }
}

function open(wrapped: WrappedKey, key: ReaderKey, binding: Uint8Array): Uint8Array {
  const { ephemeralKey, salt, iterations, sealed } = wrapped;
  const unseal = (k: Uint8Array): Uint8Array => gcmOpen(k, new Uint8Array(12), binding, sealed);
  switch (key.method) {
    case 'rsa': {
      const privateKey = createPrivateKey({ key: key.privateKey, format: 'jwk' });
      const padding = constants.RSA_PKCS1_OAEP_PADDING;
      return privateDecrypt({ key: privateKey, padding, oaepHash: 'sha384', oaepLabel: binding }, sealed); // §8.4
    }
    case 'aes':
      return unseal(aesKey(key.key, salt, binding).k);
    case 'passphrase':
      return unseal(passphraseKey(key.passphrase, salt, iterations));
    default: {
      const ecdh = createECDH('secp384r1');
      ecdh.setPrivateKey(Buffer.from(key.privateKey.d ?? '', 'base64url'));
      const Z = sharedSecret(ecdh, ephemeralKey);
      return unseal(ecdhKey(key.method, Z, ephemeralKey, ecdh.getPublicKey(), binding).k);
    }
  }
}

function sharedSecret(ecdh: ReturnType<typeof createECDH>, ephemeralKey: Uint8Array): Uint8Array {
  try {
    return ecdh.computeSecret(ephemeralKey);
  } catch {
    throw new FormatError('ERR_DECRYPTION_FAILED', '§8.1'); // a point off the curve
  }
}
