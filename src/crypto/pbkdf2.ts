/** PBKDF2 with HMAC-SHA-512, RFC 8018 §5.2 and SP 800-132. */

import { webcrypto } from '#platform';
import type { Bytes } from '../types.ts';
import { type AeadKey, aeadHandle, aeadKeyUsages } from './keys.ts';

/** The AES-256-GCM key of a passphrase's bytes; it seals or unwraps one data key. */
export async function deriveAeadFromPassphrase(
  passphrase: Bytes,
  salt: Bytes,
  iterations: number,
  use: 'seal' | 'unwrap',
): Promise<AeadKey> {
  const { subtle } = await webcrypto();
  const key = await subtle.importKey('raw', passphrase, 'PBKDF2', false, ['deriveKey']);
  const algorithm = { name: 'PBKDF2', hash: 'SHA-512', salt, iterations };
  return aeadHandle(
    await subtle.deriveKey(algorithm, key, { name: 'AES-GCM', length: 256 }, false, aeadKeyUsages[use]),
  );
}
