/** What keyrings answer, which may be anybody's: waited for until a signal ends that, and checked before it is used. */

import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { assert } from '../lib/assert.ts';
import { isPromise } from '../lib/awaitable.ts';
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
import type { CacheScope, DataKey, GeneratedDataKey, KeyNews, Keyring, KeyringOptions, Unwrapped } from './keyring.ts';
import { workOf } from './methods.ts';

/** What a call of a keyring resolves to: an object or `null`. Rejects with the signal's reason, and with a `TypeError` for another answer. */
export async function answerOf<Answer>(answering: Promise<Answer>, signal: AbortSignal | undefined): Promise<Answer> {
  const answer = await unlessAborted(Promise.resolve(answering), signal);
  assert(typeof answer === 'object', 'what a keyring resolves to', 'an object');
  return answer;
}

/** A data key of a keyring. Fails as {@link answerOf} does, and with a `TypeError` for one that is not as a `GeneratedDataKey` is. */
export function generatedBy(keyring: Keyring, options: KeyringOptions): Awaitable<GeneratedDataKey> {
  const own = workOf(keyring, 'generateDataKey');
  if (own !== undefined) return believed(own(options), options);
  return answerOf(keyring.generateDataKey(options), options.signal).then(
    (generated) => takeOptions(generated, generatedReaders, 'generated') as GeneratedDataKey,
  );
}

/** What a keyring wraps a data key to. Rejects as {@link answerOf} does, and with a `TypeError` for what is no array of objects. */
export async function wrappedBy(
  keyring: Keyring,
  dataKey: Bytes,
  options: KeyringOptions,
): Promise<readonly WrappedKey[]> {
  const answer = await answerOf(keyring.wrapDataKey(dataKey, options), options.signal);
  return arrayOf(takeObject)(answer, 'wrappedKeys') as readonly WrappedKey[];
}

/** What a keyring unwraps. Fails as {@link answerOf} does. */
export function unwrappedBy(
  keyring: Keyring,
  wrappedKeys: readonly WrappedKey[],
  options: KeyringOptions,
): Awaitable<Unwrapped<DataKey> | null> {
  const own = workOf(keyring, 'unwrapDataKey');
  if (own !== undefined) return believed(own(wrappedKeys, options), options);
  return answerOf(keyring.unwrapDataKey(wrappedKeys, options), options.signal);
}

/** The scope that a keyring states. Fails as {@link answerOf} does, and with a `TypeError` for one that would put users together who are apart. */
export function scopeOf(keyring: Keyring, options: KeyringOptions): Awaitable<CacheScope | undefined> {
  const own = workOf(keyring, 'cacheScope');
  if (own !== undefined) return believed(own(options), options);
  if (keyring.cacheScope === undefined) return undefined;
  return untilAborted(Promise.resolve(keyring.cacheScope(options)), options.signal).then((scope) =>
    scope === undefined ? undefined : takeOptions(scope, scopeReaders, 'cacheScope()', 'cacheScope().'),
  );
}

/** An answer of our own, which is as it must be: what comes from others was checked when it came in. */
function believed<Answer>(answer: Awaitable<Answer>, { signal }: KeyringOptions): Awaitable<Answer> {
  return isPromise(answer) ? unlessAborted(answer, signal) : answer;
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
const generatedReaders = {
  dataKey: takeObject,
  wrappedKeys: arrayOf(takeObject),
  keyUse: oneOf('single', 'shared'),
} satisfies Readers;
const scopeReaders = {
  id: takeText,
  user: optional(takeText),
  keys: optional(arrayOf(takeText)),
  news: optional(arrayOf(takeObject as Reader<KeyNews>)),
} satisfies ReadersOf<CacheScope>;
