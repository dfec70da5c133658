/** Re-wrapping: other wrapped keys for the same data key. Header, commitment and segments stay as they are; `docs/format.md` §7.7. */

import { formOf, toText } from '../envelope/framing.ts';
import { assertKeyring } from '../keyrings/keyring.ts';
import { assert, assertFunction, assertOptions, assertSignal, snapshot } from '../lib/assert.ts';
import { concat, copy } from '../lib/bytes.ts';
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
import { type RewrapOptions, rewrapEnvelope } from './rewrap-envelope.ts';

export type { RewrapOptions } from './rewrap-envelope.ts';

const rewrapOptionNames = ['from', 'to', 'context', 'keep', 'drop', 'signal', 'random'] as const;

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
  assertRewrapOptions(options);
  const taken = snapshot(options);
  if (isDetached(message)) {
    const { envelope: half, body } = message;
    const { envelope } = messageParts({ envelope: half, body });
    const rewrapped = frameEnvelope(await rewrapEnvelope(envelope, taken), 'envelope');
    return { envelope: typeof half === 'string' ? toText(rewrapped) : rewrapped, body };
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

async function rewrapBytes(bytes: Bytes, options: RewrapOptions): Promise<Bytes> {
  if (formOf(bytes) === 'envelope') {
    return frameEnvelope(await rewrapEnvelope(detachedEnvelope(bytes), options), 'envelope');
  }
  const { envelope, body } = messageParts(bytes);
  // The body follows the envelope, whose new length is not known yet: it is copied now, and again behind it.
  const taken = copy(body);
  return concat(frameEnvelope(await rewrapEnvelope(envelope, options), 'message'), taken);
}
