import { describe, expect, test } from 'vitest';
import { isAssigned } from '../../src/lib/unicode.ts';

const last = 0x10ffff;
const isSurrogate = (point: number) => point >= 0xd800 && point <= 0xdfff;

describe('the table of Unicode 15.0', () => {
  test('it has 149,186 characters, 137,468 for private use and 65 controls', () => {
    let count = 0;
    for (let point = 0; point <= last; point++) {
      if (!isSurrogate(point) && isAssigned(String.fromCodePoint(point))) count++;
    }
    // DerivedAge.txt of Unicode 15.0.
    expect(count).toBe(149_186 + 137_468 + 65);
  });

  test('what it assigns, this runtime assigns', () => {
    const unknown = [];
    for (let point = 0x80; point <= last; point++) {
      const character = String.fromCodePoint(point);
      if (!isSurrogate(point) && isAssigned(character) && /\p{Cn}/u.test(character)) unknown.push(point);
    }
    expect(unknown).toEqual([]);
  });

  test.each([
    ['U+1FADA, of 15.0', 0x1fada, true],
    ['U+2FFC, of 15.1', 0x2ffc, false],
    ['U+2EBF0, of 15.1', 0x2ebf0, false],
    ['U+1C89, of 16.0', 0x1c89, false],
    ['U+0378, of none', 0x378, false],
    ['U+FFFF, no character', 0xffff, false],
    ['U+10FFFF, no character', 0x10ffff, false],
    ['U+10FFFD, for private use', 0x10fffd, true],
    ['U+0000', 0, true],
  ])('%s', (_, point, assigned) => {
    expect(isAssigned(String.fromCodePoint(point))).toBe(assigned);
    expect(isAssigned(`a${String.fromCodePoint(point)}b`)).toBe(assigned);
  });
});
