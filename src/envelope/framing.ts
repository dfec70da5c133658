/** What stands around envelope and segments: magics, version, length, the detached halves and the text form, `docs/format.md` §1. */

import { MessageFormatError } from '../errors.ts';
import { assert } from '../lib/assert.ts';
import { decodeBase64url, encodeBase64url, unfold } from '../lib/base64url.ts';
import { asBytes, concat, copy, readU32, u32 } from '../lib/bytes.ts';
import { maxEnvelopeLength } from '../lib/limits.ts';
import type { Bytes } from '../types.ts';
import { malformed } from './wire.ts';

/** The three things that bytes of this format can be, by their magic. */
export type Form = 'message' | 'envelope' | 'body';

const version = 1;
const magics = { message: 'bulla', envelope: 'bulle', body: 'bullb' } as const satisfies Record<Form, string>;
const codes = (text: string) => Array.from(text, (character) => character.charCodeAt(0));
const codesOf = { message: codes(magics.message), envelope: codes(magics.envelope), body: codes(magics.body) };
const preambles = {
  message: Uint8Array.of(...codesOf.message, version),
  envelope: Uint8Array.of(...codesOf.envelope, version),
  body: Uint8Array.of(...codesOf.body, version),
};
const textPrefixes = { message: 'bulla1.', envelope: 'bulle1.' } as const;

/** Bytes of a magic. */
export const magicLength = 5;
/** Bytes of magic and version, which is all that stands before the segments of a detached body. */
export const bodyPreambleLength = 6;
/** Bytes of magic, version and envelope length. */
export const preambleLength = 10;

/** Magic, version and length, to be followed by an envelope of that length. */
export function encodePreamble(form: 'message' | 'envelope', envelopeLength: number): Bytes {
  return concat(preambles[form], u32(envelopeLength));
}

/** Magic and version of a form; of a detached body that is the whole preamble. */
export function magicAndVersion(form: Form): Bytes {
  return copy(preambles[form]);
}

/** The form that bytes begin like, or `undefined`. */
export function formOf(bytes: Uint8Array): Form | undefined {
  return (Object.keys(magics) as Form[]).find((form) => {
    return codesOf[form].every((code, i) => bytes[i] === code);
  });
}

/** Checks the magic and version that bytes begin with (§1.1, §1.2). Throws `ERR_NOT_A_MESSAGE`, `ERR_UNSUPPORTED_VERSION` or `ERR_TRUNCATED`. */
export function assertForm(bytes: Uint8Array, form: Form): void {
  const actual = formOf(bytes);
  if (actual !== form) {
    const hint =
      actual === undefined ? 'The input is not a bulla message' : `The input is a detached ${actual}, not a ${form}`;
    throw new MessageFormatError('ERR_NOT_A_MESSAGE', actual === 'message' ? 'The input is a whole message' : hint);
  }
  if (bytes.byteLength === magicLength) throw truncated();
  const found = bytes[magicLength];
  if (found !== version) {
    // 0x31 0x2e is "1."
    const isText = found === 0x31 && bytes[bodyPreambleLength] === 0x2e;
    const reason = isText
      ? 'The bytes are a text form: give it as a string'
      : `The message has the unknown version ${found}`;
    throw new MessageFormatError('ERR_UNSUPPORTED_VERSION', reason);
  }
}

/** The envelope's length from a preamble, bounded (§1.3). Throws as {@link assertForm} does, and `ERR_LIMIT_EXCEEDED`. */
export function readPreamble(bytes: Uint8Array, form: 'message' | 'envelope'): number {
  assertForm(bytes, form);
  if (bytes.byteLength < preambleLength) throw truncated();
  const length = readU32(bytes, bodyPreambleLength);
  if (length > maxEnvelopeLength) {
    throw new MessageFormatError('ERR_LIMIT_EXCEEDED', `The envelope has more than ${maxEnvelopeLength} bytes`);
  }
  return length;
}

/** The envelope in bytes that hold all of it, and where it ends. Throws as {@link readPreamble} does. */
export function readEnvelope(bytes: Bytes, form: 'message' | 'envelope'): { envelope: Bytes; end: number } {
  const end = preambleLength + readPreamble(bytes, form);
  if (bytes.byteLength < end) throw truncated();
  if (form === 'envelope' && bytes.byteLength > end) throw malformed('detached envelope', 'is followed by other bytes');
  return { envelope: bytes.subarray(preambleLength, end), end };
}

/** `ERR_TRUNCATED` */
export function truncated(): MessageFormatError {
  return new MessageFormatError('ERR_TRUNCATED', 'The message ends before its envelope does');
}

/** The text form (§1.6) of a message or a detached envelope. Throws `ERR_NOT_A_MESSAGE` for anything else. */
export function toText(message: Uint8Array): string {
  const bytes = asBytes(message, 'message');
  const form = formOf(bytes);
  if (form === undefined || form === 'body') {
    throw new MessageFormatError('ERR_NOT_A_MESSAGE', 'Only a message or a detached envelope has a text form');
  }
  return textPrefixes[form] + encodeBase64url(bytes);
}

/**
 * The bytes of a text form. A byte order mark in front and white space (tab, line feed, carriage return, space) anywhere do not matter (§1.7).
 * Throws `ERR_NOT_A_MESSAGE` or `ERR_MALFORMED`.
 */
export function fromText(text: string): Bytes {
  assert(typeof text === 'string', 'text', 'a string');
  const unfolded = unfold(text);
  for (const form of ['message', 'envelope'] as const) {
    const prefix = textPrefixes[form];
    if (!unfolded.startsWith(prefix)) continue;
    const bytes = decodeBase64url(unfolded, prefix.length);
    if (bytes === undefined) throw malformed('text form', 'is not base64url without padding');
    if (formOf(bytes) !== form) throw malformed('text form', 'holds something else than its prefix says');
    return bytes;
  }
  throw new MessageFormatError('ERR_NOT_A_MESSAGE', 'The text is not a bulla message');
}
