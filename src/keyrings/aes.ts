/** The keyring of one symmetric key encryption key that the caller holds, `docs/format.md` §8.3. */

import { importSecret } from '../crypto/hkdf.ts';
import { type SecretKey, secretHandle } from '../crypto/keys.ts';
import { randomBytes } from '../crypto/random.ts';
import { assert } from '../lib/assert.ts';
import { isBytes } from '../lib/bytes.ts';
import { type ReadersOf, takeBytes, takeOptions } from '../lib/options.ts';
import { binding, deriveAesWrappingKey } from '../schedule/wrapping-keys.ts';
import type { Bytes, CryptoKey } from '../types.ts';
import type { Keyring } from './keyring.ts';
import {
  isFor,
  type LocalKeyOptions,
  localKeyIdentity,
  localKeyReaders,
  localKeyring,
  sealDataKey,
  sealedKeyOpener,
  takeKeyId,
} from './local.ts';

const keyLength = 32;
const saltLength = 32;

/** Options of {@link aesKeyring}. */
export interface AesKeyringOptions extends LocalKeyOptions {
  /** The name of the key in wrapped keys, 1 to 256 bytes of UTF-8. It is not encrypted. */
  readonly keyId: string;
  /**
   * The key encryption key: 32 bytes of a random generator (copied; overwrite yours), or a `CryptoKey` for HKDF with the usage `deriveKey`, which can be kept
   * in IndexedDB without being extractable.
   */
  readonly key: Uint8Array | CryptoKey;
}

const readers = { ...localKeyReaders, keyId: takeKeyId, key: takeKey } satisfies ReadersOf<AesKeyringOptions>;

/**
 * A keyring that wraps data keys under keys that HKDF derives, one for each wrap, from one key encryption key.
 *
 * Throws a `TypeError` that names a wrong option. Its methods reject with `ERR_DECRYPTION_FAILED`.
 *
 * @example
 * const keyring = aesKeyring({ keyId: 'backup-2026', key: crypto.getRandomValues(new Uint8Array(32)) });
 */
export function aesKeyring(options: AesKeyringOptions): Keyring {
  const { keyId, key, ...rest } = takeOptions(options, readers);
  const identity = localKeyIdentity(keyId, rest);
  const bound = binding('aes', identity);
  const keyEncryptionKey = keySource(key);

  return localKeyring({
    name: 'aesKeyring',
    async wrap(dataKey, { random }) {
      const salt = await randomBytes(saltLength, random);
      const wrappingKey = await deriveAesWrappingKey(await keyEncryptionKey(), salt, bound, 'seal');
      const sealedKey = await sealDataKey(wrappingKey, bound, dataKey);
      return [{ ...identity, wrapping: { method: 'aes', salt, sealedKey } }];
    },
    held: [
      (wrappedKey) => {
        const { wrapping } = wrappedKey;
        if (wrapping.method !== 'aes' || !isFor(wrappedKey, identity)) return undefined;
        const { salt, sealedKey } = wrapping;
        const derive = async () => deriveAesWrappingKey(await keyEncryptionKey(), salt, bound, 'unwrap');
        return sealedKeyOpener(sealedKey, bound, derive);
      },
    ],
  });
}

function takeKey(value: unknown, name: string): Bytes | CryptoKey {
  if (!isBytes(value)) {
    const { algorithm, usages } = (value ?? {}) as Partial<CryptoKey>;
    const fits = algorithm?.name === 'HKDF' && usages?.includes('deriveKey');
    assert(fits === true, name, 'a Uint8Array, or a CryptoKey for HKDF with the usage deriveKey');
    return value as CryptoKey;
  }
  assert(value.byteLength === keyLength, name, `of ${keyLength} bytes`);
  return takeBytes(value, name);
}

/** Imports the key when it is first needed, once; a failure is not remembered. */
function keySource(key: Bytes | CryptoKey): () => Promise<SecretKey> {
  if (!isBytes(key)) return async () => secretHandle(key);
  const bytes = key;
  let handle: Promise<SecretKey> | undefined;
  return () => {
    handle ??= importSecret(bytes).then(
      (imported) => {
        bytes.fill(0);
        return imported;
      },
      (error) => {
        handle = undefined;
        throw error;
      },
    );
    return handle;
  };
}
