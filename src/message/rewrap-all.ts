/** Re-wrapping and re-encryption of many messages: a rotation carried through, or a compromised version left behind. */

import { assert, assertFunction, assertOptions, snapshot } from '../lib/assert.ts';
import type { Context } from '../types.ts';
import {
  assertBulkOptions,
  type BulkItem,
  type BulkOptions,
  type BulkReport,
  bulkOptionNames,
  forAll,
} from './bulk.ts';
import { type Inspection, inspect } from './inspect.ts';
import { type ReencryptOptions, reencrypt } from './reencrypt.ts';
import { type RewrapOptions, rewrap } from './rewrap.ts';

/** One of many messages. */
export interface MessageItem extends BulkItem {
  /** A message or a detached envelope, as bytes or text; for re-encryption a message. */
  readonly message: Uint8Array | string;
  /** Its context. Re-wrapping to a newer version of the same key needs none, see {@link RewrapOptions.context}; re-encryption always does. Default: not known. */
  readonly context?: Context | undefined;
}

/** What both kinds of work on messages have in common. */
export interface MessageBulkOptions<Item extends MessageItem> extends BulkOptions<Item> {
  /** Puts the result where the message was, in one step: it counts as done when this resolves. The form is that of the message. */
  readonly write: (result: Uint8Array | string, item: Item) => Promise<void>;
  /** Whether a message needs nothing, for example because its wrapped key is of the newest version already. Default: none does. */
  readonly skip?: ((inspection: Inspection, item: Item) => boolean) | undefined;
}

/** Options of {@link rewrapAll}. */
export interface RewrapAllOptions<Item extends MessageItem>
  extends MessageBulkOptions<Item>,
    Pick<RewrapOptions, 'from' | 'to' | 'keep' | 'drop'> {}

/** Options of {@link reencryptAll}. */
export interface ReencryptAllOptions<Item extends MessageItem>
  extends MessageBulkOptions<Item>,
    Pick<ReencryptOptions, 'from' | 'to'> {}

/**
 * Re-wraps many messages with {@link rewrap}, by its rules: to anything but a newer version of the same key each item needs its `context`, and fails with
 * `ERR_CONTEXT_MISMATCH` without it. Between keyrings of one key service the data keys stay there, and a thousand travel in a request. Resolves to a report, also where it was stopped: by
 * `signal`, by too many failures, or by a service that cannot be used. A run that resumes passes over what the token covers; messages that were written after the token was kept are seen again,
 * which `skip` finds. Throws a `TypeError` that names a wrong option.
 *
 * @example
 * const report = await rewrapAll(rows(), {
 *   from: keyring,
 *   to: keyring,
 *   skip: ({ wrappedKeys }) => wrappedKeys.some(({ version }) => version === newest),
 *   write: (envelope, { id }) => database.setEnvelope(id, envelope),
 *   onProgress: ({ resumeToken }) => checkpoint.set(resumeToken),
 * });
 */
export async function rewrapAll<Item extends MessageItem>(
  items: Iterable<Item> | AsyncIterable<Item>,
  options: RewrapAllOptions<Item>,
): Promise<BulkReport<Item>> {
  const { from, to, keep, drop } = options;
  assertAll(options, 'keep', 'drop');
  return workOn(items, options, ({ message, context }, signal) => {
    const rewrapOptions = { from, to, keep, drop, context, signal };
    return typeof message === 'string' ? rewrap(message, rewrapOptions) : rewrap(message, rewrapOptions);
  });
}

/**
 * Encrypts many messages anew by {@link reencrypt}, under new data keys: for messages that share a data key, and when a version is compromised. The report and the token are as in {@link rewrapAll};
 * whole messages are in memory, `concurrency` of them (default: 8).
 */
export async function reencryptAll<Item extends MessageItem>(
  items: Iterable<Item> | AsyncIterable<Item>,
  options: ReencryptAllOptions<Item>,
): Promise<BulkReport<Item>> {
  const { from, to } = options;
  assertAll(options);
  return workOn(items, { concurrency: 8, ...options }, ({ message, context }, signal) => {
    const reencryptOptions = { from, to, context, signal };
    return typeof message === 'string' ? reencrypt(message, reencryptOptions) : reencrypt(message, reencryptOptions);
  });
}

function assertAll<Item extends MessageItem>(options: MessageBulkOptions<Item>, ...more: string[]): void {
  assertBulkOptions(options);
  assertFunction(options.skip, 'skip');
  assert(typeof options.write === 'function', 'write', 'a function');
  assertOptions(options, [...bulkOptionNames, 'write', 'skip', 'from', 'to', ...more]);
}

function workOn<Item extends MessageItem>(
  items: Iterable<Item> | AsyncIterable<Item>,
  options: MessageBulkOptions<Item>,
  change: (item: Item, signal: AbortSignal) => Promise<Uint8Array | string>,
): Promise<BulkReport<Item>> {
  const taken = snapshot(options);
  return forAll(items, taken, async (item, signal) => {
    if (taken.skip?.(inspect(item.message), item) === true) return false;
    await taken.write(await change(item, signal), item);
    return true;
  });
}
