/** Arrays of small messages: one data key for all of them, and each wrapped key unwrapped once. */

import { encodedWrappedKey, encodeWrappedKey } from '../envelope/wrapped-key.ts';
import { forwarding } from '../keyrings/forwarding.ts';
import type { DataKey, GeneratedDataKey, Keyring, KeyringOptions, Unwrapped } from '../keyrings/keyring.ts';
import { assertKeyring } from '../keyrings/keyring.ts';
import { assert, assertOptions, assertSignal, snapshot } from '../lib/assert.ts';
import { BoundedMap } from '../lib/bounded-map.ts';
import { asBytes, bytesToKey, concatPrefixed, copy } from '../lib/bytes.ts';
import type { Bytes, Context } from '../types.ts';
import { type DecryptionOptions, decryptionOptionNames } from './begin-decryption.ts';
import { type EncryptionOptions, encryptionOptionNames } from './begin-encryption.ts';
import { type Decrypted, decrypt } from './decrypt.ts';
import { encrypt } from './encrypt.ts';
import type { Message } from './forms.ts';

/** What one message of {@link encryptMany} is made of. */
export interface PlaintextItem {
  readonly data: Uint8Array | string;
  /** The message's own context. Default: that of the options. */
  readonly context?: Context | undefined;
}

/** One message of {@link decryptMany}. */
export interface EncryptedItem {
  readonly message: Message;
  /** The message's own context. Default: that of the options. */
  readonly context?: Context | undefined;
}

/** As many are under way at once: enough for a keyring that joins its calls to a service, few enough to hold. */
const atOnce = 64;

/** What one data key may encrypt, as for a cache (`docs/format.md` §3.5). */
const maxMessages = 10_000;
const maxBytes = 2 ** 30;

/** Unwrapped data keys that are kept while a call lasts. */
const maxUnwrapped = 1_000;

/**
 * Encrypts many small messages, in the order of the items. **They share a data key** (each has a message key of its own all the same) and are marked SHARED: whoever may open one of
 * them could open all, if given their contexts. Items and options are taken when it is called. After 10,000 messages or 1 GiB another data key is made. A keyring that shares data keys itself, such as one with a cache, goes by its own limits.
 *
 * Rejects with what {@link encrypt} rejects with, as soon as one item fails, and with a `TypeError` that names a wrong option.
 *
 * @example
 * const items = rows.map(({ id, name }) => ({ data: name, context: { table: 'people', id } }));
 * const messages = await encryptMany(items, { keyring });
 */
export async function encryptMany(items: readonly PlaintextItem[], options: EncryptionOptions): Promise<Bytes[]> {
  assertOptions(options, encryptionOptionNames);
  assertItems(items, ['data', 'context']);
  assertKeyring(options.keyring, 'keyring');
  const keyring = items.length > 1 ? sharing(options.keyring) : options.keyring;
  const taken = snapshot({ ...options, keyring });
  const each = items.map((item) => {
    const { data, context } = snapshot(item);
    return { data: typeof data === 'string' ? data : copy(asBytes(data, 'data')), context };
  });
  return forEach(each, taken, ({ data, context = taken.context }) => encrypt(data, { ...taken, context }));
}

/**
 * Decrypts many messages, in the order of the items: all of them or nothing. A wrapped key that several of them have is unwrapped once.
 *
 * Rejects with what {@link decrypt} rejects with, as soon as one item fails, and with a `TypeError` that names a wrong option.
 *
 * @example
 * const opened = await decryptMany(rows.map(({ id, name }) => ({ message: name, context: { table: 'people', id } })), { keyring });
 */
export async function decryptMany(items: readonly EncryptedItem[], options: DecryptionOptions): Promise<Decrypted[]> {
  assertOptions(options, decryptionOptionNames);
  assertItems(items, ['message', 'context']);
  assertKeyring(options.keyring, 'keyring');
  const taken = snapshot({ ...options, keyring: unwrappingOnce(options.keyring) });
  return forEach(items.map(snapshot), taken, ({ message, context = taken.context }) =>
    decrypt(message, { ...taken, context }),
  );
}

function assertItems(items: unknown, names: readonly string[]): void {
  assert(Array.isArray(items), 'items', 'an array');
  for (const item of items as unknown[]) assertOptions(item, names);
}

/** The results of `work` in the order of the items. After a failure nothing more is begun. */
async function forEach<Item, Result>(
  items: readonly Item[],
  { signal }: { readonly signal?: AbortSignal | undefined },
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  assertSignal(signal);
  const results = new Array<Result>(items.length);
  let next = 0;
  let failed = false;
  const lane = async () => {
    while (next < items.length && !failed) {
      const index = next++;
      try {
        results[index] = await work(items[index] as Item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  return results;
}

/** A keyring whose data keys serve several messages. */
function sharing(keyring: Keyring): Keyring {
  let current: { readonly key: Promise<GeneratedDataKey>; messages: number; bytes: number } | undefined;
  const generate = async (options: KeyringOptions): Promise<GeneratedDataKey> => {
    const generated = await keyring.generateDataKey(options);
    return { ...generated, wrappedKeys: generated.wrappedKeys.map(encodedWrappedKey) };
  };
  return {
    ...forwarding(keyring),
    async generateDataKey(options: KeyringOptions = {}) {
      const { plaintextLength = 0 } = options;
      const fits =
        current !== undefined && current.messages < maxMessages && current.bytes + plaintextLength <= maxBytes;
      if (!fits) current = { key: generate(options), messages: 0, bytes: 0 };
      const chosen = current as NonNullable<typeof current>;
      chosen.messages++;
      chosen.bytes += plaintextLength;
      const generated = await chosen.key;
      // Shared already: who shares it counts what it is used for.
      if (generated.keyUse === 'shared') return fits ? keyring.generateDataKey(options) : generated;
      return { ...generated, keyUse: 'shared' };
    },
  };
}

/** A keyring that remembers what it unwrapped, by the bytes of the wrapped keys of a message. */
function unwrappingOnce(keyring: Keyring): Keyring {
  const known = new BoundedMap<string, Promise<Unwrapped<DataKey> | null>>(maxUnwrapped);
  return {
    ...forwarding(keyring),
    unwrapDataKey(wrappedKeys, options) {
      const id = bytesToKey(concatPrefixed(...wrappedKeys.map(encodeWrappedKey)));
      const before = known.get(id);
      if (before !== undefined) return before;
      const unwrapped = keyring.unwrapDataKey(wrappedKeys, options);
      known.set(id, unwrapped);
      return unwrapped;
    },
  };
}
