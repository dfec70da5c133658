/** Text from elsewhere, such as the name of a file, as people can be shown it. */

import { assert } from './assert.ts';

/**
 * What is not seen but changes what is seen: control characters, line and paragraph separators, marks and overrides of direction, characters without width,
 * fillers, tags, and halves of surrogate pairs. Variants of emoji stay.
 */
const unseen = /(?!\p{Variation_Selector})[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Where Unicode puts what is written from right to left, assigned already or not (DerivedBidiClass.txt, the defaults of R and AL). */
const rightToLeft = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** Before and after a joiner that people see: parts of one emoji, or letters of a script that is written with joiners. */
const seenJoiners: readonly (readonly [before: RegExp, after: RegExp])[] = [
  [/\p{Extended_Pictographic}(?:\ufe0f|\p{Emoji_Modifier})?\u200d$/u, /^\p{Extended_Pictographic}/u],
  ...[
    'Arabic|Syriac|Nko|Mongolian',
    'Devanagari|Bengali|Gurmukhi|Gujarati|Oriya|Tamil|Telugu|Kannada|Malayalam|Sinhala|Khmer|Myanmar',
  ].map((scripts) => {
    const letter = `(?=[\\p{L}\\p{M}])[${scripts.replace(/\w+/g, '\\p{Script=$&}').replaceAll('|', '')}]`;
    return [new RegExp(`${letter}[\\u200c\\u200d]$`, 'u'), new RegExp(`^${letter}`, 'u')] as const;
  }),
];

/**
 * A text that cannot reorder, hide or imitate what stands around it. What nobody would see becomes visible, as in `[U+202E]`. A joiner stays inside an emoji and between
 * letters of the scripts that are written with joiners, such as Persian and Hindi; anywhere else it becomes visible, too.
 */
export function visible(text: string): string {
  assert(typeof text === 'string', 'text', 'a string');
  return text.replace(unseen, (character, at: number) => {
    const end = at + character.length;
    // The longest thing before a joiner is an emoji of two code units with a modifier of two.
    const [before, after] = [text.slice(Math.max(0, at - 4), end), text.slice(end, end + 2)];
    if (seenJoiners.some(([left, right]) => left.test(before) && right.test(after))) return character;
    const number = (character.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, '0');
    return `[U+${number}]`;
  });
}

/** The same for a place without markup, such as a terminal: text that is written from right to left is isolated from what follows (UAX #9). In a page, use `<bdi>`. */
export function isolated(text: string): string {
  const shown = visible(text);
  return rightToLeft.test(shown) ? `\u2068${shown}\u2069` : shown;
}

/** JSON with the same contents, in which what nobody would see is an escape, as in `\u202e`. */
export function escaped(json: string): string {
  return json.replace(unseen, (character) => {
    const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
  });
}
