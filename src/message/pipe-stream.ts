/** A TransformStream around a segment pipe that begins late: abort, progress, and promises that nobody has to await. */

import { segmentsInFlight } from '#platform';
import { whenAborted } from '../lib/abort.ts';
import { asBytes } from '../lib/bytes.ts';
import { tell } from '../lib/callbacks.ts';
import type { PipeOutput } from '../stream/pipe.ts';
import type { Bytes } from '../types.ts';

/** What turns the chunks of a stream into others. */
export interface StreamWork {
  /** Before the first chunk. */
  start?(): Promise<void>;
  write(chunk: Bytes): Promise<void>;
  end(): Promise<void>;
  /** The stream failed or was cancelled, with what; where the platform tells, and perhaps more than once. */
  failed?(reason: unknown): void;
}

/**
 * The stream of some work, which is told where its results go. It errors with the reason of `signal` when that is aborted. The work is given a signal of its own, aborted when
 * `signal` is, when the work fails, and when the reader cancels, where the platform tells. A source that fails is heard of only when what is under way has ended.
 */
export function workStream(
  create: (output: PipeOutput, ended: AbortSignal) => StreamWork,
  signal: AbortSignal | undefined,
): TransformStream<Uint8Array, Bytes> {
  let work: StreamWork;
  let stopListening = () => {};
  const ended = new AbortController();
  const guarded = async (step: () => Promise<void>) => {
    try {
      await step();
    } catch (error) {
      finish(error);
      throw error;
    }
  };
  const finish = (reason: unknown) => {
    stopListening();
    ended.abort(reason);
    work.failed?.(reason);
  };
  const transformer: Transformer<Uint8Array, Bytes> & { cancel(reason: unknown): void } = {
    start(controller) {
      const fail = (error: unknown) => {
        controller.error(error);
        finish(error);
      };
      work = create({ emit: (chunk) => controller.enqueue(chunk), fail }, ended.signal);
      if (signal !== undefined) stopListening = whenAborted(signal, () => fail(signal.reason));
      return guarded(async () => {
        signal?.throwIfAborted();
        await work.start?.();
      });
    },
    transform: (chunk) => guarded(() => work.write(asBytes(chunk, 'chunk'))),
    flush: () =>
      guarded(async () => {
        await work.end();
        stopListening();
      }),
    // Not every runtime calls this; where one does not, a cancelled stream keeps its listener as long as its signal lives.
    cancel: finish,
  };
  // Segments that nobody has taken yet must not keep others from being worked on.
  return new TransformStream(transformer, { highWaterMark: 1 }, { highWaterMark: segmentsInFlight });
}

/** A promise with its two ends, whose rejection needs no handler. */
export function deferred<Value>(): {
  promise: Promise<Value>;
  resolve: (value: Value) => void;
  reject: (reason: unknown) => void;
} {
  let resolve!: (value: Value) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<Value>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}

/** Counts plaintext bytes and tells a callback the sum. */
export function progressCounter(onProgress: ((bytes: number) => void) | undefined): (bytes: number) => void {
  let sum = 0;
  return (bytes) => {
    sum += bytes;
    tell(onProgress, sum);
  };
}
