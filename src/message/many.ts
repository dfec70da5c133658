/** Arrays of small messages: one data key for all of them, and each wrapped key unwrapped once. */

import { encodedWrappedKey, encodeWrappedKey } from '../envelope/wrapped-key.ts';
import { generatedBy, unwrappedBy } from '../keyrings/answers.ts';
import { inFrontOf } from '../keyrings/forwarding.ts';
import type { DataKey, GeneratedDataKey, Keyring, KeyringOptions, Unwrapped } from '../keyrings/keyring.ts';
import { BoundedMap } from '../lib/bounded-map.ts';
import { bytesToKey, concatPrefixed, copy } from '../lib/bytes.ts';
import { arrayOf, nested, optional, type ReadersOf, takeMap, takeOptions } from '../lib/options.ts';
import { ownPlaintext } from '../stream/whole.ts';
import type { Awaitable, Bytes, Context } from '../types.ts';
import { type DecryptionOptions, decryptionReaders } from './begin-decryption.ts';
import { type EncryptionOptions, encryptionReaders } from './begin-encryption.ts';
import { type Decrypted, decryptTaken, takeMessage } from './decrypt.ts';
import { bytesOf, encryptTaken } from './encrypt.ts';
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

const plaintextItems = arrayOf(
  nested({
    data: (value: unknown, name: string) => copy(bytesOf(value, name)),
    context: optional(takeMap),
  } satisfies ReadersOf<PlaintextItem>),
);
const encryptedItems = arrayOf(
  nested({ message: (value: unknown) => takeMessage(value as Message), context: optional(takeMap) }),
);

/** As many are under way at once: enough for a keyring that joins its calls to a service, few enough to hold. */
const atOnce = 64;

/** What one data key may encrypt, as for a cache (`docs/format.md` §3.5). */
const maxMessages = 10_000;
const maxBytes = 2 ** 30;

/** Unwrapped data keys that are kept while a call lasts. */
const maxUnwrapped = 1_000;

/**
 * Encrypts many small messages, in the order of the items. **They share a data key** (each has a message key of its own all the same) and are marked SHARED: anyone who may open one of
 * them could open all, if given their contexts. Items and options are taken when it is called. After 10,000 messages or 1 GiB another data key is made. A keyring that shares data keys itself, such as one with a cache, goes by its own limits.
 *
 * Rejects with what {@link encrypt} rejects with, as soon as one item fails, and with a `TypeError` that names a wrong option.
 *
 * @example
 * const items = rows.map(({ id, name }) => ({ data: name, context: { table: 'people', id } }));
 * const messages = await encryptMany(items, { keyring });
 */
export async function encryptMany(items: readonly PlaintextItem[], options: EncryptionOptions): Promise<Bytes[]> {
  const taken = takeOptions(options, encryptionReaders);
  const each = plaintextItems(items, 'items');
  const keyring = each.length > 1 ? sharing(taken.keyring) : taken.keyring;
  return forEach(each, taken, async ({ data, context = taken.context }) => {
    const plaintext = ownPlaintext(data, taken.segmentSize);
    const message = await encryptTaken(plaintext, { ...taken, keyring, context, detached: false });
    return message as Bytes;
  });
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
  const taken = takeOptions(options, decryptionReaders);
  const each = encryptedItems(items, 'items');
  const keyring = unwrappingOnce(taken.keyring);
  return forEach(each, taken, ({ message, context = taken.context }) =>
    decryptTaken(message, { ...taken, keyring, context }),
  );
}

/** The results of `work` in the order of the items. After a failure nothing more is begun. */
async function forEach<Item, Result>(
  items: readonly Item[],
  { signal }: { readonly signal?: AbortSignal | undefined },
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  signal?.throwIfAborted();
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
    const generated = await generatedBy(keyring, options);
    return { ...generated, wrappedKeys: generated.wrappedKeys.map(encodedWrappedKey) };
  };
  return inFrontOf(keyring, {
    async generateDataKey(options) {
      const { plaintextLength = 0 } = options;
      const fits =
        current !== undefined && current.messages < maxMessages && current.bytes + plaintextLength <= maxBytes;
      if (!fits) current = { key: generate(options), messages: 0, bytes: 0 };
      const chosen = current as NonNullable<typeof current>;
      chosen.messages++;
      chosen.bytes += plaintextLength;
      const generated = await chosen.key;
      // Shared already: who shares it counts what it is used for.
      if (generated.keyUse === 'shared') return fits ? generatedBy(keyring, options) : generated;
      return { ...generated, keyUse: 'shared' };
    },
  });
}

/** A keyring that remembers what it unwrapped, by the bytes of the wrapped keys of a message. */
function unwrappingOnce(keyring: Keyring): Keyring {
  const known = new BoundedMap<string, Awaitable<Unwrapped<DataKey> | null>>(maxUnwrapped);
  return inFrontOf(keyring, {
    unwrapDataKey(wrappedKeys, options) {
      const id = bytesToKey(concatPrefixed(...wrappedKeys.map(encodeWrappedKey)));
      const before = known.get(id);
      if (before !== undefined) return before;
      const unwrapped = unwrappedBy(keyring, wrappedKeys, options);
      known.set(id, unwrapped);
      return unwrapped;
    },
  });
}
