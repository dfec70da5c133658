/** The WebCrypto that a Node has built in. */

import { webcrypto } from 'node:crypto';

/**
 * That of `globalThis`, else that of `node:crypto`: emulated browsers such as jsdom put a `crypto` without `subtle` in front of it. `undefined` where Node
 * has neither.
 */
export function builtInCrypto(): Crypto | undefined {
  const { crypto } = globalThis as { crypto?: Crypto };
  if (crypto?.subtle !== undefined) return crypto;
  return webcrypto?.subtle === undefined ? undefined : (webcrypto as Crypto);
}
