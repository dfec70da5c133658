/** PBKDF2 with HMAC-SHA-512, RFC 8018 §5.2 and SP 800-132. */

import { webcrypto } from '#platform';
import { CryptoUnavailableError } from '../errors.ts';
import type { Bytes } from '../types.ts';
import { type AeadKey, aeadHandle, aeadKeyUsages } from './keys.ts';

/**
 * The AES-256-GCM key of a passphrase's bytes; it seals or unwraps one data key. Rejects with `ERR_CRYPTO_UNAVAILABLE` where the runtime refuses the number
 * of iterations: Cloudflare Workers allow 100,000.
 */
export async function deriveAeadFromPassphrase(
  passphrase: Bytes,
  salt: Bytes,
  iterations: number,
  use: 'seal' | 'unwrap',
): Promise<AeadKey> {
  const { subtle } = await webcrypto();
  const key = await subtle.importKey('raw', passphrase, 'PBKDF2', false, ['deriveKey']);
  const algorithm = { name: 'PBKDF2', hash: 'SHA-512', salt, iterations };
  const aes = { name: 'AES-GCM', length: 256 };
  return aeadHandle(await subtle.deriveKey(algorithm, key, aes, false, aeadKeyUsages[use]).catch(refused));
}

function refused(error: unknown): never {
  if ((error as { name?: unknown } | null)?.name !== 'NotSupportedError') throw error;
  throw new CryptoUnavailableError('This runtime caps the iterations of PBKDF2: passphrases cannot be used here', {
    cause: error,
  });
}
