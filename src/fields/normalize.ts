/** What strings become before they are compared by tags, `docs/fields.md` §5.4. */

import { isAssigned } from '../lib/unicode.ts';

/** `trim`: no white space at the ends. `lower`: lower case, without a locale. `digits`: `0` to `9` alone. */
export type NormalizationStep = 'trim' | 'lower' | 'digits';

const steps: Readonly<Record<NormalizationStep, (text: string) => string>> = {
  trim: (text) => text.trim(),
  // A sigma at the end of a word has a letter of its own, which would not be found by a beginning of the word.
  lower: (text) => text.toLowerCase().replaceAll('\u03c2', '\u03c3'),
  digits: (text) => text.replace(/[^0-9]/g, ''),
};

const stepsOfBeginning: typeof steps = { ...steps, trim: (text) => text.trimStart() };

/** The names of the steps. */
export const normalizationSteps = Object.keys(steps) as readonly NormalizationStep[];

const ascii = /^\p{ASCII}*$/u;

/** The text by which a string is found, or `undefined` where a code point is in it that Unicode 15.0 does not assign. */
export function normalize(text: string, configured: readonly NormalizationStep[]): string | undefined {
  return normalizeBy(text, configured, steps);
}

/** The same of a beginning that is searched for: what stands at its end is in the middle of a value, where `trim` leaves it. */
export function normalizeBeginning(text: string, configured: readonly NormalizationStep[]): string | undefined {
  return normalizeBy(text, configured, stepsOfBeginning);
}

function normalizeBy(text: string, configured: readonly NormalizationStep[], known: typeof steps): string | undefined {
  // ASCII is in every form what it is, and no step makes anything else of it.
  if (ascii.test(text)) return configured.reduce((value, step) => known[step](value), text);
  if (!isAssigned(text)) return undefined;
  const begun = text.normalize('NFC');
  return configured.reduce((value, step) => known[step](value), begun).normalize('NFC');
}
