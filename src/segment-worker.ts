/**
 * The script that the workers of `bulla/workers` run. Built, it is one file without imports: it can be served from anywhere, and handed to `new Worker` by applications that create their own workers.
 */

import { convertBatch } from './workers/convert.ts';
import { type AnswerMessage, type BatchMessage, packAnswer, unpackBatch } from './workers/messages.ts';

/** What a dedicated worker is, as far as it is needed here. */
interface WorkerScope {
  onmessage: ((event: { readonly data: BatchMessage }) => void) | null;
  postMessage(message: AnswerMessage, transfer: Transferable[]): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = async ({ data }) => {
  try {
    const { message, transfer } = packAnswer(data.id, await convertBatch(unpackBatch(data)));
    scope.postMessage(message, transfer);
  } catch (error) {
    // No segment that does not open, which is an answer: something that should not be.
    scope.postMessage({ id: data.id, failure: String(error) }, []);
  }
};
