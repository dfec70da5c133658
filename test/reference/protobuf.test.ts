// Any implementation of protobuf agrees with ours about what is canonical: protobufjs, from proto/bulla.proto itself, reads the same values and writes the same bytes.

import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { webcrypto } from '#platform';
import { decodeEnvelope, encodeEnvelope } from '../../src/envelope/envelope.ts';
import { readEnvelope } from '../../src/envelope/framing.ts';
import { encodeWrappedKey } from '../../src/envelope/wrapped-key.ts';
import type { Bytes } from '../../src/types.ts';
import validVectors from '../vectors/valid.json' with { type: 'json' };
import { messageOf, type ValidVector } from './vectors.ts';

const { root } = protobuf.loadSync('proto/bulla.proto');
const Envelope = root.lookupType('bulla.v1.Envelope');
const Header = root.lookupType('bulla.v1.Header');
const WrappedKey = root.lookupType('bulla.v1.WrappedKey');
const plain = (type: protobuf.Type, bytes: Uint8Array) =>
  type.toObject(type.decode(bytes), { defaults: true, arrays: true, oneofs: true });

const valid = validVectors as unknown as ValidVector[];

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
      // A key without its received bytes is written anew.
      expect(hex(encodeWrappedKey({ ...key }))).toBe(hex(bytes));
      expect(hex(WrappedKey.encode(WrappedKey.decode(bytes)).finish())).toBe(hex(bytes));
    }
    expect(hex(encodeEnvelope(ours.headerBytes, ours.keys, ours.commitment))).toBe(hex(envelope));
  });
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function asHex(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, value instanceof Uint8Array ? hex(value) : value]),
  );
}
