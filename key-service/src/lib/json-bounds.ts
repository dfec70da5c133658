/** What JSON may hold at most, checked in one pass over its bytes before anything is made of it. */

/** Bounds of {@link jsonFault}. */
export interface JsonBounds {
  /** Objects and arrays in each other. */
  readonly depth: number;
  /** Members of an object. */
  readonly members: number;
  /** Elements of an array. */
  readonly elements: number;
}

const [quote, backslash, comma, openBrace, closeBrace, openBracket, closeBracket] = [...Buffer.from('"\\,{}[]')];

/** What exceeds the bounds, in words; `undefined` for nothing. Whether the bytes are JSON is for the parser to say. */
export function jsonFault(bytes: Uint8Array, { depth, members, elements }: JsonBounds): string | undefined {
  // How many more commas each open container may have: an object or an array with n of them holds n + 1.
  const left: number[] = [];
  for (let at = 0; at < bytes.byteLength; at += 1) {
    const byte = bytes[at];
    if (byte === quote) {
      at += 1;
      while (at < bytes.byteLength && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
    } else if (byte === openBrace || byte === openBracket) {
      if (left.length >= depth) return `is nested more than ${depth} deep`;
      left.push(byte === openBrace ? members - 1 : elements - 1);
    } else if (byte === closeBrace || byte === closeBracket) {
      left.pop();
    } else if (byte === comma && left.length > 0) {
      const more = (left[left.length - 1] as number) - 1;
      if (more < 0) return `holds an object of more than ${members} members, or an array of more than ${elements}`;
      left[left.length - 1] = more;
    }
  }
  return undefined;
}
