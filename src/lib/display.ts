/** Text from elsewhere, such as the name of a file, as people can be shown it. */

/**
 * What is not seen but changes what is seen: control characters, line and paragraph separators, marks and overrides of direction, characters without width,
 * fillers, tags, and halves of surrogate pairs. Variants of emoji stay.
 */
const unseen = /(?!\p{Variation_Selector})[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Where Unicode puts what is written from right to left, assigned already or not (DerivedBidiClass.txt, the defaults of R and AL). */
const rightToLeft = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/**
 * A text that cannot reorder, hide or imitate what stands around it. What nobody would see becomes visible, as in `[U+202E]`. The joiners of emoji and of Indic and
 * Arabic scripts go the same way: a name that looks strange is better than one that lies.
 */
export function visible(text: string): string {
  return text.replace(unseen, (character) => {
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
