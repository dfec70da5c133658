/** The header of a message, `docs/format.md` §3: to bytes and back. */

import { type Suite, suiteById } from '../crypto/suites.ts';
import { MessageFormatError } from '../errors.ts';
import { compareBytes } from '../lib/bytes.ts';
import {
  maxHeaderLength,
  maxNameLength,
  maxPairs,
  maxSegmentSizeLog2,
  maxValueLength,
  minSegmentSizeLog2,
} from '../lib/limits.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import { saltLength } from '../schedule/message-keys.ts';
import type { Bytes, KeyUse, MessageHeader } from '../types.ts';
import { malformed, messageRules, readCanonical } from './wire.ts';
import { writeCanonical } from './write.ts';

/** What a header is made from; names and metadata ascending by UTF-8 bytes. */
export interface HeaderFields {
  readonly suite: Suite;
  readonly salt: Bytes;
  readonly segmentSizeLog2: number;
  /** Seconds since 1970-01-01T00:00:00Z. */
  readonly created: number;
  readonly keyUse: KeyUse;
  readonly contextNames: readonly string[];
  readonly contentType: string | undefined;
  readonly metadata: readonly (readonly [name: string, value: string])[];
}

const keyUses: readonly (KeyUse | undefined)[] = [undefined, 'single', 'shared'];

/** The rules of a name-value pair: metadata here, key context in a wrapped key. */
export function pairRule<const Name extends string>(name: Name, valueLimit: number) {
  const fields = messageRules({
    1: { name: 'name', type: 'string', required: true, limit: maxNameLength },
    2: { name: 'value', type: 'string', limit: valueLimit },
  });
  return { name, type: 'message', repeated: maxPairs, fields } as const;
}

/** The fields of a header (§3). */
export const headerRules = messageRules(
  {
    // §3.1: before the other fields, which a later suite may have otherwise.
    1: { name: 'suite', type: 'uint32', required: true, judge: suiteById },
    2: { name: 'salt', type: 'bytes', required: true, least: saltLength, most: saltLength },
    3: {
      name: 'segmentSizeLog2',
      type: 'uint32',
      required: true,
      least: minSegmentSizeLog2,
      most: maxSegmentSizeLog2,
    },
    4: { name: 'created', type: 'uint32', required: true },
    5: { name: 'keyUse', type: 'uint32', required: true, most: keyUses.length - 1 },
    6: { name: 'contextNames', type: 'string', repeated: maxPairs, limit: maxNameLength },
    7: { name: 'contentType', type: 'string', limit: maxNameLength },
    8: pairRule('metadata', maxValueLength),
  },
  (number) => (number >= 1024 ? 'any' : undefined),
);

/** The bytes of a header, to be hashed and put into an envelope: they may be a view of memory that others share. Throws `ERR_LIMIT_EXCEEDED` when there are too many. */
export function encodeHeader(fields: HeaderFields): Bytes {
  const bytes = writeCanonical(headerRules, {
    suite: fields.suite.id,
    salt: fields.salt,
    segmentSizeLog2: fields.segmentSizeLog2,
    created: fields.created,
    keyUse: keyUses.indexOf(fields.keyUse),
    contextNames: fields.contextNames,
    contentType: fields.contentType ?? '',
    metadata: fields.metadata.map(([name, value]) => ({ name, value })),
  });
  if (bytes.byteLength > maxHeaderLength) {
    throw new MessageFormatError('ERR_LIMIT_EXCEEDED', `The header would have more than ${maxHeaderLength} bytes`);
  }
  return bytes;
}

/** The fields of a header. Throws what {@link readCanonical} does, and `ERR_UNSUPPORTED_SUITE`. */
export function decodeHeader(bytes: Bytes): HeaderFields {
  const { fields } = readCanonical(bytes, headerRules, 'header');
  const { suite, keyUse, contextNames, contentType, metadata } = fields;
  assertAscending(contextNames, 'header', 'contextNames');
  return {
    ...fields,
    suite: suiteById(suite),
    keyUse: keyUses[keyUse] as KeyUse,
    contentType: contentType === '' ? undefined : contentType,
    metadata: readPairs(metadata, 'header', 'metadata'),
  };
}

/** The header as callers see it. */
export function publicHeader(fields: HeaderFields): MessageHeader {
  return {
    suite: fields.suite.id,
    segmentSize: 2 ** fields.segmentSizeLog2,
    created: new Date(fields.created * 1000),
    keyUse: fields.keyUse,
    contextNames: [...fields.contextNames],
    contentType: fields.contentType,
    metadata: Object.fromEntries(fields.metadata),
  };
}

/** Name-value pairs that {@link pairRule} has let through, in their order. */
export function readPairs(
  pairs: readonly { readonly name: string; readonly value: string }[],
  what: string,
  field: string,
): [name: string, value: string][] {
  const read = pairs.map(({ name, value }): [string, string] => [name, value]);
  const names = read.map(([name]) => name);
  assertAscending(names, what, field);
  return read;
}

/** §3.3, §3.4: names strictly ascending by their UTF-8 bytes. */
function assertAscending(names: readonly string[], what: string, field: string): void {
  if (names.length < 2) return;
  let previous: Uint8Array | undefined;
  for (const name of names) {
    const bytes = encodeUtf8(name, field);
    if (previous !== undefined && compareBytes(previous, bytes) >= 0) {
      throw malformed(what, `has ${field} that are not in ascending order`);
    }
    previous = bytes;
  }
}
