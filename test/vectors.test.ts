// The SDK agrees with the independent reference on every vector of test/vectors/: one-shot, streamed, byte by byte, by workers, and by random access.

import { describe, expect, test } from 'vitest';
import { webcrypto } from '#platform';
import { decrypt, decryptStream, fromText, inspect, isBullaError, open, toText } from '../src/index.ts';
import type { Keyring } from '../src/keyrings/keyring.ts';
import type { Bytes, Context } from '../src/types.ts';
import {
  decodeBytes,
  type InvalidVector,
  messageOf,
  plaintextOf,
  type ValidVector,
  type VectorKey,
} from './reference/vectors.ts';
import { collect, fastKeyring, streamOf, viewAtOffset } from './support/data.ts';
import { keyringOf } from './support/vector-keyrings.ts';
import { segmentWorkers } from './support/workers.ts';
import invalidVectors from './vectors/invalid.json' with { type: 'json' };
import validVectors from './vectors/valid.json' with { type: 'json' };

const valid = validVectors as unknown as ValidVector[];
const invalid = invalidVectors as unknown as InvalidVector[];

/** Byte by byte is for messages of this size; larger ones go in odd pieces. */
const smallMessage = 5_000;

/** An object with these pairs and no others, whatever the names. */
function contextOf(pairs: InvalidVector['context']): Context {
  return Object.assign(Object.create(null), Object.fromEntries(pairs)) as Context;
}

function throughStream(message: Uint8Array, keyring: Keyring, context: Context, ...sizes: number[]): Promise<Bytes> {
  return collect(streamOf(message, ...sizes).pipeThrough(decryptStream({ keyring, context })));
}

function byWorkers(message: Uint8Array, keyring: Keyring, context: Context): Promise<Bytes> {
  return collect(streamOf(message, 4_111).pipeThrough(decryptStream({ keyring, context, workers: segmentWorkers() })));
}

test('there are as many vectors as promised', () => {
  expect(valid.length).toBeGreaterThanOrEqual(60);
  expect(invalid.length).toBeGreaterThanOrEqual(200);
});

describe('a valid message', () => {
  test.each(valid.map((vector) => [`${vector.clauses.join(' ')} ${vector.name}`, vector] as const))(
    '%s',
    async (_, vector) => {
      const { subtle } = await webcrypto();
      const message = (await messageOf(vector, subtle)) as Bytes;
      const plaintext = plaintextOf(vector);
      const context = contextOf(vector.context);
      const keys = vector.readers ?? vector.wraps.filter((wrap): wrap is VectorKey & typeof wrap => 'key' in wrap);
      for (const held of vector.readers === undefined ? keys.map((key) => [key]) : [keys]) {
        const keyring = await keyringOf(held);
        const whole = await decrypt(viewAtOffset(message), { keyring, context });
        expect(Object.is(whole.plaintext.length, plaintext.length)).toBe(true);
        expect(equal(whole.plaintext, plaintext)).toBe(true);
        expect(whole.header).toMatchObject({
          segmentSize: 2 ** vector.segmentSizeLog2,
          created: new Date(vector.created * 1000),
          keyUse: vector.keyUse.toLowerCase(),
          contentType: vector.contentType === '' ? undefined : vector.contentType,
        });
        expect({ ...whole.header.metadata }).toEqual(Object.fromEntries(vector.metadata));
      }
      const keyring = await keyringOf(keys);
      const sizes = message.length <= smallMessage ? [1] : [1, 4_111, 17, 65_537];
      expect(equal(await throughStream(message, keyring, context, ...sizes), plaintext)).toBe(true);
      expect(equal(await byWorkers(message, keyring, context), plaintext)).toBe(true);
      const opened = await open(message, { keyring, context });
      expect(opened.size).toBe(plaintext.length);
      const [from, to] = [Math.floor(plaintext.length / 3), Math.ceil((plaintext.length * 2) / 3)];
      expect(equal(await opened.read(from, to), plaintext.subarray(from, to))).toBe(true);
      expect(inspect(message).plaintextLength).toBe(plaintext.length);
      if (vector.text === undefined || vector.detached === undefined) return;
      expect(toText(message)).toBe(vector.text);
      for (const text of [vector.text, ...(vector.folded ?? [])]) expect(equal(fromText(text), message)).toBe(true);
      const halves = { envelope: vector.detached.text, body: decodeBytes(vector.detached.body) as Bytes };
      expect(equal((await decrypt(halves, { keyring, context })).plaintext, plaintext)).toBe(true);
    },
  );
});

describe('an invalid message', () => {
  test.each(invalid.map((vector) => [`${vector.clauses.join(' ')} ${vector.name}: ${vector.code}`, vector] as const))(
    '%s',
    async (_, vector) => {
      // No keyring can be configured with what breaks a limit itself; any will do then, for none is asked.
      const keyring = await keyringOf(vector.keys).catch(() => fastKeyring());
      const context = contextOf(vector.context);
      for (const attempt of attempts(vector, keyring, context)) {
        const error = await attempt().then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect([isBullaError(error), (error as { code?: string } | undefined)?.code]).toEqual([true, vector.code]);
      }
    },
  );
});

/** Every way to decrypt what a vector holds. */
function attempts(vector: InvalidVector, keyring: Keyring, context: Context): (() => Promise<unknown>)[] {
  const { text, detached, message } = vector;
  const options = { keyring, context };
  if (text !== undefined) return [() => decrypt(text, options), () => open(text, options).then(readAll)];
  if (detached === undefined) {
    const bytes = decodeBytes(message ?? '') as Bytes;
    const sizes = bytes.length <= smallMessage ? [1] : [1, 4_111, 17, 65_537];
    return [
      () => decrypt(bytes, options),
      () => throughStream(bytes, keyring, context, Math.max(1, bytes.length)),
      () => throughStream(bytes, keyring, context, ...sizes),
      () => byWorkers(bytes, keyring, context),
      () => open(bytes, options).then(readAll),
    ];
  }
  const body = decodeBytes(detached.body) as Bytes;
  const envelope = detached.text ?? decodeBytes(detached.envelope ?? '');
  const streamed = async () => collect(streamOf(body, 1).pipeThrough(decryptStream({ ...options, envelope })));
  return [
    () => decrypt({ envelope, body }, options),
    streamed,
    () => Promise.resolve().then(() => open(body, { ...options, envelope }).then(readAll)),
  ];
}

const readAll = (opened: Awaited<ReturnType<typeof open>>) => opened.read();

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
