/** The keyring of RSA key pairs: wraps and unwraps by RSA-OAEP with SHA-384, `docs/format.md` §8.4. */

import { decrypt, decryptSecret, encrypt, exportJwk, generateKeyPair, importJwk } from '../crypto/rsa-oaep.ts';
import { thumbprint } from '../crypto/thumbprint.ts';
import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { DecryptionError, KeyError } from '../errors.ts';
import { assert, assertInteger, assertOptions } from '../lib/assert.ts';
import { maxRsaBits, maxWrappedKeys, minRsaBits } from '../lib/limits.ts';
import { dataKeyLength } from '../schedule/message-keys.ts';
import { binding } from '../schedule/wrapping-keys.ts';
import type { Keyring } from './keyring.ts';
import { type HeldKey, isFor, type LocalKeyOptions, localKeyIdentity, localKeyring, type Opener } from './local.ts';

/** A recipient's RSA public key. A plain object that IndexedDB and Workers take. */
export interface RsaPublicKey {
  /** The RFC 7638 thumbprint of the key. */
  readonly keyId: string;
  readonly publicKey: CryptoKey;
}

/** An RSA private key with its public key's id. A plain object that IndexedDB and Workers take. */
export interface RsaPrivateKey {
  readonly keyId: string;
  readonly privateKey: CryptoKey;
}

/** Options of {@link rsaKeyring}. */
export interface RsaKeyringOptions extends LocalKeyOptions {
  /** Who will be able to decrypt: 1 to 64 public keys. Default: none, for a keyring that only decrypts. */
  readonly recipients?: readonly RsaPublicKey[] | undefined;
  /** What this keyring decrypts with. Default: none, for a keyring that only encrypts. */
  readonly privateKeys?: readonly RsaPrivateKey[] | undefined;
}

/**
 * A keyring that wraps each data key to every recipient's RSA public key of 3,072 to 8,192 bits. For keys that exist already: where there is a choice,
 * `ecdhKeyring` makes smaller messages and is faster.
 *
 * Throws a `TypeError` that names a wrong option. Its methods reject with `ERR_KEYRING_CANNOT` when asked to encrypt without recipients, and with
 * `ERR_DECRYPTION_FAILED`.
 *
 * @example
 * const { publicKey, privateKey } = await generateRsaKey();
 * const keyring = rsaKeyring({ recipients: [publicKey], privateKeys: [privateKey] });
 */
export function rsaKeyring(options: RsaKeyringOptions): Keyring {
  assertOptions(options, ['recipients', 'privateKeys', 'keyContext', 'version']);
  const { recipients = [], privateKeys = [] } = options;
  const isPublic = (key: RsaPublicKey | undefined) => key?.publicKey?.type === 'public';
  const isPrivate = (key: RsaPrivateKey | undefined) => key?.privateKey?.type === 'private';
  assert(Array.isArray(recipients) && recipients.every(isPublic), 'recipients', 'an array of public keys');
  assert(recipients.length <= maxWrappedKeys, 'recipients', `at most ${maxWrappedKeys}`);
  assert(Array.isArray(privateKeys) && privateKeys.every(isPrivate), 'privateKeys', 'an array of private keys');
  assert(recipients.length + privateKeys.length > 0, 'recipients or privateKeys', 'given');
  for (const { publicKey } of recipients) assertSize(publicKey);
  for (const { privateKey } of privateKeys) assertSize(privateKey);

  const targets = recipients.map(({ keyId, publicKey }) => {
    const identity = localKeyIdentity(keyId, options);
    return { publicKey, identity, label: binding('rsa', identity) };
  });
  const held = privateKeys.map(({ keyId, privateKey }): HeldKey => {
    const identity = localKeyIdentity(keyId, options);
    return (wrappedKey) => (isFor(wrappedKey, identity) ? rsaOpener(wrappedKey, privateKey) : undefined);
  });
  return localKeyring({
    name: 'rsaKeyring',
    wrap:
      targets.length === 0
        ? undefined
        : (dataKey) =>
            Promise.all(
              targets.map(async ({ publicKey, identity, label }) => {
                const encryptedKey = await encrypt(publicKey, dataKey, label);
                return { ...identity, wrapping: { method: 'rsa', encryptedKey } } as const;
              }),
            ),
    held,
  });
}

function rsaOpener(wrappedKey: WrappedKey, privateKey: CryptoKey): Opener | undefined {
  const { wrapping } = wrappedKey;
  if (wrapping.method !== 'rsa') return undefined;
  const { encryptedKey } = wrapping;
  const label = binding('rsa', wrappedKey);
  return {
    asHandle: () => decryptSecret(privateKey, encryptedKey, label),
    async asBytes() {
      const bytes = await decrypt(privateKey, encryptedKey, label);
      if (bytes.byteLength !== dataKeyLength) throw new DecryptionError();
      return bytes;
    },
  };
}

/** Makes an RSA key pair. `modulusLength`: 3,072 (default) to 8,192 bits; `extractable`: default `false`. */
export async function generateRsaKey({
  modulusLength = minRsaBits,
  extractable = false,
}: {
  readonly modulusLength?: number | undefined;
  readonly extractable?: boolean | undefined;
} = {}): Promise<{ publicKey: RsaPublicKey; privateKey: RsaPrivateKey }> {
  assertInteger(modulusLength, minRsaBits, maxRsaBits, 'modulusLength');
  const { publicKey, privateKey } = await generateKeyPair(modulusLength, extractable);
  const keyId = await keyIdOf(await exportJwk(publicKey));
  return { publicKey: { keyId, publicKey }, privateKey: { keyId, privateKey } };
}

/** A public key from its JWK (RFC 7518 §6.3.1). Throws `ERR_INVALID_KEY`. */
export async function importRsaPublicKey(jwk: JsonWebKey): Promise<RsaPublicKey> {
  const { kty, n, e } = jwk;
  const publicKey = await importChecked({ kty, n, e } as JsonWebKey, true);
  return { keyId: await keyIdOf(jwk), publicKey };
}

/** A private key from its JWK (RFC 7518 §6.3.2), not extractable unless asked. Throws `ERR_INVALID_KEY`. */
export async function importRsaPrivateKey(
  jwk: JsonWebKey,
  { extractable = false }: { readonly extractable?: boolean | undefined } = {},
): Promise<RsaPrivateKey> {
  if (typeof jwk.d !== 'string') throw new KeyError('ERR_INVALID_KEY', 'The key is no JWK of an RSA private key');
  return { keyId: await keyIdOf(jwk), privateKey: await importChecked(jwk, extractable) };
}

/** The JWK of a public key. */
export async function exportRsaPublicJwk({ publicKey }: RsaPublicKey): Promise<JsonWebKey> {
  const { kty, n, e } = await exportJwk(publicKey);
  return { kty, n, e } as JsonWebKey;
}

async function importChecked(jwk: JsonWebKey, extractable: boolean): Promise<CryptoKey> {
  const key = await importJwk(jwk, extractable).catch(() => {
    throw new KeyError('ERR_INVALID_KEY', 'The key is no JWK of an RSA key');
  });
  assertSize(key);
  return key;
}

async function keyIdOf({ e, n }: JsonWebKey): Promise<string> {
  return thumbprint({ e: e as string, kty: 'RSA', n: n as string });
}

function assertSize(key: CryptoKey): void {
  const { name, modulusLength, hash, publicExponent } = key.algorithm as RsaHashedKeyAlgorithm;
  const isOaep = name === 'RSA-OAEP' && hash.name === 'SHA-384' && publicExponent.join() === '1,0,1';
  if (!isOaep || modulusLength < minRsaBits || modulusLength > maxRsaBits) {
    throw new KeyError(
      'ERR_INVALID_KEY',
      `The key must be for RSA-OAEP with SHA-384 and have ${minRsaBits} to ${maxRsaBits} bits and the public exponent 65,537`,
    );
  }
}
