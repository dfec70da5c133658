/** A writer of canonical protobuf, `docs/format.md` §2.2: protobufjs puts the fields one after the other, in the order and by the rules that `wire.ts` reads them by. */

/// <reference path="./protobufjs.d.ts" />

import Writer from 'protobufjs/src/writer.js';
import { isBytes } from '../lib/bytes.ts';
import { pooled } from '../lib/pool.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import type { Bytes } from '../types.ts';
import { type FieldRules, type FieldsOf, type MessageRules, malformed } from './wire.ts';

Writer.alloc = pooled;

/**
 * The bytes of a message with these fields, which may be a view of memory that others share. What is left out, or has the default value of its type, is not written. Only own
 * properties are fields. Throws `ERR_MALFORMED` for a value of another type, which would be written as something else, and a `TypeError` for strings that are not Unicode.
 * Bounds are not checked.
 */
export function writeCanonical<Rules extends FieldRules>(
  rules: MessageRules<Rules>,
  fields: Partial<FieldsOf<Rules>>,
): Bytes {
  const writer = new Writer();
  writeFields(writer, rules, fields);
  return writer.finish();
}

function writeFields(writer: Writer, { inOrder }: MessageRules, fields: object): void {
  for (const rule of inOrder) {
    const value: unknown = Object.hasOwn(fields, rule.name) ? fields[rule.name as keyof typeof fields] : undefined;
    if (rule.repeated !== undefined)
      for (const each of (value ?? []) as unknown[]) writeField(writer, rule, each, true);
    else if (value !== undefined) writeField(writer, rule, value, false);
  }
}

function writeField(
  writer: Writer,
  { name, type, tag, fields }: MessageRules['inOrder'][number],
  value: unknown,
  isElement: boolean,
): void {
  if (type === 'uint32') {
    assertType(value === (value as number) >>> 0, name);
    if (value !== 0) writer.uint32(tag).uint32(value);
  } else if (fields === undefined) {
    const bytes = type === 'string' && typeof value === 'string' ? encodeUtf8(value, name) : value;
    assertType(isBytes(bytes) && (type === 'bytes' || bytes !== value), name);
    if (isElement || bytes.byteLength > 0) writer.uint32(tag).bytes(bytes);
  } else {
    assertType(typeof value === 'object' && value !== null, name);
    writeFields(writer.uint32(tag).fork(), fields, value);
    writer.ldelim();
  }
}

function assertType(isRight: boolean, name: string): asserts isRight {
  if (!isRight) throw malformed('message', `has a ${name} of the wrong type`);
}
