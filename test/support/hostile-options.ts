// Hostile objects of options, and what a call must make of each: the same as of a plain object with the same values, or a TypeError that names what is wrong.

import { foreignRealm } from './realms.ts';

type Options = Record<string, unknown>;

/** A call that takes options. */
export interface Call {
  /** Valid ones, with a value for everything that is required. */
  readonly options: () => object;
  /** Makes the call, and uses what it gives so far that every option has been needed. */
  readonly call: (options: never) => unknown;
}

/** What a call came to: `ok`, or its error. Also whether it was there when the call returned: thrown, or a promise that needed no work. */
export async function outcomeOf({ call }: Call, options: unknown, meanwhile: () => void = () => {}): Promise<string> {
  try {
    const result = call(options as never);
    meanwhile();
    await result;
    return 'ok';
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  }
}

class Wrong {
  readonly value = 1;
}
/** A value that no option may have. */
export const wrong = new Wrong();

/** An object whose properties are counted when they are looked at, and `wrong` from the second look on. */
function changing(values: Options, looks: Map<string, number>, path = ''): Options {
  const result = {};
  for (const [name, value] of Object.entries(values)) {
    const given = isMapOrList(value) ? counted(value as Options, looks, `${path}${name}.`) : value;
    Object.defineProperty(result, name, {
      enumerable: true,
      get: () => (look(looks, path + name) === 1 ? given : wrong),
    });
  }
  return result;
}

/** A proxy that counts how often each property is looked at. */
function counted(values: Options, looks: Map<string, number>, path = ''): Options {
  return new Proxy(values, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      return look(looks, path + String(name)) === 1 ? value : wrong;
    },
  });
}

function look(looks: Map<string, number>, name: string): number {
  const count = (looks.get(name) ?? 0) + 1;
  looks.set(name, count);
  return count;
}

/** Plain objects and arrays of strings, numbers and the like: what a call copies. */
function isMapOrList(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const plain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  return plain && Object.values(value).every((member) => ['string', 'number', 'boolean'].includes(typeof member));
}

const define = (options: object, key: PropertyKey, enumerable: boolean) =>
  Object.defineProperty({ ...options }, key, { value: wrong, enumerable });
const changeAll = (options: Options) => {
  for (const name of Object.keys(options)) {
    if (options[name] instanceof Uint8Array) (options[name] as Uint8Array).fill(255);
    options[name] = wrong;
  }
};

/** What is wrong with a call: nothing, if it takes its options as it must. */
export async function faultsOf(subject: Call): Promise<string[]> {
  const faults: string[] = [];
  const valid = () => subject.options() as Options;
  const expected = await outcomeOf(subject, valid());
  const same = (what: string, outcome: string) => {
    if (outcome !== expected) faults.push(`${what}: ${outcome}, and not ${expected}`);
  };
  const refused = (what: string, outcome: string, words: string) => {
    if (!/^TypeError/.test(outcome) || !outcome.includes(words)) faults.push(`${what}: ${outcome}`);
  };

  same('frozen', await outcomeOf(subject, Object.freeze(valid())));
  same('without a prototype', await outcomeOf(subject, Object.assign(Object.create(null), valid())));
  same('of another realm', await outcomeOf(subject, Object.assign(foreignRealm('({})') as object, valid())));
  const later = valid();
  same('changed after the call', await outcomeOf(subject, later, () => changeAll(later)));
  for (const [what, make] of [
    ['getters', changing],
    ['a proxy', counted],
  ] as const) {
    const looks = new Map<string, number>();
    same(what, await outcomeOf(subject, make(valid(), looks)));
    const twice = [...looks].filter(([name, count]) => count > 1 && !/\.?(then|length)$/.test(name));
    if (twice.length > 0) faults.push(`${what}: ${twice.map(([name, count]) => `${name} is read ${count} times`)}`);
  }

  const plain = 'must be a plain object';
  refused('inherited', await outcomeOf(subject, Object.create(valid())), plain);
  refused('a Map', await outcomeOf(subject, new Map(Object.entries(valid()))), plain);
  refused('an instance of a class', await outcomeOf(subject, Object.assign(new Wrong(), valid())), plain);
  refused('null', await outcomeOf(subject, null), plain);
  refused('a symbol', await outcomeOf(subject, define(valid(), Symbol('hidden'), true)), 'Symbol(hidden)');
  refused('a hidden property', await outcomeOf(subject, define(valid(), 'hidden', false)), 'hidden');
  const unknown = await outcomeOf(subject, define(valid(), 'unheardOf', true));
  refused('an unknown name', unknown, '"unheardOf"');

  const names = /the options are (.*)$/.exec(unknown)?.[1]?.split(', ') ?? [];
  for (const name of Object.keys(valid())) if (!names.includes(name)) faults.push(`${name} is no option`);
  for (const name of names) refused(`a wrong ${name}`, await outcomeOf(subject, { ...valid(), [name]: wrong }), name);
  return faults;
}
