// The reference agrees with every vector, reproduces each valid message from its inputs, and docs/format.md §10 shows the first.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import invalidVectors from '../vectors/invalid.json' with { type: 'json' };
import keys from '../vectors/keys.json' with { type: 'json' };
import validVectors from '../vectors/valid.json' with { type: 'json' };
import { toEncryptInput, toReaderKey } from './generate/build.ts';
import { renderExample } from './generate/example.ts';
import { decodeText, decryptReference, encodeText, encryptReference, splitHalves } from './message.ts';
import {
  type Bytes,
  decodeBytes,
  type InvalidVector,
  type KeyMaterial,
  messageOf,
  plaintextOf,
  type ValidVector,
} from './vectors.ts';
import { sha384 } from './wrapping.ts';

const material: Readonly<Record<string, KeyMaterial>> = keys;
const valid = validVectors as unknown as ValidVector[];
const invalid = invalidVectors as unknown as InvalidVector[];

const unpack = (values: Readonly<Record<string, Bytes>>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, decodeBytes(value)]));

describe('a valid message', () => {
  for (const vector of valid) {
    test(`${vector.clauses.join(' ')} ${vector.name}`, async () => {
      const { message, intermediates } = encryptReference(toEncryptInput(vector, material));
      const { wraps, nonces, ...values } = vector.intermediates;
      expect(intermediates).toEqual({ ...unpack(values), wraps: wraps.map(unpack) });
      expect([message.length, sha384(message)]).toEqual([vector.messageLength, decodeBytes(vector.messageSha384)]);
      expect(Buffer.compare(await messageOf(vector, crypto.subtle), message)).toBe(0);

      const readers = vector.wraps.flatMap((wrap) =>
        wrap.method === 'service' || wrap.method === 'raw' ? [] : [toReaderKey(wrap, material)],
      );
      expect(readers.length).toBeGreaterThan(0);
      for (const reader of readers) {
        const { header, plaintext } = decryptReference(message, [reader], vector.context);
        expect(Buffer.compare(plaintext, plaintextOf(vector))).toBe(0);
        expect([header.created, header.contentType]).toEqual([vector.created, vector.contentType]);
      }
      if (vector.text === undefined || vector.detached === undefined) return;
      const halves = splitHalves(message);
      expect([encodeText('bulla', message), encodeText('bulle', halves.envelope)]).toEqual([
        vector.text,
        vector.detached.text,
      ]);
      expect(halves).toEqual(unpack({ envelope: vector.detached.envelope, body: vector.detached.body }));
      expect(decodeText('bulla', vector.text)).toEqual(message);
      expect(decryptReference(halves, readers, vector.context).plaintext).toEqual(plaintextOf(vector));
    });
  }
});

function decrypt({ message, text, detached, keys: names, context }: InvalidVector) {
  const readers = names.map((key) => toReaderKey(key, material));
  if (text !== undefined) return decryptReference(decodeText('bulla', text), readers, context);
  if (detached === undefined) return decryptReference(decodeBytes(message ?? ''), readers, context);
  const { envelope = '', text: envelopeText } = detached;
  const half = envelopeText === undefined ? decodeBytes(envelope) : decodeText('bulle', envelopeText);
  return decryptReference({ envelope: half, body: decodeBytes(detached.body) }, readers, context);
}

describe('an invalid message', () => {
  for (const vector of invalid) {
    test(`${vector.clauses.join(' ')} ${vector.name}: ${vector.code}`, () => {
      expect(() => decrypt(vector)).toThrow(expect.objectContaining({ code: vector.code, clause: vector.clauses[0] }));
    });
  }
});

describe('the page', () => {
  test('§10 shows the first valid vector', () => {
    const page = readFileSync(new URL('../../docs/format.md', import.meta.url), 'utf8');
    const [first] = valid;
    expect(first?.name).toBe('the worked example');
    expect(page).toContain(`-->\n\n${first === undefined ? '' : renderExample(first, material)}\n<!-- /example -->`);
  });

  test('§4.2 refuses an unpaired surrogate of a caller as a wrong argument', () => {
    const [first] = valid;
    expect(() => decryptReference(decodeBytes(first?.message ?? ''), [], [['\ud800', '']])).toThrow(TypeError);
  });
});
