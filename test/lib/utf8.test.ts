import { describe, expect, test } from 'vitest';
import { decodeUtf8, encodeUtf8 } from '../../src/lib/utf8.ts';

describe('utf8', () => {
  test.each(['', 'a', '\u0000', 'ü', '€', '\u{1F600}', '\uFEFFa', 'e\u0301', '\u00e9'])('is one to one: %j', (text) => {
    expect(decodeUtf8(encodeUtf8(text, 'text'))).toBe(text);
  });

  test('does not normalize', () => {
    expect(encodeUtf8('e\u0301', 'x')).not.toEqual(encodeUtf8('\u00e9', 'x'));
  });

  test.each(['\ud800', 'a\udc00', '\udc00\ud800', 'x\ud83dx'])('§4.2 refuses the unpaired surrogate in %j', (text) => {
    expect(() => encodeUtf8(text, 'the name')).toThrow(new TypeError('the name has an unpaired surrogate'));
  });

  test.each([
    ['an overlong slash', [0xc0, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['a lone continuation', [0x80]],
    ['a cut sequence', [0xe2, 0x82]],
    ['beyond U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['0xff', [0xff]],
  ])('§2.2f refuses %s', (_, bytes) => {
    expect(decodeUtf8(Uint8Array.from(bytes))).toBeUndefined();
  });
});
