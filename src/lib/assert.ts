/** Checks of what a caller passes: a wrong option is a `TypeError` that names it. */

/** Throws a `TypeError` saying what `name` must be. */
export function assert(condition: boolean, name: string, must: string): asserts condition {
  if (!condition) throw new TypeError(`${name} must be ${must}`);
}

/** A whole number from `least` to `most`. */
export function assertInteger(value: unknown, least: number, most: number, name: string): asserts value is number {
  assert(Number.isSafeInteger(value), name, 'an integer');
  assert((value as number) >= least && (value as number) <= most, name, `from ${least} to ${most}`);
}
