/** The keyring of one symmetric key encryption key that the caller holds, `docs/format.md` §8.3. */

import { importSecret } from '../crypto/hkdf.ts';
import { type SecretKey, secretHandle } from '../crypto/keys.ts';
import { randomBytes } from '../crypto/random.ts';
import { assert, assertOptions } from '../lib/assert.ts';
import { copy, isBytes } from '../lib/bytes.ts';
import { binding, deriveAesWrappingKey } from '../schedule/wrapping-keys.ts';
import type { Keyring } from './keyring.ts';
import { isFor, type LocalKeyOptions, localKeyIdentity, localKeyring, sealDataKey, sealedKeyOpener } from './local.ts';

const keyLength = 32;
const saltLength = 32;

/** Options of {@link aesKeyring}. */
export interface AesKeyringOptions extends LocalKeyOptions {
  /** What wrapped keys name the key by, 1 to 256 bytes of UTF-8. It stands in clear in every message. */
  readonly keyId: string;
  /**
   * The key encryption key: 32 bytes of a random generator (copied; overwrite yours), or a `CryptoKey` for HKDF with the usage `deriveKey`, which can be kept
   * in IndexedDB without being extractable.
   */
  readonly key: Uint8Array | CryptoKey;
}

/**
 * A keyring that wraps data keys under keys that HKDF derives, one for each wrap, from one key encryption key.
 *
 * Throws a `TypeError` that names a wrong option. Its methods reject with `ERR_DECRYPTION_FAILED`.
 *
 * @example
 * const keyring = aesKeyring({ keyId: 'backup-2026', key: crypto.getRandomValues(new Uint8Array(32)) });
 */
export function aesKeyring(options: AesKeyringOptions): Keyring {
  assertOptions(options, ['keyId', 'key', 'keyContext', 'version']);
  const identity = localKeyIdentity(options.keyId, options);
  const bound = binding('aes', identity);
  const keyEncryptionKey = keySource(options.key);

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

/** Imports the key when it is first needed, once; a failure is not remembered. */
function keySource(key: unknown): () => Promise<SecretKey> {
  if (!isBytes(key)) {
    const { algorithm, usages } = (key ?? {}) as Partial<CryptoKey>;
    const fits = algorithm?.name === 'HKDF' && usages?.includes('deriveKey');
    assert(fits === true, 'key', 'a Uint8Array, or a CryptoKey for HKDF with the usage deriveKey');
    return async () => secretHandle(key as CryptoKey);
  }
  assert(key.byteLength === keyLength, 'key', `of ${keyLength} bytes`);
  const bytes = copy(key);
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
