/** Sealing and opening a segment, `docs/format.md` §6.2 and §6.4: what streams and range reads do one by one; see `whole.ts` for what is in memory. */

import { nonceLength, open, seal } from '../crypto/aes-gcm.ts';
import type { AeadKey } from '../crypto/keys.ts';
import type { Awaitable, Bytes } from '../types.ts';

/** Seals the segment of an index (§6.2); a message key must seal each index once. */
export function sealSegment(key: AeadKey, index: number, plaintext: Bytes): Awaitable<Bytes> {
  return seal(key, nonce(index), plaintext);
}

/** Opens the segment of an index. Throws `ERR_DECRYPTION_FAILED` (§6.4). */
export function openSegment(key: AeadKey, index: number, sealed: Bytes): Awaitable<Bytes> {
  return open(key, nonce(index), sealed);
}

/** That of the first segment, which is the only one of a small message: one for all saves each of them an allocation. Nobody writes to it. */
const firstNonce = new Uint8Array(nonceLength);

/** §6.2: the nonce of the segment of an index. */
export function nonce(index: number): Bytes {
  if (index === 0) return firstNonce;
  const bytes = new Uint8Array(nonceLength);
  bytes[8] = index >>> 24;
  bytes[9] = index >>> 16;
  bytes[10] = index >>> 8;
  bytes[11] = index;
  return bytes;
}
