/** The encoding of contexts and key contexts, `docs/format.md` §4.4, and the order of names that headers share with it. */

import { MessageFormatError } from '../errors.ts';
import { compareBytes, concatPooled, concatPrefixed, u32 } from '../lib/bytes.ts';
import { maxNameLength, maxPairs } from '../lib/limits.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import type { Bytes } from '../types.ts';

/** A pair of strings with the bytes of both. */
export interface EncodedPair {
  readonly name: string;
  readonly value: string;
  readonly nameBytes: Bytes;
  readonly valueBytes: Bytes;
}

/**
 * The pairs of a map, as `takeMap` returns it, in their canonical order. Throws `ERR_LIMIT_EXCEEDED` for a map that is too large; `what` names it in the
 * error.
 */
export function sortPairs(map: Readonly<Record<string, string>>, what: string, maxValue: number): EncodedPair[] {
  const entries = Object.entries(map);
  if (entries.length > maxPairs) throw limitExceeded(`${what} has more than ${maxPairs} pairs`);
  return entries.map(([name, value]) => encodePair(name, value, what, maxValue)).sort(byName);
}

/** What most messages have. */
const noPairs = u32(0);

/** The encoding of sorted pairs, in pooled memory that is for this package alone. */
export function encodeMap(pairs: readonly EncodedPair[]): Bytes {
  if (pairs.length === 0) return noPairs;
  const fields = pairs.flatMap(({ nameBytes, valueBytes }) => [nameBytes, valueBytes]);
  return concatPooled(u32(pairs.length), concatPrefixed(...fields));
}

function encodePair(name: string, value: string, what: string, maxValue: number): EncodedPair {
  const nameBytes = encodeUtf8(name, what);
  const valueBytes = encodeUtf8(value, what);
  if (nameBytes.byteLength > maxNameLength)
    throw limitExceeded(`a name in ${what} has more than ${maxNameLength} bytes`);
  if (valueBytes.byteLength > maxValue) throw limitExceeded(`a value in ${what} has more than ${maxValue} bytes`);
  return { name, value, nameBytes, valueBytes };
}

// UTF-8 order, which for characters above U+FFFF is not the order of `Array.prototype.sort`.
function byName(a: EncodedPair, b: EncodedPair): number {
  return compareBytes(a.nameBytes, b.nameBytes);
}

function limitExceeded(message: string): MessageFormatError {
  return new MessageFormatError('ERR_LIMIT_EXCEEDED', message);
}
