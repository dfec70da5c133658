/** HMAC with SHA-384, FIPS 198-1: checking alone, under a key that HKDF derives. */

import { equalConstantTime } from '../lib/bytes.ts';
import type { Bytes } from '../types.ts';
import { cryptoKeyOf, nativeSecretOf, type SecretKey } from './keys.ts';
import { withSubtle } from './provider.ts';

/** Whether `mac` is the HMAC-SHA-384 of `bytes` under the 48-byte key that HKDF-SHA-384 derives from a secret. Compared in constant time. */
export async function verifyMac(key: SecretKey, salt: Bytes, info: Bytes, mac: Bytes, bytes: Bytes): Promise<boolean> {
  const own = nativeSecretOf(key);
  if (own !== undefined) return equalConstantTime(own.deriveMac(salt, info, bytes), mac);
  const hkdf = { name: 'HKDF', hash: 'SHA-384', salt, info };
  const hmac = { name: 'HMAC', hash: 'SHA-384', length: 384 };
  return withSubtle(async (subtle) => {
    const macKey = await subtle.deriveKey(hkdf, cryptoKeyOf(key), hmac, false, ['verify']);
    return subtle.verify('HMAC', macKey, mac, bytes);
  });
}
