/** Encrypts a stream, with a few segments in memory however long it is. */

import { tagLength } from '../crypto/aes-gcm.ts';
import { magicAndVersion } from '../envelope/framing.ts';
import { func, optional, type ReadersOf, type Taken, takeBoolean, takeOptions } from '../lib/options.ts';
import { type SegmentPipe, type SegmentWorkers, takeWorkers } from '../stream/pipe.ts';
import { sealingPipe } from '../stream/transform.ts';
import type { Bytes } from '../types.ts';
import { beginEncryption, type Encryption, type EncryptionOptions, encryptionReaders } from './begin-encryption.ts';
import { frameEnvelope } from './forms.ts';
import { deferred, progressCounter, workStream } from './pipe-stream.ts';

/** Options of {@link encryptStream}. */
export interface EncryptStreamOptions extends EncryptionOptions {
  /** `true` makes the stream emit the body alone; the envelope is then in the stream's `envelope`. Default: `false`. */
  readonly detached?: boolean | undefined;
  /** Told the plaintext bytes sealed so far, after each segment. What it throws or rejects with is ignored. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  /** Threads that do the work, made by `createWorkerPool` of `bulla/workers`. Default: none, the calling thread does it. */
  readonly workers?: SegmentWorkers | undefined;
}

/** A stream from plaintext to a message. */
export interface EncryptStream extends TransformStream<Uint8Array, Bytes> {
  /** The detached envelope, as soon as the keyring has made a data key. Rejects when that fails; nobody has to handle it. */
  readonly envelope: Promise<Bytes>;
}

/** The readers of {@link EncryptStreamOptions}. */
export const encryptStreamReaders = {
  ...encryptionReaders,
  detached: optional(takeBoolean, false),
  onProgress: optional(func<NonNullable<EncryptStreamOptions['onProgress']>>()),
  workers: optional(takeWorkers),
} satisfies ReadersOf<EncryptStreamOptions>;

/**
 * A TransformStream that takes plaintext chunks of any sizes and emits a message (`docs/format.md`), or with `detached` its body.
 *
 * It errors with what {@link encrypt} rejects with. Throws a `TypeError` that names a wrong option. Back-pressure holds between chunks: in memory are the results of the chunk that
 * was written last, and a few segments; write large data in pieces of a few megabytes at most, as files and responses come.
 *
 * @example
 * await file.stream().pipeThrough(encryptStream({ keyring })).pipeTo(destination);
 */
export function encryptStream(options: EncryptStreamOptions): EncryptStream {
  const taken = takeOptions(options, encryptStreamReaders);
  return sealingStream((signal) => beginEncryption({ ...taken, signal }), taken);
}

/** The stream of an encryption that begins when the stream starts. */
export function sealingStream(
  begin: (signal: AbortSignal) => Promise<Encryption>,
  {
    detached,
    onProgress,
    signal,
    workers,
  }: Pick<Taken<typeof encryptStreamReaders>, 'detached' | 'onProgress' | 'signal' | 'workers'>,
): EncryptStream {
  const envelopeReady = deferred<Bytes>();
  const count = progressCounter(onProgress);
  const stream = workStream(({ emit, fail }, ended) => {
    let pipe: SegmentPipe;
    return {
      async start() {
        const { envelope, messageKey, segmentSize } = await begin(ended);
        envelopeReady.resolve(frameEnvelope(envelope, 'envelope'));
        emit(detached ? magicAndVersion('body') : frameEnvelope(envelope, 'message'));
        const release = (sealed: Bytes) => {
          emit(sealed);
          count(sealed.byteLength - tagLength);
        };
        pipe = sealingPipe(messageKey, segmentSize, { emit: release, fail }, workers);
      },
      write: (chunk) => pipe.write(chunk),
      end: () => pipe.end(),
      failed: envelopeReady.reject,
    };
  }, signal);
  return Object.assign(stream, { envelope: envelopeReady.promise });
}
