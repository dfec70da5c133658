/** A writer of canonical protobuf, `docs/format.md` §2.2: protobufjs puts the fields one after the other, in the order and by the rules that `wire.ts` reads them by. */

/// <reference path="./protobufjs.d.ts" />

import Writer from 'protobufjs/src/writer.js';
import { pooled } from '../lib/pool.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import type { Bytes } from '../types.ts';
import type { FieldRules, FieldsOf, MessageRules } from './wire.ts';

Writer.alloc = pooled;

/**
 * The bytes of a message with these fields, which may be a view of memory that others share. What is left out, or has the default value of its type, is not written, and what is
 * of another type or inherited is not either: a number where a length belongs would make other fields a part of this one. Bounds are not checked. Throws a `TypeError` for
 * strings that are not Unicode.
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
    const value: unknown = Object.hasOwn(fields, rule.name) && fields[rule.name as keyof typeof fields];
    if (rule.repeated === undefined) {
      const given = value as { readonly length?: number } | null;
      if (given?.length ?? given) writeField(writer, rule, given);
    } else if (Array.isArray(value)) {
      for (const each of value) writeField(writer, rule, each);
    }
  }
}

function writeField(
  writer: Writer,
  { name, type, tag, fields }: MessageRules['inOrder'][number],
  value: unknown,
): void {
  const content = type === 'string' ? typeof value === 'string' && encodeUtf8(value, name) : value;
  if (typeof content !== (type === 'uint32' ? 'number' : 'object')) return;
  writer.uint32(tag);
  if (type === 'uint32') {
    writer.uint32(content as number);
  } else if (fields === undefined) {
    writer.bytes(content as Bytes);
  } else {
    writeFields(writer.fork(), fields, content as object);
    writer.ldelim();
  }
}
