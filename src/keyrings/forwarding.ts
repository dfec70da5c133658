/** Keyrings in front of other keyrings: one list of all methods, so that no wrapper forgets one. */

import type { Keyring } from './keyring.ts';

/** Every method of a keyring. The type makes the list complete: a new method that is missing here does not compile. */
const methods: Readonly<Record<keyof Required<Keyring>, true>> = {
  generateDataKey: true,
  wrapDataKey: true,
  unwrapDataKey: true,
  unwrapDataKeyBytes: true,
  rewrapDataKey: true,
  ownKeys: true,
  cacheScope: true,
  rejectDataKey: true,
  segmentFailed: true,
};

/** The names of all methods of a keyring. */
export const keyringMethods = Object.keys(methods) as readonly (keyof Keyring)[];

/** A keyring that passes every method of another one on, the optional ones where that has them. What a wrapper does differently, it puts on top. */
export function forwarding(keyring: Keyring): Keyring {
  const inner = keyring as unknown as Record<string, ((...args: unknown[]) => unknown) | undefined>;
  const forwarded: Record<string, (...args: unknown[]) => unknown> = {};
  for (const name of keyringMethods) {
    // Called on the keyring, which may be an object of a class; looked up at each call, since it may be replaced.
    if (inner[name] !== undefined) forwarded[name] = (...args) => inner[name]?.(...args);
  }
  return forwarded as unknown as Keyring;
}
