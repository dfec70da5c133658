/** The text form (`docs/format.md` §1.6) of streams: however long a message is, a few kilobytes of it are in memory. */

import { MessageFormatError } from '../errors.ts';
import { decodeBase64url, encodeBase64url } from '../lib/base64url.ts';
import { concat } from '../lib/bytes.ts';
import type { Bytes } from '../types.ts';

/** What a message in its text form starts with. */
export const textPrefix = 'bulla1.';

/** Turns a message into its text form and a line feed. */
export function textEncoder(): TransformStream<Uint8Array, Bytes> {
  const ascii = new TextEncoder();
  let rest = new Uint8Array(0);
  return new TransformStream({
    start: (controller) => controller.enqueue(ascii.encode(textPrefix)),
    transform(chunk, controller) {
      const bytes = concat(rest, chunk as Bytes);
      const whole = bytes.byteLength - (bytes.byteLength % 3);
      rest = bytes.slice(whole);
      controller.enqueue(ascii.encode(encodeBase64url(bytes.subarray(0, whole))));
    },
    flush: (controller) => controller.enqueue(ascii.encode(`${encodeBase64url(rest)}\n`)),
  });
}

/** Turns a text form back into a message. White space at its end is no part of it. Errors with `ERR_MALFORMED`. */
export function textDecoder(): TransformStream<Uint8Array, Bytes> {
  const latin1 = new TextDecoder('latin1');
  let rest = '';
  let prefix = textPrefix.length;
  const decode = (text: string): Bytes => {
    const bytes = decodeBase64url(text);
    if (bytes === undefined) {
      throw new MessageFormatError('ERR_MALFORMED', 'The text form is not base64url without padding');
    }
    return bytes;
  };
  return new TransformStream({
    transform(chunk, controller) {
      let text = rest + latin1.decode(chunk);
      if (text.length < prefix) {
        rest = text;
        return;
      }
      text = text.slice(prefix);
      prefix = 0;
      // White space may be followed by more text, which is then malformed; at the end it is not.
      const end = text.trimEnd().length;
      const whole = end - (end % 4);
      rest = text.slice(whole);
      if (rest.length > maxTrailingSpace)
        throw new MessageFormatError('ERR_MALFORMED', 'The text form has white space');
      controller.enqueue(decode(text.slice(0, whole)));
    },
    flush: (controller) => controller.enqueue(decode(rest.trimEnd())),
  });
}

const maxTrailingSpace = 1_024;
