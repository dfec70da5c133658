/**
 * Sealing and opening all segments of what is in memory, `docs/format.md` §6. Touching new memory costs more than AES, so what a caller gives is copied
 * once, into the memory of the result, and each segment is sealed or opened where it lies.
 */

import { uninitialized } from '#platform';
import { openInto, sealInto, tagLength } from '../crypto/aes-gcm.ts';
import type { AeadKey } from '../crypto/keys.ts';
import { DecryptionError } from '../errors.ts';
import { isPromise } from '../lib/awaitable.ts';
import { copy, fillWith, lengthOf } from '../lib/bytes.ts';
import type { Awaitable, Bytes } from '../types.ts';
import { findGeometry, type Geometry, geometryOfPlaintext, sealedOffset } from './geometry.ts';
import { nonce, openSegment } from './segments.ts';

/** A plaintext in memory that is nobody else's, with the segments `stride` bytes apart. It is overwritten when it has been sealed. */
export interface TakenPlaintext {
  readonly memory: Bytes;
  /** Where the first segment begins. */
  readonly start: number;
  readonly stride: number;
  /** Bytes of plaintext. */
  readonly length: number;
}

/** A plaintext that is ours already. */
export function ownPlaintext(memory: Bytes, segmentSize: number): TakenPlaintext {
  return { memory, start: 0, stride: segmentSize, length: memory.byteLength };
}

/**
 * A copy of a plaintext where it can be sealed, behind `room` bytes for what will stand in front of it. Throws `ERR_LIMIT_EXCEEDED` for what is longer than
 * a message can be.
 */
export function takePlaintext(plaintext: Bytes, segmentSize: number, room: number): TakenPlaintext {
  const { count, bodyLength, plaintextLength } = geometryOfPlaintext(plaintext.byteLength, segmentSize);
  const memory = uninitialized(room + bodyLength);
  for (let index = 0; index < count; index++) {
    memory.set(segmentOf(plaintext, index, segmentSize), room + sealedOffset(index, segmentSize));
  }
  return { memory, start: room, stride: segmentSize + tagLength, length: plaintextLength };
}

/** Seals a plaintext behind what stands in front of it: in its own memory where there is room for exactly that, else in another. */
export async function sealAll(
  key: AeadKey,
  { memory, start, stride, length }: TakenPlaintext,
  front: readonly Bytes[],
  segmentSize: number,
  signal: AbortSignal | undefined,
): Promise<Bytes> {
  const { count, bodyLength } = geometryOfPlaintext(length, segmentSize);
  const offset = lengthOf(front);
  const inPlace = start === offset && stride === segmentSize + tagLength;
  const result = inPlace ? memory : uninitialized(offset + bodyLength);
  fillWith(result, front);
  await forEachSegment(count, signal, (index) => {
    const size = Math.min(segmentSize, length - index * segmentSize);
    const from = start + index * stride;
    const segment = memory.subarray(from, from + size);
    const at = offset + sealedOffset(index, segmentSize);
    const sealing = sealInto(key, nonce(index), segment, result.subarray(at, at + size + tagLength));
    // What seals took it when it was called.
    if (!inPlace) segment.fill(0);
    return sealing;
  });
  return result;
}

/** Does the work on one segment after the other. Each begins while another thread may be at the one before; when this ends, all that began has ended. */
function forEachSegment(
  count: number,
  signal: AbortSignal | undefined,
  work: (index: number) => Awaitable<void>,
): Awaitable<void> {
  if (count > 1) return forEachOf(count, signal, work);
  signal?.throwIfAborted();
  return work(0);
}

async function forEachOf(
  count: number,
  signal: AbortSignal | undefined,
  work: (index: number) => Awaitable<void>,
): Promise<void> {
  let last: Promise<void> | undefined;
  try {
    for (let index = 0; index < count; index++) {
      signal?.throwIfAborted();
      const before = last;
      const working = work(index);
      last = isPromise(working) ? working : undefined;
      // Waited for below.
      last?.catch(() => {});
      if (before !== undefined) await before;
    }
    if (last !== undefined) await last;
  } catch (error) {
    await last?.catch(() => {});
    throw error;
  }
}

/**
 * A body that was taken: the ciphertexts of its segments, where their plaintexts will be, and their tags. Without `tags` it is one short segment as it
 * came, which is opened into memory of its own: for so little, a call saved is worth more than memory.
 */
export interface TakenBody {
  readonly geometry: Geometry;
  readonly memory: Bytes;
  readonly tags?: Bytes;
}

/** Plaintext bytes up to which a single segment is opened in one piece. Above, new memory costs more than a copy within the processor's cache. */
const shortLength = 2 ** 16;

/** A copy of a body where it can be opened, or `undefined` when no body has this length. */
export function takeBody(body: Bytes, segmentSize: number): TakenBody | undefined {
  const geometry = findGeometry(body.byteLength, segmentSize);
  if (geometry === undefined) return undefined;
  if (geometry.count === 1 && geometry.plaintextLength <= shortLength) return { geometry, memory: copyShort(body) };
  const memory = uninitialized(geometry.plaintextLength);
  const tags = new Uint8Array(geometry.count * tagLength);
  for (let index = 0; index < geometry.count; index++) {
    const sealed = segmentOf(body, index, segmentSize + tagLength);
    const end = sealed.byteLength - tagLength;
    memory.set(sealed.subarray(0, end), index * segmentSize);
    tags.set(sealed.subarray(end), index * tagLength);
  }
  return { geometry, memory, tags };
}

/** For the ciphertext of one short segment, and for the next when that was opened: new memory for each costs as much as opening it. */
let spare = new Uint8Array(0);
/** Below, new memory costs nothing that could be measured. */
const leastSpare = 2 ** 13;

function copyShort(body: Bytes): Bytes {
  const { byteLength } = body;
  if (byteLength < leastSpare || byteLength > spare.byteLength) return copy(body);
  const memory = spare.subarray(0, byteLength);
  spare = memory.subarray(byteLength);
  memory.set(body);
  return memory;
}

/** Opens a whole body, all of it or nothing (§6.4). Rejects with `ERR_DECRYPTION_FAILED`; what was opened before is overwritten then. */
export async function openAll(
  key: AeadKey,
  body: TakenBody | undefined,
  signal: AbortSignal | undefined,
): Promise<Bytes> {
  if (body === undefined) throw new DecryptionError();
  const { geometry, memory, tags } = body;
  signal?.throwIfAborted();
  if (tags === undefined) {
    const opened = await openSegment(key, 0, memory);
    if (memory.byteLength >= leastSpare) spare = memory;
    return opened;
  }
  try {
    await forEachSegment(geometry.count, signal, (index) => {
      const segment = segmentOf(memory, index, geometry.segmentSize);
      return openInto(key, nonce(index), segment, segmentOf(tags, index, tagLength), segment);
    });
  } catch (error) {
    memory.fill(0);
    throw error;
  }
  return memory;
}

function segmentOf(bytes: Bytes, index: number, size: number): Bytes {
  return bytes.subarray(index * size, (index + 1) * size);
}
