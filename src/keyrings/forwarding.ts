/** Keyrings in front of other keyrings: one list of all methods, so that no wrapper forgets one. */

import { type Readers, takeOptions } from '../lib/options.ts';
import { type Keyring, keyringReaders, rewrapDataKeyReaders } from './keyring.ts';

/**
 * Every method of a keyring, and where its options stand among its arguments, with their readers. The type makes the list complete: a new method that is missing here
 * does not compile.
 */
const methods: Readonly<Record<keyof Required<Keyring>, readonly [at: number, readers: Readers] | undefined>> = {
  generateDataKey: [0, keyringReaders],
  wrapDataKey: [1, keyringReaders],
  unwrapDataKey: [1, keyringReaders],
  unwrapDataKeyBytes: [1, keyringReaders],
  rewrapDataKey: [2, rewrapDataKeyReaders],
  revokeDataKeys: [1, keyringReaders],
  ownKeys: [2, keyringReaders],
  cacheScope: [0, keyringReaders],
  rejectDataKey: undefined,
  segmentFailed: undefined,
};

/** The names of all methods of a keyring. */
export const keyringMethods = Object.keys(methods) as readonly (keyof Keyring)[];

type Methods = Record<string, ((...args: unknown[]) => unknown) | undefined>;

/**
 * A keyring in front of another one. It passes every method on, the optional ones where the other one has them, but for those in `own`. Options are taken before either is called.
 */
export function inFrontOf(keyring: Keyring, own: Partial<Keyring>): Keyring {
  const inner = keyring as unknown as Methods;
  const result: Methods = {};
  for (const name of keyringMethods) {
    // Called on the keyring, which may be an object of a class; looked up at each call, since it may be replaced.
    const work = (own as unknown as Methods)[name] ?? (inner[name] && ((...args) => inner[name]?.(...args)));
    const options = methods[name];
    if (work === undefined) continue;
    result[name] = options === undefined ? work : async (...args) => work(...withTaken(args, ...options));
  }
  return result as unknown as Keyring;
}

function withTaken(args: readonly unknown[], at: number, readers: Readers): unknown[] {
  const taken = args.slice(0, at);
  taken[at] = takeOptions(args[at] === undefined ? {} : args[at], readers);
  return taken;
}
