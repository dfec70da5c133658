/** Re-encryption: the same plaintext under a new data key, to lock out everyone who had the old one. */

import { toText } from '../envelope/framing.ts';
import { type Keyring, takeKeyring } from '../keyrings/keyring.ts';
import {
  func,
  optional,
  optionalMap,
  type ReadersOf,
  type Taken,
  takeClock,
  takeMap,
  takeOptions,
  takeSignal,
} from '../lib/options.ts';
import { type SegmentWorkers, takeWorkers } from '../stream/pipe.ts';
import { ownPlaintext } from '../stream/whole.ts';
import type { Bytes, Context, MessageHeader, RandomSource } from '../types.ts';
import { beginEncryption, type EncryptionOptions, type TakenEncryption } from './begin-encryption.ts';
import { decryptTaken, takeMessage } from './decrypt.ts';
import { decryptStream } from './decrypt-stream.ts';
import { encryptTaken } from './encrypt.ts';
import { sealingStream } from './encrypt-stream.ts';
import { type DetachedMessage, isDetached, type Message } from './forms.ts';

/** Options of {@link reencrypt}. */
export interface ReencryptOptions {
  /** Opens the message. */
  readonly from: Keyring;
  /** Makes the new data key. */
  readonly to: Keyring;
  /** The message's context, for the old message and the new. Default: empty. */
  readonly context?: Context | undefined;
  /** Another context for the new message. Default: `context`. */
  readonly newContext?: Context | undefined;
  /** Told the plaintext bytes done so far, where a stream is re-encrypted. What it throws or rejects with is ignored. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  /** Threads that do the work of a stream, made by `createWorkerPool` of `bulla/workers`. Default: none, the calling thread does it. */
  readonly workers?: SegmentWorkers | undefined;
  /** Ends the work; what was called rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** See {@link EncryptionOptions.now}. */
  readonly now?: (() => number) | undefined;
  /** See {@link EncryptionOptions.random}. */
  readonly random?: RandomSource | undefined;
}

const readers = {
  from: takeKeyring,
  to: takeKeyring,
  context: optionalMap,
  newContext: optional(takeMap),
  onProgress: optional(func<NonNullable<ReencryptOptions['onProgress']>>()),
  workers: optional(takeWorkers),
  signal: optional(takeSignal),
  now: takeClock,
  random: optional(func<RandomSource>()),
} satisfies ReadersOf<ReencryptOptions>;
type TakenReencryption = Taken<typeof readers>;

/**
 * Encrypts a message again, under a data key that `to` makes. The result has the form of the message; for a stream, a stream. Content type, metadata
 * and segment size stay, the time of creation is now.
 *
 * Rejects, or the stream errors, with what {@link decrypt} and {@link encrypt} reject with. A stream that errors has emitted a message without its end,
 * which no reader takes for a whole one. Throws a `TypeError` that names a wrong option.
 *
 * @example
 * const renewed = await reencrypt(message, { from: oldKeyring, to: newKeyring, context });
 */
export function reencrypt(message: ReadableStream<Uint8Array>, options: ReencryptOptions): ReadableStream<Bytes>;
export function reencrypt(message: Uint8Array, options: ReencryptOptions): Promise<Bytes>;
export function reencrypt(message: string, options: ReencryptOptions): Promise<string>;
export function reencrypt<Envelope extends Bytes | string>(
  message: DetachedMessage<Envelope>,
  options: ReencryptOptions,
): Promise<DetachedMessage<Envelope>>;
export function reencrypt(
  message: ReadableStream<Uint8Array> | Message,
  options: ReencryptOptions,
): ReadableStream<Bytes> | Promise<Message> {
  const taken = takeOptions(options, readers);
  return isStream(message) ? reencryptStream(message, taken) : reencryptMessage(message, taken);
}

async function reencryptMessage(message: Message, options: TakenReencryption): Promise<Message> {
  const { from, context, signal } = options;
  // A caller's halves are looked at once.
  const halves = isDetached(message) ? { envelope: message.envelope, body: message.body } : undefined;
  const isText = typeof (halves?.envelope ?? message) === 'string';
  const { plaintext, header } = await decryptTaken(takeMessage(halves ?? message), { keyring: from, context, signal });
  const own = ownPlaintext(plaintext, header.segmentSize);
  const result = await encryptTaken(own, { ...renewed(header, options), detached: halves !== undefined });
  if (!isText) return result;
  return isDetached(result) ? { ...result, envelope: toText(result.envelope as Bytes) } : toText(result);
}

function reencryptStream(message: ReadableStream<Uint8Array>, options: TakenReencryption): ReadableStream<Bytes> {
  const { from, context, signal, onProgress, workers } = options;
  const opening = decryptStream({ keyring: from, context, signal, workers });
  const begin = async (ended: AbortSignal) =>
    beginEncryption({ ...renewed(await opening.header, options), signal: ended });
  const sealing = sealingStream(begin, { detached: false, onProgress, signal, workers });
  return message.pipeThrough(opening).pipeThrough(sealing);
}

function renewed(header: MessageHeader, options: TakenReencryption): TakenEncryption {
  const { to, context, newContext = context, signal, now, random } = options;
  const { contentType = '', metadata, segmentSize } = header;
  return { keyring: to, context: newContext, contentType, metadata, segmentSize, signal, now, random };
}

function isStream(message: unknown): message is ReadableStream<Uint8Array> {
  return typeof (message as ReadableStream | null)?.pipeThrough === 'function';
}
