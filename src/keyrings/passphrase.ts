/** The keyring of a passphrase: PBKDF2-HMAC-SHA-512, `docs/format.md` §8.5. */

import { deriveAeadFromPassphrase } from '../crypto/pbkdf2.ts';
import { randomBytes } from '../crypto/random.ts';
import { assert } from '../lib/assert.ts';
import { maxIterations, minIterations } from '../lib/limits.ts';
import { integer, optional, type ReadersOf, takeOptions, takeString } from '../lib/options.ts';
import { isAssigned } from '../lib/unicode.ts';
import { assertWellFormed, encodeUtf8 } from '../lib/utf8.ts';
import { binding } from '../schedule/wrapping-keys.ts';
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

const saltLength = 32;

/** Options of {@link passphraseKeyring}. */
export interface PassphraseKeyringOptions extends LocalKeyOptions {
  /**
   * Not empty, of characters that Unicode 15.0 assigns. Normalized to NFC, so that the same keys typed on two systems give the same
   * passphrase.
   */
  readonly passphrase: string;
  /** PBKDF2 iterations when encrypting, 600,000 (default) to 10,000,000. More make guessing slower, and opening as well. */
  readonly iterations?: number | undefined;
  /** What the wrapped key is named by. Default: `passphrase`. */
  readonly keyId?: string | undefined;
}

const readers = {
  ...localKeyReaders,
  passphrase: takePassphrase,
  iterations: optional(integer(minIterations, maxIterations), minIterations),
  keyId: optional(takeKeyId, 'passphrase'),
} satisfies ReadersOf<PassphraseKeyringOptions>;

function takePassphrase(value: unknown, name: string): string {
  const passphrase = takeString(value, name);
  assert(passphrase !== '', name, 'a string that is not empty');
  // Before it is normalized: some runtimes replace unpaired surrogates then.
  assertWellFormed(passphrase, name);
  // Other characters have another normal form in a runtime that knows them (§8.5).
  assert(isAssigned(passphrase), name, 'characters that Unicode 15.0 assigns');
  return passphrase;
}

/**
 * A keyring of one passphrase. Its strength is the passphrase's: use a generated one, of six random words or more. A message has at most one such wrapped key.
 *
 * Throws a `TypeError` that names a wrong option. Its methods reject with `ERR_DECRYPTION_FAILED`, for a wrong passphrase as for a changed message.
 *
 * @example
 * const keyring = passphraseKeyring({ passphrase: 'orbit-velvet-cactus-lantern-mosaic-tundra' });
 */
export function passphraseKeyring(options: PassphraseKeyringOptions): Keyring {
  const { passphrase, iterations, keyId, ...rest } = takeOptions(options, readers);
  const secret = encodeUtf8(passphrase.normalize('NFC'), 'passphrase');
  const identity = localKeyIdentity(keyId, rest);
  const bound = binding('passphrase', identity);

  return localKeyring({
    name: 'passphraseKeyring',
    async wrap(dataKey, { random }) {
      const salt = await randomBytes(saltLength, random);
      const wrappingKey = await deriveAeadFromPassphrase(secret, salt, iterations, 'seal');
      const sealedKey = await sealDataKey(wrappingKey, bound, dataKey);
      return [{ ...identity, wrapping: { method: 'passphrase', salt, iterations, sealedKey } }];
    },
    held: [
      (wrappedKey) => {
        const { wrapping } = wrappedKey;
        if (wrapping.method !== 'passphrase' || !isFor(wrappedKey, identity)) return undefined;
        const { salt, iterations: count, sealedKey } = wrapping;
        const derive = () => deriveAeadFromPassphrase(secret, salt, count, 'unwrap');
        return sealedKeyOpener(sealedKey, bound, derive);
      },
    ],
  });
}
