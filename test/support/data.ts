// Bytes, streams and keyrings for tests.

import { aesKeyring } from '../../src/keyrings/aes.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import type { Bytes } from '../../src/types.ts';

/** The smallest segment size, which keeps messages of many segments small. */
export const s = 4096;

/** The lengths around segment boundaries. */
export const boundarySizes = [0, 1, 15, 16, 17, s - 1, s, s + 1, 2 * s - 1, 2 * s, 2 * s + 1, 5 * s + 7];

/** `length` bytes that differ from place to place and from seed to seed. */
export function pattern(length: number, seed = 1): Bytes {
  const bytes = new Uint8Array(length);
  let state = seed >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

/** A random source for tests, the same at every run. */
export function seededRandom(seed: number): (length: number) => Bytes {
  let calls = 0;
  return (length) => pattern(length, seed * 1000 + ++calls);
}

/** A keyring that costs next to nothing. */
export function fastKeyring(fill = 7): Keyring {
  return aesKeyring({ keyId: 'test', key: new Uint8Array(32).fill(fill) });
}

/** A stream of bytes in chunks of the sizes given, over and over. */
export function streamOf(bytes: Uint8Array, ...sizes: readonly number[]): ReadableStream<Uint8Array> {
  let at = 0;
  let turn = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.byteLength) return controller.close();
      const size = sizes[turn++ % sizes.length] as number;
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}

/** Throws where bytes differ, and says where: a comparison of large arrays by `toEqual` takes minutes when they do. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  if (actual.byteLength !== expected.byteLength) {
    throw new Error(`${actual.byteLength} bytes instead of ${expected.byteLength}`);
  }
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  if (at >= 0) throw new Error(`byte ${at} is ${actual[at]} instead of ${expected[at]}`);
}

/** All bytes of a stream. */
export async function collect(stream: ReadableStream<Uint8Array>): Promise<Bytes> {
  const parts: Uint8Array[] = [];
  const reader = stream.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) parts.push(part.value);
  const whole = new Uint8Array(parts.reduce((length, { byteLength }) => length + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

/** The bytes as a view at an odd offset of a larger buffer. */
export function viewAtOffset(bytes: Uint8Array): Bytes {
  const larger = pattern(bytes.byteLength + 13, 99);
  larger.set(bytes, 5);
  return larger.subarray(5, 5 + bytes.byteLength);
}

/** A copy with one bit flipped. */
export function flipBit(bytes: Uint8Array, bit: number): Bytes {
  const copy = new Uint8Array(bytes);
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
  return copy;
}

/** Parts one after the other. */
export function join(...parts: readonly Uint8Array[]): Bytes {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** What a promise rejects with; fails when it does not. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('expected a rejection');
}

/** The code of what a promise rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return (await rejection(promise)).code;
}

/** All that an error says, with its causes. */
export function errorTexts(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return [error.message, error.stack, JSON.stringify(error), errorTexts(error.cause)].join('\n');
}
