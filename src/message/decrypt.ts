/** Decrypts a message that is in memory: all of it, or nothing. */

import { takeOptions } from '../lib/options.ts';
import { openAll } from '../stream/segments.ts';
import type { Bytes, MessageHeader } from '../types.ts';
import {
  beginDecryption,
  type DecryptionOptions,
  decryptionReaders,
  type TakenDecryption,
} from './begin-decryption.ts';
import { type Message, type MessageParts, takeParts } from './forms.ts';

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
  return decryptTaken(takeParts(message), taken);
}

/** The same as {@link decrypt}, for what was taken already. */
export async function decryptTaken({ envelope, body }: MessageParts, options: TakenDecryption): Promise<Decrypted> {
  const { header, messageKey, segmentSize, failed } = await beginDecryption(envelope, options);
  try {
    return { plaintext: await openAll(messageKey, body, segmentSize, options.signal), header };
  } catch (error) {
    failed(error);
    throw error;
  }
}
