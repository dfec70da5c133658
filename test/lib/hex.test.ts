import { expect, test } from 'vitest';
import { fromHex, toHex } from '../../src/lib/hex.ts';

test('bytes become two lower-case digits each', () => {
  expect(toHex(new Uint8Array())).toBe('');
  expect(toHex(Uint8Array.of(0, 1, 15, 16, 171, 255))).toBe('00010f10abff');
  expect(toHex(Uint8Array.of(1, 2, 254, 4).subarray(1, 3))).toBe('02fe');
});

test('two digits of either case become a byte each, from any place in a text', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  expect(fromHex(toHex(bytes))).toEqual(bytes);
  expect(fromHex(`\\x${toHex(bytes).toUpperCase()}`, 2)).toEqual(bytes);
  expect(fromHex('')).toEqual(new Uint8Array());
});
