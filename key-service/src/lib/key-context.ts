/** Key contexts: their limits and their bytes, `docs/format.md` §2.4 and §4.4. */

import { type Bytes, concat, encodeUtf8, lengthPrefixed, u32 } from './bytes.ts';
import { maxContextNameBytes, maxContextPairs, maxContextValueBytes } from './limits.ts';

/** A map of strings that is bound to a wrapped key. */
export type KeyContext = Readonly<Record<string, string>>;

/** What is wrong with a key context, in words for the caller; `undefined` for nothing. */
export function keyContextFault(context: KeyContext): string | undefined {
  const pairs = Object.entries(context);
  if (pairs.length > maxContextPairs) return `more than ${maxContextPairs} pairs`;
  for (const [name, value] of pairs) {
    if (!name.isWellFormed() || !value.isWellFormed()) return 'an unpaired surrogate';
    if (name === '') return 'an empty name';
    if (Buffer.byteLength(name) > maxContextNameBytes) return `a name of more than ${maxContextNameBytes} bytes`;
    if (Buffer.byteLength(value) > maxContextValueBytes) return `a value of more than ${maxContextValueBytes} bytes`;
  }
  return undefined;
}

/** `map(context)`. */
export function encodeKeyContext(context: KeyContext): Bytes {
  const pairs = Object.entries(context).map(([name, value]) => ({ name: encodeUtf8(name), value: encodeUtf8(value) }));
  // UTF-8 order, which is not that of `sort()` on strings.
  pairs.sort((a, b) => Buffer.compare(a.name, b.name));
  return concat(
    u32(pairs.length),
    ...pairs.flatMap(({ name, value }) => [lengthPrefixed(name), lengthPrefixed(value)]),
  );
}
