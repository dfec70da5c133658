// What the bytes of a terminal mean at a hidden prompt, however they are cut into chunks.

import { expect, test } from 'vitest';
import { HiddenLine } from '../../src/cli/hidden-line.ts';

/** What was typed when the line, or the program, ended. */
function typed(text: string): [text: string, end: string | undefined] {
  const line = new HiddenLine();
  for (const byte of Buffer.from(text)) {
    const end = line.take(byte);
    if (end !== undefined) return [Buffer.from(line.bytes).toString(), end];
  }
  return [Buffer.from(line.bytes).toString(), undefined];
}

test.each([
  ['letters', 'orbit\r', 'orbit'],
  ['a line feed', 'orbit\n', 'orbit'],
  ['Backspace, over a character of three bytes', 'orb€\x7fit\r', 'orbit'],
  ['Backspace at the beginning', '\x7f\x08orbit\r', 'orbit'],
  ['Ctrl-U', 'velvet\x15orbit\r', 'orbit'],
  ['a tab, which is a byte of a passphrase', 'or\tbit\r', 'or\tbit'],
  ['a NUL, which is refused as it is in a file', 'or\0bit\r', 'or\0bit'],
  ['another control character', 'or\x01bit\r', 'or\x01bit'],
  ['arrows', '\x1b[Aor\x1b[D\x1bOCbit\r', 'orbit'],
  ['keys with parameters', 'or\x1b[3~\x1b[1;5Cbit\r', 'orbit'],
  ['a function key of the Linux console', 'or\x1b[[Abit\r', 'orbit'],
  ['the Escape key', '\x1borbit\x1b\r', 'orbit'],
  ['Escape twice', '\x1b\x1borbit\r', 'orbit'],
  ['Enter within a sequence', 'orbit\x1b[1\r', 'orbit'],
  ['a letter that belongs to no sequence', 'orbi\x1b[1\u00e9\r', 'orbi\u00e9'],
  ['a bracketed paste', '\x1b[200~orbit\x1b[201~\r', 'orbit'],
  ['one between letters', 'or\x1b[200~bi\x1b[201~t\r', 'orbit'],
  ['its line ends, which are not Enter', '\x1b[200~orbit\r\x1b[201~\r', 'orbit\n'],
  ['its control characters, which are not keys', '\x1b[200~a\x03\x7f\x15b\x1b[201~\r', 'a\x03\x7f\x15b'],
])('%s', (_, bytes, text) => expect(typed(bytes)).toEqual([text, 'line']));

test.each(['\x03', '\x04', '\x1c', 'orbit\x03', '\x1b\x03', '\x1b[\x03', '\x1b[200~a\x1b[201~\x03'])(
  'ends the program: %j',
  (bytes) => expect(typed(bytes)[1]).toBe('program'),
);
