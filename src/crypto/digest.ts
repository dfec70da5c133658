/** SHA-384 and, for key ids alone, SHA-256: FIPS 180-4. */

import { native } from '#platform';
import { viewOf } from '../lib/bytes.ts';
import type { Awaitable, Bytes } from '../types.ts';
import { withSubtle } from './provider.ts';

// More than that is better off on another thread.
const maxNativeLength = 2 ** 16;

/** The 48-byte digest. */
export function sha384(bytes: Bytes): Awaitable<Bytes> {
  if (native !== undefined && bytes.byteLength <= maxNativeLength) return native.sha384(bytes);
  return digest('SHA-384', bytes);
}

/** The 32-byte digest that JWK thumbprints use (RFC 7638 §3.4). */
export function sha256(bytes: Bytes): Promise<Bytes> {
  return digest('SHA-256', bytes);
}

function digest(hash: string, bytes: Bytes): Promise<Bytes> {
  return withSubtle((subtle) => subtle.digest(hash, bytes)).then(viewOf);
}
