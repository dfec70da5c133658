import { describe, expect, test } from 'vitest';
import {
  asBytes,
  compareBytes,
  concat,
  copy,
  equalConstantTime,
  isBytes,
  lengthPrefixed,
  readU32,
  u16,
  u32,
} from '../../src/lib/bytes.ts';
import { pattern, viewAtOffset } from '../support/data.ts';

describe('bytes', () => {
  test('integers are big-endian', () => {
    expect(u16(0x0102)).toEqual(Uint8Array.of(1, 2));
    expect(u32(0xfffefdfc)).toEqual(Uint8Array.of(0xff, 0xfe, 0xfd, 0xfc));
    expect(readU32(viewAtOffset(Uint8Array.of(0, 0xff, 0xfe, 0xfd, 0xfc)), 1)).toBe(0xfffefdfc);
    expect(lengthPrefixed(Uint8Array.of(9, 8))).toEqual(Uint8Array.of(0, 0, 0, 2, 9, 8));
  });

  test('equalConstantTime compares every byte and the length', () => {
    const bytes = pattern(48);
    expect(equalConstantTime(bytes, viewAtOffset(bytes))).toBe(true);
    expect(equalConstantTime(bytes, bytes.subarray(0, 47))).toBe(false);
    for (let i = 0; i < 48; i++) {
      const other = copy(bytes);
      other[i] = (other[i] as number) ^ 0x80;
      expect(equalConstantTime(bytes, other)).toBe(false);
    }
  });

  test('compareBytes is unsigned and puts prefixes first', () => {
    expect(compareBytes(Uint8Array.of(0x7f), Uint8Array.of(0x80))).toBeLessThan(0);
    expect(compareBytes(Uint8Array.of(1), Uint8Array.of(1, 0))).toBeLessThan(0);
    expect(compareBytes(Uint8Array.of(2), Uint8Array.of(1, 9))).toBeGreaterThan(0);
    expect(compareBytes(Uint8Array.of(5, 6), Uint8Array.of(5, 6))).toBe(0);
  });

  test('concat and copy give plain arrays in memory of their own', () => {
    const source = viewAtOffset(pattern(20));
    const copied = copy(source);
    expect(copied).toEqual(source);
    expect(copied.buffer).not.toBe(source.buffer);
    expect(copied.constructor).toBe(Uint8Array);
    expect(concat(source, new Uint8Array(0), source).byteLength).toBe(40);
  });

  test.each([
    undefined,
    null,
    'text',
    [1, 2],
    new ArrayBuffer(4),
    new DataView(new ArrayBuffer(4)),
    new Uint16Array(2),
    new Uint8ClampedArray(2),
  ])('is no Uint8Array: %o', (value) => {
    expect(isBytes(value)).toBe(false);
    expect(() => asBytes(value, 'data')).toThrow(new TypeError('data must be a Uint8Array'));
  });

  test('refuses shared memory', () => {
    // Pages that are not isolated have shared memory too, without a name for it.
    const { buffer } = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    expect(() => asBytes(new Uint8Array(buffer), 'data')).toThrow(/shared memory/);
  });
});
