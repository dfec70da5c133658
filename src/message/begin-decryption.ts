/** What every way to decrypt begins with: the envelope checked, the context's names compared, the data key unwrapped, the commitment verified. */

import type { AeadKey } from '../crypto/keys.ts';
import { decodeEnvelope, type Envelope } from '../envelope/envelope.ts';
import { publicHeader } from '../envelope/header.ts';
import { ContextMismatchError, DecryptionError, isBullaError, KeyError } from '../errors.ts';
import { tellRejected, tellSegmentFailed, unwrappedBy } from '../keyrings/answers.ts';
import { type Keyring, takeKeyring } from '../keyrings/keyring.ts';
import { isPromise } from '../lib/awaitable.ts';
import { equalConstantTime } from '../lib/bytes.ts';
import { maxValueLength } from '../lib/limits.ts';
import { optional, optionalMap, type ReadersOf, type Taken, takeSignal } from '../lib/options.ts';
import { encodeMap, sortPairs } from '../schedule/map.ts';
import { deriveMessageKeys, type Transcript } from '../schedule/message-keys.ts';
import type { Bytes, Context, MessageHeader } from '../types.ts';

/** Options that all ways to decrypt share. */
export interface DecryptionOptions {
  /** Unwraps the data key. */
  readonly keyring: Keyring;
  /** The context that the message was encrypted with. Default: empty. */
  readonly context?: Context | undefined;
  /** Ends the work; what was called rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The readers of {@link DecryptionOptions}. */
export const decryptionReaders = {
  keyring: takeKeyring,
  context: optionalMap,
  signal: optional(takeSignal),
} satisfies ReadersOf<DecryptionOptions>;

/** {@link DecryptionOptions} that were taken. */
export type TakenDecryption = Taken<typeof decryptionReaders>;

/** A message that is known to be authentic up to its segments, which are yet to be opened. */
export interface Decryption {
  readonly header: MessageHeader;
  readonly messageKey: AeadKey;
  readonly segmentSize: number;
  /** Tells the keyring, the first time, when what segments failed with says that the message was changed. */
  readonly failed: (error: unknown) => void;
}

/**
 * Begins to open a message from its serialized envelope, in the order of `docs/format.md`: §2 and §3 (a {@link MessageFormatError}), §3.7
 * (`ERR_CONTEXT_MISMATCH`), §7.5 (`ERR_NO_MATCHING_KEY`, or what the keyring rejects with), §5.5 (`ERR_DECRYPTION_FAILED`).
 */
export async function beginDecryption(envelopeBytes: Bytes, options: TakenDecryption): Promise<Decryption> {
  options.signal?.throwIfAborted();
  return continueDecryption(decodeEnvelope(envelopeBytes), options);
}

/** The same from an envelope that was checked. */
export async function continueDecryption(envelope: Envelope, options: TakenDecryption): Promise<Decryption> {
  const { keyring, context, signal } = options;
  signal?.throwIfAborted();
  const transcript = transcriptOf(envelope, context);
  const unwrapping = unwrappedBy(keyring, envelope.keys, { signal });
  const unwrapped = isPromise(unwrapping) ? await unwrapping : unwrapping;
  if (unwrapped === null) throw noMatchingKey();
  const { dataKey, wrappedKey } = unwrapped;
  const { messageKey, commitment } = await deriveMessageKeys(dataKey, transcript, 'open');
  if (!equalConstantTime(commitment, envelope.commitment)) {
    tellRejected(keyring, wrappedKey);
    throw new DecryptionError();
  }
  const segmentSize = segmentSizeOf(envelope);
  let told = false;
  const failed = (error: unknown) => {
    if (told || !isBullaError(error) || error.code !== 'ERR_DECRYPTION_FAILED') return;
    told = true;
    tellSegmentFailed(keyring, wrappedKey);
  };
  return { header: publicHeader(envelope.header), messageKey, segmentSize, failed };
}

/** Plaintext bytes of every segment but the last. */
export function segmentSizeOf({ header }: Envelope): number {
  return 2 ** header.segmentSizeLog2;
}

/** The transcript of a message under a context. Throws `ERR_CONTEXT_MISMATCH` when the names differ (§3.7). */
export function transcriptOf({ header, headerBytes }: Envelope, context: Context): Transcript {
  const pairs = sortPairs(context, 'context', maxValueLength);
  const missing = header.contextNames.filter((name) => !Object.hasOwn(context, name));
  const unexpected = pairs.map(({ name }) => name).filter((name) => !header.contextNames.includes(name));
  if (missing.length + unexpected.length > 0) throw new ContextMismatchError(missing, unexpected);
  return { suite: header.suite, salt: header.salt, header: headerBytes, context: encodeMap(pairs) };
}

/** `ERR_NO_MATCHING_KEY` */
export function noMatchingKey(): KeyError {
  return new KeyError('ERR_NO_MATCHING_KEY', 'None of the wrapped keys of the message is for this keyring');
}
