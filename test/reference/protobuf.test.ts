// Any implementation of protobuf agrees with ours about what is canonical: protobufjs, from proto/bulla.proto itself, reads the same values and writes the same bytes.

import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { webcrypto } from '#platform';
import { decodeEnvelope, encodeEnvelope, envelopeRules } from '../../src/envelope/envelope.ts';
import { readEnvelope } from '../../src/envelope/framing.ts';
import { decodeHeader, headerRules } from '../../src/envelope/header.ts';
import type { FieldRule, MessageRules } from '../../src/envelope/wire.ts';
import { decodeWrappedKey, encodeWrappedKey, wrappedKeyRules } from '../../src/envelope/wrapped-key.ts';
import { isBullaError } from '../../src/errors.ts';
import { concat } from '../../src/lib/bytes.ts';
import type { Bytes } from '../../src/types.ts';
import { generator, mutate } from '../support/mutate.ts';
import validVectors from '../vectors/valid.json' with { type: 'json' };
import { messageOf, type ValidVector } from './vectors.ts';

const { root } = protobuf.loadSync('proto/bulla.proto');
const Envelope = root.lookupType('bulla.v1.Envelope');
const Header = root.lookupType('bulla.v1.Header');
const WrappedKey = root.lookupType('bulla.v1.WrappedKey');
const plain = (type: protobuf.Type, bytes: Uint8Array) =>
  type.toObject(type.decode(bytes), { defaults: true, arrays: true, oneofs: true });

const valid = validVectors as unknown as ValidVector[];

describe('proto/bulla.proto', () => {
  test.each<[protobuf.Type, MessageRules]>([
    [Envelope, envelopeRules],
    [Header, headerRules],
    [WrappedKey, wrappedKeyRules],
  ])('$name has the fields that are written and read', (type, rules) => {
    expect(fieldsByRules(rules)).toEqual(fieldsOf(type));
  });
});

describe('protobufjs and wire.ts', () => {
  test.each(valid.map((vector) => [vector.name, vector] as const))('%s', async (_, vector) => {
    const { subtle } = await webcrypto();
    const { envelope } = readEnvelope((await messageOf(vector, subtle)) as Bytes, 'message');
    const ours = decodeEnvelope(envelope);
    const theirs = plain(Envelope, envelope);
    expect(hex(theirs['header'])).toBe(hex(ours.headerBytes));
    expect(hex(theirs['commitment'])).toBe(hex(ours.commitment));

    const header = plain(Header, ours.headerBytes);
    expect({ ...header, salt: hex(header['salt']) }).toEqual({
      suite: ours.header.suite.id,
      salt: hex(ours.header.salt),
      segmentSizeLog2: ours.header.segmentSizeLog2,
      created: ours.header.created,
      keyUse: ours.header.keyUse === 'shared' ? 2 : 1,
      contextNames: ours.header.contextNames,
      contentType: ours.header.contentType ?? '',
      metadata: ours.header.metadata.map(([name, value]) => ({ name, value })),
    });

    const keys = theirs['keys'] as Bytes[];
    expect(keys.length).toBe(ours.keys.length);
    for (const [i, bytes] of keys.entries()) {
      const key = ours.keys[i] as (typeof ours.keys)[number];
      const { method, keyId, version, serviceId, keyContext, ...rest } = plain(WrappedKey, bytes);
      expect([keyId, version, serviceId]).toEqual([key.keyId, key.version, key.serviceId]);
      const pairs = (keyContext as { name: string; value: string }[]).map(({ name, value }) => [name, value]);
      expect(Object.fromEntries(pairs)).toStrictEqual(key.keyContext);
      if (key.wrapping.method === 'unknown') continue;
      const { method: ourMethod, ...parts } = key.wrapping;
      expect(method).toBe(ourMethod === 'service-ecdh' ? 'serviceEcdh' : ourMethod);
      expect(asHex(rest[method])).toEqual(asHex(parts));
      // A key without its received bytes is written again.
      expect(hex(encodeWrappedKey({ ...key }))).toBe(hex(bytes));
      expect(hex(WrappedKey.encode(WrappedKey.decode(bytes)).finish())).toBe(hex(bytes));
    }
    expect(hex(encodeEnvelope(ours.headerBytes, ours.keys, ours.commitment))).toBe(hex(envelope));
  });
});

describe('§2.2 a message has one encoding: what wire.ts accepts, protobufjs writes again byte for byte', () => {
  const readers: [name: string, type: protobuf.Type, read: (bytes: Bytes) => unknown][] = [
    ['Header', Header, decodeHeader],
    ['WrappedKey', WrappedKey, decodeWrappedKey],
    ['Envelope', Envelope, decodeEnvelope],
  ];
  test.each(readers)('%s', async (name, type, read) => {
    const { subtle } = await webcrypto();
    const envelopes = await Promise.all(
      valid.map(async (vector) => readEnvelope((await messageOf(vector, subtle)) as Bytes, 'message').envelope),
    );
    const samples = envelopes.flatMap((bytes) => {
      const { headerBytes, keys } = decodeEnvelope(bytes);
      return { Header: [headerBytes], WrappedKey: keys.map(encodeWrappedKey), Envelope: [bytes] }[name] ?? [];
    });
    const fields = samples.filter(({ byteLength }) => byteLength < 4096).map(split);
    const next = generator(4711);
    const counts = { accepted: 0, refused: 0 };
    for (let i = 0; i < 20_000; i++) {
      const mutant = rearrange(fields[next(fields.length)] as Bytes[], next);
      if (!accepts(read, mutant)) {
        counts.refused++;
        continue;
      }
      counts.accepted++;
      const again = hex(type.encode(type.decode(mutant)).finish());
      // It drops fields that it does not know, which stand at the end.
      const known = hex(concat(...split(mutant).filter((field) => numberOf(field) in type.fieldsById)));
      if (again !== known) expect(again).toBe(known);
    }
    expect(counts.accepted).toBeGreaterThan(500);
    expect(counts.refused).toBeGreaterThan(500);
  });
});

/** Whether a reader takes bytes. Anything but an error of the format fails the test. */
function accepts(read: (bytes: Bytes) => unknown, bytes: Bytes): boolean {
  try {
    read(bytes);
    return true;
  } catch (error) {
    if (isBullaError(error)) return false;
    throw error;
  }
}

/** The fields of a message by number: name, type, whether it is repeated, and what is in it. */
function fieldsOf(type: protobuf.Type): Record<string, unknown> {
  const shape = (field: protobuf.Field) => {
    const { name, repeated, resolvedType } = field.resolve();
    const inner = resolvedType instanceof protobuf.Type ? fieldsOf(resolvedType) : undefined;
    const kind = resolvedType instanceof protobuf.Enum ? 'uint32' : inner === undefined ? field.type : 'message';
    return [name, kind, repeated, inner];
  };
  return Object.fromEntries(type.fieldsArray.map((field) => [field.id, shape(field)]));
}

function fieldsByRules({ known }: MessageRules): Record<string, unknown> {
  const shape = ({ name, type, repeated, fields }: FieldRule) => [
    name,
    type,
    repeated !== undefined,
    fields && fieldsByRules(fields),
  ];
  return Object.fromEntries(Object.entries(known).map(([number, rule]) => [number, shape(rule)]));
}

/** The fields of a message one by one, each with its tag. */
function split(bytes: Bytes): Bytes[] {
  const reader = protobuf.Reader.create(bytes);
  const fields = [];
  for (let at = 0; at < bytes.length; at = reader.pos) {
    reader.skipType(reader.uint32() & 7);
    fields.push(bytes.slice(at, reader.pos));
  }
  return fields;
}

function numberOf(field: Bytes): number {
  return protobuf.Reader.create(field).uint32() >>> 3;
}

/** Fields that a lenient reader takes, or carries along: zero, empty, unknown, overlong, of another type, out of range. */
const oddFields = [
  [0x08, 0x00],
  [0x08, 0x81, 0x00],
  [0x88, 0x00, 0x01],
  [0x0a, 0x00],
  [0x10, 0x01],
  [0x18, 0x8c, 0x80, 0x80, 0x80, 0x10],
  [0x20, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x28, 0x03],
  [0x32, 0x02, 0xc0, 0xaf],
  [0x32, 0x01, 0x61],
  [0x3a, 0x01, 0x61],
  [0x42, 0x02, 0x0a, 0x00],
  [0x42, 0x03, 0x0a, 0x01, 0x61],
  [0x4a, 0x01, 0x01],
  [0x80, 0x40, 0x01],
  [0x82, 0x40, 0x01, 0x00],
  [0x85, 0x40, 1, 0, 0, 0],
  [0x83, 0x40, 0x84, 0x40],
  [0xb2, 0x01, 0x01, 0x01],
].map((bytes) => Uint8Array.from(bytes));

/** A message with fields that were repeated, dropped, exchanged, put in or changed. */
function rearrange(fields: readonly Bytes[], next: (below: number) => number): Bytes {
  const mutant = [...fields];
  for (let rounds = next(3); rounds >= 0; rounds--) {
    const at = next(mutant.length + 1);
    const other = next(mutant.length + 1);
    const odd = oddFields[next(oddFields.length)] as Bytes;
    const [first, second] = [mutant[at] ?? odd, mutant[other] ?? odd];
    const edits: (() => unknown)[] = [
      () => mutant.splice(at, 0, first),
      () => mutant.splice(at, 1),
      () => mutant.splice(at, 1, second),
      () => mutant.splice(at, 0, odd),
      () => mutant.splice(at, 1, mutate(first, second, next)),
    ];
    edits[next(edits.length)]?.();
  }
  return concat(...mutant);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function asHex(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, value instanceof Uint8Array ? hex(value) : value]),
  );
}
