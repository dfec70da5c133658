/** What keyrings answer, which may be anybody's: waited for until a signal ends that, and checked before it is used. */

import { isSecretKey } from '../crypto/keys.ts';
import { encodedWrappedKey, encodeWrappedKey, type WrappedKey } from '../envelope/wrapped-key.ts';
import { KeyError } from '../errors.ts';
import { assert } from '../lib/assert.ts';
import { isPromise } from '../lib/awaitable.ts';
import { compareBytes, copy } from '../lib/bytes.ts';
import { tell } from '../lib/callbacks.ts';
import {
  arrayOf,
  oneOf,
  optional,
  type Reader,
  type Readers,
  type ReadersOf,
  takeOptions,
  takeText,
} from '../lib/options.ts';
import { untilAborted } from '../lib/single-flight.ts';
import type { Awaitable, Bytes } from '../types.ts';
import { takeDataKey, useAndErase } from './data-key.ts';
import type {
  CacheScope,
  DataKey,
  GeneratedDataKey,
  KeyNews,
  Keyring,
  KeyringOptions,
  RewrapDataKeyOptions,
  Rewrapped,
  Unwrapped,
} from './keyring.ts';
import { workOf } from './methods.ts';

/**
 * What `take` makes of a keyring's answer, an object or `null`, in the very turn in which it comes: a keyring that changes its answer afterwards changes nothing. Rejects
 * with the signal's reason, and with a `TypeError` for another answer.
 */
export async function answerOf<Answer, Kept>(
  ask: () => Awaitable<Answer>,
  signal: AbortSignal | undefined,
  take: (answer: Answer) => Kept,
): Promise<Kept> {
  const answering = Promise.resolve(ask()).then((answer) => {
    assert(typeof answer === 'object', 'what a keyring resolves to', 'an object');
    return take(answer);
  });
  return unlessAborted(answering, signal);
}

/** A data key of a keyring. Fails as {@link answerOf} does, and with a `TypeError` for one that is not as a `GeneratedDataKey` is. */
export function generatedBy(keyring: Keyring, options: KeyringOptions): Awaitable<GeneratedDataKey> {
  const own = workOf(keyring, 'generateDataKey');
  if (own !== undefined) return believed(own(options), options);
  return answerOf(
    () => keyring.generateDataKey(options),
    options.signal,
    (generated) => takeOptions(generated, generatedReaders, 'generated') as GeneratedDataKey,
  );
}

/**
 * What a keyring wraps a data key to. It is handed a copy, which is overwritten afterwards: a keyring may overwrite it, too, or transfer it away. Rejects as
 * {@link answerOf} does, with a `TypeError` for what is no array of wrapped keys, and with `ERR_KEYRING_CANNOT` for none.
 */
export async function wrappedBy(
  keyring: Keyring,
  dataKey: Bytes,
  options: KeyringOptions,
): Promise<readonly WrappedKey[]> {
  return useAndErase(copy(dataKey), (bytes) =>
    answerOf(
      () => keyring.wrapDataKey(bytes, options),
      options.signal,
      (keys) => someOf(takeWrappedKeys(keys, 'wrappedKeys')),
    ),
  );
}

/** What a keyring unwraps. Fails as {@link answerOf} does, and with a `TypeError` for what is not `null` and not as an `Unwrapped` is. */
export function unwrappedBy(
  keyring: Keyring,
  wrappedKeys: readonly WrappedKey[],
  options: KeyringOptions,
): Awaitable<Unwrapped<DataKey> | null> {
  const own = workOf(keyring, 'unwrapDataKey');
  if (own !== undefined) return believed(own(wrappedKeys, options), options);
  return answerOf(
    () => keyring.unwrapDataKey([...wrappedKeys], options),
    options.signal,
    takeUnwrapped(wrappedKeys, takeHandle),
  );
}

/** The same to bytes, which the caller overwrites: those of the keyring are overwritten here, also where they come after an abort. */
export async function unwrappedBytesBy(
  keyring: Keyring,
  wrappedKeys: readonly WrappedKey[],
  options: KeyringOptions,
): Promise<Unwrapped<Bytes> | null> {
  const ask = () => keyring.unwrapDataKeyBytes([...wrappedKeys], options);
  const opening = answerOf(ask, undefined, takeUnwrapped(wrappedKeys, takeBytesAway));
  return unlessAborted(opening, options.signal).catch((error: unknown) => {
    opening.then((late) => late?.dataKey.fill(0)).catch(() => {});
    throw error;
  });
}

/**
 * What a keyring makes of wrapped keys for `from`; `null` where it has no such method. Rejects with the signal's reason, and with a `TypeError` for an answer
 * that is none.
 */
export async function rewrappedBy(
  keyring: Keyring,
  wrappedKeys: readonly WrappedKey[],
  from: Keyring,
  options: RewrapDataKeyOptions,
): Promise<Rewrapped | 'unverified' | null> {
  const answering = Promise.resolve(keyring.rewrapDataKey?.([...wrappedKeys], from, options) ?? null).then((answer) => {
    if (answer === 'unverified' || answer === null) return answer;
    const made = takeOptions(answer, rewrappedReaders, 'rewrapDataKey()');
    // Of none it makes none, which says that it could.
    if (wrappedKeys.length > 0) someOf(made.wrappedKeys);
    return { ...made, wrappedKey: elementOf(wrappedKeys, made.wrappedKey) };
  });
  return unlessAborted(answering, options.signal);
}

/** Wrapped keys, of which there must be one: a data key that is wrapped by nobody makes a message that nobody reads. Throws `ERR_KEYRING_CANNOT`. */
export function someOf(keys: readonly WrappedKey[]): readonly WrappedKey[] {
  if (keys.length === 0) throw new KeyError('ERR_KEYRING_CANNOT', 'The keyring gave no wrapped key');
  return keys;
}

/** Tells a keyring that the data key in a wrapped key is not that of the message. What comes of that is nobody's, also where the keyring breaks its promise not to fail. */
export function tellRejected(keyring: Keyring, wrappedKey: WrappedKey): void {
  tell(() => keyring.rejectDataKey?.(wrappedKey));
}

/** The same, and waits until the keyring knows: for keyrings that stand in front of it. */
export async function rejectedBy(keyring: Keyring, wrappedKey: WrappedKey): Promise<void> {
  try {
    await keyring.rejectDataKey?.(wrappedKey);
  } catch {}
}

/** Tells a keyring that a segment did not open; as {@link tellRejected}. */
export function tellSegmentFailed(keyring: Keyring, wrappedKey: WrappedKey): void {
  tell(() => keyring.segmentFailed?.(wrappedKey));
}

/** The wrapped key that a keyring means: it may have copied what it was given. */
function elementOf(keys: readonly WrappedKey[], wrappedKey: WrappedKey): WrappedKey {
  const element = keys.find((key) => key === wrappedKey) ?? keys.find((key) => isSame(key, wrappedKey));
  if (element === undefined) throw new TypeError('a keyring must give back one of the wrapped keys that it was given');
  return element;
}

/** Whether two wrapped keys are the same, byte for byte. */
export function isSame(a: WrappedKey, b: WrappedKey): boolean {
  return compareBytes(encodeWrappedKey(a), encodeWrappedKey(b)) === 0;
}

/** The scope that a keyring states. Fails as {@link answerOf} does, and with a `TypeError` for one that would put users together who are apart. */
export function scopeOf(keyring: Keyring, options: KeyringOptions): Awaitable<CacheScope | undefined> {
  const own = workOf(keyring, 'cacheScope');
  if (own !== undefined) return believed(own(options), options);
  if (keyring.cacheScope === undefined) return undefined;
  return untilAborted(Promise.resolve(keyring.cacheScope(options)), options.signal).then((scope) =>
    scope === undefined ? undefined : apart(takeOptions(scope, scopeReaders, 'cacheScope()', 'cacheScope().')),
  );
}

/** A scope of somebody else's keyring, which can say anything and means none of ours by it. */
function apart({ id, user, ...rest }: CacheScope): CacheScope {
  return { ...rest, id: `custom ${id}`, user: user && `custom ${user}` };
}

/** An answer of our own, which is as it must be: what comes from others was checked when it came in. */
function believed<Answer>(answer: Awaitable<Answer>, { signal }: KeyringOptions): Awaitable<Answer> {
  return signal !== undefined && isPromise(answer) ? unlessAborted(answer, signal) : answer;
}

async function unlessAborted<Answer>(answering: Promise<Answer>, signal: AbortSignal | undefined): Promise<Answer> {
  const answer = await untilAborted(answering, signal);
  signal?.throwIfAborted();
  return answer;
}

const takeObject: Reader<object> = (value, name) => {
  assert(typeof value === 'object' && value !== null, name, 'an object');
  return value;
};
const takeKey = takeObject as Reader<WrappedKey>;
const takeWrappedKeys = arrayOf((value, name) => encodedWrappedKey(takeKey(value, name)));
const takeHandle: Reader<DataKey> = (value, name) => {
  assert(isSecretKey(value), name, 'made by importDataKey');
  return value;
};
const takeBytesAway: Reader<Bytes> = (value) => {
  const taken = takeDataKey(value);
  (value as Bytes).fill(0);
  return taken;
};
function takeUnwrapped<Key>(keys: readonly WrappedKey[], takeSecret: Reader<Key>) {
  const readers = { wrappedKey: takeKey, dataKey: takeSecret };
  return (answer: object | null): Unwrapped<Key> | null => {
    if (answer === null) return null;
    const taken = takeOptions(answer, readers, 'unwrapped') as Unwrapped<Key>;
    return { ...taken, wrappedKey: elementOf(keys, taken.wrappedKey) };
  };
}
const rewrappedReaders = { wrappedKey: takeKey, wrappedKeys: takeWrappedKeys };
const generatedReaders = {
  dataKey: takeHandle,
  wrappedKeys: takeWrappedKeys,
  keyUse: oneOf('single', 'shared'),
} satisfies Readers;
const scopeReaders = {
  id: takeText,
  user: optional(takeText),
  keys: optional(arrayOf(takeText)),
  news: optional(arrayOf(takeObject as Reader<KeyNews>)),
} satisfies ReadersOf<CacheScope>;
