// Keyrings that hold the keys of test/vectors/keys.json.

import { webcrypto } from '#platform';
import { agree, importPrivateJwk } from '../../src/crypto/ecdh.ts';
import { DecryptionError } from '../../src/errors.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import { ecdhKeyring, importEcdhPrivateKey, importEcdhPublicKey } from '../../src/keyrings/ecdh.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import { isFor, localKeyring, sealedKeyOpener } from '../../src/keyrings/local.ts';
import { passphraseKeyring } from '../../src/keyrings/passphrase.ts';
import { providerKeyring } from '../../src/keyrings/provider-keyring.ts';
import { importRsaPrivateKey, rsaKeyring } from '../../src/keyrings/rsa.ts';
import { concat } from '../../src/lib/bytes.ts';
import { binding, deriveEcdhWrappingKey } from '../../src/schedule/wrapping-keys.ts';
import type { Bytes, KeyContext } from '../../src/types.ts';
import { decodeBytes, type KeyMaterial, type VectorKey } from '../reference/vectors.ts';
import materialByName from '../vectors/keys.json' with { type: 'json' };

const material: Readonly<Record<string, KeyMaterial>> = materialByName;

/** One keyring of all keys that a reader of a vector holds. */
export async function keyringOf(keys: readonly VectorKey[]): Promise<Keyring> {
  return anyOf(...(await Promise.all(keys.map(keyringOfOne))));
}

async function keyringOfOne(key: VectorKey): Promise<Keyring> {
  const { keyId, version = 0, keyContext: pairs = [] } = key;
  const { jwk, bytes = '', passphrase = '' } = material[key.key] as KeyMaterial;
  const common = { version, keyContext: Object.fromEntries(pairs) };
  switch (key.method) {
    case 'aes':
      return aesKeyring({ ...common, keyId, key: decodeBytes(bytes) });
    case 'passphrase':
      return passphraseKeyring({ ...common, keyId, passphrase });
    case 'rsa': {
      const privateKey = await importRsaPrivateKey(jwk as JsonWebKey);
      return rsaKeyring({ ...common, privateKeys: [{ ...privateKey, keyId }] });
    }
    case 'ecdh': {
      const privateKey = await importEcdhPrivateKey(jwk as JsonWebKey);
      // A reader goes by the key id that it was configured with, whatever its key's thumbprint is.
      const publicKey = { ...privateKey.publicKey, keyId };
      return ecdhKeyring({ ...common, privateKeys: [{ ...privateKey, publicKey }] });
    }
    case 'service-ecdh':
      return serviceEcdhKeyring(key, jwk as JsonWebKey);
    case 'kms':
      return modelKeyring(keyId, common.keyContext, decodeBytes(bytes) as Bytes);
  }
}

/** A keyring over the provider of the vectors, which test/vectors/README.md describes. */
function modelKeyring(keyId: string, keyContext: KeyContext, secret: Bytes): Keyring {
  const crypt = async (use: 'encrypt' | 'decrypt', iv: Bytes, bytes: Bytes, additionalData: Bytes) => {
    const { subtle } = await webcrypto();
    const key = await subtle.importKey('raw', secret, 'AES-GCM', false, [use]);
    return new Uint8Array(await subtle[use]({ name: 'AES-GCM', iv, additionalData }, key, bytes));
  };
  return providerKeyring({
    keys: [
      {
        keyId,
        accepts: ({ byteLength }) => byteLength === 108,
        async encrypt(plaintext, { digest }) {
          const nonce = (await webcrypto()).getRandomValues(new Uint8Array(12));
          return concat(nonce, await crypt('encrypt', nonce, plaintext, digest));
        },
        decrypt: (ciphertext, { digest }) =>
          crypt('decrypt', ciphertext.slice(0, 12), ciphertext.slice(12), digest).catch(() => {
            throw new DecryptionError();
          }),
      },
    ],
    keyContext,
  });
}

/** What a key service does with what was wrapped offline to one of its keys, §8.2. */
async function serviceEcdhKeyring(key: VectorKey, jwk: JsonWebKey): Promise<Keyring> {
  const { keyId, serviceId = '', keyContext = [] } = key;
  const expected = { keyId, serviceId, keyContext: Object.fromEntries(keyContext) };
  const { point } = await importEcdhPublicKey(jwk);
  const privateKey = await importPrivateJwk(jwk, false);
  return localKeyring({
    name: 'service key',
    wrap: undefined,
    held: [
      (wrappedKey) => {
        const { wrapping } = wrappedKey;
        // §7.6d: a service holds every version of its key.
        const identity = { ...expected, version: wrappedKey.version };
        if (wrapping.method !== 'service-ecdh' || !isFor(wrappedKey, identity)) return undefined;
        const { method, ephemeralKey, sealedKey } = wrapping;
        const bound = binding(method, wrappedKey);
        return sealedKeyOpener(sealedKey, bound, async () => {
          const shared = await agree(privateKey, ephemeralKey);
          if (shared === undefined) throw new DecryptionError();
          return deriveEcdhWrappingKey(method, shared, ephemeralKey, point, bound, 'unwrap');
        });
      },
    ],
  });
}
