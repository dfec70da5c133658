// What is shown to people cannot reorder, hide or imitate what stands around it.

import { describe, expect, test } from 'vitest';
import { escaped, isolated, visible } from '../../src/lib/display.ts';

describe('a text from elsewhere', () => {
  test.each([
    ['evil\u202egnp.exe', 'evil[U+202E]gnp.exe'],
    ['\u2066a\u2069\u200f\u061c', '[U+2066]a[U+2069][U+200F][U+061C]'],
    ['a\u001b[2Jb\u009b', 'a[U+001B][2Jb[U+009B]'],
    ['one\ntwo\u2028three\r', 'one[U+000A]two[U+2028]three[U+000D]'],
    ['zero\u200bwidth\ufeff\u00ad', 'zero[U+200B]width[U+FEFF][U+00AD]'],
    ['half \ud800 of a pair', 'half [U+D800] of a pair'],
    ['tag \u{e0041}', 'tag [U+E0041]'],
    ['filler \u3164', 'filler [U+3164]'],
    ['a\u200db\u200cc', 'a[U+200D]b[U+200C]c'],
    ['\u{1f469}\u200d', '\u{1f469}[U+200D]'],
    ['\u{1f469}\u200cx', '\u{1f469}[U+200C]x'],
    ['\u0915\u200c\u200c\u0937', '\u0915[U+200C][U+200C]\u0937'],
    ['\u0915\u200ca', '\u0915[U+200C]a'],
  ])('%j shows what is unseen', (text, shown) => {
    expect(visible(text)).toBe(shown);
    expect(isolated(text)).toBe(shown);
  });

  test.each(['holiday.png', 'Grüße aus 東京 😀.txt', 'e\u0301', '\u2764\ufe0f', ''])('%j stays as it is', (text) => {
    expect(visible(text)).toBe(text);
    expect(isolated(text)).toBe(text);
  });

  test.each([
    ['a family', '\u{1f469}\u200d\u{1f469}\u200d\u{1f467}.png'],
    ['an emoji with a modifier and a variant', '\u{1f468}\u{1f3fd}\u200d\u2764\ufe0f\u200d\u{1f468}'],
    ['Persian', '\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645'],
    ['Hindi', '\u0915\u094d\u200d\u0937'],
  ])('joiners of %s stay', (_, text) => {
    expect(visible(text)).toBe(text);
  });

  test('what is written from right to left is isolated where there is no markup', () => {
    expect(visible('שלום.png')).toBe('שלום.png');
    expect(isolated('שלום.png')).toBe('\u2068שלום.png\u2069');
  });

  test.each([
    '\u05d0',
    '\u0627',
    '\u07ca',
    '\u0800',
    '\u0840',
    '\u08a0',
    '\ufb2a',
    '\ufe8d',
    '\u{10900}',
    '\u{10d00}',
    '\u{1e900}',
  ])('%j is isolated, whatever its script', (letter) => expect(isolated(letter)).toBe(`\u2068${letter}\u2069`));

  test.each(['evil\u202egnp', 'a\u001b\u009b', 'tag \u{e0041}', 'half \ud800', 'Grüße 😀', '"\\'])(
    '%j is the same in JSON, with escapes for what is unseen',
    (text) => {
      const json = escaped(JSON.stringify({ text }));
      expect(JSON.parse(json)).toEqual({ text });
      expect(visible(json)).toBe(json);
    },
  );
});
