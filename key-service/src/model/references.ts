/** What callers name a key by: its id, or `alias:<name>`; `docs/key-service.md` §5.1. */

export const keyIdPattern = /^key-[a-z2-7]{26}$/;
export const aliasNamePattern = /^[a-z0-9][a-z0-9._-]{0,62}$/;
export const referencePattern = new RegExp(`${keyIdPattern.source}|^alias:${aliasNamePattern.source.slice(1)}`);

/** `docs/key-service.md` §7.8 */
export const revocationIdPattern = /^rev-[a-z2-7]{26}$/;

const looksLikeOne = /^(key-|alias:)[a-z0-9._-]{1,63}$/;

/**
 * Whether a text may be looked up and logged as a key. What comes out of a path may hold anything: no database has to take U+0000, and no log what was put
 * there by mistake.
 */
export function isReference(text: string): boolean {
  return looksLikeOne.test(text);
}
