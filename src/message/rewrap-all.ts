/** Re-wrapping and re-encryption of many messages: a rotation carried through, or a compromised version left behind. */

import { takeKeyring } from '../keyrings/keyring.ts';
import { yesOrNo } from '../lib/callbacks.ts';
import { func, optional, type ReadersOf, type Taken, takeBytes, takeMap, takeOptions } from '../lib/options.ts';
import type { Context } from '../types.ts';
import { forAll } from './bulk.ts';
import { type BulkItem, type BulkOptions, type BulkReport, bulkReaders } from './bulk-options.ts';
import type { Message } from './forms.ts';
import { type Inspection, inspect } from './inspect.ts';
import { type ReencryptOptions, reencrypt } from './reencrypt.ts';
import { type RewrapOptions, rewrapTaken } from './rewrap.ts';
import { rewrapReaders } from './rewrap-envelope.ts';

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

const messageReaders = {
  ...bulkReaders,
  write: func<(result: Uint8Array | string, item: MessageItem) => Promise<void>>(),
  skip: optional(func<(inspection: Inspection, item: MessageItem) => boolean>()),
} satisfies ReadersOf<MessageBulkOptions<never>>;

const rewrapAllReaders = {
  ...messageReaders,
  from: rewrapReaders.from,
  to: rewrapReaders.to,
  keep: rewrapReaders.keep,
  drop: rewrapReaders.drop,
} satisfies ReadersOf<RewrapAllOptions<never>>;

const reencryptAllReaders = {
  ...messageReaders,
  from: takeKeyring,
  to: takeKeyring,
} satisfies ReadersOf<ReencryptAllOptions<never>>;

/**
 * Re-wraps many messages with `rewrap`, by its rules: to anything but a newer version of the same key each item needs its `context`, and fails with
 * `ERR_CONTEXT_MISMATCH` without it. Between keyrings of one key service, data keys stay in the service unless they have to be checked: those of items with a `context`, and of
 * messages without context names that go to another key. Up to a thousand messages travel in one request.
 *
 * Resolves to a report, also where it was stopped: by `signal`, by too many failures, or by a service that cannot be used. A run that resumes passes over what the token covers;
 * messages that were written after the token was kept are seen again, which `skip` finds. Rejects with a `TypeError` that names a wrong option.
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
  const { from, to, keep, drop, ...taken } = takeOptions(options, rewrapAllReaders);
  return workOn(items, taken, ({ message, context }, signal) =>
    rewrapTaken(message, { from, to, keep, drop, context, signal, random: undefined }),
  );
}

/**
 * Encrypts many messages again with {@link reencrypt}, under new data keys: for messages that share a data key, and when a version is compromised. The report and the token are as in {@link rewrapAll};
 * whole messages are in memory, `concurrency` of them (default: 8).
 */
export async function reencryptAll<Item extends MessageItem>(
  items: Iterable<Item> | AsyncIterable<Item>,
  options: ReencryptAllOptions<Item>,
): Promise<BulkReport<Item>> {
  const { from, to, concurrency = 8, ...taken } = takeOptions(options, reencryptAllReaders);
  return workOn(items, { ...taken, concurrency }, ({ message, context }, signal) => {
    const reencryptOptions = { from, to, context, signal };
    return typeof message === 'string' ? reencrypt(message, reencryptOptions) : reencrypt(message, reencryptOptions);
  });
}

/** An item when it is reached: what becomes of it afterwards is of no importance. */
interface TakenItem<Item> {
  readonly item: Item;
  readonly message: Uint8Array | string;
  readonly context: Context | undefined;
}

function takeItem<Item extends MessageItem>(item: Item): TakenItem<Item> {
  const { message, context } = item;
  return {
    item,
    message: typeof message === 'string' ? message : takeBytes(message, 'message'),
    context: optional(takeMap)(context, 'context'),
  };
}

function workOn<Item extends MessageItem>(
  items: Iterable<Item> | AsyncIterable<Item>,
  { write, skip, ...options }: Taken<typeof messageReaders>,
  change: (item: TakenItem<Item>, signal: AbortSignal) => Promise<Message>,
): Promise<BulkReport<Item>> {
  const work = async (taken: TakenItem<Item>, signal: AbortSignal) => {
    const { item, message } = taken;
    if (skip !== undefined && yesOrNo(skip(inspect(message), item), 'skip')) return false;
    await write((await change(taken, signal)) as Uint8Array | string, item);
    return true;
  };
  return forAll(items, options as BulkOptions<Item>, work, takeItem);
}
