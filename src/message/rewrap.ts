/** Re-wrapping: other wrapped keys for the same data key. Header, commitment and segments stay as they are; `docs/format.md` §7.7. */

import { formOf, toText } from '../envelope/framing.ts';
import { concat, copy } from '../lib/bytes.ts';
import { takeOptions } from '../lib/options.ts';
import type { Bytes } from '../types.ts';
import {
  type DetachedMessage,
  detachedEnvelope,
  frameEnvelope,
  isDetached,
  type Message,
  messageBytes,
  messageParts,
} from './forms.ts';
import { type RewrapOptions, rewrapEnvelope, rewrapReaders, type TakenRewrap } from './rewrap-envelope.ts';

export type { RewrapOptions } from './rewrap-envelope.ts';

/**
 * Replaces the wrapped key that `from` opens with those that `to` makes, in a message of any form or in a detached envelope alone. Resolves to the same form.
 * The data key stays the same, so anybody who had it still has it. To lock somebody out, use {@link reencrypt}.
 *
 * An envelope can carry the wrapped key of another message, and `from` would open that for its author. So give the `context` unless you re-wrap to a newer
 * version of the same key: with it, the data key is checked before it is wrapped (`docs/format.md` §7.7).
 *
 * The message is read when `rewrap` is called: what you change afterwards does not matter. The body of a detached message is given back as it is, not copied.
 *
 * Rejects with what {@link decrypt} rejects with; with `ERR_CONTEXT_MISMATCH` where the context is needed and missing; with `ERR_SHARED_DATA_KEY` where the
 * data key opens other messages too and `to` is anything but a newer version of the same key; with `ERR_KEYRING_CANNOT` where `to` gives no wrapped key; with
 * what the keyrings reject with; and with a `TypeError` that names a wrong option.
 *
 * @example
 * const forBob = await rewrap(message, { from: alice, to: ecdhKeyring({ recipients: [bob] }), keep: true, context });
 */
export async function rewrap(message: Uint8Array, options: RewrapOptions): Promise<Bytes>;
export async function rewrap(message: string, options: RewrapOptions): Promise<string>;
export async function rewrap<Envelope extends Bytes | string>(
  message: DetachedMessage<Envelope>,
  options: RewrapOptions,
): Promise<DetachedMessage<Envelope>>;
export async function rewrap(message: Message, options: RewrapOptions): Promise<Message> {
  return rewrapTaken(message, takeOptions(options, rewrapReaders));
}

/** The same as {@link rewrap}, for options that were taken already. */
export async function rewrapTaken(message: Message, options: TakenRewrap): Promise<Message> {
  if (isDetached(message)) {
    const { envelope: half, body } = message;
    const { envelope } = messageParts({ envelope: half, body });
    const rewrapped = frameEnvelope(await rewrapEnvelope(envelope, options), 'envelope');
    return { envelope: typeof half === 'string' ? toText(rewrapped) : rewrapped, body };
  }
  const rewrapped = await rewrapBytes(copy(messageBytes(message, 'message')), options);
  return typeof message === 'string' ? toText(rewrapped) : rewrapped;
}

async function rewrapBytes(bytes: Bytes, options: TakenRewrap): Promise<Bytes> {
  if (formOf(bytes) === 'envelope') {
    return frameEnvelope(await rewrapEnvelope(detachedEnvelope(bytes), options), 'envelope');
  }
  const { envelope, body } = messageParts(bytes);
  return concat(frameEnvelope(await rewrapEnvelope(envelope, options), 'message'), body);
}
