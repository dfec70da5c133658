/** Decrypts a message that is in memory: all of it, or nothing. */

import { decodeEnvelope, type Envelope } from '../envelope/envelope.ts';
import { takeOptions } from '../lib/options.ts';
import { openAll, type TakenBody, takeBody } from '../stream/whole.ts';
import type { Bytes, MessageHeader } from '../types.ts';
import {
  continueDecryption,
  type DecryptionOptions,
  decryptionReaders,
  segmentSizeOf,
  type TakenDecryption,
} from './begin-decryption.ts';
import { type Message, messageParts } from './forms.ts';

/** Options of {@link decrypt}. */
export interface DecryptOptions extends DecryptionOptions {}

/** What {@link decrypt} gives: all of it authentic. */
export interface Decrypted {
  readonly plaintext: Bytes;
  readonly header: MessageHeader;
}

/**
 * Decrypts a message in any of its forms. Nothing is released unless all of it is authentic. Message and options are taken when it is called.
 *
 * Rejects with a {@link MessageFormatError} for what is no message that this version reads, `ERR_CONTEXT_MISMATCH` where the context has other names,
 * `ERR_NO_MATCHING_KEY`, `ERR_DECRYPTION_FAILED` for everything from a wrong key to a flipped bit, what the keyring rejects with, the reason of `signal`,
 * and a `TypeError` that names a wrong option.
 *
 * @example
 * const { plaintext } = await decrypt(message, { keyring, context: { record: '4711' } });
 * const text = new TextDecoder().decode(plaintext);
 */
export async function decrypt(message: Message, options: DecryptOptions): Promise<Decrypted> {
  const taken = takeOptions(options, decryptionReaders);
  taken.signal?.throwIfAborted();
  return decryptTaken(takeMessage(message), taken);
}

/** A message that was taken: its envelope, checked, and its body where it can be opened. */
export interface TakenMessage {
  readonly envelope: Envelope;
  readonly body: TakenBody | undefined;
}

/** A copy of a message of any form: what becomes of that afterwards does not reach it. Throws a {@link MessageFormatError} or a `TypeError`. */
export function takeMessage(message: Message): TakenMessage {
  const parts = messageParts(message);
  const envelope = decodeEnvelope(parts.envelope);
  return { envelope, body: takeBody(parts.body, segmentSizeOf(envelope)) };
}

/** The same as {@link decrypt}, for what was taken already. */
export async function decryptTaken({ envelope, body }: TakenMessage, options: TakenDecryption): Promise<Decrypted> {
  const { header, messageKey, failed } = await continueDecryption(envelope, options);
  try {
    return { plaintext: await openAll(messageKey, body, options.signal), header };
  } catch (error) {
    failed(error);
    throw error;
  }
}
