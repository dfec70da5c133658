/** A line that somebody types and nobody sees: what the bytes of a terminal mean that only passes them on. */

const [ctrlC, ctrlD, backspace, ctrlU, ctrlBackslash, escapeKey, del] = [0x03, 0x04, 0x08, 0x15, 0x1c, 0x1b, 0x7f];
const [lineFeed, carriageReturn] = [0x0a, 0x0d];
const [pasteBegins, pasteEnds] = ['[200~', '[201~'];

/** What a byte ends: the line, or the program. */
export type End = 'line' | 'program' | undefined;

/**
 * Takes bytes one after the other, however they are cut into chunks. Arrows and other keys that are no characters change nothing, and pasted text is kept, line ends included. Other
 * control characters are bytes like any, as they are in a file: a passphrase that was dropped in part would be another one.
 */
export class HiddenLine {
  #typed: number[] = [];
  /** What came since an escape, where a sequence is not yet over. */
  #sequence: string | undefined;
  #isPasting = false;

  /** The bytes of the line. */
  get bytes(): Uint8Array {
    return Uint8Array.from(this.#typed);
  }

  /** Takes the next byte. */
  take(byte: number): End {
    if (this.#sequence !== undefined && this.#continues(byte)) return undefined;
    if (byte === escapeKey) this.#sequence = '';
    else if (this.#isPasting) this.#typed.push(byte === carriageReturn ? lineFeed : byte);
    else return this.#key(byte);
    return undefined;
  }

  /** Whether a byte belongs to the sequence (ECMA-48 §5.4); sees to its end. */
  #continues(byte: number): boolean {
    const sequence = this.#sequence + String.fromCharCode(byte);
    // `ESC [ [ A` is a function key of the Linux console, `ESC O A` an arrow of others.
    const isOpen = /^(\[[\x20-\x3f]*|\[\[|O)$/.test(sequence);
    this.#sequence = isOpen ? sequence : undefined;
    if (isOpen) return true;
    if (sequence === pasteBegins) this.#isPasting = true;
    if (sequence === pasteEnds) this.#isPasting = false;
    return /^(\[[\x20-\x3f]*[\x40-\x7e]|\[\[[\x40-\x7e]|O[\x40-\x7e])$/.test(sequence);
  }

  #key(byte: number): End {
    if (byte === carriageReturn || byte === lineFeed) return 'line';
    if (byte === ctrlC || byte === ctrlD || byte === ctrlBackslash) return 'program';
    if (byte === backspace || byte === del) this.#typed = withoutLast(this.#typed);
    else if (byte === ctrlU) this.#typed = [];
    else this.#typed.push(byte);
    return undefined;
  }
}

/** Without the last character, which may be of several bytes. */
function withoutLast(typed: readonly number[]): number[] {
  const begin = typed.findLastIndex((byte) => (byte & 0xc0) !== 0x80);
  return typed.slice(0, Math.max(0, begin));
}
