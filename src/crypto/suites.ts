/** The registry of algorithm suites, `docs/format.md` §4.1: nothing else in this package names or compares algorithms of messages. */

import { MessageFormatError } from '../errors.ts';

/** An algorithm suite of the message format. */
export interface Suite {
  /** Its number in a header. */
  readonly id: number;
  /** Its name in documentation and in what `inspect` prints. */
  readonly name: string;
}

const suites: readonly Suite[] = [{ id: 1, name: 'HKDF-SHA-384, AES-256-GCM' }];

/** What messages are encrypted with unless a caller says otherwise. */
export const defaultSuite: Suite = suites[0] as Suite;

/** The suite of a number. Throws `ERR_UNSUPPORTED_SUITE`. */
export function suiteById(id: number): Suite {
  const suite = suites.find((candidate) => candidate.id === id);
  if (suite === undefined)
    throw new MessageFormatError('ERR_UNSUPPORTED_SUITE', `The message has the unknown suite ${id}`);
  return suite;
}
