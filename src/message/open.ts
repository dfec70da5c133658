/** Random access to a message: reads and decrypts no more than the segments that a range touches. */

import { segmentsInFlight } from '#platform';
import { tagLength } from '../crypto/aes-gcm.ts';
import type { AeadKey } from '../crypto/keys.ts';
import { assertForm, bodyPreambleLength, preambleLength, readPreamble, truncated } from '../envelope/framing.ts';
import { isBullaError, SourceError } from '../errors.ts';
import { linkedController } from '../lib/abort.ts';
import { assertInteger } from '../lib/assert.ts';
import { copy } from '../lib/bytes.ts';
import { integer, optional, type ReadersOf, takeOptions } from '../lib/options.ts';
import { type Geometry, geometryOfBody, sealedOffset } from '../stream/geometry.ts';
import { forEachInOrder } from '../stream/in-flight.ts';
import { openSegment } from '../stream/segments.ts';
import type { Bytes, MessageHeader } from '../types.ts';
import { beginDecryption, type DecryptionOptions, decryptionReaders } from './begin-decryption.ts';
import { takeEnvelope } from './forms.ts';
import { readExactly, type Source } from './source.ts';
import { openSource, type SourceInput } from './sources.ts';

/** Options of {@link open}. */
export interface OpenOptions extends DecryptionOptions {
  /** The detached envelope, where the source is a detached body. Default: none, the source is a whole message. */
  readonly envelope?: Uint8Array | string | undefined;
}

const readers = {
  ...decryptionReaders,
  envelope: optional(takeEnvelope),
} satisfies ReadersOf<OpenOptions>;

/** Part of a plaintext, from `start` (default 0) to before `end` (default: all); what lies beyond the end is left out, as `Blob.slice` does. */
export interface ByteRange {
  readonly start?: number | undefined;
  readonly end?: number | undefined;
}

const position = optional(integer(0, Number.MAX_SAFE_INTEGER));
const rangeReaders = { start: position, end: position } satisfies ReadersOf<ByteRange>;

/** An opened message. All that it gives is authentic. */
export interface OpenedMessage {
  /** Plaintext bytes. */
  readonly size: number;
  readonly header: MessageHeader;
  /** The plaintext from `start` to before `end`, in memory. Up to 1 MiB of what was read last is at hand and not read again. Rejects with `ERR_DECRYPTION_FAILED` or a {@link SourceError}. */
  read(start?: number, end?: number): Promise<Bytes>;
  /** The same as a stream, which reads again and no more than one batch of a few segments ahead. */
  stream(range?: ByteRange): ReadableStream<Bytes>;
}

/**
 * Opens a message for random access. Header and last segment are read and verified at once, so `size` cannot be forged.
 *
 * Rejects with what {@link decrypt} rejects with, and with `ERR_SOURCE_UNREADABLE` or `ERR_SOURCE_CHANGED`. The `signal` ends reads as well.
 *
 * @example
 * const video = await open(new URL('https://files.example/video.bulla'), { keyring });
 * const beginning = await video.read(0, 65_536);
 */
export async function open(source: SourceInput, options: OpenOptions): Promise<OpenedMessage> {
  const taken = takeOptions(options, readers);
  const { envelope: given, signal } = taken;
  const opened = await openSource(source, signal);
  const { envelopeBytes, bodyOffset } = await readFront(opened, given, signal);
  const { header, messageKey, segmentSize, failed } = await beginDecryption(envelopeBytes, taken);
  const geometry = geometryOfBody(opened.size - bodyOffset, segmentSize);
  const reader = new SegmentReader(opened, bodyOffset, messageKey, geometry, failed, signal);
  // §6.6: until the last segment has opened, the length is a claim.
  await reader.readKept(geometry.count - 1, geometry.count);
  reader.isVerified = true;
  return randomAccess(reader, header);
}

/** The serialized envelope of a message in a source, or the given one in front of a detached body, and where the segments begin. */
export async function readFront(source: Source, given: Bytes | undefined, signal: AbortSignal | undefined) {
  const length = given === undefined ? preambleLength : bodyPreambleLength;
  const preamble = await readExactly(source, 0, Math.min(length, source.size), signal);
  if (given !== undefined) {
    assertForm(preamble, 'body');
    return { envelopeBytes: given, bodyOffset: length };
  }
  const envelopeLength = readPreamble(preamble, 'message');
  if (length + envelopeLength > source.size) throw truncated();
  const envelopeBytes = await readExactly(source, length, envelopeLength, signal);
  return { envelopeBytes, bodyOffset: length + envelopeLength };
}

/** Reads and opens segments. */
class SegmentReader {
  readonly geometry: Geometry;
  readonly #source: Source;
  readonly #bodyOffset: number;
  readonly #key: AeadKey;
  readonly #failed: (error: unknown) => void;
  readonly signal: AbortSignal | undefined;
  /** Whether the last segment has opened. */
  isVerified = false;
  /** Plaintexts by index, the one used last at the end. */
  readonly #kept = new Map<number, Bytes>();

  constructor(
    source: Source,
    bodyOffset: number,
    key: AeadKey,
    geometry: Geometry,
    failed: (error: unknown) => void,
    signal: AbortSignal | undefined,
  ) {
    this.#source = source;
    this.#bodyOffset = bodyOffset;
    this.#key = key;
    this.geometry = geometry;
    this.#failed = failed;
    this.signal = signal;
  }

  /** The same as {@link readSegments}, with the few segments that were read last at hand. They are kept: the caller copies what it gives out. */
  async readKept(first: number, end: number): Promise<Bytes[]> {
    this.signal?.throwIfAborted();
    const indices = Array.from({ length: end - first }, (_, i) => first + i);
    const kept = indices.flatMap((index) => this.#kept.get(index) ?? []);
    const segments = kept.length === indices.length ? kept : await this.readSegments(first, end);
    for (const [i, index] of indices.entries()) {
      this.#kept.delete(index);
      this.#kept.set(index, segments[i] as Bytes);
    }
    const most = Math.max(1, Math.floor(keptLength / this.geometry.segmentSize));
    for (const index of [...this.#kept.keys()].slice(0, -most)) this.#kept.delete(index);
    return segments;
  }

  /** The plaintexts of the segments from `first` to before `end`, read with one call to the source. */
  async readSegments(first: number, end: number, signal = this.signal): Promise<Bytes[]> {
    const { segmentSize, bodyLength } = this.geometry;
    const start = sealedOffset(first, segmentSize);
    const length = Math.min(sealedOffset(end, segmentSize), bodyLength) - start;
    const sealed = await readExactly(this.#source, this.#bodyOffset + start, length, signal);
    const opened: Bytes[] = [];
    const openAt = (i: number) => {
      const at = sealedOffset(i, segmentSize);
      return openSegment(this.#key, first + i, sealed.subarray(at, at + segmentSize + tagLength));
    };
    try {
      await forEachInOrder(0, end - first, segmentsInFlight, openAt, (plaintext) => opened.push(plaintext));
    } catch (error) {
      if (await this.#hasChanged(signal)) {
        throw new SourceError('ERR_SOURCE_CHANGED', 'The source changed while it was read');
      }
      this.#failed(error);
      throw error;
    }
    return opened;
  }

  /** Whether the last segment, which opened at first, does not open any more: then another message is in the place of this one. */
  async #hasChanged(signal: AbortSignal | undefined): Promise<boolean> {
    const { segmentSize, bodyLength, count } = this.geometry;
    if (!this.isVerified) return false;
    const start = sealedOffset(count - 1, segmentSize);
    try {
      const sealed = await readExactly(this.#source, this.#bodyOffset + start, bodyLength - start, signal);
      await openSegment(this.#key, count - 1, sealed);
      return false;
    } catch (error) {
      return isBullaError(error) && ['ERR_DECRYPTION_FAILED', 'ERR_SOURCE_CHANGED'].includes(error.code);
    }
  }
}

/** Closures, because applications keep it: in a Proxy, or taken apart. */
function randomAccess(reader: SegmentReader, header: MessageHeader): OpenedMessage {
  const { plaintextLength: size, segmentSize } = reader.geometry;

  const clamp = ({ start = 0, end = size }: ByteRange): { start: number; end: number } => {
    assertInteger(start, 0, Number.MAX_SAFE_INTEGER, 'start');
    assertInteger(end, 0, Number.MAX_SAFE_INTEGER, 'end');
    const last = Math.min(end, size);
    return { start: Math.min(start, last), end: last };
  };

  return {
    header,
    size,
    async read(start, end) {
      const range = clamp({ start, end });
      const result = new Uint8Array(range.end - range.start);
      let filled = 0;
      for await (const part of partsOf(range, segmentSize, (first, last) => reader.readKept(first, last))) {
        result.set(part, filled);
        filled += part.byteLength;
      }
      return result;
    },
    stream(range = {}) {
      const taken = takeOptions(range, rangeReaders, 'range');
      const { controller: reading, release } = linkedController(reader.signal);
      const read = (first: number, end: number) => reader.readSegments(first, end, reading.signal);
      return streamOf(partsOf(clamp(taken), segmentSize, read), release, (reason) => reading.abort(reason));
    },
  };
}

/** Parts as a stream; `release` is called when it ends. */
function streamOf(
  parts: AsyncGenerator<Bytes, void, void>,
  release: () => void,
  abort: (reason: unknown) => void,
): ReadableStream<Bytes> {
  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        try {
          const { done, value } = await parts.next();
          // A caller that gets part of a segment must not find the rest behind it.
          if (!done) return controller.enqueue(ownMemory(value));
          release();
          controller.close();
        } catch (error) {
          release();
          throw error;
        }
      },
      // Without waiting for a read that hangs: a player cancels wherever its user jumps.
      cancel(reason) {
        release();
        abort(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/** The plaintext of a range, in parts of segments. */
async function* partsOf(
  { start, end }: { start: number; end: number },
  segmentSize: number,
  read: ReadSegments,
): AsyncGenerator<Bytes, void, void> {
  const endSegment = Math.ceil(end / segmentSize);
  // A batch for each call to the source: enough to keep the platform busy, little enough to hold.
  const batch = Math.max(segmentsInFlight, Math.ceil(minimalRead / segmentSize));
  const readFrom = (first: number) => read(first, Math.min(first + batch, endSegment));
  let ahead: Promise<Bytes[]> | undefined;
  for (let first = Math.floor(start / segmentSize); start < end && first < endSegment; first += batch) {
    const segments = await (ahead ?? readFrom(first));
    ahead = undefined;
    for (const [i, segment] of segments.entries()) {
      const offset = (first + i) * segmentSize;
      yield segment.subarray(Math.max(0, start - offset), end - offset);
      if (ahead !== undefined || first + batch >= endSegment) continue;
      // Who came back for more is likely to want all of it: the next batch comes while this one is used, and no more than that.
      ahead = readFrom(first + batch);
      ahead.catch(() => {});
    }
  }
}

function ownMemory(part: Bytes): Bytes {
  return part.byteLength === part.buffer.byteLength ? part : copy(part);
}

type ReadSegments = (first: number, end: number) => Promise<Bytes[]>;

const minimalRead = 2 ** 20;

/** Bytes of plaintext that are kept for reads near each other: a player or a parser comes back to where it was. */
const keptLength = 2 ** 20;
