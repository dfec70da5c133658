/** What keyrings answer, which may be anybody's: waited for until a signal ends that, and checked before it is used. */

import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { assert } from '../lib/assert.ts';
import {
  arrayOf,
  integer,
  nested,
  oneOf,
  optional,
  type Reader,
  type Readers,
  type ReadersOf,
  takeOptions,
  takeText,
} from '../lib/options.ts';
import { untilAborted } from '../lib/single-flight.ts';
import type { CacheScope, DataKeyRevocation, GeneratedDataKey, KeyNews, Keyring, KeyringOptions } from './keyring.ts';

/** What a call of a keyring resolves to: an object or `null`. Rejects with the signal's reason, and with a `TypeError` for another answer. */
export async function answerOf<Answer>(answering: Promise<Answer>, signal: AbortSignal | undefined): Promise<Answer> {
  const answer = await untilAborted(Promise.resolve(answering), signal);
  signal?.throwIfAborted();
  assert(typeof answer === 'object', 'what a keyring resolves to', 'an object');
  return answer;
}

/** A data key of a keyring. Rejects as {@link answerOf} does, and with a `TypeError` for one that is not as a `GeneratedDataKey` is. */
export async function generatedBy(keyring: Keyring, options: KeyringOptions): Promise<GeneratedDataKey> {
  const generated = await answerOf(keyring.generateDataKey(options), options.signal);
  return takeOptions(generated, generatedReaders, 'generated') as GeneratedDataKey;
}

/** What came of asking a keyring to revoke data keys; `null` where it cannot. Rejects as {@link generatedBy} does. */
export async function revokedBy(
  keyring: Keyring,
  wrappedKeys: readonly WrappedKey[],
  { signal }: KeyringOptions,
): Promise<readonly DataKeyRevocation[] | null> {
  const asked = keyring.revokeDataKeys?.(wrappedKeys, { signal });
  const answer = asked === undefined ? null : await answerOf(asked, signal);
  return answer === null ? null : arrayOf(takeRevocation)(answer, 'revoked');
}

/** The scope that a keyring states. Rejects as {@link answerOf} does, and with a `TypeError` for one that would put users together who are apart. */
export async function scopeOf(keyring: Keyring, options: KeyringOptions): Promise<CacheScope | undefined> {
  if (keyring.cacheScope === undefined) return undefined;
  const scope = await untilAborted(Promise.resolve(keyring.cacheScope(options)), options.signal);
  return scope === undefined ? undefined : takeOptions(scope, scopeReaders, 'cacheScope()', 'cacheScope().');
}

const takeObject: Reader<object> = (value, name) => {
  assert(typeof value === 'object' && value !== null, name, 'an object');
  return value;
};
const takeRevocation = nested({
  service: takeText,
  id: takeText,
  state: oneOf('requested', 'revoked'),
  dataKeys: integer(1, Number.MAX_SAFE_INTEGER),
  leaf: optional(integer(0, Number.MAX_SAFE_INTEGER)),
} satisfies ReadersOf<DataKeyRevocation>);
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
