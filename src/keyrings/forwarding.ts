/** Keyrings in front of other keyrings. */

import { generatedBy, rewrappedBy, scopeOf, unwrappedBy, unwrappedBytesBy, wrappedBy } from './answers.ts';
import type { Keyring } from './keyring.ts';
import { type KeyringWork, keyringMethods, keyringOf } from './methods.ts';

type Methods = Record<string, ((...args: readonly unknown[]) => unknown) | undefined>;

/** A keyring in front of another one. It passes every method on, the optional ones where the other one has them, but for those in `own`. */
export function inFrontOf(keyring: Keyring, own: Partial<KeyringWork>): Keyring {
  // What this package believes without another look is checked where it comes in.
  const checked: Partial<KeyringWork> = {
    generateDataKey: (options) => generatedBy(keyring, options),
    wrapDataKey: (dataKey, options) => wrappedBy(keyring, dataKey, options),
    unwrapDataKey: (wrappedKeys, options) => unwrappedBy(keyring, wrappedKeys, options),
    unwrapDataKeyBytes: (wrappedKeys, options) => unwrappedBytesBy(keyring, wrappedKeys, options),
    rewrapDataKey: (wrappedKeys, from, options) => rewrappedBy(keyring, wrappedKeys, from, options),
    cacheScope: (options) => scopeOf(keyring, options),
  };
  const inner = keyring as unknown as Methods;
  const work: Methods = {};
  for (const name of keyringMethods) {
    // Called on the keyring, which may be an object of a class; looked up at each call, since it may be replaced.
    const passOn = (checked as Methods)[name] ?? ((...args) => inner[name]?.(...args));
    work[name] = (own as Methods)[name] ?? (inner[name] && passOn);
  }
  return keyringOf(work as unknown as KeyringWork);
}
