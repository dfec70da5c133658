import { describe, expect, test } from 'vitest';
import {
  arrayOf,
  func,
  integer,
  nested,
  oneOf,
  optional,
  takeBoolean,
  takeBytes,
  takeMap,
  takeOptions,
  takeSignal,
  takeString,
} from '../../src/lib/options.ts';
import { foreignRealm } from '../support/realms.ts';

const readers = {
  id: takeString,
  count: optional(integer(1, 10), 3),
  flag: optional(takeBoolean, false),
  map: optional(takeMap),
  bytes: optional(takeBytes),
  list: optional(arrayOf(takeString, 1)),
  mode: optional(oneOf('a', 'b'), 'a'),
  call: optional(func<() => number>()),
  signal: optional(takeSignal),
  inner: optional(nested({ depth: integer(0, 1) })),
};
const take = (options: unknown) => takeOptions(options, readers);
const withHidden = (target: object, key: PropertyKey, enumerable: boolean) =>
  Object.defineProperty(target, key, { value: 'x', enumerable });

/** An object whose every property changes with each look, and a count of the looks. */
function changing(values: Record<string, unknown>) {
  const looks: Record<string, number> = {};
  const options = {};
  for (const name of Object.keys(values)) {
    Object.defineProperty(options, name, {
      enumerable: true,
      get() {
        looks[name] = (looks[name] ?? 0) + 1;
        return looks[name] === 1 ? values[name] : { not: 'it' };
      },
    });
  }
  return { options, looks };
}

describe('takeOptions', () => {
  test('gives every option, with what stands instead of those left out', () => {
    expect(take({ id: 'x' })).toEqual({
      ...{ id: 'x', count: 3, flag: false, map: undefined, bytes: undefined, list: undefined, mode: 'a' },
      ...{ call: undefined, signal: undefined, inner: undefined },
    });
    expect(Object.keys(take({ id: 'x' }))).toEqual(Object.keys(readers));
  });

  test('reads each once, from getters, proxies and objects of other realms too', () => {
    const { options, looks } = changing({ id: 'x', map: { a: '1' }, count: 5 });
    expect(take(options)).toMatchObject({ id: 'x', map: { a: '1' }, count: 5 });
    expect(looks).toEqual({ id: 1, map: 1, count: 1 });

    const seen: PropertyKey[] = [];
    const get = (target: object, key: PropertyKey) => {
      seen.push(key);
      return Reflect.get(target, key);
    };
    expect(take(new Proxy({ id: 'x', count: 5 }, { get }))).toMatchObject({ id: 'x', count: 5 });
    expect(seen).toEqual(['id', 'count']);
    expect(take(foreignRealm('({ id: "x", map: { a: "1" }, list: ["y"] })'))).toMatchObject({
      ...{ id: 'x', map: { a: '1' }, list: ['y'] },
    });
  });

  test('keeps nothing that the caller can change', () => {
    const bytes = Uint8Array.of(1, 2);
    const options = { id: 'x', map: { a: '1' }, bytes, list: ['y'], inner: { depth: 1 } };
    const taken = take(options);
    options.id = options.map.a = options.list[0] = 'changed';
    options.inner.depth = 0;
    bytes.fill(9);
    expect(taken).toMatchObject({ id: 'x', map: { a: '1' }, list: ['y'], inner: { depth: 1 } });
    expect([...(taken.bytes as Uint8Array)]).toEqual([1, 2]);
    for (const part of [taken.map, taken.list]) expect(Object.isFrozen(part)).toBe(true);
  });

  test.each([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'id'],
    ['a function', () => {}],
    ['an array', ['x']],
    ['a Map', new Map([['id', 'x']])],
    [
      'an instance of a class',
      new (class {
        id = 'x';
      })(),
    ],
    ['an object that inherits', Object.assign(Object.create({ flag: true }), { id: 'x' })],
    [
      'one whose prototype looks like the last',
      Object.create(Object.assign(Object.create(null), { constructor: Object })),
    ],
    ['a Proxy of a Map', new Proxy(new Map(), {})],
    ['a Map of another realm', foreignRealm('new Map()')],
  ])('refuses %s', (_, options) => {
    expect(() => take(options)).toThrow(new TypeError('options must be a plain object'));
  });

  test.each([
    ['an unknown name', { id: 'x', contxt: {} }, 'unknown option "contxt"'],
    ['an unknown name whose value is undefined', { id: 'x', contxt: undefined }, 'unknown option "contxt"'],
    ['a name of Object.prototype', { id: 'x', toString: 1 }, 'unknown option "toString"'],
    ['an own __proto__', JSON.parse('{"id":"x","__proto__":{}}'), 'unknown option "__proto__"'],
    ['a symbol', { id: 'x', [Symbol('s')]: 1 }, 'Symbol(s)'],
    ['a hidden property', withHidden({ id: 'x' }, 'flag', false), 'flag'],
    ['a hidden symbol', withHidden({ id: 'x' }, Symbol('s'), false), 'Symbol(s)'],
    ['a missing one', {}, 'id must be a string'],
    ['a wrong string', { id: new String('x') }, 'id must be a string'],
    ['a text for a number', { id: 'x', count: '5' }, 'count must be an integer'],
    ['an array for a number', { id: 'x', count: [5] }, 'count must be an integer'],
    ['nearly a whole number', { id: 'x', count: 4.0000000000000009 }, 'count must be an integer'],
    ['NaN', { id: 'x', count: Number.NaN }, 'count must be an integer'],
    ['out of range', { id: 'x', count: 11 }, 'count must be from 1 to 10'],
    ['a truthy flag', { id: 'x', flag: 1 }, 'flag must be a boolean'],
    ['null for what may be left out', { id: 'x', flag: null }, 'flag must be a boolean'],
    ['another mode', { id: 'x', mode: 'c' }, 'mode must be a or b'],
    ['no function', { id: 'x', call: {} }, 'call must be a function'],
    ['no signal', { id: 'x', signal: new AbortController() }, 'signal must be an AbortSignal'],
    ['no bytes', { id: 'x', bytes: [1] }, 'bytes must be a Uint8Array'],
    ['no array', { id: 'x', list: 'y' }, 'list must be an array'],
    ['an empty array', { id: 'x', list: [] }, 'list must be an array of at least 1'],
    ['an array with a hole', { id: 'x', list: new Array(1) }, 'list[0] must be a string'],
    ['an unknown name within', { id: 'x', inner: { deep: 1 } }, 'unknown option "deep"'],
    ['a Map within', { id: 'x', inner: new Map() }, 'inner must be a plain object'],
  ])('names %s', (_, options, message) => {
    expect(() => take(options)).toThrow(TypeError);
    expect(() => take(options)).toThrow(message);
  });

  test('does not look at a polluted Object.prototype', () => {
    Object.assign(Object.prototype, { flag: true, other: true });
    try {
      expect(take({ id: 'x' }).flag).toBe(false);
    } finally {
      for (const name of ['flag', 'other']) Reflect.deleteProperty(Object.prototype, name);
    }
  });
});

describe('takeMap', () => {
  const map = (value: unknown) => takeMap(value, 'context');

  test('copies own strings, one look each, whatever their names', () => {
    const { options, looks } = changing({ a: '1', ключ: 'значение' });
    expect(map(options)).toEqual({ a: '1', ключ: 'значение' });
    expect(looks).toEqual({ a: 1, ключ: 1 });
    const odd = map(JSON.parse('{"__proto__":"1","toString":"2","constructor":"3"}'));
    expect(Object.entries(odd)).toEqual([
      ['__proto__', '1'],
      ['toString', '2'],
      ['constructor', '3'],
    ]);
    expect(Object.getPrototypeOf(odd)).toBe(Object.prototype);
    expect(map(Object.assign(Object.create(null), { a: '1' }))).toEqual({ a: '1' });
    expect(map(foreignRealm('({ a: "1" })'))).toEqual({ a: '1' });
    expect(map(new Proxy(Object.freeze({ a: '1' }), {}))).toEqual({ a: '1' });
  });

  test.each([
    ['a Map', new Map([['tenant', 'acme']])],
    ['URLSearchParams', new URLSearchParams('tenant=acme')],
    ['Headers', new Headers({ tenant: 'acme' })],
    ['FormData', new FormData()],
    [
      'a class with getters',
      new (class {
        get tenant() {
          return 'acme';
        }
      })(),
    ],
    ['an inheriting object', Object.create({ tenant: 'acme' })],
    ['an array', ['acme']],
    ['a string', 'acme'],
    ['a Map of another realm', foreignRealm('new Map()')],
    ['null', null],
  ])('refuses %s', (_, value) => {
    expect(() => map(value)).toThrow(new TypeError('context must be a plain object of strings'));
  });

  test.each([
    ['a number', { a: 1 }, 'context["a"] must be a string'],
    ['undefined', { a: undefined }, 'context["a"] must be a string'],
    ['a String object', { a: new String('1') }, 'context["a"] must be a string'],
    ['an empty name', { '': '1' }, 'context has an empty name'],
    ['half a character in a name', { '\ud800': '1' }, 'a name in context has an unpaired surrogate'],
    ['half a character in a value', { a: '\udc00' }, 'context["a"] has an unpaired surrogate'],
    ['a symbol', { [Symbol('s')]: '1' }, 'Symbol(s)'],
    ['a hidden name', withHidden({}, 'a', false), 'hidden properties, but has a'],
  ])('refuses %s in it', (_, value, message) => {
    expect(() => map(value)).toThrow(TypeError);
    expect(() => map(value)).toThrow(message);
  });
});
