/** The keyring of RSA key pairs: wraps and unwraps by RSA-OAEP with SHA-384, `docs/format.md` §8.4. */

import { invalidKey } from '../crypto/refusal.ts';
import { decrypt, decryptSecret, encrypt, exportJwk, generateKeyPair, importJwk } from '../crypto/rsa-oaep.ts';
import { thumbprint } from '../crypto/thumbprint.ts';
import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { DecryptionError } from '../errors.ts';
import { assert } from '../lib/assert.ts';
import { maxRsaBits, maxWrappedKeys, minRsaBits } from '../lib/limits.ts';
import { arrayOf, integer, optional, type ReadersOf, takeBoolean, takeOptions } from '../lib/options.ts';
import { dataKeyLength } from '../schedule/message-keys.ts';
import { binding } from '../schedule/wrapping-keys.ts';
import type { CryptoKey, JsonWebKey } from '../types.ts';
import { takeJwk } from './jwk.ts';
import type { Keyring } from './keyring.ts';
import {
  type HeldKey,
  isFor,
  type LocalKeyOptions,
  localKeyIdentity,
  localKeyReaders,
  localKeyring,
  type Opener,
  takeKeyId,
} from './local.ts';

/** A recipient's RSA public key. A plain object that IndexedDB and Workers take. */
export interface RsaPublicKey {
  /** The RFC 7638 thumbprint of the key. Another id only where the holder of the private key uses the same: nobody else finds the wrapped key. */
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

const readers = {
  ...localKeyReaders,
  recipients: optional(arrayOf(takePublicKey), []),
  privateKeys: optional(arrayOf(takePrivateKey), []),
} satisfies ReadersOf<RsaKeyringOptions>;

function takePublicKey(value: unknown, name: string): RsaPublicKey {
  const { keyId, publicKey } = (value ?? {}) as Partial<RsaPublicKey>;
  assert(publicKey?.type === 'public', name, 'a public key for RSA');
  assertSize(publicKey);
  return { keyId: takeKeyId(keyId, `${name}.keyId`), publicKey };
}

function takePrivateKey(value: unknown, name: string): RsaPrivateKey {
  const { keyId, privateKey } = (value ?? {}) as Partial<RsaPrivateKey>;
  assert(privateKey?.type === 'private', name, 'a private key for RSA');
  assertSize(privateKey);
  return { keyId: takeKeyId(keyId, `${name}.keyId`), privateKey };
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
  const { recipients, privateKeys, ...rest } = takeOptions(options, readers);
  assert(recipients.length <= maxWrappedKeys, 'recipients', `at most ${maxWrappedKeys}`);
  assert(recipients.length + privateKeys.length > 0, 'recipients or privateKeys', 'given');

  const targets = recipients.map(({ keyId, publicKey }) => {
    const identity = localKeyIdentity(keyId, rest);
    return { publicKey, identity, label: binding('rsa', identity) };
  });
  const held = privateKeys.map(({ keyId, privateKey }): HeldKey => {
    const identity = localKeyIdentity(keyId, rest);
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

/** Options of {@link importRsaPrivateKey}. */
export interface RsaKeyOptions {
  /** Whether the private key may be exported again. Default: `false`. An extractable key can be stolen by any script that reaches it. */
  readonly extractable?: boolean | undefined;
}

/** Options of {@link generateRsaKey}. */
export interface GenerateRsaKeyOptions extends RsaKeyOptions {
  /** Bits of the modulus, 3,072 to 8,192. Default: 3,072. */
  readonly modulusLength?: number | undefined;
}

const keyReaders = { extractable: optional(takeBoolean, false) } satisfies ReadersOf<RsaKeyOptions>;
const generateReaders = {
  ...keyReaders,
  modulusLength: optional(integer(minRsaBits, maxRsaBits), minRsaBits),
} satisfies ReadersOf<GenerateRsaKeyOptions>;

/** Makes an RSA key pair. Rejects with a `TypeError` that names a wrong option. */
export async function generateRsaKey(
  options: GenerateRsaKeyOptions = {},
): Promise<{ publicKey: RsaPublicKey; privateKey: RsaPrivateKey }> {
  const { modulusLength, extractable } = takeOptions(options, generateReaders);
  const { publicKey, privateKey } = await generateKeyPair(modulusLength, extractable);
  const keyId = await keyIdOf(await exportJwk(publicKey));
  return { publicKey: { keyId, publicKey }, privateKey: { keyId, privateKey } };
}

const publicMembers = ['n', 'e'];
const privateMembers = [...publicMembers, 'd', 'p', 'q', 'dp', 'dq', 'qi'];

/** A public key from its JWK (RFC 7518 §6.3.1). Rejects with `ERR_INVALID_KEY`. */
export async function importRsaPublicKey(jwk: JsonWebKey): Promise<RsaPublicKey> {
  const taken = takeJwk(jwk, { kty: 'RSA' }, publicMembers);
  return { publicKey: await importChecked(taken, true), keyId: await keyIdOf(taken) };
}

/** A private key from its JWK (RFC 7518 §6.3.2), not extractable unless asked. Rejects with `ERR_INVALID_KEY`. */
export async function importRsaPrivateKey(jwk: JsonWebKey, options: RsaKeyOptions = {}): Promise<RsaPrivateKey> {
  const { extractable } = takeOptions(options, keyReaders);
  const taken = takeJwk(jwk, { kty: 'RSA' }, privateMembers);
  return { privateKey: await importChecked(taken, extractable), keyId: await keyIdOf(taken) };
}

/** The JWK of a public key. */
export async function exportRsaPublicJwk(key: RsaPublicKey): Promise<JsonWebKey> {
  assert(key?.publicKey?.type === 'public', 'key', 'a public key');
  const { kty, n, e } = await exportJwk(key.publicKey);
  return { kty, n, e } as JsonWebKey;
}

async function importChecked(jwk: JsonWebKey, extractable: boolean): Promise<CryptoKey> {
  const key = await importJwk(jwk, extractable);
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
    throw invalidKey(
      `not for RSA-OAEP with SHA-384, of ${minRsaBits} to ${maxRsaBits} bits and with the public exponent 65,537`,
    );
  }
}
