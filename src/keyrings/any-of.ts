/** Several keyrings as one: encrypts for all of them, decrypts with any. */

import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { isBullaError } from '../errors.ts';
import { assert } from '../lib/assert.ts';
import { generateAndWrap } from './data-key.ts';
import { assertKeyring, type Keyring, type Unwrapped } from './keyring.ts';

/**
 * A keyring whose messages any one of several keyrings opens: a data key is wrapped by each of them, and unwrapped by the first that can.
 *
 * When encrypting, every keyring must be able to wrap (`ERR_KEYRING_CANNOT` otherwise). When decrypting, a keyring that answers `null` or fails lets the next one try;
 * where none succeeds, the first failure is thrown, and an authentication failure only where there is no other.
 *
 * @example
 * const keyring = anyOf(ecdhKeyring({ recipients: [alice] }), passphraseKeyring({ passphrase }));
 */
export function anyOf(...keyrings: readonly Keyring[]): Keyring {
  assert(keyrings.length > 0, 'anyOf', 'given at least one keyring');
  keyrings.forEach((keyring, i) => {
    assertKeyring(keyring, `keyring ${i + 1}`);
  });

  const wrapDataKey: Keyring['wrapDataKey'] = async (dataKey, options) => {
    const wrapped = await Promise.all(keyrings.map((keyring) => keyring.wrapDataKey(dataKey, options)));
    return wrapped.flat();
  };
  return {
    generateDataKey: (options) => generateAndWrap((bytes) => wrapDataKey(bytes, options), options),
    wrapDataKey,
    unwrapDataKey: (keys: readonly WrappedKey[], options) =>
      firstOf(keyrings, (keyring) => keyring.unwrapDataKey(keys, options)),
    unwrapDataKeyBytes: (keys: readonly WrappedKey[], options) =>
      firstOf(keyrings, (keyring) => keyring.unwrapDataKeyBytes(keys, options)),
    async rejectDataKey(wrappedKey) {
      await Promise.all(keyrings.map((keyring) => keyring.rejectDataKey?.(wrappedKey)));
    },
    segmentFailed(wrappedKey) {
      for (const keyring of keyrings) keyring.segmentFailed?.(wrappedKey);
    },
  };
}

async function firstOf<Key>(
  keyrings: readonly Keyring[],
  unwrap: (keyring: Keyring) => Promise<Unwrapped<Key> | null>,
): Promise<Unwrapped<Key> | null> {
  const failures: unknown[] = [];
  for (const keyring of keyrings) {
    try {
      const unwrapped = await unwrap(keyring);
      if (unwrapped !== null) return unwrapped;
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 0) return null;
  throw failures.find((error) => !isBullaError(error) || error.code !== 'ERR_DECRYPTION_FAILED') ?? failures[0];
}
