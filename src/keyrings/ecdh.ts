/** The keyring of P-384 public keys: wraps to recipients by ECDH-ES, and unwraps with private keys; `docs/format.md` §8.1. */

import { agree } from '../crypto/ecdh.ts';
import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { DecryptionError } from '../errors.ts';
import { assert } from '../lib/assert.ts';
import { maxWrappedKeys } from '../lib/limits.ts';
import { arrayOf, optional, type ReadersOf, takeBytes, takeOptions } from '../lib/options.ts';
import { binding, deriveEcdhWrappingKey } from '../schedule/wrapping-keys.ts';
import type { Bytes, CryptoKey } from '../types.ts';
import type { EcdhPrivateKey, EcdhPublicKey } from './ecdh-keys.ts';
import type { Keyring } from './keyring.ts';
import {
  type HeldKey,
  isFor,
  type LocalKeyOptions,
  localKeyIdentity,
  localKeyReaders,
  localKeyring,
  type Opener,
  sealedKeyOpener,
  takeKeyId,
} from './local.ts';
import { wrapTo } from './wrap-to.ts';

export {
  type EcdhPrivateKey,
  type EcdhPublicKey,
  type ExtractableOption,
  exportEcdhPrivateJwk,
  exportEcdhPrivateKey,
  exportEcdhPublicJwk,
  exportEcdhPublicKey,
  generateEcdhKey,
  importEcdhPrivateKey,
  importEcdhPublicKey,
} from './ecdh-keys.ts';

/** Options of {@link ecdhKeyring}. */
export interface EcdhKeyringOptions extends LocalKeyOptions {
  /** Who will be able to decrypt: 1 to 64 public keys. To read your own messages, add a key of your own. Default: none, for a keyring that only decrypts. */
  readonly recipients?: readonly EcdhPublicKey[] | undefined;
  /** What this keyring decrypts with. Default: none, for a keyring that only encrypts. */
  readonly privateKeys?: readonly EcdhPrivateKey[] | undefined;
}

const readers = {
  ...localKeyReaders,
  recipients: optional(arrayOf(takePublicKey), []),
  privateKeys: optional(arrayOf(takePrivateKey), []),
} satisfies ReadersOf<EcdhKeyringOptions>;

/**
 * A keyring that wraps each data key to every recipient's P-384 public key, with a fresh ephemeral key for each, and unwraps what was wrapped to one of its
 * private keys. The key ids are the thumbprints of the public keys.
 *
 * Throws a `TypeError` that names a wrong option. Its methods reject with `ERR_KEYRING_CANNOT` when asked to encrypt without recipients, with
 * `ERR_INVALID_KEY` for a recipient's point that is not on the curve, and with `ERR_DECRYPTION_FAILED`.
 *
 * @example
 * const alice = await generateEcdhKey();
 * const message = await encrypt('attack at dawn', { keyring: ecdhKeyring({ recipients: [alice.publicKey] }) });
 * const { plaintext } = await decrypt(message, { keyring: ecdhKeyring({ privateKeys: [alice] }) });
 */
export function ecdhKeyring(options: EcdhKeyringOptions): Keyring {
  const { recipients, privateKeys, ...rest } = takeOptions(options, readers);
  assert(recipients.length <= maxWrappedKeys, 'recipients', `at most ${maxWrappedKeys}`);
  assert(recipients.length + privateKeys.length > 0, 'recipients or privateKeys', 'given');

  const targets = recipients.map(({ keyId, point }) => ({ point, identity: localKeyIdentity(keyId, rest) }));
  const held = privateKeys.map(({ privateKey, publicKey: { keyId, point } }): HeldKey => {
    const identity = localKeyIdentity(keyId, rest);
    return (wrappedKey) => (isFor(wrappedKey, identity) ? ecdhOpener(wrappedKey, privateKey, point) : undefined);
  });
  return localKeyring({
    name: 'ecdhKeyring',
    wrap:
      targets.length === 0
        ? undefined
        : (dataKey) => Promise.all(targets.map(({ point, identity }) => wrapTo('ecdh', point, identity, dataKey))),
    held,
  });
}

function ecdhOpener(wrappedKey: WrappedKey, privateKey: CryptoKey, point: Bytes): Opener | undefined {
  const { wrapping } = wrappedKey;
  if (wrapping.method !== 'ecdh') return undefined;
  const { method, ephemeralKey, sealedKey } = wrapping;
  const bound = binding(method, wrappedKey);
  return sealedKeyOpener(sealedKey, bound, async () => {
    const shared = await agree(privateKey, ephemeralKey);
    if (shared === undefined) throw new DecryptionError();
    return deriveEcdhWrappingKey(method, shared, ephemeralKey, point, bound, 'unwrap');
  });
}

/** Keys are read once; they may come from a database, with more members than these. */
function takePublicKey(value: unknown, name: string): EcdhPublicKey {
  const { keyId, point } = (value ?? {}) as Partial<EcdhPublicKey>;
  assert(typeof keyId === 'string' && point?.byteLength === 97, name, 'a public key for ECDH');
  return { keyId: takeKeyId(keyId, `${name}.keyId`), point: takeBytes(point, `${name}.point`) };
}

function takePrivateKey(value: unknown, name: string): EcdhPrivateKey {
  const { privateKey, publicKey } = (value ?? {}) as Partial<EcdhPrivateKey>;
  assert(privateKey?.type === 'private', name, 'a private key for ECDH');
  return { privateKey, publicKey: takePublicKey(publicKey, `${name}.publicKey`) };
}
