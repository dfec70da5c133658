/** Plaintext on its way into a response: begun before the status is said, ended when nobody wants it. */

import type { OpenedMessage } from '../message/open.ts';
import type { Bytes } from '../types.ts';
import type { RequestedRange } from './ranges.ts';

/** What a body reads from, and who is told of its end. */
export interface BodyOptions {
  readonly message: OpenedMessage;
  readonly range: RequestedRange;
  /** The request's: nothing more is read once it is aborted. */
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
  const first = await reader.read();
  signal.throwIfAborted();
  let pending: ReadableStreamReadResult<Bytes> | undefined = first;
  return new ReadableStream<Bytes>(
    {
      start(controller) {
        const abort = () => {
          controller.error(signal.reason);
          reader.cancel().catch(() => undefined);
        };
        signal.addEventListener('abort', abort, { once: true });
      },
      async pull(controller) {
        try {
          const { done, value } = pending ?? (await reader.read());
          pending = undefined;
          if (signal.aborted) return;
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          if (!signal.aborted) onFailure(error);
          throw error;
        }
      },
      cancel: () => reader.cancel(),
    },
    { highWaterMark: 0 },
  );
}
