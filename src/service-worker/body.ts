/** Plaintext on its way into a response: begun before the status is said, ended when nobody wants it. */

import { whenAborted } from '../lib/abort.ts';
import { untilAborted } from '../lib/single-flight.ts';
import type { OpenedMessage } from '../message/open.ts';
import type { Bytes } from '../types.ts';
import type { RequestedRange } from './ranges.ts';

/** What a body reads from, and who is told of its failure. */
export interface BodyOptions {
  readonly message: OpenedMessage;
  readonly range: RequestedRange;
  /** The request's: once it is aborted, the read under way is ended and nothing more is read. */
  readonly signal: AbortSignal;
  /** Is told what reading failed with after the first part. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * A stream of part of a plaintext, whose first segment has been read and opened already: what fails there can still become a status. Reads no more than the page
 * takes. Rejects with what reading rejects with.
 */
export async function beginBody({ message, range, signal, onFailure }: BodyOptions): Promise<ReadableStream<Bytes>> {
  const { start, end } = range;
  const reader = message.stream({ start, end }).getReader();
  const cancel = async () => reader.cancel(signal.reason).catch(() => undefined);
  let pending: ReadableStreamReadResult<Bytes> | undefined;
  try {
    pending = await untilAborted(reader.read(), signal);
  } catch (error) {
    void cancel();
    throw error;
  }
  let stop = () => {};
  return new ReadableStream<Bytes>(
    {
      start(controller) {
        stop = whenAborted(signal, () => {
          controller.error(signal.reason);
          void cancel();
        });
      },
      async pull(controller) {
        try {
          const { done, value } = pending ?? (await reader.read());
          pending = undefined;
          if (signal.aborted) return;
          if (!done) return controller.enqueue(value);
          stop();
          controller.close();
        } catch (error) {
          stop();
          if (!signal.aborted) onFailure(error);
          throw error;
        }
      },
      cancel() {
        stop();
        return reader.cancel();
      },
    },
    { highWaterMark: 0 },
  );
}
