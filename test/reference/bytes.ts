// Errors and byte strings of docs/format.md; written, as all of this reference, from that page alone.

export type ErrorCode =
  | 'ERR_NOT_A_MESSAGE'
  | 'ERR_UNSUPPORTED_VERSION'
  | 'ERR_UNSUPPORTED_SUITE'
  | 'ERR_UNSUPPORTED_FEATURE'
  | 'ERR_LIMIT_EXCEEDED'
  | 'ERR_TRUNCATED'
  | 'ERR_MALFORMED'
  | 'ERR_CONTEXT_MISMATCH'
  | 'ERR_NO_MATCHING_KEY'
  | 'ERR_DECRYPTION_FAILED';

/** An input that breaks a rule: the code that the rule names, and the clause that holds the rule. */
export class FormatError extends Error {
  readonly code: ErrorCode;
  readonly clause: string;

  constructor(code: ErrorCode, clause: string) {
    super(`${code} (${clause})`);
    this.code = code;
    this.clause = clause;
  }
}

export function check(condition: boolean, clause: string, code: ErrorCode = 'ERR_MALFORMED'): asserts condition {
  if (!condition) throw new FormatError(code, clause);
}

export const concat = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
export const u16 = (n: number): Uint8Array => Uint8Array.of(n >> 8, n);
export const u32 = (n: number): Uint8Array => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
export const lp = (bytes: Uint8Array): Uint8Array => concat(u32(bytes.length), bytes);

/** The UTF-8 bytes of a string; a caller's unpaired surrogate is a wrong argument (§4.2). */
export function utf8(text: string): Uint8Array {
  if (/\p{Surrogate}/u.test(text)) throw new TypeError('a string has an unpaired surrogate');
  return new TextEncoder().encode(text);
}

/** A name and a value, of a context, a key context or the metadata. */
export type Pair = readonly [name: string, value: string];

/** Ascending by the UTF-8 bytes of the names. */
export const sortPairs = (pairs: readonly Pair[]): Pair[] =>
  [...pairs].sort(([a], [b]) => Buffer.compare(utf8(a), utf8(b)));

/** §4.4: `map(...)`. */
export const encodeMap = (pairs: readonly Pair[]): Uint8Array =>
  concat(
    u32(pairs.length),
    ...sortPairs(pairs)
      .flat()
      .map((text) => lp(utf8(text))),
  );
