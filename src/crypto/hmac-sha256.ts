/** HMAC with SHA-256, FIPS 198-1, under a key that HKDF derives: the tags of blind indexes. */

import { native } from '#platform';
import { viewOf } from '../lib/bytes.ts';
import type { NativeHmac } from '../lib/native.ts';
import type { Awaitable, Bytes } from '../types.ts';
import { cryptoKeyOf, nativeSecretOf, type SecretKey } from './keys.ts';
import { withSubtle } from './provider.ts';

declare const hmac: unique symbol;

/** A key for HMAC-SHA-256. */
export interface HmacKey {
  readonly [hmac]: true;
}

// The length is said, because WebCrypto would otherwise make a key as long as a block of the hash, 64 bytes.
const algorithm = { name: 'HMAC', hash: 'SHA-256', length: 256 };

/** A key of 32 bytes that is not extractable. */
export function deriveHmac(key: SecretKey, salt: Bytes, info: Bytes): Awaitable<HmacKey> {
  const own = nativeSecretOf(key);
  if (own !== undefined) return own.deriveHmac(salt, info) as unknown as HmacKey;
  const hkdf = { name: 'HKDF', hash: 'SHA-384', salt, info };
  return withSubtle((subtle) =>
    subtle.deriveKey(hkdf, cryptoKeyOf(key), algorithm, false, ['sign']),
  ) as Promise<unknown> as Promise<HmacKey>;
}

/** The 32 bytes of the code. */
export function sign(key: HmacKey, bytes: Bytes): Awaitable<Bytes> {
  if (native?.isHmac(key)) return (key as NativeHmac).sign(bytes);
  return withSubtle((subtle) => subtle.sign('HMAC', key as unknown as CryptoKey, bytes)).then(viewOf);
}
