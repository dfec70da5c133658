// The reference agrees with every vector, reproduces each valid message from its inputs, and docs/format.md §10 shows the first.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import invalidVectors from '../vectors/invalid.json' with { type: 'json' };
import keys from '../vectors/keys.json' with { type: 'json' };
import validVectors from '../vectors/valid.json' with { type: 'json' };
import { decodeText, decrypt, encodeText, encrypt, sha384 } from './bulla.ts';
import { toEncryptInput, toReaderKey } from './generate/build.ts';
import { renderExample } from './generate/example.ts';
import { splitHalves } from './generate/raw.ts';
import {
  type Bytes,
  decodeBytes,
  type InvalidVector,
  type KeyMaterial,
  messageOf,
  plaintextOf,
  type ValidVector,
} from './vectors.ts';

const material: Readonly<Record<string, KeyMaterial>> = keys;
const valid = validVectors as unknown as ValidVector[];
const invalid = invalidVectors as unknown as InvalidVector[];

const unpack = (values: Readonly<Record<string, Bytes>>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, decodeBytes(value)]));

describe('a valid message', () => {
  for (const vector of valid) {
    test(`${vector.clauses.join(' ')} ${vector.name}`, async () => {
      const input = toEncryptInput(vector, material);
      const { message, intermediates } = encrypt(input);
      const { wraps, nonces, ...values } = vector.intermediates;
      expect({ ...intermediates, wraps: input.wraps }).toEqual({ ...unpack(values), wraps: wraps.map(unpack) });
      expect([message.length, sha384(message)]).toEqual([vector.messageLength, decodeBytes(vector.messageSha384)]);
      expect(Buffer.compare(await messageOf(vector, crypto.subtle), message)).toBe(0);

      const readers = vector.wraps.flatMap((wrap) =>
        wrap.method === 'service' || wrap.method === 'raw' ? [] : [toReaderKey(wrap, material)],
      );
      expect(readers.length).toBeGreaterThan(0);
      const held = vector.readers?.map((reader) => toReaderKey(reader, material));
      for (const keys of held === undefined ? readers.map((reader) => [reader]) : [held]) {
        const { header, plaintext } = decrypt(message, keys, vector.context);
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
      for (const text of [vector.text, ...(vector.folded ?? [])]) expect(decodeText('bulla', text)).toEqual(message);
      expect(decrypt(halves.envelope, readers, vector.context, halves.body).plaintext).toEqual(plaintextOf(vector));
    });
  }
});

function decryptVector({ message, text, detached, keys: names, context }: InvalidVector) {
  const readers = names.map((key) => toReaderKey(key, material));
  if (text !== undefined) return decrypt(decodeText('bulla', text), readers, context);
  if (detached === undefined) return decrypt(decodeBytes(message ?? ''), readers, context);
  const { envelope = '', text: envelopeText } = detached;
  const half = envelopeText === undefined ? decodeBytes(envelope) : decodeText('bulle', envelopeText);
  return decrypt(half, readers, context, decodeBytes(detached.body));
}

describe('an invalid message', () => {
  for (const vector of invalid) {
    test(`${vector.clauses.join(' ')} ${vector.name}: ${vector.code}`, () => {
      expect(() => decryptVector(vector)).toThrow(
        expect.objectContaining({ code: vector.code, clause: vector.clauses[0] }),
      );
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

  test('§7.5 the reader’s keys decide, each with all entries for it', () => {
    const [first] = valid;
    const [wrap] = first?.wraps ?? [];
    if (first === undefined || wrap?.method !== 'ecdh') throw new TypeError('the example has one wrapped key, of ecdh');
    const [right, wrong] = [toReaderKey(wrap, material), toReaderKey({ ...wrap, key: 'bob' }, material)];
    const message = decodeBytes(first.message ?? '');
    for (const readers of [
      [wrong, right],
      [right, wrong],
    ]) {
      expect(decrypt(message, readers, first.context).plaintext).toEqual(plaintextOf(first));
    }
    expect(() => decrypt(message, [wrong, wrong], first.context)).toThrow(
      expect.objectContaining({ code: 'ERR_DECRYPTION_FAILED', clause: '§7.5' }),
    );
  });

  test('§4.4 refuses an empty name and an oversized context of a caller', () => {
    const [first] = valid;
    const message = decodeBytes(first?.message ?? '');
    expect(() => decrypt(message, [], [['', 'x']])).toThrow(TypeError);
    const many = Array.from({ length: 65 }, (_, n): [string, string] => [`name ${n}`, '']);
    for (const context of [many, [['n'.repeat(257), '']], [['n', 'v'.repeat(8193)]]] as [string, string][][]) {
      expect(() => decrypt(message, [], context)).toThrow(expect.objectContaining({ code: 'ERR_LIMIT_EXCEEDED' }));
    }
  });

  test('§4.2 refuses an unpaired surrogate of a caller as a wrong argument', () => {
    const [first] = valid;
    expect(() => decrypt(decodeBytes(first?.message ?? ''), [], [['\ud800', '']])).toThrow(TypeError);
  });
});
