/** Sealing and opening segments, one or all, `docs/format.md` §6: the one core of one-shot calls, streams and range reads. */

import { segmentsInFlight } from '#platform';
import { nonceLength, open, seal, tagLength } from '../crypto/aes-gcm.ts';
import type { AeadKey } from '../crypto/keys.ts';
import { concat, concatWithRoom } from '../lib/bytes.ts';
import type { Awaitable, Bytes } from '../types.ts';
import { geometryOfBody, geometryOfPlaintext, sealedOffset } from './geometry.ts';
import { forEachInOrder } from './in-flight.ts';

/** Seals the segment of an index (§6.2); a message key must seal each index once. */
export function sealSegment(key: AeadKey, index: number, plaintext: Bytes): Awaitable<Bytes> {
  return seal(key, nonce(index), plaintext);
}

/** Opens the segment of an index. Throws `ERR_DECRYPTION_FAILED` (§6.4). */
export function openSegment(key: AeadKey, index: number, sealed: Bytes): Awaitable<Bytes> {
  return open(key, nonce(index), sealed);
}

/** Seals a plaintext behind what stands in front of it. */
export async function sealAll(
  key: AeadKey,
  plaintext: Bytes,
  front: readonly Bytes[],
  segmentSize: number,
  signal: AbortSignal | undefined,
): Promise<Bytes> {
  const { count, bodyLength } = geometryOfPlaintext(plaintext.byteLength, segmentSize);
  signal?.throwIfAborted();
  if (count === 1) return concat(...front, await sealSegment(key, 0, plaintext));
  const result = concatWithRoom(front, bodyLength);
  const body = result.byteLength - bodyLength;
  await forEachInOrder(
    0,
    count,
    segmentsInFlight,
    (index) => {
      signal?.throwIfAborted();
      return sealSegment(key, index, plaintext.subarray(index * segmentSize, (index + 1) * segmentSize));
    },
    (sealed, index) => result.set(sealed, body + sealedOffset(index, segmentSize)),
  );
  return result;
}

/** Opens a whole body, all of it or nothing (§6.4). Throws `ERR_DECRYPTION_FAILED`. */
export async function openAll(
  key: AeadKey,
  body: Bytes,
  segmentSize: number,
  signal: AbortSignal | undefined,
): Promise<Bytes> {
  const { count, plaintextLength } = geometryOfBody(body.byteLength, segmentSize);
  if (count === 1) return openSegment(key, 0, body);
  const plaintext = new Uint8Array(plaintextLength);
  await forEachInOrder(
    0,
    count,
    segmentsInFlight,
    (index) => {
      signal?.throwIfAborted();
      const start = sealedOffset(index, segmentSize);
      return openSegment(key, index, body.subarray(start, start + segmentSize + tagLength));
    },
    (opened, index) => plaintext.set(opened, index * segmentSize),
  );
  return plaintext;
}

/** That of the first segment, which is the only one of a small message: one for all saves each of them an allocation. Nobody writes to it. */
const firstNonce = new Uint8Array(nonceLength);

function nonce(index: number): Bytes {
  if (index === 0) return firstNonce;
  const bytes = new Uint8Array(nonceLength);
  bytes[8] = index >>> 24;
  bytes[9] = index >>> 16;
  bytes[10] = index >>> 8;
  bytes[11] = index;
  return bytes;
}
