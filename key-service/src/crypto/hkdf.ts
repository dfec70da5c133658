/** HKDF-SHA-384 (RFC 5869) and the labels of the service; `docs/format.md` §4.3. */

import { hkdfSync } from 'node:crypto';
import { type Bytes, concat, encodeUtf8 } from '../lib/bytes.ts';

/** Every label that the service derives under. */
export type Label =
  | 'bulla/v1 service-ecdh'
  | 'bulla/v1 service wrap'
  | 'bulla/v1 transport response seal'
  | 'bulla/v1 transport response mac'
  | 'bulla/v1 transport request seal'
  | 'bulla/v1 root'
  | 'bulla/v1 tombstone';

const zero = Uint8Array.of(0);

/** `length` bytes for `label` and the digest of its fields. */
export function deriveBytes(
  ikm: Uint8Array,
  salt: Uint8Array,
  label: Label,
  digest: Uint8Array,
  length: number,
): Bytes {
  return new Uint8Array(hkdfSync('sha384', ikm, salt, concat(encodeUtf8(label), zero, digest), length));
}
