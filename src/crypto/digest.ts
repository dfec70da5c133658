/** SHA-384 and, for key ids alone, SHA-256: FIPS 180-4. */

import { native, webcrypto } from '#platform';
import type { Bytes } from '../types.ts';

// More than that is better off on another thread.
const maxNativeLength = 2 ** 16;

/** The 48-byte digest. */
export async function sha384(bytes: Bytes): Promise<Bytes> {
  if (native !== undefined && bytes.byteLength <= maxNativeLength) return native.sha384(bytes);
  const { subtle } = await webcrypto();
  return new Uint8Array(await subtle.digest('SHA-384', bytes));
}

/** The 32-byte digest that JWK thumbprints use (RFC 7638 §3.4). */
export async function sha256(bytes: Bytes): Promise<Bytes> {
  const { subtle } = await webcrypto();
  return new Uint8Array(await subtle.digest('SHA-256', bytes));
}
