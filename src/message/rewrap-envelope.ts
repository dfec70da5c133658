/**
 * Re-wrapping an envelope, `docs/format.md` §7.7. A re-wrapper is a deputy: an envelope can carry the wrapped key of another message, so a data key goes to
 * another key only after the commitment has shown that it is the message's own.
 */

import { importSecret } from '../crypto/hkdf.ts';
import { randomBytes } from '../crypto/random.ts';
import { decodeEnvelope, type Envelope, encodeEnvelope } from '../envelope/envelope.ts';
import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { ContextMismatchError, DecryptionError, KeyError } from '../errors.ts';
import {
  isSame,
  rewrappedBy,
  someOf,
  tellRejected,
  unwrappedBy,
  unwrappedBytesBy,
  wrappedBy,
} from '../keyrings/answers.ts';
import { useAndErase } from '../keyrings/data-key.ts';
import { type DataKey, type Keyring, type Rewrapped, takeKeyring } from '../keyrings/keyring.ts';
import { equalConstantTime, isBytes } from '../lib/bytes.ts';
import { yesOrNo } from '../lib/callbacks.ts';
import { sameMap } from '../lib/maps.ts';
import { func, optional, type ReadersOf, type Taken, takeBoolean, takeMap, takeSignal } from '../lib/options.ts';
import { dataKeyLength, deriveCommitment, type Transcript } from '../schedule/message-keys.ts';
import type { Bytes, Context, RandomSource } from '../types.ts';
import { noMatchingKey, transcriptOf } from './begin-decryption.ts';
import { type WrappedKeyInfo, wrappedKeyInfo } from './inspect.ts';

/** Options of {@link rewrap}. */
export interface RewrapOptions {
  /** Unwraps the data key. */
  readonly from: Keyring;
  /** Wraps the data key again. */
  readonly to: Keyring;
  /**
   * The context that the message was encrypted with. Needed unless `to` makes a newer version of the same key under the same key context, or the message has
   * no context. With it the commitment is checked before the data key is wrapped; for keyrings of a key service that takes the permission to unwrap, too.
   * Default: not known. (An empty object is the empty context.)
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

/** The readers of {@link RewrapOptions}. */
export const rewrapReaders = {
  from: takeKeyring,
  to: takeKeyring,
  context: optional(takeMap),
  keep: optional(takeBoolean, false),
  drop: optional(func<NonNullable<RewrapOptions['drop']>>(), () => false),
  signal: optional(takeSignal),
  random: optional(func<RandomSource>()),
} satisfies ReadersOf<RewrapOptions>;

/** {@link RewrapOptions} that were taken. */
export type TakenRewrap = Taken<typeof rewrapReaders>;

/** Re-wraps a serialized envelope. */
export async function rewrapEnvelope(bytes: Bytes, options: TakenRewrap): Promise<Bytes> {
  const { keep, drop, signal, context } = options;
  signal?.throwIfAborted();
  const envelope = decodeEnvelope(bytes);
  const transcript = knownTranscript(envelope, context);
  const { wrappedKey: old, wrappedKeys: added } = await newWrappedKeys(envelope, transcript, options);
  signal?.throwIfAborted();
  // §7.7e
  assertMayGo(envelope, transcript, keep, old, someOf(added));
  const first = envelope.keys.indexOf(old);
  const keys = envelope.keys.flatMap((key, i) => {
    if (i === first) return keep ? [key, ...added] : added;
    if (isSame(key, old)) return keep ? [key] : [];
    return yesOrNo(drop(wrappedKeyInfo(key)), 'drop') ? [] : [key];
  });
  return encodeEnvelope(envelope.headerBytes, keys, envelope.commitment);
}

/** What `to` makes of what `from` opens, in the order of §7.7: checked first, wherever it is not a newer version of the same key. */
async function newWrappedKeys(
  envelope: Envelope,
  transcript: Transcript | undefined,
  { from, to, context, keep, signal, random }: TakenRewrap,
): Promise<Rewrapped> {
  let { keys } = envelope;
  if (to.rewrapDataKey !== undefined) {
    const verified = context !== undefined;
    if (verified) keys = [await verifiedKey(envelope, from, transcript, signal)];
    let rewrapped = await rewrappedBy(to, keys, from, { signal, verified });
    if (rewrapped !== null && !verified && !stays(rewrapped)) {
      keys = [await verifiedKey(envelope, from, transcript, signal)];
      rewrapped = await rewrappedBy(to, keys, from, { signal, verified: true });
    }
    if (rewrapped === 'unverified') throw contextNeeded(envelope);
    if (rewrapped !== null) return rewrapped;
  }
  const opened = await unwrappedBytesBy(from, keys, { signal });
  if (opened === null) throw noMatchingKey();
  const { wrappedKey } = opened;
  const wrappedKeys = await useAndErase(opened.dataKey, async (dataKey) => {
    if (transcript !== undefined) await assertCommitment(envelope, transcript, from, wrappedKey, dataKey);
    if (transcript === undefined || isShared(envelope)) {
      // Where `to` wraps to is seen from what it makes of random bytes, before it is handed a data key that may go to no other key.
      const tried = await wrappedBy(to, await randomBytes(dataKeyLength), { signal });
      assertMayGo(envelope, transcript, keep, wrappedKey, tried);
    }
    return wrappedBy(to, dataKey, { signal, random });
  });
  return { wrappedKey, wrappedKeys };
}

/** §7.7b, §7.7d: a data key that was not checked, or that opens other messages, goes to newer versions of its key alone. */
function assertMayGo(
  envelope: Envelope,
  transcript: Transcript | undefined,
  keep: boolean,
  old: WrappedKey,
  keys: readonly WrappedKey[],
): void {
  const isNewer = keys.every((key) => isNewerVersion(key, old));
  if (transcript === undefined && !isNewer) throw contextNeeded(envelope);
  if (isShared(envelope) && (keep || !isNewer)) {
    throw new KeyError(
      'ERR_SHARED_DATA_KEY',
      'The data key of the message opens other messages too, so it must not go to another key: re-encrypt the message',
    );
  }
}

function isShared({ header }: Envelope): boolean {
  return header.keyUse === 'shared';
}

/** The transcript of a message whose context is known; a message without context names has the empty one. Throws `ERR_CONTEXT_MISMATCH`. */
function knownTranscript(envelope: Envelope, context: Context | undefined): Transcript | undefined {
  if (context === undefined && envelope.header.contextNames.length > 0) return undefined;
  return transcriptOf(envelope, context ?? {});
}

/** §7.7c: the wrapped key of the message's own data key, as the one thing to hand on. The data key stays a handle. */
async function verifiedKey(
  envelope: Envelope,
  from: Keyring,
  transcript: Transcript | undefined,
  signal: AbortSignal | undefined,
): Promise<WrappedKey> {
  if (transcript === undefined) throw contextNeeded(envelope);
  const opened = await unwrappedBy(from, envelope.keys, { signal });
  if (opened === null) throw noMatchingKey();
  await assertCommitment(envelope, transcript, from, opened.wrappedKey, opened.dataKey);
  return opened.wrappedKey;
}

/** §5.5. Rejects with `ERR_DECRYPTION_FAILED`. */
async function assertCommitment(
  { commitment }: Envelope,
  transcript: Transcript,
  from: Keyring,
  wrappedKey: WrappedKey,
  dataKey: DataKey | Bytes,
): Promise<void> {
  const secret = isBytes(dataKey) ? await importSecret(dataKey) : dataKey;
  if (equalConstantTime(await deriveCommitment(secret, transcript), commitment)) return;
  tellRejected(from, wrappedKey);
  throw new DecryptionError();
}

/** §7.7a */
function stays(rewrapped: Rewrapped | 'unverified'): boolean {
  if (rewrapped === 'unverified') return false;
  return rewrapped.wrappedKeys.every((key) => isNewerVersion(key, rewrapped.wrappedKey));
}

/** A newer version of the same key; of a key that a service holds also the same version, which is no other key. */
function isNewerVersion(key: WrappedKey, old: WrappedKey): boolean {
  const sameKey = key.keyId === old.keyId && key.serviceId === old.serviceId && sameMap(key.keyContext, old.keyContext);
  return sameKey && (key.version > old.version || (key.serviceId !== '' && key.version === old.version));
}

function contextNeeded({ header }: Envelope): ContextMismatchError {
  const why = 'Re-wrapping to anything but a newer version of the same key needs the context of the message';
  return new ContextMismatchError(header.contextNames, [], why);
}
