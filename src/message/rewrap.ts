/** Re-wrapping: other wrapped keys for the same data key. Header, commitment and segments stay as they are; `docs/format.md` §7.7. */

import { importSecret } from '../crypto/hkdf.ts';
import { decodeEnvelope, type Envelope, encodeEnvelope } from '../envelope/envelope.ts';
import { formOf, toText } from '../envelope/framing.ts';
import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { DecryptionError, KeyError } from '../errors.ts';
import { useAndErase } from '../keyrings/data-key.ts';
import { assertKeyring, type DataKey, type Keyring, type Rewrapped } from '../keyrings/keyring.ts';
import { assert, assertFunction, assertOptions, assertSignal, snapshot } from '../lib/assert.ts';
import { concat, equalConstantTime } from '../lib/bytes.ts';
import { sameMap } from '../lib/maps.ts';
import { deriveCommitment } from '../schedule/message-keys.ts';
import type { Bytes, Context, RandomSource } from '../types.ts';
import { noMatchingKey, transcriptOf } from './begin-decryption.ts';
import {
  type DetachedMessage,
  detachedEnvelope,
  frameEnvelope,
  isDetached,
  type Message,
  messageBytes,
  messageParts,
} from './forms.ts';
import { type WrappedKeyInfo, wrappedKeyInfo } from './inspect.ts';

/** Options of {@link rewrap}. */
export interface RewrapOptions {
  /** Unwraps the data key. */
  readonly from: Keyring;
  /** Wraps it anew. */
  readonly to: Keyring;
  /**
   * The message's context. With it the commitment is checked, so that a wrapped key that somebody exchanged is found before it is wrapped anew. Default: not
   * checked, unless the message has no context. Where a key service re-wraps by itself, the check is a call of its own, and is made only with a context given.
   */
  readonly context?: Context | undefined;
  /** Whether the wrapped key that `from` opened stays, so that `to` is added to it. Default: `false`, it is replaced. */
  readonly keep?: boolean | undefined;
  /** Which of the other wrapped keys to remove. Default: none. */
  readonly drop?: ((wrappedKey: WrappedKeyInfo) => boolean) | undefined;
  /** Ends the work; `rewrap` rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Replaces the platform's random generator, for reproducible tests alone. */
  readonly random?: RandomSource | undefined;
}

const rewrapOptionNames = ['from', 'to', 'context', 'keep', 'drop', 'signal', 'random'] as const;

/**
 * Replaces the wrapped key that `from` opens by those of `to`, in a message of any form or in a detached envelope alone, and gives back the same form. The data
 * key stays the same: whoever had it still has it. To lock somebody out, encrypt anew with {@link reencrypt}. The bytes of a message must not change before it has resolved.
 *
 * Rejects with what {@link decrypt} rejects with, with `ERR_SHARED_DATA_KEY` where the data key opens other messages too and `to` is anything but a
 * newer version of the same key, and with what the keyrings reject with.
 *
 * @example
 * const forBob = await rewrap(message, { from: aliceKeyring, to: ecdhKeyring({ recipients: [bob] }), keep: true });
 */
export async function rewrap(message: Uint8Array, options: RewrapOptions): Promise<Bytes>;
export async function rewrap(message: string, options: RewrapOptions): Promise<string>;
export async function rewrap<Envelope extends Bytes | string>(
  message: DetachedMessage<Envelope>,
  options: RewrapOptions,
): Promise<DetachedMessage<Envelope>>;
export async function rewrap(message: Message, options: RewrapOptions): Promise<Message> {
  assertRewrapOptions(options);
  const taken = snapshot(options);
  if (isDetached(message)) {
    const { envelope } = messageParts(message);
    const rewrapped = frameEnvelope(await rewrapEnvelope(envelope, taken), 'envelope');
    return { envelope: typeof message.envelope === 'string' ? toText(rewrapped) : rewrapped, body: message.body };
  }
  const bytes = messageBytes(message, 'message');
  const rewrapped = await rewrapBytes(bytes, taken);
  return typeof message === 'string' ? toText(rewrapped) : rewrapped;
}

/** Throws a `TypeError` that names a wrong option; `more` are the names of options that a caller adds. */
export function assertRewrapOptions(options: RewrapOptions, ...more: string[]): void {
  assertOptions(options, [...rewrapOptionNames, ...more]);
  assertKeyring(options.from, 'from');
  assertKeyring(options.to, 'to');
  assert(options.keep === undefined || typeof options.keep === 'boolean', 'keep', 'a boolean');
  assertFunction(options.drop, 'drop');
  assertSignal(options.signal);
}

/** Re-wraps a serialized envelope. */
export async function rewrapEnvelope(bytes: Bytes, options: RewrapOptions): Promise<Bytes> {
  const { keep = false, drop = () => false, signal } = options;
  const envelope = decodeEnvelope(bytes);
  const { wrappedKey: old, wrappedKeys: added } = await newWrappedKeys(envelope, options);
  signal?.throwIfAborted();
  if (envelope.header.keyUse === 'shared' && (keep || !added.every((key) => isNewerVersion(key, old)))) {
    throw new KeyError(
      'ERR_SHARED_DATA_KEY',
      'The data key of the message opens other messages too, so it must not go to another key: encrypt the message anew',
    );
  }
  const keys = envelope.keys.flatMap((key) => {
    if (key === old) return keep ? [key, ...added] : added;
    return drop(wrappedKeyInfo(key)) ? [] : [key];
  });
  return encodeEnvelope(envelope.headerBytes, keys, envelope.commitment);
}

/** What `to` makes of what `from` opens; by a key service that holds both where there is one, so that the data key does not leave it. */
async function newWrappedKeys(
  envelope: Envelope,
  { from, to, context, signal, random }: RewrapOptions,
): Promise<Rewrapped> {
  const { keys } = envelope;
  if (to.rewrapDataKey !== undefined) {
    if (context !== undefined) await assertOpens(envelope, from, context, signal);
    const rewrapped = await to.rewrapDataKey(keys, from, { signal });
    if (rewrapped !== null) return rewrapped;
  }
  const opened = await from.unwrapDataKeyBytes(keys, { signal });
  if (opened === null) throw noMatchingKey();
  const wrappedKeys = await useAndErase(opened.dataKey, async (dataKey) => {
    await assertCommitment(envelope, await importSecret(dataKey), context);
    return to.wrapDataKey(dataKey, { signal, random });
  });
  return { wrappedKey: opened.wrappedKey, wrappedKeys };
}

/** The commitment is that of a data key which stays a handle. */
async function assertOpens(
  envelope: Envelope,
  from: Keyring,
  context: Context,
  signal: AbortSignal | undefined,
): Promise<void> {
  const opened = await from.unwrapDataKey(envelope.keys, { signal });
  if (opened === null) throw noMatchingKey();
  await assertCommitment(envelope, opened.dataKey, context);
}

async function rewrapBytes(bytes: Bytes, options: RewrapOptions): Promise<Bytes> {
  if (formOf(bytes) === 'envelope') {
    return frameEnvelope(await rewrapEnvelope(detachedEnvelope(bytes), options), 'envelope');
  }
  const { envelope, body } = messageParts(bytes);
  return concat(frameEnvelope(await rewrapEnvelope(envelope, options), 'message'), body);
}

/** §5.5, where the context is known. Throws `ERR_CONTEXT_MISMATCH` or `ERR_DECRYPTION_FAILED`. */
async function assertCommitment(envelope: Envelope, dataKey: DataKey, context: Context | undefined): Promise<void> {
  if (context === undefined && envelope.header.contextNames.length > 0) return;
  const transcript = transcriptOf(envelope, context ?? {});
  const commitment = await deriveCommitment(dataKey, transcript);
  if (!equalConstantTime(commitment, envelope.commitment)) throw new DecryptionError();
}

function isNewerVersion(key: WrappedKey, old: WrappedKey): boolean {
  const sameKey = key.keyId === old.keyId && key.serviceId === old.serviceId && sameMap(key.keyContext, old.keyContext);
  return sameKey && key.version > old.version;
}
