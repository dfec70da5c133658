/** Decrypts a stream: plaintext comes out segment by segment, each authentic, and the end only when the whole message was. */

import { assertForm, bodyPreambleLength, preambleLength, readPreamble, truncated } from '../envelope/framing.ts';
import { func, optional, type ReadersOf, takeOptions } from '../lib/options.ts';
import { type SegmentPipe, type SegmentWorkers, takeWorkers } from '../stream/pipe.ts';
import { openingPipe } from '../stream/transform.ts';
import type { Bytes, MessageHeader } from '../types.ts';
import { beginDecryption, type Decryption, type DecryptionOptions, decryptionReaders } from './begin-decryption.ts';
import { Collector } from './collector.ts';
import { takeEnvelope } from './forms.ts';
import { deferred, progressCounter, workStream } from './pipe-stream.ts';

/** Options of {@link decryptStream}. */
export interface DecryptStreamOptions extends DecryptionOptions {
  /** The detached envelope, where the stream is a detached body. Default: none, the stream is a whole message. */
  readonly envelope?: Uint8Array | string | undefined;
  /** Told the plaintext bytes released so far, after each segment. What it throws or rejects with is ignored. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  /** Threads that do the work, made by `createWorkerPool` of `bulla/workers`. Default: none, the calling thread does it. */
  readonly workers?: SegmentWorkers | undefined;
}

/** A stream from a message to its plaintext. */
export interface DecryptStream extends TransformStream<Uint8Array, Bytes> {
  /** The header, as soon as it is known to be authentic. Rejects when the stream fails before; nobody has to handle it. */
  readonly header: Promise<MessageHeader>;
}

const readers = {
  ...decryptionReaders,
  envelope: optional(takeEnvelope),
  onProgress: optional(func<NonNullable<DecryptStreamOptions['onProgress']>>()),
  workers: optional(takeWorkers),
} satisfies ReadersOf<DecryptStreamOptions>;

/**
 * A TransformStream that takes a message, or with `envelope` a detached body, in chunks of any sizes and emits its plaintext.
 *
 * What it emits is authentic, but may be a beginning only: **the plaintext is complete when the stream closes**, and a cut message makes it error with
 * `ERR_DECRYPTION_FAILED` instead. Back-pressure is that of {@link encryptStream}. Other errors are those of {@link decrypt}. Throws a `TypeError` that names a wrong option.
 *
 * @example
 * const stream = decryptStream({ keyring });
 * response.body.pipeThrough(stream).pipeTo(destination);
 * const { contentType } = await stream.header;
 */
export function decryptStream(options: DecryptStreamOptions): DecryptStream {
  const taken = takeOptions(options, readers);
  const { envelope: given, onProgress, signal, workers } = taken;
  const header = deferred<MessageHeader>();
  const count = progressCounter(onProgress);
  const stream = workStream(({ emit, fail }, ended) => {
    const release = (plaintext: Bytes) => {
      emit(plaintext);
      count(plaintext.byteLength);
    };
    let decryption: Decryption | undefined;
    const begin = async (envelopeBytes: Bytes): Promise<SegmentPipe> => {
      decryption = await beginDecryption(envelopeBytes, { ...taken, signal: ended });
      header.resolve(decryption.header);
      return openingPipe(decryption.messageKey, decryption.segmentSize, { emit: release, fail }, workers);
    };
    const failed = (reason: unknown) => {
      header.reject(reason);
      decryption?.failed(reason);
    };
    return { ...messageReader(begin, given), failed };
  }, signal);
  return Object.assign(stream, { header: header.promise });
}

/** Reads what stands before the segments, begins, and hands over the rest. */
function messageReader(begin: (envelope: Bytes) => Promise<SegmentPipe>, given: Bytes | undefined): SegmentPipe {
  const preamble = new Collector(given === undefined ? preambleLength : bodyPreambleLength);
  let envelope: Collector | undefined;
  let pipe: SegmentPipe | undefined;

  return {
    async write(chunk) {
      let rest = chunk;
      if (pipe === undefined) {
        rest = preamble.push(rest);
        if (!preamble.complete) return;
        if (given === undefined) {
          envelope ??= new Collector(readPreamble(preamble.bytes, 'message'));
          rest = envelope.push(rest);
          if (!envelope.complete) return;
        } else {
          assertForm(preamble.bytes, 'body');
        }
        pipe = await begin(given ?? (envelope as Collector).bytes);
      }
      await pipe.write(rest);
    },
    async end() {
      if (pipe !== undefined) return pipe.end();
      // Too short for its preamble, or for its envelope: say what is wrong with what there is.
      if (given !== undefined) assertForm(preamble.bytes, 'body');
      else readPreamble(preamble.bytes, 'message');
      throw truncated();
    },
  };
}
