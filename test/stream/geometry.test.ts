import { describe, expect, test } from 'vitest';
import { assertSegment, geometryOfBody, geometryOfPlaintext, sealedOffset } from '../../src/stream/geometry.ts';
import { boundarySizes, s } from '../support/data.ts';

const limit = expect.objectContaining({ code: 'ERR_LIMIT_EXCEEDED' });

describe('geometry', () => {
  test.each([
    [0, 1],
    [1, 1],
    [s - 1, 1],
    [s, 2],
    [s + 1, 2],
    [2 * s - 1, 2],
    [2 * s, 3],
  ])('§6.1 %i bytes make %i segments', (length, count) => {
    expect(geometryOfPlaintext(length, s)).toEqual({
      segmentSize: s,
      count,
      plaintextLength: length,
      bodyLength: length + 16 * count,
    });
  });

  test('§6.3 a body tells the plaintext that it holds', () => {
    for (const length of boundarySizes) {
      const geometry = geometryOfPlaintext(length, s);
      expect(geometryOfBody(geometry.bodyLength, s)).toEqual(geometry);
    }
  });

  test('§6.3 no body has these lengths', () => {
    const failed = expect.objectContaining({ code: 'ERR_DECRYPTION_FAILED' });
    for (const last of [0, 1, 15]) {
      expect(() => geometryOfBody(last, s)).toThrow(failed);
      expect(() => geometryOfBody(sealedOffset(3, s) + last, s)).toThrow(failed);
    }
  });

  test('§6.7 stops at the limits', () => {
    expect(geometryOfPlaintext((2 ** 32 - 1) * s - 1, s).count).toBe(2 ** 32 - 1);
    expect(() => geometryOfPlaintext((2 ** 32 - 1) * s, s)).toThrow(limit);
    expect(geometryOfPlaintext(2 ** 46, 2 ** 22).plaintextLength).toBe(2 ** 46);
    expect(() => geometryOfPlaintext(2 ** 46 + 1, 2 ** 22)).toThrow(limit);
    expect(() => geometryOfBody(2 ** 46 + 2 ** 30, 2 ** 22)).toThrow(limit);
    expect(() => assertSegment(2 ** 32 - 2, s, s - 1)).not.toThrow();
    expect(() => assertSegment(2 ** 32 - 1, s, 0)).toThrow(limit);
  });

  test('§6.7 the segment behind 2^46 bytes is empty', () => {
    const size = 2 ** 22;
    const behind = 2 ** 24;
    // A full one before it, and the last one of the longest plaintext.
    expect(() => assertSegment(behind - 1, size, size)).not.toThrow();
    expect(() => assertSegment(behind, size, 0)).not.toThrow();
    for (const length of [1, size - 1, size]) expect(() => assertSegment(behind, size, length)).toThrow(limit);
    expect(() => assertSegment(behind + 1, size, 0)).toThrow(limit);
  });
});
