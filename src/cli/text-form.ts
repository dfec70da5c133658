/** The text form (`docs/format.md` §1.6, §1.7) of streams: however long a message is, a few kilobytes of it are in memory. */

import { formOf, magicLength } from '../envelope/framing.ts';
import { MessageFormatError } from '../errors.ts';
import { decodeBase64url, encodeBase64url, withoutWhiteSpace } from '../lib/base64url.ts';
import { concat } from '../lib/bytes.ts';
import type { Bytes } from '../types.ts';

const prefix = /^bull([ae])1\./;
const prefixLength = 7;
/** White space in front of a text form, so that it is found in a bounded beginning. */
const maxIndent = 4_096;

/** How the characters of a text are encoded, by its byte order mark. */
export function encodingOf(bytes: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  return bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
}

/** Whether the beginning of something is that of a text form; `undefined` where more of it is needed to say. */
export function startsAsText(bytes: Uint8Array): boolean | undefined {
  if (bytes.byteLength < 2) return undefined;
  const text = withoutWhiteSpace(
    new TextDecoder(encodingOf(bytes)).decode(bytes.subarray(0, maxIndent), { stream: true }),
  );
  if (text.length >= prefixLength) return prefix.test(text);
  const mayBe = 'bulla1.'.startsWith(text) || 'bulle1.'.startsWith(text);
  return mayBe && bytes.byteLength < maxIndent ? undefined : false;
}

/** Turns a message, or a detached envelope, into its text form and a line feed. */
export function textEncoder(): TransformStream<Uint8Array, Bytes> {
  const ascii = new TextEncoder();
  let rest: Bytes = new Uint8Array(0);
  let begun = false;
  return new TransformStream({
    transform(chunk, controller) {
      const bytes = concat(rest, chunk as Bytes);
      if (!begun && bytes.byteLength < magicLength) {
        rest = bytes;
        return;
      }
      if (!begun) controller.enqueue(ascii.encode(formOf(bytes) === 'envelope' ? 'bulle1.' : 'bulla1.'));
      begun = true;
      const whole = bytes.byteLength - (bytes.byteLength % 3);
      rest = bytes.slice(whole);
      controller.enqueue(ascii.encode(encodeBase64url(bytes.subarray(0, whole))));
    },
    flush: (controller) => controller.enqueue(ascii.encode(`${encodeBase64url(rest)}\n`)),
  });
}

/** Turns a text form back into a message. Errors with `ERR_MALFORMED`. */
export function textDecoder(): TransformStream<Uint8Array, Bytes> {
  let decoder: TextDecoder | undefined;
  let rest = '';
  let front = prefixLength;
  const take = (text: string, whole: number): Bytes => {
    const bytes = decodeBase64url(text.slice(0, whole));
    if (bytes === undefined) throw malformed('is not base64url without padding');
    rest = text.slice(whole);
    return bytes;
  };
  let first: Bytes | undefined = new Uint8Array(0);
  let expected: string | undefined;
  /** What is decoded is what the prefix says. */
  const checked = (bytes: Bytes, ended: boolean): Bytes => {
    if (first === undefined) return bytes;
    first = concat(first, bytes);
    if (first.byteLength < magicLength && !ended) return new Uint8Array(0);
    const all = first;
    first = undefined;
    if (formOf(all) !== expected) throw malformed('holds something else than its prefix says');
    return all;
  };
  return new TransformStream({
    transform(chunk, controller) {
      decoder ??= new TextDecoder(encodingOf(chunk));
      let text = rest + withoutWhiteSpace(decoder.decode(chunk, { stream: true }));
      if (text.length < front) {
        rest = text;
        return;
      }
      if (front > 0) expected = prefix.exec(text)?.[1] === 'e' ? 'envelope' : 'message';
      text = text.slice(front);
      front = 0;
      controller.enqueue(checked(take(text, text.length - (text.length % 4)), false));
    },
    flush(controller) {
      const text = rest + withoutWhiteSpace(decoder?.decode() ?? '');
      controller.enqueue(checked(take(text, text.length), true));
    },
  });
}

function malformed(what: string): MessageFormatError {
  return new MessageFormatError('ERR_MALFORMED', `The text form ${what}`);
}
