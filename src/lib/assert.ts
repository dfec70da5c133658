/** Checks of what a caller passes: a wrong option is a `TypeError` that names it. */

/** Throws a `TypeError` saying what `name` must be. */
export function assert(condition: boolean, name: string, must: string): asserts condition {
  if (!condition) throw new TypeError(`${name} must be ${must}`);
}

/** An object of options with no other members than those listed, so that a misspelt option is no silent default. */
export function assertOptions(options: unknown, names: readonly string[]): asserts options is Record<string, unknown> {
  assert(typeof options === 'object' && options !== null, 'options', 'an object');
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) throw new TypeError(`unknown option "${name}"; the options are ${names.join(', ')}`);
  }
}

const maps = ['context', 'newContext', 'metadata'];

/** A copy of options and of the maps in them, for calls that look at them later than when they are made: what a caller changes meanwhile is for its next call. */
export function snapshot<Options extends object>(options: Options): Options {
  const taken = { ...options } as Record<string, unknown>;
  for (const name of maps) {
    const map = taken[name];
    if (typeof map === 'object' && map !== null && !Array.isArray(map)) taken[name] = { ...map };
  }
  return taken as Options;
}

/** A whole number from `least` to `most`. */
export function assertInteger(value: unknown, least: number, most: number, name: string): asserts value is number {
  assert(Number.isSafeInteger(value), name, 'an integer');
  assert((value as number) >= least && (value as number) <= most, name, `from ${least} to ${most}`);
}

/** An optional function. */
export function assertFunction(value: unknown, name: string): void {
  assert(value === undefined || typeof value === 'function', name, 'a function');
}

/** An optional `AbortSignal`; throws its reason when it is aborted already. */
export function assertSignal(signal: unknown): void {
  if (signal === undefined) return;
  assert(typeof (signal as AbortSignal | null)?.throwIfAborted === 'function', 'signal', 'an AbortSignal');
  (signal as AbortSignal).throwIfAborted();
}
