/**
 * How keyrings of ours are made: each method takes its options, and then works. The work is known to this package, which calls it without taking again what
 * it took itself.
 */

import { type Readers, takeOptions } from '../lib/options.ts';
import type { Awaitable } from '../types.ts';
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

/** What a method does with options that were taken: it may have its answer at once. */
type WorkOf<Method> = Method extends (...args: infer Args) => Promise<infer Answer>
  ? (...args: Required<Args>) => Awaitable<Answer>
  : Method;

/** The work of a keyring's methods; what it has none of, the keyring has no method of. */
export type KeyringWork = { readonly [Name in keyof Keyring]: WorkOf<Required<Keyring>[Name]> };

type Work = (...args: readonly unknown[]) => unknown;

/** The work behind methods, by the method. No other function is in here, whatever it is called. */
const works = new WeakMap<object, Work>();

/** A keyring whose methods take their options, and arrays of wrapped keys, before they work. */
export function keyringOf(work: KeyringWork): Keyring {
  const result: Record<string, Work> = {};
  for (const name of keyringMethods) {
    const own = work[name] as Work | undefined;
    const options = methods[name];
    if (own === undefined) continue;
    const method = options === undefined ? own : async (...args: unknown[]) => own(...withTaken(args, ...options));
    works.set(method, own);
    result[name] = method;
  }
  return result as unknown as Keyring;
}

/** The work behind a method of a keyring that {@link keyringOf} made; `undefined` for one that somebody else made or replaced. */
export function workOf<Name extends keyof Keyring>(keyring: Keyring, name: Name): KeyringWork[Name] | undefined {
  const method = keyring[name];
  return method && (works.get(method) as KeyringWork[Name] | undefined);
}

function withTaken(args: readonly unknown[], at: number, readers: Readers): unknown[] {
  const taken = args.slice(0, at).map((each) => (Array.isArray(each) ? [...each] : each));
  taken[at] = takeOptions(args[at] === undefined ? {} : args[at], readers);
  return taken;
}
