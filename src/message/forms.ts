/** The forms in which a message comes: bytes, text, or a detached envelope and body; `docs/format.md` §1. */

import {
  assertForm,
  bodyPreambleLength,
  encodePreamble,
  fromText,
  magicAndVersion,
  readEnvelope,
} from '../envelope/framing.ts';
import { asBytes, concat, copy } from '../lib/bytes.ts';
import type { Bytes } from '../types.ts';

/** A message in two halves, such as a database column and an object in a store. */
export interface DetachedMessage<Envelope = Bytes> {
  /** Header, wrapped keys and commitment; as bytes, or as text that starts with `bulle1.`. */
  readonly envelope: Envelope;
  /** The segments behind a preamble of six bytes. */
  readonly body: Bytes;
}

/** A message, wherever one is expected: bytes, the text form (`bulla1.…`), or detached halves. A string is never a URL. */
export type Message = Uint8Array | string | DetachedMessage<Uint8Array | string>;

/** A message taken apart. */
export interface MessageParts {
  /** The serialized envelope, without what frames it. */
  readonly envelope: Bytes;
  /** The segments, without what frames them. */
  readonly body: Bytes;
}

/** Whether a message is in halves. */
export function isDetached(message: unknown): message is DetachedMessage<Uint8Array | string> {
  return typeof message === 'object' && message !== null && 'envelope' in message && 'body' in message;
}

/** The parts of a message of any form, as views of it. Throws a {@link MessageFormatError}, or a `TypeError` for what can be no message. */
export function messageParts(message: Message): MessageParts {
  if (isDetached(message)) {
    const { envelope, body } = message;
    const bytes = asBytes(body, 'body');
    const parts = { envelope: detachedEnvelope(envelope), body: bytes.subarray(bodyPreambleLength) };
    assertForm(bytes, 'body');
    return parts;
  }
  const bytes = messageBytes(message, 'message');
  const { envelope, end } = readEnvelope(bytes, 'message');
  return { envelope, body: bytes.subarray(end) };
}

/** The reader of a detached envelope among options: its serialized envelope, copied. */
export function takeEnvelope(value: unknown): Bytes {
  return copy(detachedEnvelope(value as Uint8Array | string));
}

/** The serialized envelope in a detached envelope, as bytes or text. */
export function detachedEnvelope(envelope: Uint8Array | string): Bytes {
  return readEnvelope(messageBytes(envelope, 'envelope'), 'envelope').envelope;
}

/** Bytes as they are, and the bytes of a text form. */
export function messageBytes(message: Uint8Array | string, name: string): Bytes {
  return typeof message === 'string' ? fromText(message) : asBytes(message, name);
}

/** An envelope in front of a body that follows: preamble and envelope. */
export function frameEnvelope(envelope: Bytes, form: 'message' | 'envelope'): Bytes {
  return concat(encodePreamble(form, envelope.byteLength), envelope);
}

/** The halves of a whole message, without a key (§1.5). Throws a {@link MessageFormatError}. */
export function detach(message: Uint8Array | string): DetachedMessage {
  const { envelope, body } = messageParts(message);
  return { envelope: frameEnvelope(envelope, 'envelope'), body: concat(magicAndVersion('body'), body) };
}

/** The whole message of two halves, without a key (§1.5). Whether they belong together shows when it is decrypted. Throws a {@link MessageFormatError}. */
export function attach(message: DetachedMessage<Uint8Array | string>): Bytes {
  const { envelope, body } = messageParts(message);
  return concat(frameEnvelope(envelope, 'message'), body);
}
