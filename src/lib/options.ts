/**
 * Options, taken when a call is made. One function reads each of them once, checks it, and copies it into an object of our own. Nothing looks at the
 * caller's object again, so the value that was checked is the value that is used.
 */

import { assert, assertInteger } from './assert.ts';
import { asBytes, copy } from './bytes.ts';
import { isWellFormed } from './utf8.ts';

/** Checks what a caller gave and returns what is kept of it. Throws a `TypeError` that names `name`. An option that was left out is `undefined`. */
export type Reader<Value> = (value: unknown, name: string) => Value;

/** One reader for each option. No other option exists. */
export type Readers = Readonly<Record<string, Reader<unknown>>>;

/** What {@link takeOptions} returns for some readers. */
export type Taken<Of extends Readers> = { readonly [Name in keyof Of]: ReturnType<Of[Name]> };

/** The readers of an interface of options. Written as `satisfies ReadersOf<SomeOptions>`, so that none is forgotten. */
export type ReadersOf<Options> = { readonly [Name in keyof Required<Options>]: Reader<Options[Name]> };

/**
 * Takes options: an object with one member for each reader. The caller's object must be plain, and each of its properties is read exactly once.
 * Throws a `TypeError` that names a wrong option, an unknown one, or a property that is a symbol or not enumerable.
 */
export function takeOptions<Of extends Readers>(
  options: unknown,
  readers: Of,
  what = 'options',
  prefix = '',
): Taken<Of> {
  const given = plainObject(options, what, 'a plain object');
  const names = ownNames(given, what);
  const { instead, required } = plans.get(readers) ?? planOf(readers);
  const taken: Record<string, unknown> = { ...instead };
  for (const name of names) {
    if (!Object.hasOwn(instead, name)) {
      throw new TypeError(`unknown option "${name}"; the options are ${Object.keys(readers).join(', ')}`);
    }
    taken[name] = readers[name]?.(given[name], prefix + name);
  }
  // Not what a prototype has, not even a polluted one.
  for (const name of required) if (!names.includes(name)) taken[name] = readers[name]?.(undefined, prefix + name);
  return taken as Taken<Of>;
}

/** What taking options by some readers needs, worked out once: this is part of every call, and most options are left out of most calls. */
interface Plan {
  /** What stands for each option that is left out. */
  readonly instead: Readonly<Record<string, unknown>>;
  /** The names of those whose readers must say. */
  readonly required: readonly string[];
}

const plans = new WeakMap<Readers, Plan>();
/** The readers that give the same for what is left out, every time. */
const optionals = new WeakSet<Reader<unknown>>();

function planOf(readers: Readers): Plan {
  const instead: Record<string, unknown> = {};
  const required: string[] = [];
  for (const [name, read] of Object.entries(readers)) {
    const isOptional = optionals.has(read);
    instead[name] = isOptional ? read(undefined, name) : undefined;
    if (!isOptional) required.push(name);
  }
  const plan = { instead, required };
  plans.set(readers, plan);
  return plan;
}

/** A copy of a plain object of strings. Throws a `TypeError` that names `name` for anything else, such as a `Map`, and for what is not Unicode. */
export function takeMap(value: unknown, name: string): Readonly<Record<string, string>> {
  const given = plainObject(value, name, 'a plain object of strings');
  const taken = [];
  for (const member of ownNames(given, name)) {
    const text = given[member];
    if (typeof text !== 'string') throw new TypeError(`${name}[${JSON.stringify(member)}] must be a string`);
    if (member === '') throw new TypeError(`${name} has an empty name`);
    if (!isWellFormed(member)) throw new TypeError(`a name in ${name} has an unpaired surrogate`);
    if (!isWellFormed(text)) throw new TypeError(`${name}[${JSON.stringify(member)}] has an unpaired surrogate`);
    taken.push([member, text]);
  }
  return Object.freeze(Object.fromEntries(taken) as Record<string, string>);
}

/** A map that may be left out, and is empty then. */
export const optionalMap = optional<Readonly<Record<string, string>>, Readonly<Record<string, string>>>(
  takeMap,
  Object.freeze({}),
);

/** A copy of bytes, in memory of our own. */
export const takeBytes = (value: unknown, name: string) => copy(asBytes(value, name));

/** An option that may be left out, for which `instead` then stands. */
export function optional<Value, const Default = undefined>(
  read: Reader<Value>,
  instead?: Default,
): Reader<NoInfer<Value> | NoInfer<Default>> {
  const reader: Reader<Value | Default> = (value, name) =>
    value === undefined ? (instead as Default) : read(value, name);
  optionals.add(reader);
  return reader;
}

/** A string. */
export const takeString = (value: unknown, name: string): string => {
  assert(typeof value === 'string', name, 'a string');
  return value;
};

/** A string with something in it. */
export const takeText = (value: unknown, name: string): string => {
  assert(takeString(value, name) !== '', name, 'a string that is not empty');
  return value as string;
};

/** A string that matches a pattern; `must` says what that is. */
export function matching(pattern: RegExp, must: string): Reader<string> {
  return (value, name) => {
    assert(typeof value === 'string' && pattern.test(value), name, must);
    return value;
  };
}

/** `true` or `false`. */
export const takeBoolean = (value: unknown, name: string): boolean => {
  assert(typeof value === 'boolean', name, 'a boolean');
  return value;
};

/** A whole number from `least` to `most`. */
export function integer(least: number, most: number): Reader<number> {
  return (value, name) => {
    assertInteger(value, least, most, name);
    return value;
  };
}

/** A plain object, each member of which `read` takes. */
export function recordOf<Value>(read: Reader<Value>): Reader<Readonly<Record<string, Value>>> {
  return (value, name) => {
    const given = plainObject(value, name, 'a plain object');
    const taken = ownNames(given, name).map((member) => [member, read(given[member], `${name}.${member}`)]);
    return Object.freeze(Object.fromEntries(taken) as Record<string, Value>);
  };
}

/** A copy of a plain object of JSON. */
export const takeJsonObject: Reader<Readonly<Record<string, unknown>>> = (value, name) =>
  recordOf(takeJson)(value, name);

function takeJson(value: unknown, name: string): unknown {
  // The name of a member is its path: a cycle ends here.
  assert(name.length < 1_000, name.slice(0, 60), 'less deeply nested');
  if (Array.isArray(value)) return arrayOf(takeJson)(value, name);
  if (typeof value === 'object' && value !== null) return takeJsonObject(value, name);
  const isJson = value == null || Number.isFinite(value) || ['string', 'boolean'].includes(typeof value);
  assert(isJson, name, 'a value of JSON');
  return value;
}

/** A function, which stays the caller's: see `callbacks.ts` for how to call it. */
export function func<Type>(): Reader<Type> {
  return (value, name) => {
    assert(typeof value === 'function', name, 'a function');
    return value as Type;
  };
}

const isFunction = (value: unknown) => typeof value === 'function';

/** An `AbortSignal`, aborted or not, which is live by design. */
export const takeSignal = (value: unknown, name: string): AbortSignal => {
  const signal = value as Partial<AbortSignal> | null;
  const isSignal = [signal?.throwIfAborted, signal?.addEventListener, signal?.removeEventListener].every(isFunction);
  assert(isSignal, name, 'an AbortSignal');
  return value as AbortSignal;
};

/** A clock, in milliseconds since 1970 unless the option says otherwise. `Date.now` where none is given, looked up at each call. */
export const takeClock = optional(func<() => number>(), () => Date.now());

/** One of a few strings. */
export function oneOf<const Values extends readonly string[]>(...values: Values): Reader<Values[number]> {
  return (value, name) => {
    assert(values.includes(value as string), name, values.join(' or '));
    return value as string;
  };
}

/** An array with at least `least` elements, each of which `read` takes. */
export function arrayOf<Value>(read: Reader<Value>, least = 0): Reader<readonly Value[]> {
  return (value, name) => {
    assert(Array.isArray(value), name, 'an array');
    const { length } = value;
    assert(length >= least, name, `an array of at least ${least}`);
    const taken: Value[] = [];
    for (let i = 0; i < length; i++) taken.push(read(value[i], `${name}[${i}]`));
    return Object.freeze(taken);
  };
}

/** Options within options, whose names in errors begin with that of the outer one. */
export function nested<Of extends Readers>(readers: Of): Reader<Taken<Of>> {
  return (value, name) => takeOptions(value, readers, name, `${name}.`);
}

/** What an object must be that is read by its own properties: a literal, of this realm or another, or without a prototype. */
function plainObject(value: unknown, name: string, must: string): Record<string, unknown> {
  assert(typeof value === 'object' && value !== null, name, must);
  const prototype: unknown = Object.getPrototypeOf(value);
  assert(prototype === Object.prototype || prototype === null || isObjectPrototype(prototype), name, must);
  return value as Record<string, unknown>;
}

const sourceOf = (value: unknown) => Function.prototype.toString.call(value);

/** Whether this is the `Object.prototype` of another realm: what the native function `Object` has there. */
function isObjectPrototype(prototype: unknown): boolean {
  const native: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
  return (
    typeof native === 'function' &&
    native.prototype === prototype &&
    Object.getPrototypeOf(prototype) === null &&
    sourceOf(native) === sourceOf(Object)
  );
}

/** The names of an object's properties. What could be overlooked is refused. */
function ownNames(value: object, what: string): readonly string[] {
  const names = Object.keys(value);
  const keys = Reflect.ownKeys(value);
  if (keys.length === names.length) return names;
  const hidden = keys.find((key) => typeof key === 'symbol' || !names.includes(key));
  throw new TypeError(`${what} must have no symbols and no hidden properties, but has ${String(hidden)}`);
}
