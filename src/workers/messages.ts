/** What pool and worker say to each other. Buffers are transferred; a key is a `CryptoKey`, of which a clone arrives that is no more extractable than it. */

import { type AeadKey, aeadHandle, cryptoKeyOf } from '../crypto/keys.ts';
import type { ConvertedBatch, SegmentBatch } from './batch.ts';

/** From the pool. */
export interface BatchMessage extends Omit<SegmentBatch, 'key'> {
  readonly id: number;
  readonly key: CryptoKey;
}

/** From a worker. */
export type AnswerMessage = { readonly id: number } & (
  | { readonly results: readonly ArrayBuffer[]; readonly complete: boolean; readonly buffer: ArrayBuffer }
  | { readonly failure: string }
);

/** A message, and what is transferred with it. */
export interface Parcel<Message> {
  readonly message: Message;
  readonly transfer: ArrayBuffer[];
}

/** A batch, on its way to a worker. */
export function packBatch(id: number, batch: SegmentBatch): Parcel<BatchMessage> {
  return { message: { ...batch, id, key: cryptoKeyOf(batch.key) }, transfer: [batch.buffer] };
}

/** The batch in a message. Throws a `TypeError` for a key that is not for AES-256-GCM. */
export function unpackBatch({ key, ...batch }: BatchMessage): SegmentBatch & { readonly id: number } {
  return { ...batch, key: aeadHandle(key) satisfies AeadKey };
}

/** What became of a batch, on its way back. */
export function packAnswer(id: number, { results, complete, buffer }: ConvertedBatch): Parcel<AnswerMessage> {
  const buffers = results.map((result) => result.buffer);
  return { message: { id, results: buffers, complete, buffer }, transfer: [...buffers, buffer] };
}
