import { expect, test } from 'vitest';
import { toHex } from '../../src/lib/hex.ts';

test('bytes become two lower-case digits each', () => {
  expect(toHex(new Uint8Array())).toBe('');
  expect(toHex(Uint8Array.of(0, 1, 15, 16, 171, 255))).toBe('00010f10abff');
  expect(toHex(Uint8Array.of(1, 2, 254, 4).subarray(1, 3))).toBe('02fe');
});
