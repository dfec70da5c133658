/** Where segments lie, `docs/format.md` §6: lengths of plaintext and body, and the segments that a range touches. */

import { tagLength } from '../crypto/aes-gcm.ts';
import { DecryptionError, MessageFormatError } from '../errors.ts';
import { maxPlaintextLength, maxSegments } from '../lib/limits.ts';

/** How a plaintext of a known length is cut. */
export interface Geometry {
  /** Plaintext bytes of every segment but the last. */
  readonly segmentSize: number;
  /** Segments, the last one included. */
  readonly count: number;
  /** Plaintext bytes of all segments. */
  readonly plaintextLength: number;
  /** Bytes of all sealed segments. */
  readonly bodyLength: number;
}

/** The geometry of a plaintext (§6.1). Throws `ERR_LIMIT_EXCEEDED` (§6.7). */
export function geometryOfPlaintext(plaintextLength: number, segmentSize: number): Geometry {
  const count = Math.floor(plaintextLength / segmentSize) + 1;
  if (plaintextLength > maxPlaintextLength || count > maxSegments) throw tooLong();
  return { segmentSize, count, plaintextLength, bodyLength: plaintextLength + count * tagLength };
}

/** The geometry of a body (§6.3), or `undefined` when no body has this length. */
export function findGeometry(bodyLength: number, segmentSize: number): Geometry | undefined {
  const count = Math.floor(bodyLength / (segmentSize + tagLength)) + 1;
  const last = bodyLength - (count - 1) * (segmentSize + tagLength);
  if (count < 1 || last < tagLength || count > maxSegments) return undefined;
  return { segmentSize, count, plaintextLength: bodyLength - count * tagLength, bodyLength };
}

/** The same. Throws `ERR_DECRYPTION_FAILED` when no body has this length, and `ERR_LIMIT_EXCEEDED` (§2.4). */
export function geometryOfBody(bodyLength: number, segmentSize: number): Geometry {
  const geometry = findGeometry(bodyLength, segmentSize);
  if (geometry === undefined) throw new DecryptionError();
  if (geometry.plaintextLength > maxPlaintextLength) throw tooLong();
  return geometry;
}

/** Where a sealed segment begins in the body. */
export function sealedOffset(index: number, segmentSize: number): number {
  return index * (segmentSize + tagLength);
}

/** Throws `ERR_LIMIT_EXCEEDED` when a message may not have a segment of this index with so many bytes of plaintext (§6.7). */
export function assertSegment(index: number, segmentSize: number, length: number): void {
  if (index >= maxSegments || index * segmentSize + length > maxPlaintextLength) throw tooLong();
}

function tooLong(): MessageFormatError {
  return new MessageFormatError('ERR_LIMIT_EXCEEDED', 'The plaintext is longer than a message can be');
}
