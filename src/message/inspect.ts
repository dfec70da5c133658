/** Shows what a message says about itself, without any key. */

import { suiteById } from '../crypto/suites.ts';
import { decodeEnvelope } from '../envelope/envelope.ts';
import { formOf } from '../envelope/framing.ts';
import { publicHeader } from '../envelope/header.ts';
import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { integer, optional, type ReadersOf, takeOptions } from '../lib/options.ts';
import { geometryOfBody } from '../stream/geometry.ts';
import type { KeyContext, MessageHeader } from '../types.ts';
import { detachedEnvelope, isDetached, type Message, messageBytes, messageParts } from './forms.ts';

/** Options of {@link inspect}. */
export interface InspectOptions {
  /** Bytes of the whole message, where only its beginning is given. Default: what is given is whole. */
  readonly messageLength?: number | undefined;
}

/** Which key a data key is wrapped under, and by which method. */
export interface WrappedKeyInfo {
  readonly method: WrappedKey['wrapping']['method'];
  readonly keyId: string;
  readonly version: number;
  /** The key service that holds the key; empty for a local key. */
  readonly serviceId: string;
  readonly keyContext: KeyContext;
}

/** What a message says about itself. **Nothing of it has been verified**: anyone may have written it. */
export interface Inspection {
  readonly verified: false;
  readonly header: MessageHeader;
  /** What the suite's number stands for. */
  readonly suiteName: string;
  readonly wrappedKeys: readonly WrappedKeyInfo[];
  /** Bytes of plaintext that the message's length allows for; `undefined` for a detached envelope alone, and where no message has this length. */
  readonly plaintextLength: number | undefined;
}

const readers = {
  messageLength: optional(integer(0, Number.MAX_SAFE_INTEGER)),
} satisfies ReadersOf<InspectOptions>;

/**
 * Shows header and wrapped keys of a message in any form, of a detached envelope, or of the beginning of a message that holds its envelope. Without a key nothing
 * can be verified: decide nothing by it that an attacker must not decide.
 *
 * Throws a {@link MessageFormatError}, and a `TypeError` for what can be no message.
 *
 * @example
 * const { header, wrappedKeys } = inspect(message);
 */
export function inspect(message: Message, options: InspectOptions = {}): Inspection {
  const { messageLength } = takeOptions(options, readers);
  const { envelope, bodyLength } = partsOf(message, messageLength);
  const { header, keys } = decodeEnvelope(envelope);
  return {
    verified: false,
    header: publicHeader(header),
    suiteName: suiteById(header.suite.id).name,
    wrappedKeys: keys.map(wrappedKeyInfo),
    plaintextLength: bodyLength === undefined ? undefined : plaintextLength(bodyLength, 2 ** header.segmentSizeLog2),
  };
}

/** What a wrapped key says about itself. */
export function wrappedKeyInfo({ wrapping, keyId, version, serviceId, keyContext }: WrappedKey): WrappedKeyInfo {
  return { method: wrapping.method, keyId, version, serviceId, keyContext };
}

function partsOf(message: Message, messageLength: number | undefined) {
  if (!isDetached(message)) {
    const bytes = messageBytes(message, 'message');
    if (formOf(bytes) === 'envelope') return { envelope: detachedEnvelope(bytes), bodyLength: undefined };
    const { envelope, body } = messageParts(bytes);
    const before = bytes.byteLength - body.byteLength;
    return { envelope, bodyLength: messageLength === undefined ? body.byteLength : messageLength - before };
  }
  const { envelope, body } = messageParts(message);
  return { envelope, bodyLength: body.byteLength };
}

function plaintextLength(bodyLength: number, segmentSize: number): number | undefined {
  try {
    return geometryOfBody(bodyLength, segmentSize).plaintextLength;
  } catch {
    return undefined;
  }
}
